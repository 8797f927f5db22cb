package app_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"dev.redditpulse/daemon/app"
	"dev.redditpulse/shared/wire"
)

// pulseRun runs a command line with an empty configuration.
func pulseRun(t *testing.T, in string, args ...string) (code int, out, words string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "pulse.toml")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	code = app.Main(append(args, "--config", file), nil, strings.NewReader(in), &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

func TestASimulatedSeriesIsPlayed(t *testing.T) {
	t.Parallel()
	code, series, words := pulseRun(t, "", "sim", "series", "--hours", "8", "--seed", "7", "--every", "20m", "--rate", "golang=0.5", "--rate", "pics=2")
	if code != 0 || words != "" {
		t.Fatalf("exit %d, %s", code, words)
	}
	lines := strings.SplitAfter(strings.TrimSuffix(series, "\n"), "\n")
	for _, line := range lines {
		if _, err := wire.DecodeObservation([]byte(strings.TrimSpace(line)), time.Now()); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
	dir := t.TempDir()
	plain, packed := filepath.Join(dir, "a.ndjson"), filepath.Join(dir, "b.ndjson.gz")
	var gz bytes.Buffer
	z := gzip.NewWriter(&gz)
	z.Write([]byte(strings.Join(lines[len(lines)/2:], "")))
	z.Close()
	half := "{}\n" + strings.Join(lines[:len(lines)/2], "")
	for path, body := range map[string]string{plain: half, packed: gz.String()} {
		if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	code, whole, words := pulseRun(t, series, "backtest", "-")
	if code != 0 || words != "" || !strings.Contains(whole, "rank correlation with the next hour's gain") {
		t.Fatalf("exit %d, %s, %s", code, whole, words)
	}
	code, parts, words := pulseRun(t, "", "backtest", packed, plain)
	if code != 0 || parts != whole || !strings.Contains(words, "a.ndjson: line 1: ") {
		t.Errorf("in two files: exit %d, %s, %s; want %s", code, parts, words, whole)
	}
	code, body, _ := pulseRun(t, series, "backtest", "--output", "json", "--subreddit", "golang", "-")
	var report struct{ Posts, Subreddits int }
	if err := json.Unmarshal([]byte(body), &report); err != nil || code != 0 || report.Subreddits != 1 || report.Posts < 100 {
		t.Errorf("as JSON: exit %d, %+v, %v", code, report, err)
	}
}

func TestWrongBacktestsAreRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"backtest"}, 2, "requires at least 1 arg"},
		{[]string{"backtest", "--every", "1s", "f"}, 2, "--every: want 1m to 24h, got 1s"},
		{[]string{"backtest", "--output", "xml", "f"}, 2, `--output: want text or json, got "xml"`},
		{[]string{"backtest", "--since", "2024-01-02", "--until", "2024-01-02", "f"}, 2, "--since is not before --until"},
		{[]string{"backtest", "/nowhere/f"}, 1, "/nowhere/f: no such file"},
		{[]string{"backtest", "-"}, 1, "no readings: nothing to play"},
		{[]string{"sim", "series", "--every", "1ms"}, 1, "every: want 1s to 24h, got 1ms"},
		{[]string{"sim", "series", "--hours", "NaN"}, 1, "hours: want more than 0"},
		{[]string{"sim", "series", "--hours", "1e30"}, 1, "hours: want more than 0 and at most 8784"},
		{[]string{"sim", "series", "--start", "1999-01-01"}, 1, "start: want 2020-01-01 or later"},
		{[]string{"sim", "series", "--rate", "golang"}, 2, "want NAME=POSTS-A-MINUTE"},
	} {
		code, out, words := pulseRun(t, "", c.args...)
		if code != c.code || !strings.Contains(words, c.want) || out != "" {
			t.Errorf("%q: exit %d, %q, %q; want %d and %q", c.args, code, out, words, c.code, c.want)
		}
	}
}
