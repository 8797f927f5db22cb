package app_test

import (
	"bytes"
	"strings"
	"testing"

	"dev.redditpulse/daemon/app"
)

func TestAWrongImportIsRefusedBeforeAnythingIsTouched(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "requires at least 1 arg"},
		{[]string{"--since", "yesterday", "f"}, `"yesterday" for "--since" flag: want a day, e.g. 2024-01-31`},
		{[]string{"--until", "2024-02-30", "f"}, `"2024-02-30" for "--until" flag: want a day`},
		{[]string{"--since", "2024-01-02", "--until", "2024-01-02", "f"}, "--since is not before --until"},
		{[]string{"--since", "2024-01-02T00:00:00+02:00", "--until", "2024-01-01T22:00:00Z", "f"}, "--since is not before --until"},
		{[]string{"--subreddit", "", "f"}, `"--subreddit" flag: want a subreddit's name`},
		{[]string{"--subreddit", "golang,rust", "f"}, "give the flag once for each"},
		{[]string{"--subreddit", "r/golang/new", "f"}, "want a subreddit's name"},
	} {
		var out, words bytes.Buffer
		args := append([]string{"import", "--config", "/nowhere/pulse.toml"}, c.args...)
		code := app.Main(args, nil, strings.NewReader(""), &out, &words)
		if code != 2 || !strings.Contains(words.String(), c.want) || out.Len() > 0 {
			t.Errorf("%q: exit %d, %q, %q, want 2 and %q", c.args, code, out.String(), words.String(), c.want)
		}
	}
	// Sound flags come as far as the configuration, which is not there.
	var words bytes.Buffer
	code := app.Main([]string{"import", "--config", "/nowhere/pulse.toml", "--subreddit", "r/golang", "--subreddit", "u_gopher",
		"--since", "2024-01-01", "--until", "2024-01-01T00:00:01Z", "f"}, nil, strings.NewReader(""), &bytes.Buffer{}, &words)
	if code != 1 || !strings.Contains(words.String(), "/nowhere/pulse.toml") {
		t.Errorf("exit %d, %q, want 1 and the missing file", code, words.String())
	}
}
