package pulse_test

import (
	"errors"
	"fmt"
	"testing"

	"dev.redditpulse/shared/pulse"
)

func TestCheckSubreddit(t *testing.T) {
	t.Parallel()
	good := pulse.Subreddit{Name: "politics", IntervalSeconds: 90, Priority: pulse.Fast}
	with := func(f func(*pulse.Subreddit)) pulse.Subreddit {
		s := good
		f(&s)
		return s
	}
	name := func(n string) pulse.Subreddit { return with(func(s *pulse.Subreddit) { s.Name = n }) }
	cases := map[string]struct {
		s     pulse.Subreddit
		field string // of the fault, "" for none
	}{
		"a good row":            {good, ""},
		"two letters":           {name("de"), ""},
		"a profile":             {name("u_quiet-village7995"), ""},
		"older than the rule":   {name("reddit.com"), ""},
		"empty":                 {name(""), "name"},
		"one letter":            {name("a"), "name"},
		"too long":              {name("a234567890123456789012"), "name"},
		"with r/":               {name("r/politics"), "name"},
		"a path":                {name("../api"), "name"},
		"several":               {name("a+b"), "name"},
		"a line break":          {name("politics\n"), "name"},
		"too quick":             {with(func(s *pulse.Subreddit) { s.IntervalSeconds = 9 }), "interval_seconds"},
		"too slow":              {with(func(s *pulse.Subreddit) { s.IntervalSeconds = 86_401 }), "interval_seconds"},
		"of an unknown urgency": {with(func(s *pulse.Subreddit) { s.Priority = "urgent" }), "priority"},
	}
	for what, c := range cases {
		err := pulse.CheckSubreddit(c.s)
		var e *pulse.Error
		if errors.As(err, &e) != (c.field != "") || e != nil && e.Field != c.field {
			t.Errorf("%s: got %v, want a fault of %q", what, err, c.field)
		}
	}
}

func TestCodesSurviveWrapping(t *testing.T) {
	t.Parallel()
	cause := errors.New("refused")
	err := fmt.Errorf("store: %w", &pulse.Error{Code: pulse.Unavailable, Message: "write", Err: cause})
	if pulse.CodeOf(err) != pulse.Unavailable || !errors.Is(err, cause) {
		t.Errorf("%v has code %s", err, pulse.CodeOf(err))
	}
	if pulse.CodeOf(cause) != pulse.Internal {
		t.Errorf("an error without a code has %s, want internal", pulse.CodeOf(cause))
	}
}

func TestRolesIncludeWeakerOnes(t *testing.T) {
	t.Parallel()
	order := []pulse.Role{pulse.Viewer, pulse.Operator, pulse.Admin}
	for i, r := range order {
		for k, needed := range order {
			if r.May(needed) != (i >= k) {
				t.Errorf("%s may what %s may: %v", r, needed, r.May(needed))
			}
		}
	}
	if pulse.Role("root").May(pulse.Viewer) || pulse.Admin.May("") == false {
		t.Error("an unknown role counts")
	}
}
