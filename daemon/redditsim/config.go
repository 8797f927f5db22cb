package redditsim

import (
	"math"
	"strings"
	"time"

	"dev.redditpulse/shared/pulse"
)

// Config chooses the Reddit that is played. The zero value is a synthetic one
// at the pace of life, with the oddities of the real one.
type Config struct {
	Seed uint64 // the same seed gives the same communities and posts
	// Speed is how many times faster than in life posts come and scores grow; 0
	// is 1, at most 1000. The clock itself runs as usual.
	Speed             float64
	Replay            string // folder of recorded answers with an index.json; "" is synthetic
	RequestsPerWindow int    // of one application in 600 s; 0 is 1000
	// Now is the clock of everything; nil is time.Now. Waiting, as in slow
	// answers, is done with the timers of package time. There are posts from 2020
	// on: a testing/synctest bubble, which begins in 2000, has to wait first.
	Now func() time.Time
	// ClockSpeed is how many times faster than Now the clock runs from the start
	// on, with all that follows from it: the Date header, windows, created_utc,
	// ends of tokens. 0 is 1, at most 10,000.
	ClockSpeed float64
	// Rates are communities of a known pace: posts a minute, as a mean over the
	// day, by name. 0 is a community without posts; at most 6000. They are what
	// Subreddits gives, and their posts are always found by id.
	Rates    map[string]float64
	Oddities Oddities
}

// Oddities are what makes Reddit's listings hard to read. All follow from the
// seed, the post and the moment: asked twice at one moment, a listing is the
// same. In every field 0 is the default and a negative value is off. Durations
// are shortened by Speed, but for stale pages, which are the clock's.
type Oddities struct {
	// Held is the share of posts held back until a moderator approves them, most
	// for minutes, up to 3 h; a fifth never is. Listings have them only from then
	// on, at the place of their making; by id they are found all the time, with
	// removed_by_category set until then. Default 0.02.
	Held float64
	// Lag is the longest time until listings have a new post; most take a few
	// hundredths of it. By id it is found at once. Default 60 s, at most 1 h.
	Lag time.Duration
	// Disorder is how much too far up a post may stand; one in twenty does.
	// Default 80 s, at most 1 h.
	Disorder time.Duration
	// Stale is the share of pages that are as they were, up to 30 s ago. Default
	// 0.03.
	Stale float64
	// Removed is the share of posts that moderators, Reddit or their authors take
	// away, most of them within hours. By id they are found on. Default 0.03.
	Removed float64
	// Gone is the share of posts that vanish from the site within a day: neither
	// listed nor found by id. Default 0.002.
	Gone float64
	// Fuzz scales the error of scores in each reading. At 1 two readings differ by
	// 1 in the median and by 10 at most. Default 1, at most 20.
	Fuzz float64
	// Stickies is how many posts a community pins at most: /hot puts them on top
	// of the limit. Default 2, as on Reddit the most.
	Stickies int
}

// NoOddities is a Reddit that is always fresh, in order and exact.
func NoOddities() Oddities {
	return Oddities{Held: -1, Lag: -1, Disorder: -1, Stale: -1, Removed: -1, Gone: -1, Fuzz: -1, Stickies: -1}
}

// check fills in defaults and refuses what cannot be played.
func (c *Config) check() error {
	if c.Speed == 0 {
		c.Speed = 1
	}
	if !(c.Speed >= 0.01 && c.Speed <= 1000) {
		return pulse.InvalidField("speed", "want 0.01 to 1000, got %v", c.Speed)
	}
	if c.ClockSpeed == 0 {
		c.ClockSpeed = 1
	}
	if !(c.ClockSpeed >= 0.01 && c.ClockSpeed <= 10_000) {
		return pulse.InvalidField("clock speed", "want 0.01 to 10000, got %v", c.ClockSpeed)
	}
	if c.RequestsPerWindow == 0 {
		c.RequestsPerWindow = 1000
	}
	if c.RequestsPerWindow < 0 {
		return pulse.InvalidField("requests per window", "want at least 1, got %d", c.RequestsPerWindow)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if err := c.checkRates(); err != nil {
		return err
	}
	return c.Oddities.check()
}

func (c *Config) checkRates() error {
	folded := make(map[string]float64, len(c.Rates))
	for name, rate := range c.Rates {
		lower := strings.ToLower(name)
		if _, twice := folded[lower]; twice {
			return pulse.InvalidField("rates", "r/%s is there twice", lower)
		}
		if !validName.MatchString(name) {
			return pulse.InvalidField("rates", "%q is no name of a community", name)
		}
		if rate != 0 && !(rate >= 1e-6 && rate <= 6000) {
			return pulse.InvalidField("rates", "r/%s: want 0, or 0.000001 to 6000 posts a minute, got %v", name, rate)
		}
		folded[lower] = rate
	}
	if len(folded) > 0 && c.Replay != "" {
		return pulse.InvalidField("rates", "a replay has the posts that were recorded, want no rates")
	}
	c.Rates = folded
	return nil
}

func (o *Oddities) check() error {
	for _, s := range []struct {
		field string
		value *float64
		usual float64
		most  float64
	}{
		{"held", &o.Held, 0.02, 1}, {"stale", &o.Stale, 0.03, 1}, {"removed", &o.Removed, 0.03, 1},
		{"gone", &o.Gone, 0.002, 1}, {"fuzz", &o.Fuzz, 1, 20},
	} {
		if math.IsNaN(*s.value) || *s.value > s.most {
			return pulse.InvalidField(s.field, "want at most %v, or less than 0 for none, got %v", s.most, *s.value)
		}
		*s.value = chosen(*s.value, s.usual)
	}
	for _, d := range []struct {
		field string
		value *time.Duration
		usual time.Duration
	}{{"lag", &o.Lag, time.Minute}, {"disorder", &o.Disorder, 80 * time.Second}} {
		if *d.value > time.Hour {
			return pulse.InvalidField(d.field, "want at most 1h, or less than 0 for none, got %s", *d.value)
		}
		*d.value = chosen(*d.value, d.usual)
	}
	if o.Removed+o.Gone > 1 {
		return pulse.InvalidField("gone", "want at most 1 together with removed, got %v and %v", o.Gone, o.Removed)
	}
	if o.Stickies > 2 {
		return pulse.InvalidField("stickies", "want at most 2, or less than 0 for none, got %d", o.Stickies)
	}
	o.Stickies = chosen(o.Stickies, 2)
	return nil
}

// chosen is the setting with its default in place of 0, and 0 where it is off.
func chosen[T int | float64 | time.Duration](v, usual T) T {
	if v == 0 {
		return usual
	}
	return max(v, 0)
}

// clock gives the moments of a Reddit whose clock runs faster, or slower, than
// now from here on.
func clock(now func() time.Time, speed float64) func() time.Time {
	if speed == 1 {
		return now
	}
	start := now()
	return func() time.Time {
		return start.Add(time.Duration(float64(now().Sub(start)) * speed))
	}
}
