package plan

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"dev.redditpulse/shared/pulse"
)

func rows(n int, interval time.Duration, perMinute float64) []Row {
	all := make([]Row, n)
	for i := range all {
		all[i] = Row{Name: fmt.Sprintf("community%04d", i), Interval: interval, Priority: pulse.Medium, PerMinute: perMinute}
	}
	return all
}

// mixed is 115 subreddits which would take 45 requests a minute if each were asked
// for by itself.
func mixed() []Row {
	all := rows(26, time.Minute, 0.6)
	all = append(all, rows(45, 3*time.Minute, 0.15)...)
	all = append(all, rows(44, 10*time.Minute, 0.03)...)
	for i := range all {
		all[i].Name = fmt.Sprintf("community%04d", i)
	}
	return all
}

func TestPaceKeepsThePromiseAndThePage(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		row  Row
		want time.Duration
	}{
		"a quiet one":         {Row{Interval: time.Minute, PerMinute: 0.1}, 57 * time.Second},
		"nothing known":       {Row{Interval: time.Minute}, 57 * time.Second},
		"a busy one":          {Row{Interval: time.Hour, PerMinute: 5}, 10 * time.Minute},
		"a very busy one":     {Row{Interval: time.Hour, PerMinute: 500}, 30 * time.Second},
		"busy, short promise": {Row{Interval: 10 * time.Second, PerMinute: 500}, 9500 * time.Millisecond},
	}
	for what, c := range cases {
		if got := c.row.Pace(); got != c.want {
			t.Errorf("%s: %s, want %s", what, got, c.want)
		}
	}
}

func TestRequestsAreShared(t *testing.T) {
	t.Parallel()
	f := Predict(mixed(), Inputs{Allowed: 84})
	if f.Discovery > 3 || f.Discovery < 1 || f.Factor != 1 {
		t.Errorf("115 subreddits take %.2f requests a minute at factor %.2f", f.Discovery, f.Factor)
	}
	t.Logf("115 subreddits: %.2f requests a minute", f.Discovery)
}

func TestABusySubredditGoesAlone(t *testing.T) {
	t.Parallel()
	now := time.Unix(1e9, 0)
	var q Queue
	busy := &Entry{Row: Row{Name: "busy", Interval: time.Minute, PerMinute: 40}, Covered: now.Add(-time.Minute)}
	quiet := &Entry{Row: Row{Name: "quiet", Interval: time.Minute, PerMinute: 20}, Covered: now.Add(-time.Minute)}
	small := &Entry{Row: Row{Name: "small", Interval: time.Minute, PerMinute: 1}, Covered: now.Add(-time.Minute)}
	q.Put(busy, now.Add(-2))
	q.Put(quiet, now.Add(-1))
	q.Put(small, now)
	if batch := q.Take(now); len(batch) != 2 || batch[0] != busy || batch[1] != small {
		t.Errorf("the busy one shares with %d", len(batch)-1)
	}
	if batch := q.Take(now); len(batch) != 1 || batch[0] != quiet {
		t.Errorf("then %d", len(batch))
	}
	if q.Take(now) != nil || q.Len() != 0 {
		t.Error("something is left")
	}
}

func TestALateOneDoesNotMakeTheBusyOnesReadFarBack(t *testing.T) {
	t.Parallel()
	now := time.Unix(1e9, 0)
	var q Queue
	late := &Entry{Row: Row{Name: "late", PerMinute: 0.1}, Covered: now.Add(-time.Hour)}
	busy := &Entry{Row: Row{Name: "busy", PerMinute: 10}, Covered: now.Add(-time.Minute)}
	calm := &Entry{Row: Row{Name: "calm", PerMinute: 0.1}, Covered: now.Add(-time.Minute)}
	q.Put(late, now.Add(-2))
	q.Put(busy, now.Add(-1))
	q.Put(calm, now)
	if batch := q.Take(now); len(batch) != 2 || batch[0] != late || batch[1] != calm {
		t.Errorf("%d share with the late one, whose request reads an hour back", len(batch)-1)
	}
}

func TestRequestsStayWithinTheirBounds(t *testing.T) {
	t.Parallel()
	now := time.Unix(1e9, 0)
	var q Queue
	for i := range 500 {
		name := fmt.Sprintf("u_%019d", i)
		q.Put(&Entry{Row: Row{Name: name, Interval: time.Minute, PerMinute: rand.Float64()}, Covered: now.Add(-time.Minute)}, now)
	}
	taken := 0
	for batch := q.Take(now); batch != nil; batch = q.Take(now) {
		chars := 0
		var l load
		for _, e := range batch {
			chars += len(e.Name) + 1
			l = l.with(e, now)
		}
		if len(batch) > MaxNames || chars > MaxChars+1 || l.posts() > fill*PageSize+1 {
			t.Errorf("a request of %d names, %d characters, %.0f posts", len(batch), chars, l.posts())
		}
		taken += len(batch)
	}
	if taken != 500 {
		t.Errorf("%d taken", taken)
	}
}

func TestNewAndLoneOnesDoNotMix(t *testing.T) {
	t.Parallel()
	now := time.Unix(1e9, 0)
	var q Queue
	fresh := &Entry{Row: Row{Name: "fresh"}}
	lone := &Entry{Row: Row{Name: "lone"}, Covered: now, Alone: true}
	old := &Entry{Row: Row{Name: "old"}, Covered: now}
	hurried := &Entry{Row: Row{Name: "hurried"}, Covered: now}
	q.Put(old, now.Add(-2*time.Second))
	q.Put(fresh, now)
	q.Put(lone, now)
	q.Hurry(hurried, now)
	var got []string
	for batch := q.Take(now); batch != nil; batch = q.Take(now) {
		for _, e := range batch {
			got = append(got, e.Name)
		}
		got = append(got, "|")
	}
	if s := fmt.Sprint(got); s != "[hurried old | fresh | lone |]" && s != "[hurried old | lone | fresh |]" {
		t.Errorf("requests: %v", got)
	}
}

func TestPriorityDecidesWhoWaits(t *testing.T) {
	t.Parallel()
	now := time.Unix(1e9, 0)
	var q Queue
	for i, p := range []pulse.Priority{pulse.Slow, pulse.Medium, pulse.Fast} {
		// Each would fill a request.
		e := &Entry{Row: Row{Name: string(p), Priority: p, PerMinute: 60}, Covered: now.Add(-time.Minute), Pause: time.Minute}
		q.Put(e, now.Add(-time.Minute+time.Duration(i)*10*time.Second))
	}
	for _, want := range []pulse.Priority{pulse.Fast, pulse.Medium, pulse.Slow} {
		if got := q.Take(now); got[0].Priority != want {
			t.Errorf("%s goes where %s should", got[0].Priority, want)
		}
	}
}

func TestRemovedEntriesAreGone(t *testing.T) {
	t.Parallel()
	now := time.Unix(1e9, 0)
	var q Queue
	var all []*Entry
	for i := range 50 {
		e := &Entry{Row: Row{Name: fmt.Sprint(i), Priority: []pulse.Priority{pulse.Fast, pulse.Slow}[i%2]}}
		all = append(all, e)
		if i%7 == 0 {
			q.Hurry(e, now)
		} else {
			q.Put(e, now.Add(time.Duration(rand.IntN(1000))))
		}
	}
	for _, i := range rand.Perm(50)[:30] {
		q.Remove(all[i])
		q.Remove(all[i]) // twice is harmless
	}
	if q.Len() != 20 {
		t.Errorf("%d left, want 20", q.Len())
	}
}

func TestDemandOverTheBudgetStretchesAllByOneFactor(t *testing.T) {
	t.Parallel()
	in := Inputs{Allowed: 84, Refresh: 60, Sweep: 1}
	for _, n := range []int{1000, 10_000, 40_000} {
		f := Predict(rows(n, time.Minute, 0.01), in)
		if n >= 10_000 && (f.Factor < 1.5 || f.Listings > 0.8*84*1.02) {
			t.Errorf("%d rows: %.0f wanted, %.1f sent at factor %.2f", n, f.Discovery, f.Listings, f.Factor)
		}
		if n == 1000 && f.Factor != 1 {
			t.Errorf("%d rows: factor %.2f at %.1f", n, f.Factor, f.Discovery)
		}
		if total := f.Total(in); total > 84*1.02 {
			t.Errorf("%d rows: %.1f requests a minute", n, total)
		}
		if want := float64(f.Effective[0]) / float64(57*time.Second); math.Abs(want-f.Factor) > 0.01 {
			t.Errorf("%d rows: effective %s at factor %.2f", n, f.Effective[0], f.Factor)
		}
		t.Logf("%d rows: %.0f wanted, %.1f sent, factor %.2f", n, f.Discovery, f.Listings, f.Factor)
	}
}

func TestListingsTakeWhatNobodyNeeds(t *testing.T) {
	t.Parallel()
	all := rows(4700, time.Minute, 0.01) // 82 a minute
	if f := Predict(all, Inputs{Allowed: 84, Refresh: 1}); f.Factor > 1.02 {
		t.Errorf("factor %.2f while nobody else asks", f.Factor)
	}
	if f := Predict(all, Inputs{Allowed: 84, Refresh: 40}); f.Factor < 1.15 || f.RefreshFactor < 2 {
		t.Errorf("factors %.2f and %.2f", f.Factor, f.RefreshFactor)
	}
}

func TestAForecastOfNothing(t *testing.T) {
	t.Parallel()
	if f := Predict(nil, Inputs{}); f.Discovery != 0 || f.Factor != 1 || f.RefreshFactor != 1 {
		t.Errorf("%+v", f)
	}
	if f := Predict(rows(3, 24*time.Hour, 0), Inputs{Allowed: 84}); f.Discovery > 0.01 || math.IsNaN(f.Discovery) {
		t.Errorf("three a day: %+v", f.Discovery)
	}
}

func TestRatesForget(t *testing.T) {
	t.Parallel()
	var r Rate
	if r.PerMinute() != UnknownRate || r.Known() {
		t.Errorf("nothing known: %v", r.PerMinute())
	}
	for range 24 * 60 {
		r.Add(time.Minute, 2)
	}
	if got := r.PerMinute(); math.Abs(got-2) > 0.1 {
		t.Errorf("after a day of 2 a minute: %.2f", got)
	}
	for range 10 {
		r.Add(time.Minute, 20)
	}
	if r.Rush() < 5 || r.PerMinute() > 4 {
		t.Errorf("a rush of 10 minutes: %.1f, usual %.1f", r.Rush(), r.PerMinute())
	}
	for range 24 * 60 {
		r.Add(time.Minute, 0)
	}
	if r.Rush() > 0.1 {
		t.Errorf("after a silent day: %.2f", r.Rush())
	}
	r.Add(-time.Hour, 5) // a clock that went back
	if r.Rush() > 0.1 {
		t.Error("a negative step counts")
	}
}

func BenchmarkPredict(b *testing.B) {
	for _, n := range []int{115, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			all := rows(n, time.Minute, 0.01)
			for b.Loop() {
				Predict(all, Inputs{Allowed: 84, Refresh: 50})
			}
		})
	}
}
