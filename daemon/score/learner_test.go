package score_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"dev.redditpulse/daemon/score"
	"dev.redditpulse/shared/pulse"
)

// samples are those of many posts in some subreddits.
func samples(rng *rand.Rand) []score.Sample {
	var all []score.Sample
	for post := range 20 {
		var s score.State
		for _, o := range life(rng) {
			o.Subreddit = []string{"golang", "Rust", "AskReddit"}[post%3]
			if res := rules.Advance(&s, o, nil); res.Sampled {
				all = append(all, res.Sample)
			}
		}
	}
	return all
}

func TestLearntTotalsAreTheSameInAnyOrderAndAnyPieces(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 4))
	all := samples(rng)
	whole := score.NewLearner(1000)
	for _, s := range all {
		whole.Add(s)
	}
	want := whole.Take()
	if len(want) < 8 || len(whole.Take()) != 0 {
		t.Fatalf("%d cells learnt", len(want))
	}
	for range 20 {
		rng.Shuffle(len(all), func(i, k int) { all[i], all[k] = all[k], all[i] })
		l := score.NewLearner(1000)
		var got []pulse.Baseline
		for _, s := range all {
			l.Add(s)
			if rng.IntN(30) == 0 {
				got = addUp(got, l.Take())
			}
		}
		if got = addUp(got, l.Take()); !slices.EqualFunc(got, want, equalRows) {
			t.Fatalf("in another order\n%+v, want\n%+v", got, want)
		}
	}
}

// addUp adds rows up as a database would.
func addUp(a, b []pulse.Baseline) []pulse.Baseline {
	for _, row := range b {
		at := slices.IndexFunc(a, func(r pulse.Baseline) bool {
			return r.Subreddit == row.Subreddit && r.AgeBucket == row.AgeBucket && r.Day.Equal(row.Day)
		})
		if at < 0 {
			a = append(a, row)
			continue
		}
		for i, s := range row.Seconds {
			if i == len(a[at].Seconds) {
				a[at].Seconds = append(a[at].Seconds, 0)
			}
			a[at].Seconds[i] += s
		}
		a[at].Comments += row.Comments
	}
	slices.SortFunc(a, func(x, y pulse.Baseline) int {
		return strings.Compare(x.Subreddit+" "+x.AgeBucket+x.Day.String(), y.Subreddit+" "+y.AgeBucket+y.Day.String())
	})
	return a
}

func TestAllSubredditsTogetherAreTheSumOfEach(t *testing.T) {
	t.Parallel()
	l := score.NewLearner(1000)
	for _, s := range samples(rand.New(rand.NewPCG(5, 6))) {
		l.Add(s)
	}
	rows := l.Take()
	var all, each []pulse.Baseline
	for i, row := range rows {
		if row.Subreddit == "" {
			all = append(all, row)
			if i != len(all)-1 {
				t.Error("it does not come first")
			}
			continue
		}
		if row.Subreddit != strings.ToLower(row.Subreddit) {
			t.Errorf("%s is not in lower case", row.Subreddit)
		}
		row.Subreddit, row.Seconds = "", slices.Clone(row.Seconds)
		each = addUp(each, []pulse.Baseline{row})
	}
	if !slices.EqualFunc(all, each, equalRows) {
		t.Errorf("all are %+v, the sum is %+v", all, each)
	}
}

func TestAFullLearnerDropsAndCounts(t *testing.T) {
	t.Parallel()
	l := score.NewLearner(3)
	for n := range 5 {
		var s score.State
		readings := climb(70*time.Minute, time.Minute, 50)
		for _, o := range readings {
			o.Subreddit = fmt.Sprint("sub", n)
		}
		l.Add(play(rules, &s, nil, readings...).Sample)
	}
	rows := l.Take()
	if len(rows) != 3 || l.Dropped() != 3 {
		t.Errorf("%d cells and %d dropped, want 3 and 3", len(rows), l.Dropped())
	}
	if all := rows[0]; all.Subreddit != "" || all.Seconds[len(all.Seconds)-1] != 300 {
		t.Errorf("all together are %+v, want 300 s", all)
	}
	l.Add(score.Sample{}) // of no reading
}

func TestLearnersAreSharedSafely(t *testing.T) {
	t.Parallel()
	all := samples(rand.New(rand.NewPCG(7, 8)))
	l := score.NewLearner(1000)
	var group sync.WaitGroup
	for part := range 4 {
		group.Go(func() {
			for i := part; i < len(all); i += 4 {
				l.Add(all[i])
			}
		})
	}
	var got []pulse.Baseline
	for range 10 {
		got = addUp(got, l.Take())
		l.Dropped()
	}
	group.Wait()
	got = addUp(got, l.Take())
	whole := score.NewLearner(1000)
	for _, s := range all {
		whole.Add(s)
	}
	if want := whole.Take(); !slices.EqualFunc(got, want, equalRows) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
