package app

import (
	"fmt"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"dev.redditpulse/shared/client/clienttest"
	"dev.redditpulse/shared/wire"
	"dev.redditpulse/tui/session"
)

// publish sends posts 0 to n-1, every third with a velocity.
func publish(srv *clienttest.Server, n int) {
	var posts []wire.Post
	for i := range n {
		p := clienttest.Post(i)
		if v := float64(i) * 7.3; i%3 > 0 {
			p.Velocity = &v
		}
		if i%10 == 9 {
			p.State, p.Over18 = "removed", true
		}
		posts = append(posts, p)
	}
	srv.Publish(posts...)
}

func rows(srv *clienttest.Server) {
	at, rate := moment.Add(-42*time.Second), 3.25
	for i, name := range []string{"politics", "AskReddit", "news", "technology"} {
		row := wire.Subreddit{Name: name, IntervalSeconds: 30 * (i + 1), Priority: "fast", IsActive: i != 2, Version: int64(i + 1),
			Status: wire.SubredditStatus{State: "polling", LastPollAt: &at, PostsPerMinute: &rate}}
		switch name {
		case "news":
			row.Status = wire.SubredditStatus{State: "paused"}
		case "technology":
			row.Status = wire.SubredditStatus{State: "backoff", LastPollAt: &at, LastError: "reddit answered 503"}
		}
		srv.PutSubreddit(row)
	}
}

func TestLogin(t *testing.T) {
	t.Parallel()
	r := newRig(t, start{}, false)
	r.golden("login")
	r.press("enter")
	r.until("type the user's name")
	r.press("vera", "enter", "enter")
	r.until("type the password")
	r.press("wrong", "enter")
	r.until("the server says: no active account")
	r.golden("login refused")
	r.press("vera", "enter")
	r.until("● connected", "vera (viewer)")
}

func TestLoginWithoutAServer(t *testing.T) {
	t.Parallel()
	r := newRig(t, start{user: "vera"}, false)
	r.srv.Close()
	r.press("vera", "enter")
	r.until("no answer from http://127.0.0.1:", "connection refused")
	r.press("esc")
	r.untilTrue("a quit", func() bool { return r.quit })
}

func TestFeed(t *testing.T) {
	t.Parallel()
	r := newRig(t, start{}, false)
	r.logIn("vera")
	r.golden("feed empty")
	publish(r.srv, 70)
	r.until("70 posts", "Post number 69")
	r.golden("feed")
	r.press("jj", "enter") // two keys in one message
	r.until("t3_p00067")
	r.golden("feed detail")
	publish(r.srv, 75)
	r.until("75 posts", "t3_p00067") // the cursor stays on its post
	r.press("esc", "g")
	r.until("following", "▸     74")
	r.press("f")
	publish(r.srv, 80)
	r.until("frozen, 5 waiting", "▸     74")
	r.press("f")
	r.until("following", "▸     79")
	r.press("G")
	r.until("▸      0")
	r.press("?")
	r.until("freeze or follow", "next screen")
	r.golden("help")
	r.press("esc", "q")
	r.untilTrue("a quit", func() bool { return r.quit })
}

func TestUpdatesDoNotJump(t *testing.T) {
	t.Parallel()
	r := newRig(t, start{}, false)
	r.logIn("vera")
	publish(r.srv, 10)
	r.until("10 posts")
	line := func(part string) int {
		for i, l := range strings.Split(r.screen(), "\n") {
			if strings.Contains(l, part) {
				return i
			}
		}
		return -1
	}
	before := line("Post number 5")
	p := clienttest.Post(5)
	p.Score, p.ObservedAt = 54321, moment
	r.srv.Publish(p)
	r.until("54321")
	if after := line("54321"); after != before || after != line("Post number 5") {
		t.Errorf("the row moved from line %d to %d", before, after)
	}
}

func TestALostConnectionIsSaidAndComesBack(t *testing.T) {
	t.Parallel()
	r := newRig(t, start{}, false)
	publish(r.srv, 30)
	r.logIn("vera")
	r.until("30 posts")
	r.srv.SetStatus(503)
	r.srv.Drop()
	r.until("○ reconnecting in", "Post number 29")
	r.srv.SetStatus(0)
	r.until("● connected, back, nothing missed")
	r.srv.Lose(12)
	r.srv.Drop()
	r.until("12 updates were not received")
	r.golden("feed gap")
}

func TestAnExpiredSessionGoesBackToTheForm(t *testing.T) {
	t.Parallel()
	r := newRig(t, start{token: true, from: "PULSE_TOKEN"}, false)
	publish(r.srv, 3)
	r.until("● connected", "3 posts", "vera (viewer)")
	r.srv.ExpireAll()
	r.srv.CloseWith(wire.CloseToken, "")
	r.until("Log in", "log in again")
	r.press("vera", "tab", "vera", "enter")
	r.until("● connected", "3 posts")
	r.press("2")
	r.until("no subreddit is watched yet")
	r.srv.ExpireAll() // now a REST call finds out
	r.until("Log in", "log in again")
}

func TestARefusedTokenIsNamed(t *testing.T) {
	t.Parallel()
	r := newRig(t, start{from: "tok.txt"}, false)
	r.srv.ExpireAll()
	r.m.begin = true
	r.do(r.m.Init())
	r.until("the token of tok.txt was refused")
}

func TestSubreddits(t *testing.T) {
	t.Parallel()
	r := newRig(t, start{}, false)
	r.logIn("olga")
	r.press("2")
	r.until("no subreddit is watched yet")
	r.golden("subreddits empty")
	r.press("a", "politics, 90, fast, active")
	r.golden("subreddits form")
	r.press("enter")
	r.until("politics added", "▸politics                   90s fast     active pending")

	rows(r.srv)
	r.until("AskReddit", "technology")
	r.press("G")
	r.until("technology: reddit answered 503")
	r.press("g", "down")
	r.golden("subreddits")
	r.press("a", "Politics", "enter")
	r.until("Politics is there already; it is now politics, 30, fast, active")
	r.press("ctrl+u", "politics, 5", "enter")
	r.until("interval_seconds: want 10 to 86400 seconds")
	r.press("esc", "p")
	r.until("news", "saved: news, 90, fast, active")
	r.press("p")
	r.until("saved: news, 90, fast, paused")
}

func TestTheBudgetIsSaidInWords(t *testing.T) {
	t.Parallel()
	r := newRig(t, start{}, false)
	rows(r.srv)
	r.srv.SetBudget(&wire.Budget{At: moment.Add(-5 * time.Second), Allowed: 84, Discovery: 30.4, Refresh: 10, Sweep: 1.5,
		IntervalFactor: 1, RefreshFactor: 1})
	r.logIn("olga")
	r.press("2")
	r.until(" requests 42 of 84 a minute · every interval holds", "AskReddit")
	r.golden("subreddits budget")

	late := 39.0
	r.srv.PutSubreddit(wire.Subreddit{Name: "politics", IntervalSeconds: 30, Priority: "fast", IsActive: true, Version: 2,
		Status: wire.SubredditStatus{State: "polling", EffectiveIntervalSeconds: &late, LastPollAt: &moment, Gaps: 3, LastGap: &wire.Gap{
			From: moment.Add(-3 * time.Hour), To: moment.Add(-160 * time.Minute), NoticedAt: moment.Add(-2 * time.Hour),
			Reason: "the listing no longer reached back"}}})
	r.srv.SetBudget(&wire.Budget{At: moment.Add(-5 * time.Second), Allowed: 84, Discovery: 89, Refresh: 10, IntervalFactor: 1.3, RefreshFactor: 2})
	r.until("budget 118 %: intervals ×1.3 · 1 of 1 miss their promise", "30→39s")
	r.press("g", "down", "down")
	r.until("politics: 3 gaps, the newest 2026-03-01 11:00 to 11:20 UTC: the listing no", "longer reached back")
	r.golden("subreddits over budget")
}

func TestTheFormForetellsWhatARowWouldDo(t *testing.T) {
	t.Parallel()
	const asked = "POST /api/subreddits/preview/"
	r := newRig(t, start{}, false)
	r.srv.PutSubreddit(wire.Subreddit{Name: "news", IntervalSeconds: 60, Priority: "fast", IsActive: true, Version: 1})
	r.logIn("olga")
	r.press("2")
	r.until("news")
	for _, part := range []string{"a", "politics", ", ", "30", ", fast"} {
		r.press(part) // each within the rest that a preview waits for
	}
	r.until("then 3 of 84 requests a minute; every interval holds")
	if n := r.srv.Calls(asked); n != 1 {
		t.Errorf("the server was asked %d times for one line", n)
	}
	r.golden("subreddits preview")
	r.press("er")
	r.until("priority: want fast, medium or slow")
	r.press("backspace", "backspace", "ctrl+u", "politics, 9")
	r.until("interval_seconds: want 10 to 86400 seconds")
	if n := r.srv.Calls(asked); n != 1 {
		t.Errorf("the server was asked %d times, also for what is plainly wrong", n)
	}
	r.press("ctrl+u")
	r.untilTrue("no preview of nothing", func() bool { return !strings.Contains(r.screen(), "interval_seconds") })
	r.srv.SetStatus(404) // an older server
	r.press("politics")
	r.until("no preview: the server says: not found")
	r.srv.SetStatus(0)
	r.press("esc", "e")
	if strings.Contains(r.screen(), "preview") {
		t.Error("a form opens with the preview of the last one")
	}
	r.press("ctrl+u", "news, 10")
	r.until("then 6 of 84 requests a minute; every interval holds")
	r.press("ctrl+u", "other")
	r.until("name: cannot be changed, add other and remove news")
	r.press("ctrl+u", "news, 60")
	r.untilTrue("no preview of no change", func() bool { return !strings.Contains(r.screen(), "cannot be changed") })
	r.press("esc")
}

func TestConflictsShowTheCurrentRow(t *testing.T) {
	t.Parallel()
	r := newRig(t, start{}, false)
	rows(r.srv)
	r.logIn("olga")
	r.press("tab")
	r.until("AskReddit")
	r.press("e", "ctrl+u", "askreddit, 120, slow, active")
	r.srv.PutSubreddit(wire.Subreddit{Name: "AskReddit", IntervalSeconds: 45, Priority: "medium", IsActive: true, Version: 9})
	r.press("enter")
	r.until("changed since it was read; it is now AskReddit, 45, medium,", "askreddit, 120, slow, active")
	r.press("enter")
	r.until("saved: AskReddit, 120, slow, active")
	r.press("e", "ctrl+u", "other", "enter")
	r.until("name: cannot be changed")
	r.press("esc", "d")
	r.until("remove AskReddit?")
	r.golden("subreddits remove")
	r.press("x", "n")
	r.untilTrue("no question", func() bool { return !strings.Contains(r.screen(), "remove AskReddit") })
	r.press("d", "y")
	r.until("AskReddit removed")
}

func TestAViewerIsToldWhatTheRoleMayNot(t *testing.T) {
	t.Parallel()
	r := newRig(t, start{}, false)
	rows(r.srv)
	r.logIn("vera")
	r.press("2")
	r.until("AskReddit")
	r.press("p")
	r.until("your role viewer may not change subreddits")
	r.golden("subreddits forbidden")
}

func TestReadOnlyRefusesEveryChange(t *testing.T) {
	t.Parallel()
	r := newRig(t, start{}, true)
	rows(r.srv)
	r.logIn("admin")
	r.press("2")
	r.until("AskReddit", "read-only")
	for _, k := range []string{"a", "e", "p", "d", "y", "enter"} {
		r.press(k)
		r.until("--read-only")
	}
	for _, call := range []string{"POST /api/subreddits/", "PATCH /api/subreddits/AskReddit/", "DELETE /api/subreddits/AskReddit/"} {
		if n := r.srv.Calls(call); n != 0 {
			t.Errorf("%d × %s", n, call)
		}
	}
}

func TestStaleRowsAreKeptAndNamed(t *testing.T) {
	t.Parallel()
	r := newRig(t, start{}, false)
	rows(r.srv)
	r.logIn("vera")
	r.press("2")
	r.until("AskReddit")
	r.srv.SetStatus(503)
	r.until("the rows may be old: the server says: service unavailable", "AskReddit")
	r.srv.SetStatus(0)
	r.untilTrue("fresh rows", func() bool { return !strings.Contains(r.screen(), "may be old") })
}

func TestTypedCommandsInAFormAreText(t *testing.T) {
	t.Parallel()
	r := newRig(t, start{}, false)
	r.logIn("olga")
	r.press("2")
	r.until("watched yet")
	r.press("aq1?2") // a opens the form, the rest is text
	r.until("▸ q1?2")
	r.press("ctrl+c")
	r.untilTrue("a quit", func() bool { return r.quit })
}

func TestPastedTextIsNoCommand(t *testing.T) {
	t.Parallel()
	r := newRig(t, start{}, false)
	r.logIn("olga")
	r.take(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("2dyq"), Paste: true})
	if r.quit || !strings.Contains(r.screen(), "[1 feed]") {
		t.Error("a paste was obeyed")
	}
}

// TestNoKeyHasTwoMeanings looks at every state of every screen.
func TestNoKeyHasTwoMeanings(t *testing.T) {
	t.Parallel()
	r := newRig(t, start{}, false)
	seen := func(state string) {
		t.Helper()
		owner := map[string]string{}
		for _, b := range append(r.m.globals(), r.m.current().Bindings()...) {
			if b.Help().Key == "" || b.Help().Desc == "" {
				t.Errorf("%s: a binding without help: %v", state, b.Keys())
			}
			for _, k := range b.Keys() {
				if other, taken := owner[k]; taken {
					t.Errorf("%s: %s means %q and %q", state, k, other, b.Help().Desc)
				}
				owner[k] = b.Help().Desc
			}
		}
	}
	seen("login")
	rows(r.srv)
	publish(r.srv, 3)
	r.logIn("olga")
	seen("feed")
	r.press("enter")
	seen("detail")
	r.press("2")
	r.until("AskReddit")
	seen("subreddits")
	r.press("p")
	r.until("saved")
	seen("subreddits with a message")
	r.press("a")
	seen("form")
	r.press("esc", "d")
	seen("question")
}

func TestHostileTextNeverReachesTheFrame(t *testing.T) {
	t.Parallel()
	r := newRig(t, start{}, false)
	for i, title := range []string{
		"\x1b]0;owned\x07title", "\x1b]52;c;aGk=\x1b\\", "\x1b[2J\x1b[H", "\u009b31m\u009d0;x\u009c", "\u202egpj.exe",
		"a\rb\nc\td\x08\x7f", "👨\u200d👩\u200d👧\u200d👦 ❤\ufe0f ☁\ufe0f 1\ufe0f\u20e3 🇩🇪", strings.Repeat("Z\u0335\u0336\u0337", 500),
		strings.Repeat("日本", 15_000), "עברית ועוד", "\U000e0041\u2028\u2029\u115f\u3164", strings.Repeat("\u1100", 900), "\xff\xfe",
	} {
		p := clienttest.Post(i)
		p.Title, p.Author, p.Subreddit = title, title, title
		r.srv.Publish(p)
	}
	r.srv.PutSubreddit(wire.Subreddit{Name: "x\x1b[2J", Status: wire.SubredditStatus{
		State: "\u202e", LastError: "\x1b]0;x\x07", Gaps: 1 << 60, LastGap: &wire.Gap{Reason: strings.Repeat("\x1b[2J日本", 500)}}})
	r.srv.SetBudget(&wire.Budget{Allowed: 1e-300, Discovery: 1e300, IntervalFactor: 1e300})
	r.logIn("vera")
	r.until("13 posts")
	sizes := [][2]int{{80, 24}, {40, 10}, {200, 60}, {61, 17}}
	for range 13 {
		for _, s := range sizes {
			r.size(s[0], s[1])
			r.check(s[0], s[1])
			r.press("enter")
			r.check(s[0], s[1])
			r.press("enter")
		}
		r.press("j")
	}
	r.press("2")
	r.until("x[2J")
	for _, s := range sizes {
		r.size(s[0], s[1])
		r.check(s[0], s[1])
	}
}

func TestRandomKeysBreakNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t, start{}, true)
	rows(r.srv)
	publish(r.srv, 40)
	r.logIn("vera")
	names := []string{"j", "k", "g", "G", "f", "enter", "esc", "1", "2", "tab", "?", "a", "e", "d", "y", "p", "pgdown", "down", "x", "backspace"}
	for i := range 3000 {
		r.press(names[(i*i*31+i*7)%len(names)])
		w, h := 20+(i*13)%380, 5+(i*7)%115
		if i%5 == 0 {
			r.size(w, h)
			r.check(w, h)
		}
	}
	if r.quit {
		t.Error("it quit")
	}
}

// FuzzSizes draws without a server: screens with rows of the server are sized by
// TestRandomKeysBreakNothing.
func FuzzSizes(f *testing.F) {
	for i, s := range [][2]int{{20, 5}, {40, 10}, {80, 24}, {100, 30}, {132, 43}, {200, 60}, {400, 120}, {0, 0}, {1, 1}, {39, 100}} {
		f.Add(s[0], s[1], uint8(i), "enter")
	}
	f.Add(9, 1, uint8(0x99), "?")
	f.Fuzz(func(t *testing.T, w, h int, page uint8, keys string) {
		if w < 1 || h < 1 || w > 400 || h > 120 || len(keys) > 20 {
			return
		}
		m := offline(t, 30, start{ascii: page&128 != 0, now: now})
		m.at = []place{onLogin, onFeed, onSubreddits}[page%3]
		r := &rig{t: t, m: m}
		m.Update(tea.WindowSizeMsg{Width: w, Height: h})
		r.check(w, h)
		if typ, ok := special[keys]; ok {
			m.Update(tea.KeyMsg{Type: typ})
		} else {
			m.Update(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune(keys)})
		}
		r.check(w, h)
	})
}

func BenchmarkView(b *testing.B) {
	for _, s := range [][2]int{{80, 24}, {200, 60}, {400, 120}} {
		b.Run(fmt.Sprint(s[0], "x", s[1]), func(b *testing.B) {
			m := offline(b, session.MaxPosts, start{now: now})
			m.width, m.height = s[0], s[1]
			b.ReportAllocs()
			for b.Loop() {
				m.dirty = true
				if m.View() == "" {
					b.Fatal("nothing drawn")
				}
			}
		})
	}
}
