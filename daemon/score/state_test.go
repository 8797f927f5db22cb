package score_test

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"dev.redditpulse/daemon/score"
	"dev.redditpulse/shared/pulse"
)

func TestAStateSurvivesStorage(t *testing.T) {
	t.Parallel()
	usual := quiet()
	longest := 0
	lives(t, func(t *testing.T, _ *rand.Rand, readings []*pulse.Observation) {
		var s score.State
		for _, o := range readings {
			rules.Advance(&s, o, usual)
			stored := s.Append([]byte("before"))[len("before"):]
			longest = max(longest, len(stored))
			back, err := score.ParseState(stored)
			if err != nil || back != s {
				t.Fatalf("%+v came back as %+v, %v", s, back, err)
			}
			if !back.ObservedAt().Equal(o.ObservedAt) {
				t.Fatalf("observed at %v, want %v", back.ObservedAt(), o.ObservedAt)
			}
		}
	})
	if longest > 120 {
		t.Errorf("a state takes %d bytes, want at most 120", longest)
	}
	var none score.State
	if back, err := score.ParseState(none.Append(nil)); err != nil || back != none || !back.ObservedAt().IsZero() {
		t.Errorf("the empty state came back as %+v, %v", back, err)
	}
}

func TestDamagedStatesAreErrors(t *testing.T) {
	t.Parallel()
	var s score.State
	play(rules, &s, nil, read(0, 10, 1), read(2*time.Minute, 110, 5))
	whole := s.Append(nil)
	for cut := range whole {
		if got, err := score.ParseState(whole[:cut]); err == nil || got != (score.State{}) {
			t.Errorf("of %d bytes the first %d are %+v, %v", len(whole), cut, got, err)
		}
	}
	newer := bytes.Clone(whole)
	newer[0]++
	flagged := bytes.Clone(whole)
	flagged[1] |= 0x80
	for what, b := range map[string][]byte{"more": append(bytes.Clone(whole), 0), "a newer version": newer, "an unknown flag": flagged} {
		if _, err := score.ParseState(b); err == nil {
			t.Errorf("%s is no error", what)
		}
	}
}

func TestSeedContinuesAStoredPost(t *testing.T) {
	t.Parallel()
	usual := quiet()
	var lived score.State
	last := play(rules, &lived, usual, read(0, 10, 0), read(time.Minute, 60, 6), read(2*time.Minute, 120, 13))
	if last.Trend == nil {
		t.Fatal("it does not trend")
	}
	seeded := score.Seed(&pulse.Post{
		Observation: *read(2*time.Minute, 120, 13), Velocity: last.Velocity, CommentVelocity: last.CommentVelocity, Trend: last.Trend,
	})
	next := read(4*time.Minute, 190, 20)
	want, got := rules.Advance(&lived, next, usual), rules.Advance(&seeded, next, usual)
	if !near(got.Velocity, *want.Velocity) || !near(got.CommentVelocity, *want.CommentVelocity) ||
		got.Trend == nil || *got.Trend != *want.Trend || got.Sample != want.Sample {
		t.Errorf("%s %s %+v, want %s %s %+v", show(got.Velocity), show(got.CommentVelocity), got.Trend,
			show(want.Velocity), show(want.CommentVelocity), want.Trend)
	}
}

func TestSeedTakesWhatThereIs(t *testing.T) {
	t.Parallel()
	nan := math.NaN()
	for what, p := range map[string]*pulse.Post{
		"no velocity": {Observation: *read(0, 10, 1)},
		"nonsense":    {Observation: *read(0, 10, 1), Velocity: &nan, CommentVelocity: &nan},
	} {
		s := score.Seed(p)
		if got := rules.Advance(&s, read(time.Minute, 30, 2), nil); !near(got.Velocity, 20) || !near(got.CommentVelocity, 1) {
			t.Errorf("%s: %s and %s, want 20 and 1", what, show(got.Velocity), show(got.CommentVelocity))
		}
	}
	if s := score.Seed(&pulse.Post{}); s != (score.State{}) {
		t.Errorf("of nothing comes %+v", s)
	}
	later := pulse.Trend{Since: noon.Add(time.Hour)}
	s := score.Seed(&pulse.Post{Observation: *read(0, 10, 1), Trend: &later})
	if back, err := score.ParseState(s.Append(nil)); err != nil || back != s {
		t.Errorf("a trend from the future makes %+v, stored %+v, %v", s, back, err)
	}
}

func FuzzParseState(f *testing.F) {
	var s score.State
	f.Add(s.Append(nil))
	for _, o := range life(rand.New(rand.NewPCG(1, 2))) {
		rules.Advance(&s, o, quiet())
		f.Add(s.Append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := score.ParseState(b)
		if err != nil {
			return
		}
		stored := s.Append(nil)
		if back, err := score.ParseState(stored); err != nil || back != s || len(stored) > 120 {
			t.Fatalf("%x is %+v, stored as %x, which is %+v, %v", b, s, stored, back, err)
		}
		at := s.ObservedAt()
		for _, o := range []*pulse.Observation{
			{ObservedAt: at}, {ObservedAt: at.Add(time.Minute), State: pulse.Live, CreatedAt: at, Score: math.MinInt64},
		} {
			checkResult(t, rules.Advance(&s, o, quiet()))
		}
	})
}
