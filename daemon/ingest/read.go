package ingest

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync/atomic"
	"time"

	"dev.redditpulse/daemon/plan"
	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

const (
	// New posts show up in a listing late: reading goes back so far behind what
	// is covered.
	showLate = 30 * time.Second
	// Listings are not strictly ordered: the end of a page counts as reached once
	// so many posts in a row are behind it, or known.
	disorder = 5
	knownRun = 10
	// Once so far behind what is covered, unknown posts are none that a poll
	// missed: they were approved late, and sweeps look for those.
	farBehind = 5 * time.Minute
	// Reddit's listings end after about this many posts, whatever there is.
	listingDepth = 900
	// Around a gap: posts that showed late, and out of order, may be in it, too.
	gapBefore, gapAfter = 2 * time.Minute, 2 * time.Minute
	// Posts that a page may be continued behind, should the last ones vanish.
	anchors = 4
)

// target is one subreddit of a request, as a worker knows it.
type target struct {
	key, name string
	covered   time.Time // posts made before are known; zero: never polled
	alive     bool      // it has posts: a page without any is suspicious
}

// outcome is what a request brought for one of its subreddits.
type outcome struct {
	key     string
	err     error
	at      time.Time // posts made before are known now, or lie in gap
	posts   int       // first seen, made since what was covered
	span    time.Duration
	items   int       // posts of the subreddit in the listing, known ones too
	reached time.Time // how far back the listing went
	whole   bool      // and that is all there is
	gap     *pulse.Gap
}

// reader reads listings and hands on what is in them. It is shared by the
// workers.
type reader struct {
	*Ingest
	seen *seen
	live *live

	deepPages atomic.Int64 // read for late and older posts, until the schedule takes note
	skew      atomic.Int64 // how far Reddit's clock is ahead of ours, in nanoseconds
}

// redditNow is the time by Reddit's clock, which all posts are dated by.
func (r *reader) redditNow() time.Time { return time.Now().Add(time.Duration(r.skew.Load())) }

// read asks for the newest posts of some subreddits, back to what is covered or,
// looking for late or older ones, over all of depth. Where one of them spoils the request,
// or the listing does not reach back far enough for all, they are asked for by
// halves.
func (r *reader) read(ctx context.Context, j *job) []outcome {
	l := r.list(ctx, j)
	if len(j.targets) == 1 || !l.divisible() {
		return l.outcomes(j.targets)
	}
	r.metrics.bisected.Inc()
	a, b := j.halves()
	if !badAnswer(l.err) {
		return l.addTo(append(r.read(ctx, a), r.read(ctx, b)...))
	}
	// Answers that are bad for both halves are no single subreddit's fault.
	la, lb := r.list(ctx, a), r.list(ctx, b)
	both := badAnswer(la.err) && badAnswer(lb.err)
	return append(r.goOn(ctx, la, a, both), r.goOn(ctx, lb, b, both)...)
}

// halves are the two jobs that j can be split into.
func (j *job) halves() (a, b *job) {
	first, second := *j, *j
	half := len(j.targets) / 2
	first.targets, second.targets = j.targets[:half], j.targets[half:]
	return &first, &second
}

// addTo adds what this listing found to what its halves did.
func (l *listing) addTo(halves []outcome) []outcome {
	for i := range halves {
		halves[i].posts += l.posts[halves[i].key]
	}
	return halves
}

// goOn goes on with one half whose listing is there.
func (r *reader) goOn(ctx context.Context, l *listing, j *job, stop bool) []outcome {
	if stop || len(j.targets) == 1 || !l.divisible() {
		return l.outcomes(j.targets)
	}
	a, b := j.halves()
	return append(r.read(ctx, a), r.read(ctx, b)...)
}

// listing is one listing of some subreddits, and what was read of it.
type listing struct {
	names    []string
	targets  map[string]*target // by key
	polled   bool               // back to what is covered; else for late or older posts
	urgent   bool               // somebody waits for it
	unpolled bool               // none of them was ever polled
	alive    bool               // some of them have posts
	back     time.Time          // how far it is to be read

	at      time.Time      // of the first page
	reached time.Time      // how far it was read
	short   bool           // it ended before
	whole   bool           // it was read to its end
	posts   map[string]int // by key: first seen, made since what was covered
	items   map[string]int // by key: on the pages
	err     error
}

func (r *reader) newListing(j *job) *listing {
	l := &listing{
		targets: make(map[string]*target, len(j.targets)), polled: j.depth == 0, urgent: j.urgent, unpolled: true,
		back: r.redditNow().Add(-j.depth), posts: map[string]int{}, items: map[string]int{},
	}
	for i := range j.targets {
		t := &j.targets[i]
		l.names = append(l.names, t.name)
		l.targets[t.key] = t
		l.alive = l.alive || t.alive
		l.unpolled = l.unpolled && t.covered.IsZero()
	}
	if l.polled {
		l.back = horizon(j.targets)
	}
	return l
}

// divisible tells whether asking for fewer subreddits may bring more.
func (l *listing) divisible() bool {
	return l.err == nil && l.short || ofOneOfSeveral(l.err) || badAnswer(l.err)
}

// list reads one listing page by page until it is back where it should be.
func (r *reader) list(ctx context.Context, j *job) *listing {
	l := r.newListing(j)
	begun := time.Now()
	var after []string
	for total, n := 0, 0; ; n++ {
		page, err := r.nextPage(ctx, l, after, n)
		if err != nil {
			l.err = err
			return l
		}
		fresh, err := r.handOn(ctx, page.Observations)
		if err != nil {
			l.err = err
			return l
		}
		l.count(page.Observations, fresh)
		total += len(page.Observations) + page.Skipped
		l.reached = reachedBy(page.Observations, l.reached)
		l.whole = page.After == "" && total < listingDepth
		if l.whole || l.done(page.Observations, fresh) {
			break
		}
		if page.After == "" || n+1 == r.c.MaxPages {
			l.short = true
			break
		}
		after = anchorsOf(page)
	}
	r.metrics.polls.Observe(time.Since(begun).Seconds())
	return l
}

// nextPage reads the nth page, from 0.
func (r *reader) nextPage(ctx context.Context, l *listing, after []string, n int) (pulse.ListingPage, error) {
	q := pulse.ListingQuery{
		Subreddits: l.names, Limit: plan.PageSize,
		Urgent: l.urgent, Spare: !l.polled, // what is owed to nobody yields
	}
	page, err := r.page(ctx, q, after, l.alive)
	if err != nil {
		return page, err
	}
	if !l.polled {
		r.deepPages.Add(1)
	}
	if n > 0 {
		r.metrics.overflow.Inc()
		return page, nil
	}
	l.at = page.At
	r.skew.Store(int64(time.Until(page.At)))
	return page, nil
}

// horizon is how far back the posts of these subreddits may be unknown; zero
// where none of them was ever polled.
func horizon(targets []target) time.Time {
	var first time.Time
	for _, t := range targets {
		if from := t.covered.Add(-showLate); !t.covered.IsZero() && (first.IsZero() || from.Before(first)) {
			first = from
		}
	}
	return first
}

// page reads the page behind the last of after's posts that the listing still
// has. Behind one that it has no longer, Reddit gives an empty page.
func (r *reader) page(ctx context.Context, q pulse.ListingQuery, after []string, alive bool) (pulse.ListingPage, error) {
	if len(after) == 0 {
		page, err := r.reddit.Newest(ctx, q)
		if err == nil && len(page.Observations)+page.Skipped == 0 && alive {
			err = errEmptyPage
		}
		return page, err
	}
	for _, id := range after {
		q.After = id
		page, err := r.reddit.Newest(ctx, q)
		if err != nil || len(page.Observations)+page.Skipped > 0 {
			return page, err
		}
	}
	return pulse.ListingPage{}, errLostPlace
}

// anchorsOf are the posts that the listing can be continued behind, the last
// one first.
func anchorsOf(page pulse.ListingPage) []string {
	ids := []string{page.After}
	for i := len(page.Observations) - 1; i >= 0 && len(ids) < anchors; i-- {
		if id := page.Observations[i].PostID; id != page.After {
			ids = append(ids, id)
		}
	}
	return ids
}

// reachedBy is how far back a page certainly goes: the newest of its last posts.
func reachedBy(posts []pulse.Observation, before time.Time) time.Time {
	var reached time.Time
	for _, o := range posts[max(0, len(posts)-disorder):] {
		if o.CreatedAt.After(reached) {
			reached = o.CreatedAt
		}
	}
	if reached.IsZero() || !before.IsZero() && before.Before(reached) {
		return before
	}
	return reached
}

// done tells whether the listing was read back far enough. A first poll reads
// one page: older posts are not owed soon.
func (l *listing) done(page []pulse.Observation, fresh map[string]bool) bool {
	if l.polled && l.unpolled {
		return true
	}
	if l.reached.IsZero() || l.reached.After(l.back) {
		return false
	}
	if !l.polled || l.reached.Before(l.back.Add(-farBehind)) {
		return true
	}
	for _, o := range page[max(0, len(page)-knownRun):] {
		if fresh[o.PostID] {
			return false
		}
	}
	return true
}

// count adds up whose posts are on a page. A listing of one subreddit is its
// own even where the posts are of others: r/all has none but those.
func (l *listing) count(page []pulse.Observation, fresh map[string]bool) {
	for i := range page {
		o := &page[i]
		key := strings.ToLower(o.Subreddit)
		t := l.targets[key]
		if t == nil && len(l.targets) == 1 {
			for key, t = range l.targets { //nolint:revive // takes the only one
			}
		}
		if t == nil {
			continue
		}
		l.items[key]++
		if fresh[o.PostID] && (t.covered.IsZero() || o.CreatedAt.After(t.covered.Add(-showLate))) {
			l.posts[key]++
		}
	}
}

// outcomes says of each subreddit what the listing brought.
func (l *listing) outcomes(targets []target) []outcome {
	all := make([]outcome, 0, len(targets))
	for _, t := range targets {
		o := outcome{key: t.key, err: l.err, at: l.at, posts: l.posts[t.key], items: l.items[t.key], reached: l.reached, whole: l.whole}
		switch {
		case l.err != nil:
		case !t.covered.IsZero():
			o.span = l.at.Sub(t.covered)
		case !l.reached.IsZero(): // what it had before tells how busy it is
			o.span, o.posts = l.at.Sub(l.reached), o.items
		}
		if l.err == nil && l.short && l.polled && !loners[t.key] {
			o.gap = l.gap(&t)
		}
		all = append(all, o)
	}
	return all
}

// gap is the time that the listing no longer reached back to.
func (l *listing) gap(t *target) *pulse.Gap {
	g := &pulse.Gap{
		Subreddit: t.name, From: t.covered.Add(-gapBefore), To: l.reached.Add(gapAfter), NoticedAt: l.at,
		Reason: "more was posted since the last poll than Reddit lists",
	}
	if !g.From.Before(g.To) {
		return nil
	}
	return g
}

// handOn gives a page to Kafka, oldest first, and says which posts are first
// sights.
func (r *reader) handOn(ctx context.Context, page []pulse.Observation) (map[string]bool, error) {
	if len(page) == 0 {
		return nil, nil
	}
	fresh, err := r.seen.claim(ctx, page)
	if err != nil {
		return nil, &pipelineError{fmt.Errorf("look posts up: %w", err)}
	}
	err = r.produce(ctx, page, fresh)
	r.seen.settle(fresh, err == nil)
	if err != nil {
		return nil, &pipelineError{err}
	}
	r.live.saw(page, time.Now())
	return fresh, nil
}

// produce hands readings to Kafka, those last in the listing first.
func (r *reader) produce(ctx context.Context, page []pulse.Observation, fresh map[string]bool) error {
	records := make([]wire.Record, 0, len(page))
	first := maps.Clone(fresh) // a page may have a post twice
	for i := len(page) - 1; i >= 0; i-- {
		o := &page[i]
		topic := wire.TopicRefresh
		if first[o.PostID] {
			topic = wire.TopicRaw
			delete(first, o.PostID)
		}
		records = append(records, wire.Record{Topic: topic, Key: []byte(o.PostID), Value: wire.EncodeObservation(o)})
	}
	ctx, cancel := context.WithTimeout(ctx, produceTimeout)
	defer cancel()
	if err := r.bus.Produce(ctx, records); err != nil {
		return fmt.Errorf("produce %d observations: %w", len(records), err)
	}
	r.metrics.observations.WithLabelValues("raw").Add(float64(len(fresh)))
	r.metrics.observations.WithLabelValues("refresh").Add(float64(len(page) - len(fresh)))
	return nil
}
