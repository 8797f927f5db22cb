package screen

import (
	"strings"
	"testing"

	"dev.redditpulse/shared/wire"
)

func TestParseRow(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"politics, 90, fast, active":    "politics, 90, fast, active",
		"politics":                      "politics, 60, medium, active",
		" r/politics ,90s,FAST,paused ": "politics, 90, fast, paused",
		"/r/politics,,slow":             "politics, 60, slow, active",
		"politics,,,off":                "politics, 60, medium, paused",
	} {
		row, err := parseRow(in, defaults())
		if got := formatRow(row); err != nil || got != want {
			t.Errorf("%q is %q, %v, want %q", in, got, err, want)
		}
	}
	for in, names := range map[string]string{
		"":                               "name",
		"two words":                      "name",
		"politics, soon":                 "seconds",
		"politics, 5":                    "interval_seconds",
		"politics, 90, faster":           "priority",
		"politics, 90, fast, well":       "active",
		"a,b,c,d,e":                      "5 values",
		"politics, 99999999999999999999": "seconds",
	} {
		if _, err := parseRow(in, defaults()); err == nil || !strings.Contains(err.Error(), names) {
			t.Errorf("%q: %v, want %s named", in, err, names)
		}
	}
}

func TestChangedIsOnlyWhatDiffers(t *testing.T) {
	t.Parallel()
	base := wire.Subreddit{Name: "politics", IntervalSeconds: 60, Priority: "fast", IsActive: true}
	if _, differs := changed(base, base); differs {
		t.Error("an equal row has changes")
	}
	row := base
	row.IntervalSeconds = 90
	c, differs := changed(base, row)
	if !differs || *c.IntervalSeconds != 90 || c.Priority != nil || c.IsActive != nil {
		t.Errorf("changes are %+v", c)
	}
}

func FuzzParseRow(f *testing.F) {
	f.Add("politics, 90, fast, active")
	f.Add(",,,")
	f.Fuzz(func(t *testing.T, line string) {
		row, err := parseRow(line, defaults())
		if err != nil {
			return
		}
		again, err := parseRow(formatRow(row), defaults())
		if err != nil || formatRow(again) != formatRow(row) {
			t.Errorf("%q is %q, and that is %q, %v", line, formatRow(row), formatRow(again), err)
		}
	})
}
