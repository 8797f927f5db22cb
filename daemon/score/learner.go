package score

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"dev.redditpulse/shared/pulse"
)

// Sample is how a post moved between two readings. It counts for as long as the
// step took: posts that rise are read many times more often than those that
// don't, and would otherwise pass for usual.
type Sample struct {
	Subreddit string // lower case
	Seconds   int64  // whole ones, at most an hour's
	Comments  int64  // gained in that time
	day       int64  // since 1970
	age       bucket
	bin       uint8
}

// Learner gathers samples into baselines until they are taken. It is safe for
// concurrent use.
type Learner struct {
	limit int

	mu      sync.Mutex // covers the rest
	cells   map[learntKey]*learnt
	dropped uint64
}

type learntKey struct {
	subreddit string
	day       int64
	age       bucket
}

// learnt is the sum of a cell's samples.
type learnt struct {
	seconds  []int64 // by step of velocity, as far as there is any
	comments int64
}

// NewLearner makes a learner of at most limit cells between two calls of Take;
// those of all subreddits together find room in any case. A cell takes 1 KB at
// most.
func NewLearner(limit int) *Learner {
	return &Learner{limit: limit, cells: map[learntKey]*learnt{}}
}

// Add adds a sample to its subreddit and to all. Where there is no room for one
// more cell it counts for all only, and as dropped.
func (l *Learner) Add(s Sample) {
	if s.age >= buckets || s.bin >= bins {
		return // of no reading
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cell(learntKey{"", s.day, s.age}).add(&s)
	key := learntKey{s.Subreddit, s.day, s.age}
	if s.Subreddit == "" {
		return
	}
	if l.cells[key] == nil && len(l.cells) >= l.limit {
		l.dropped++
		return
	}
	l.cell(key).add(&s)
}

func (l *Learner) cell(key learntKey) *learnt {
	c := l.cells[key]
	if c == nil {
		key.subreddit = strings.Clone(key.subreddit)
		c = &learnt{}
		l.cells[key] = c
	}
	return c
}

func (c *learnt) add(s *Sample) {
	for len(c.seconds) <= int(s.bin) {
		c.seconds = append(c.seconds, 0)
	}
	c.seconds[s.bin] += s.Seconds
	c.comments += s.Comments
}

// Take gives what was gathered since it was last called, sorted by subreddit,
// age and day, that of all subreddits together first.
func (l *Learner) Take() []pulse.Baseline {
	l.mu.Lock()
	cells := l.cells
	l.cells = make(map[learntKey]*learnt, len(cells))
	l.mu.Unlock()
	rows := make([]pulse.Baseline, 0, len(cells))
	for key, c := range cells {
		rows = append(rows, pulse.Baseline{
			Subreddit: key.subreddit, AgeBucket: bucketNames[key.age],
			Day: time.Unix(key.day*secondsADay, 0).UTC(), Seconds: c.seconds, Comments: c.comments,
		})
	}
	slices.SortFunc(rows, func(a, b pulse.Baseline) int {
		return cmp.Or(strings.Compare(a.Subreddit, b.Subreddit), strings.Compare(a.AgeBucket, b.AgeBucket), a.Day.Compare(b.Day))
	})
	return rows
}

// Dropped counts the samples that their subreddit had no room for.
func (l *Learner) Dropped() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dropped
}

const secondsADay = 24 * 60 * 60
