package api

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

func (g *rig) logIn(name string) wire.TokenPair {
	g.t.Helper()
	got := g.do("POST", "/api/token/", fmt.Sprintf(`{"username":%q,"password":%q}`, name, name))
	if got.status != http.StatusOK || got.header.Get("Cache-Control") != "no-store" {
		g.t.Fatalf("log in as %s: %d %s", name, got.status, got.body)
	}
	var pair wire.TokenPair
	got.decode(g.t, &pair)
	return pair
}

func (g *rig) refresh(token string) answer {
	g.t.Helper()
	return g.do("POST", "/api/token/refresh/", fmt.Sprintf(`{"refresh":%q}`, token))
}

func TestLogInOpensTheDoor(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	pair := g.logIn("viewer")
	if got := g.do("GET", "/api/posts/", "", "Authorization: bearer "+pair.Access); got.status != http.StatusOK {
		t.Errorf("GET with the token: %d %s", got.status, got.body)
	}
	got := g.do("POST", "/api/token/verify/", fmt.Sprintf(`{"token":%q}`, pair.Access))
	if got.status != http.StatusOK || got.body != `{"username":"viewer","role":"viewer","expires_at":"2026-03-01T12:15:00Z"}`+"\n" {
		t.Errorf("verify: %d %s", got.status, got.body)
	}
	wantProblem(t, g.do("POST", "/api/token/verify/", fmt.Sprintf(`{"token":%q}`, pair.Refresh)), http.StatusUnauthorized, pulse.Unauthenticated, "", "not valid")
	g.clock.advance(15 * time.Minute)
	got = g.do("GET", "/api/posts/", "", "Authorization: Bearer "+pair.Access)
	wantProblem(t, got, http.StatusUnauthorized, pulse.Unauthenticated, "", "expired")
	if !strings.Contains(got.header.Get("Www-Authenticate"), "invalid_token") {
		t.Errorf("WWW-Authenticate = %q", got.header.Get("Www-Authenticate"))
	}
}

func TestLogInAnswersEveryRefusalAlike(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	bodies := map[string]bool{}
	for i, body := range []string{
		`{"username":"nobody","password":"viewer"}`, `{"username":"viewer","password":"wrong"}`,
		`{"username":"disabled","password":"disabled"}`, `{"username":"disabled","password":"wrong"}`,
	} {
		got := g.do("POST", "/api/token/", body, "X-Request-Id: same")
		wantProblem(t, got, http.StatusUnauthorized, pulse.Unauthenticated, "", "wrong")
		bodies[got.body] = true
		if g.hasher.calls != i+1 {
			t.Errorf("%s: %d hashes so far, want %d", body, g.hasher.calls, i+1)
		}
	}
	if len(bodies) != 1 {
		t.Errorf("%d different answers: %v", len(bodies), bodies)
	}
	if n := g.tokens.count(func(*pulse.RefreshToken) bool { return true }); n != 0 {
		t.Errorf("%d refresh tokens were stored", n)
	}
}

func TestLogInTellsABusyServerFromABrokenOne(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	const body = `{"username":"viewer","password":"viewer"}`
	g.hasher.err = pulse.Errorf(pulse.TooMany, "too many log-ins at once")
	busy := g.do("POST", "/api/token/", body)
	wantProblem(t, busy, http.StatusTooManyRequests, pulse.TooMany, "", "too many")
	if busy.header.Get("Retry-After") == "" {
		t.Error("429 without Retry-After")
	}
	g.users.err = &pulse.Error{Code: pulse.Unavailable, Message: "the database is away", Err: errors.New("dial 10.0.0.5")}
	away := g.do("POST", "/api/token/", body)
	wantProblem(t, away, http.StatusServiceUnavailable, pulse.Unavailable, "", "the database is away")
	if strings.Contains(away.body, "10.0.0.5") || away.header.Get("Retry-After") == "" {
		t.Errorf("503: %v %s", away.header, away.body)
	}
	if strings.Count(g.log.String(), "10.0.0.5") != 1 {
		t.Errorf("the cause is not logged once: %s", g.log)
	}
}

func TestRefreshHandsOutOneSuccessor(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	pair := g.logIn("viewer")
	var mu sync.Mutex
	successors := map[string]int{}
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			got := g.refresh(pair.Refresh)
			var next wire.TokenPair
			if got.status != http.StatusOK {
				t.Errorf("refresh: %d %s", got.status, got.body)
				return
			}
			got.decode(t, &next)
			mu.Lock()
			defer mu.Unlock()
			successors[next.Refresh]++
		})
	}
	all.Wait()
	rows := g.tokens.count(func(*pulse.RefreshToken) bool { return true })
	used := g.tokens.count(func(r *pulse.RefreshToken) bool { return r.UsedAt != nil })
	if len(successors) != 1 || rows != 2 || used != 1 {
		t.Fatalf("50 at once: %d successors, %d rows, %d spent; want 1, 2, 1", len(successors), rows, used)
	}
}

func TestSpentRefreshTokenWorksWithinTheGraceOnly(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	pair := g.logIn("viewer")
	var first, again wire.TokenPair
	g.refresh(pair.Refresh).decode(t, &first)
	g.clock.advance(refreshGrace)
	g.refresh(pair.Refresh).decode(t, &again)
	if again.Refresh != first.Refresh || first.Refresh == "" || first.Refresh == pair.Refresh {
		t.Fatalf("within the grace: %q, want %q", again.Refresh, first.Refresh)
	}
	g.clock.advance(time.Millisecond)
	wantProblem(t, g.refresh(pair.Refresh), http.StatusUnauthorized, pulse.Unauthenticated, "", "log in again")
	// The family has ended: neither its newest token nor its access tokens work.
	wantProblem(t, g.refresh(first.Refresh), http.StatusUnauthorized, pulse.Unauthenticated, "", "log in again")
	wantProblem(t, g.do("GET", "/api/posts/", "", "Authorization: Bearer "+first.Access), http.StatusUnauthorized, pulse.Unauthenticated, "", "not valid")
	if !strings.Contains(g.log.String(), "spent refresh token used again") {
		t.Errorf("the log does not tell: %s", g.log)
	}
	if g.refresh(g.logIn("viewer").Refresh).status != http.StatusOK {
		t.Error("another log-in of the user has ended too")
	}
}

func TestRefreshAsksForTheUserAgain(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	promoted, disabled, deleted := g.logIn("viewer"), g.logIn("operator"), g.logIn("admin")
	g.users.mu.Lock()
	g.users.users[0].Role = pulse.Admin
	g.users.users[1].IsActive = false
	g.users.users = append(g.users.users[:2:2], g.users.users[3])
	g.users.mu.Unlock()
	var pair wire.TokenPair
	g.refresh(promoted.Refresh).decode(t, &pair)
	if id, err := g.signer.VerifyAccess(pair.Access); err != nil || id.Role != pulse.Admin {
		t.Errorf("after a promotion the token speaks for %+v, %v", id, err)
	}
	for _, gone := range []wire.TokenPair{disabled, deleted} {
		wantProblem(t, g.refresh(gone.Refresh), http.StatusUnauthorized, pulse.Unauthenticated, "", "log in again")
	}
	wantProblem(t, g.do("GET", "/api/posts/", "", "Authorization: Bearer "+disabled.Access), http.StatusUnauthorized, pulse.Unauthenticated, "", "")
}

func TestRefreshRefusesWhatWasNeverStored(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	unknown, _, _ := g.signer.NewRefresh(pulse.User{ID: 1})
	for _, token := range []string{unknown, "x", g.token(pulse.Viewer)} {
		wantProblem(t, g.refresh(token), http.StatusUnauthorized, pulse.Unauthenticated, "", "not valid")
	}
}

func TestRevokeLogsOut(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	pair := g.logIn("viewer")
	auth := "Authorization: Bearer " + pair.Access
	if got := g.do("GET", "/api/stats/", "", auth); got.status != http.StatusOK {
		t.Fatalf("before: %d", got.status)
	}
	if got := g.do("POST", "/api/token/revoke/", fmt.Sprintf(`{"refresh":%q}`, pair.Refresh)); got.status != http.StatusNoContent {
		t.Fatalf("revoke: %d %s", got.status, got.body)
	}
	wantProblem(t, g.do("GET", "/api/stats/", "", auth), http.StatusUnauthorized, pulse.Unauthenticated, "", "not valid")
	wantProblem(t, g.do("POST", "/api/token/verify/", fmt.Sprintf(`{"token":%q}`, pair.Access)), http.StatusUnauthorized, pulse.Unauthenticated, "", "not valid")
	wantProblem(t, g.refresh(pair.Refresh), http.StatusUnauthorized, pulse.Unauthenticated, "", "log in again")
}

func TestLogOutElsewhereCountsWithinASecond(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	pair := g.logIn("viewer")
	auth := "Authorization: Bearer " + pair.Access
	row, _ := g.signer.ParseRefresh(pair.Refresh)
	if got := g.do("GET", "/api/stats/", "", auth); got.status != http.StatusOK {
		t.Fatalf("before: %d", got.status)
	}
	g.tokens.RevokeFamily(t.Context(), row.Family, start) // another daemon
	g.clock.advance(sessionFresh)
	wantProblem(t, g.do("GET", "/api/stats/", "", auth), http.StatusUnauthorized, pulse.Unauthenticated, "", "not valid")
}

func TestReadsOutliveThePrimary(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	pair := g.logIn("viewer")
	g.tokens.mu.Lock()
	g.tokens.err = pulse.Errorf(pulse.Unavailable, "the primary is away")
	g.tokens.mu.Unlock()
	if got := g.do("GET", "/api/stats/", "", "Authorization: Bearer "+pair.Access); got.status != http.StatusOK {
		t.Errorf("GET: %d %s", got.status, got.body)
	}
	wantProblem(t, g.refresh(pair.Refresh), http.StatusServiceUnavailable, pulse.Unavailable, "", "away")
}

func TestSessionMemoryIsBounded(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	s := g.server.sessions
	for i := range maxSessions + 10 {
		s.note(fmt.Sprint(i), false)
	}
	if n := len(s.known); n > maxSessions {
		t.Errorf("%d sessions remembered, want at most %d", n, maxSessions)
	}
}
