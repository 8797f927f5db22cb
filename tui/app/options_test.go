package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dev.redditpulse/tui/theme"
)

func TestAddressOfARunningSystem(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                                       defaultServer,
		"[api]\nlisten = '127.0.0.1:8181'\n":     "http://127.0.0.1:8181",
		"[api]\nlisten = ':8080'":                "http://127.0.0.1:8080",
		"[api]\nlisten = '0.0.0.0:99'":           "http://127.0.0.1:99",
		"[api]\nlisten = '[::]:99'":              "http://127.0.0.1:99",
		"[api]\nlisten = '[::1]:99'\n[x]\ny=1":   "http://[::1]:99",
		"[kafka]\nbrokers=['a:1']\n[api]\nz = 1": defaultServer,
	} {
		if got, err := addressIn([]byte(in)); err != nil || got != want {
			t.Errorf("%q: %q, %v, want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"[api", "[api]\nlisten = 5", "[api]\nlisten = 'nowhere'"} {
		if _, err := addressIn([]byte(in)); err == nil || !strings.Contains(err.Error(), "run.toml") {
			t.Errorf("%q gave %v", in, err)
		}
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, body string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	env := func(string) string { return " tok \n" }
	for _, c := range []struct{ file, token, fault string }{
		{"", "tok", ""},
		{file("good", "a.b.c\n"), "a.b.c", ""},
		{file("empty", "\n"), "", "is empty"},
		{file("big", strings.Repeat("x", 20<<10)), "", "larger"},
		{file("words", "two words"), "", "more than one word"},
		{filepath.Join(dir, "missing"), "", "no such file"},
		{dir, "", "--token-file"},
	} {
		o := options{tokenFile: c.file}
		token, _, err := o.token(env)
		if token != c.token || (err == nil) != (c.fault == "") || err != nil && !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%q gave %q, %v", c.file, token, err)
		}
	}
}

func TestColoursFollowTheEnvironment(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, value string
		want        bool
	}{{"NO_COLOR", "1", false}, {"TERM", "dumb", false}, {"TERM", "xterm", true}} {
		got := theme.Colourful(func(name string) string {
			if name == c.name {
				return c.value
			}
			return ""
		})
		if got != c.want {
			t.Errorf("%s=%s gives %v", c.name, c.value, got)
		}
	}
}
