package app_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"dev.redditpulse/shared/client/clienttest"
	"dev.redditpulse/shared/wire"
)

// desk is an operator's command line in front of an API.
type desk struct {
	*clienttest.Server
	token string
}

func operate(t *testing.T, letters ...wire.DeadLetterDetail) *desk {
	t.Helper()
	srv := clienttest.Start()
	t.Cleanup(srv.Close)
	srv.PutDeadLetters(letters...)
	return &desk{srv, secretFile(t, srv.Tokens("olga").Access)}
}

func secretFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// dlq runs `pulse dlq` with the operator's token.
func (d *desk) dlq(t *testing.T, args ...string) (code int, out, words string) {
	t.Helper()
	return pulseRun(t, "", append([]string{"dlq", "--server", d.URL, "--token-file", d.token}, args...)...)
}

// report runs an act and reads what it says in JSON.
func (d *desk) report(t *testing.T, args ...string) wire.DeadLetterReport {
	t.Helper()
	code, out, words := d.dlq(t, append(args, "--output", "json")...)
	var r wire.DeadLetterReport
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != 0 || words != "" {
		t.Fatalf("%q: exit %d, %v, %s%s", args, code, err, out, words)
	}
	return r
}

func failed(n int) (letters []wire.DeadLetterDetail) {
	for i := range n {
		letters = append(letters, clienttest.DeadLetter(i))
	}
	return letters
}

func TestDeadLettersAreListed(t *testing.T) {
	t.Parallel()
	letters := failed(230)
	letters[7].Class, letters[9].State = "invalid:score", "replayed"
	d := operate(t, letters...)
	code, out, words := d.dlq(t, "list")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if code != 0 || len(lines) != 51 || !strings.HasPrefix(lines[1], "reddit.posts.raw:0:229 ") || !strings.Contains(lines[1], "2026-03-01 12:03:49") ||
		!strings.Contains(words, "there are more") || !strings.Contains(words, "228 invalid:v, 1 invalid:score") {
		t.Errorf("exit %d, %d lines, %s%s", code, len(lines), out, words)
	}
	for args, want := range map[string]int{
		"--limit 210": 210, "--limit 1000": 229, "--state any --limit 1000": 230, "--state replayed": 1, "--state discarded": 0,
		"--class invalid:score": 1, "--topic reddit.posts.refresh": 0, "--stage decode --limit 2": 2,
		"--since 2026-03-01T12:00:05Z --until 2026-03-01T13:00:08+01:00": 3,
	} {
		code, out, _ := d.dlq(t, append([]string{"list", "--output", "json"}, strings.Fields(args)...)...)
		var list wire.DeadLetterList
		if err := json.Unmarshal([]byte(out), &list); err != nil || code != 0 || len(list.Results) != want || list.Results == nil {
			t.Errorf("%s: exit %d, %d letters, %v, want %d", args, code, len(list.Results), err, want)
		}
	}
	if code, out, words := operate(t).dlq(t, "list"); code != 0 || out != "" || words != "no dead letters\n" {
		t.Errorf("of none: exit %d, %q, %q", code, out, words)
	}
}

// hostile holds what a terminal would obey, in both ways to write it.
const hostile = "\x1b[2J\x1b]0;owned\a \u009b31m \u202emoc.live \x00\r\b\x7f\U000e0041"

func TestNothingHostileReachesTheTerminal(t *testing.T) {
	t.Parallel()
	bytes, plain := clienttest.DeadLetter(0), clienttest.DeadLetter(1)
	for _, text := range []*string{&bytes.Stage, &bytes.Class, &bytes.Message, &bytes.Group, &bytes.AppVersion, &bytes.Reason, &bytes.ChangedBy, &bytes.State} {
		*text = hostile
	}
	at := bytes.FailedAt
	bytes.ChangedAt, bytes.Topic = &at, hostile
	bytes.Key, bytes.Value, bytes.ValueText = []byte(hostile), []byte(hostile+"\xff"), nil
	bytes.Headers = []wire.DeadLetterHeader{{Key: hostile, Value: []byte(hostile)}}
	text := hostile + strings.Repeat("x", 20<<10)
	plain.Value, plain.ValueText = []byte(text), &text
	d := operate(t, bytes, plain)
	for _, args := range [][]string{
		{"list", "--state", "any"}, {"list", "--state", "any", "--output", "json"}, {"show", bytes.ID}, {"show", plain.ID},
		{"show", bytes.ID, "--output", "json"}, {"show", plain.ID, "--output", "json"}, {"replay", "--all", "--dry-run"},
		{"show", "reddit.posts.raw:0:9"},
	} {
		code, out, words := d.dlq(t, args...)
		if (code == 0) != (args[1] != "reddit.posts.raw:0:9") {
			t.Errorf("%q: exit %d, %s", args, code, words)
		}
		for _, c := range out + words {
			if c != '\n' && !unicode.IsPrint(c) {
				t.Errorf("%q lets %U through:\n%q", args, c, out+words)
				break
			}
		}
	}
	var got wire.DeadLetterDetail
	if _, out, _ := d.dlq(t, "show", plain.ID, "--output", "json"); json.Unmarshal([]byte(out), &got) != nil || *got.ValueText != text {
		t.Errorf("as JSON it has become %q", *got.ValueText)
	}
	if _, out, _ := d.dlq(t, "show", plain.ID); len(out) > 18<<10 || !strings.HasSuffix(out, "…\n") {
		t.Errorf("of a large value %d bytes are shown", len(out))
	}
}

func TestADeadLetterIsShown(t *testing.T) {
	t.Parallel()
	l := clienttest.DeadLetter(3)
	at := l.FailedAt
	l.State, l.ChangedBy, l.ChangedAt, l.Reason = "discarded", "olga", &at, "of no use"
	l.Headers = []wire.DeadLetterHeader{{Key: "pulse-produced-at", Value: []byte("2026-03-01T12:00:00Z")}}
	d := operate(t, l)
	for _, id := range []string{l.ID, "reddit.posts.raw/0/3"} {
		code, out, words := d.dlq(t, "show", id)
		for _, want := range []string{
			l.ID, "discarded", "2026-03-01T12:00:03Z in decode: v: version 99 is unknown", "reddit.posts.raw partition 0 offset 3",
			"by olga of no use", "header pulse-produced-at  2026-03-01T12:00:00Z", "t3_a", "value, 14 bytes:\n" + `{"v":99,"n":3}`,
		} {
			if code != 0 || words != "" || !strings.Contains(out, want) {
				t.Errorf("%s: exit %d, %s, %s, want %q", id, code, words, out, want)
			}
		}
	}
}

func TestDeadLettersAreSettledInSteps(t *testing.T) {
	t.Parallel()
	letters := failed(250)
	letters[0].Replays, letters[1].State, letters[2].Class = 3, "replayed", "invalid:score"
	d := operate(t, letters...)
	if r := d.report(t, "replay", "--class", "invalid:v", "--dry-run"); !r.DryRun || r.Done != 0 || r.Remaining != 247 || len(r.Reasons) != 1 {
		t.Errorf("a dry run: %+v", r)
	}
	if code, out, _ := d.dlq(t, "replay", "--all", "--dry-run"); code != 0 || !strings.HasPrefix(out, "248 would be sent again\n") || !strings.Contains(out, "  247 invalid:v\n") {
		t.Errorf("in words: exit %d, %s", code, out)
	}
	if n := d.Calls("POST /api/dead-letters/replay/"); n != 2 {
		t.Errorf("%d requests for two dry runs", n)
	}
	if r := d.report(t, "replay", "--all"); r.Done != 248 || r.Remaining != 0 || len(r.Refused) != 1 {
		t.Errorf("a replay of all: %+v", r)
	}
	if n := d.Calls("POST /api/dead-letters/replay/"); n != 5 {
		t.Errorf("%d requests in all, want three steps more", n)
	}
	if code, out, _ := d.dlq(t, "replay", "--all"); code != 0 || !strings.HasPrefix(out, "0 sent again\nleft alone: 1, ") {
		t.Errorf("again: exit %d, %s", code, out)
	}

	d = operate(t, failed(250)...)
	var ids []string
	for _, l := range failed(250) {
		ids = append(ids, l.ID)
	}
	args := append([]string{"discard", "--reason", "of no use", ids[0], ids[0]}, ids[:230]...)
	if r := d.report(t, args...); r.Done != 230 || r.Remaining != 0 || len(r.Refused) != 0 {
		t.Errorf("a discard of ids: %+v", r)
	}
	if r := d.report(t, append([]string{"replay", "--dry-run"}, ids...)...); r.Remaining != 20 || len(r.Refused) != 1 || r.Refused[0].Count != 230 {
		t.Errorf("a dry run of ids: %+v", r)
	}
}

// What fails again while the steps go on is not sent a second time.
func TestStepsEndThoughLettersFailAgain(t *testing.T) {
	t.Parallel()
	asked := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in wire.DeadLetterAct
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			t.Error(err)
		}
		asked += in.Limit
		fmt.Fprintf(w, `{"done":%d,"remaining":%d,"reasons":[],"refused":[]}`, in.Limit, 250-in.Limit)
	}))
	defer srv.Close()
	code, out, words := pulseRun(t, "", "dlq", "replay", "--all", "--server", srv.URL, "--token-file", secretFile(t, "a.b.c"))
	if code != 0 || asked != 250 || out != "250 sent again\n" {
		t.Errorf("exit %d, %d letters asked for, %s%s, want 250", code, asked, out, words)
	}
}

func TestWrongUsageOfDeadLettersIsRefused(t *testing.T) {
	t.Parallel()
	d := operate(t, failed(1)...)
	for _, c := range []struct{ args, want string }{
		{"list reddit.posts.raw:0:0", "unknown command"}, {"list --state closed", `--state "closed": want open, replayed, discarded or any`},
		{"list --since yesterday", `--since "yesterday": want a time`}, {"list --limit 0", "--limit 0: want 1 or more"},
		{"list --output xml", "want table or json"}, {"list --since 2026-03-02T00:00:00Z --until 2026-03-01T00:00:00Z", "--since is not before --until"},
		{"show", "accepts 1 arg"}, {"show a b", "accepts 1 arg"}, {"show nonsense", `"nonsense": want topic:partition:offset`},
		{"replay", "which? give ids"}, {"replay reddit.posts.raw:0:0 --all", "ids or a filter, not both"}, {"replay ../posts", "want topic:partition:offset"},
		{"replay reddit.posts.raw:0:0 --class x", "ids or a filter, not both"}, {"replay --until soon", `--until "soon": want a time`},
		{"replay --all --reason x", "unknown flag: --reason"}, {"discard --all", "--reason: missing"}, {"discard --all --reason=\u00a0", "--reason: missing"},
		{"discard" + strings.Repeat(" reddit.posts.raw:0:0", 1001), "1001 ids, at most 1000"},
	} {
		code, out, words := d.dlq(t, strings.Split(c.args, " ")...)
		if code != 2 || !strings.Contains(words, c.want) || out != "" {
			t.Errorf("%.80s: exit %d, %q, %.300q, want 2 and %q", c.args, code, out, words, c.want)
		}
	}
	if n := d.Calls("GET /api/dead-letters/") + d.Calls("POST /api/dead-letters/discard/"); n != 0 {
		t.Errorf("%d requests for nothing", n)
	}
}

func TestWhoMayNotOrCannotFails(t *testing.T) {
	t.Parallel()
	d := operate(t, failed(1)...)
	vera := secretFile(t, d.Tokens("vera").Access)
	password := secretFile(t, "wrong")
	for _, c := range []struct {
		want string
		args []string
	}{
		{"your role viewer may not", []string{"--server", d.URL, "--token-file", vera}},
		{"no active account", []string{"--server", d.URL, "--user", "olga", "--password-file", password}},
		{"who are you?", []string{"--server", d.URL}},
		{"want one token", []string{"--server", d.URL, "--token-file", secretFile(t, "two words")}},
		{"/nowhere/token", []string{"--server", d.URL, "--token-file", "/nowhere/token"}},
		{"connection refused", []string{"--server", "127.0.0.1:1", "--token-file", d.token}},
	} {
		code, out, words := pulseRun(t, "", append([]string{"dlq", "list"}, c.args...)...)
		if code != 1 || !strings.Contains(words, c.want) || out != "" {
			t.Errorf("%q: exit %d, %q, %q, want 1 and %q", c.args, code, out, words, c.want)
		}
	}
	d.SetStatus(503)
	if code, out, words := d.dlq(t, "replay", "--all"); code != 1 || !strings.HasPrefix(out, "0 sent again") || !strings.Contains(words, "service unavailable") {
		t.Errorf("an API that is away: exit %d, %q, %q", code, out, words)
	}
}

func TestARefreshTokenInAFileIsReplacedByTheNext(t *testing.T) {
	t.Parallel()
	d := operate(t, failed(1)...)
	d.token = secretFile(t, d.Tokens("olga").Refresh)
	for range 3 {
		if code, _, words := d.dlq(t, "list"); code != 0 || strings.Contains(words, "token") {
			t.Fatalf("exit %d, %s", code, words)
		}
	}
	info, err := os.Stat(d.token)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v, %v, want it its owner's alone", info.Mode(), err)
	}
	password := secretFile(t, "olga")
	if code, _, words := pulseRun(t, "", "dlq", "list", "--server", d.URL, "--user", "olga", "--password-file", password); code != 0 {
		t.Errorf("exit %d, %s", code, words)
	}
	if n := d.Calls("POST /api/token/revoke/"); n != 1 {
		t.Errorf("%d sessions were ended, want that of the password", n)
	}
}
