// Package screen is what can be seen: log in, feed, subreddits. A screen keeps
// its own state, draws lines of an exact width, and does nothing to the world
// but through commands.
package screen

import (
	"fmt"
	"strconv"
	"time"
)

// unknown stands for a figure that is not known.
const unknown = "–"

// Age says how long ago t was, in at most four cells: "<1m", "59m", "23h",
// "9d", "3y". A time to come is "<1m": clocks differ a little.
func Age(now, t time.Time) string {
	if t.IsZero() {
		return unknown
	}
	d := now.Sub(t)
	switch {
	case d < time.Minute:
		return "<1m"
	case d < time.Hour:
		return strconv.Itoa(int(d/time.Minute)) + "m"
	case d < 48*time.Hour:
		return strconv.Itoa(int(d/time.Hour)) + "h"
	case d < 1000*24*time.Hour:
		return strconv.Itoa(int(d/(24*time.Hour))) + "d"
	}
	return strconv.Itoa(int(d/(365*24*time.Hour))) + "y"
}

// Ago is Age with seconds, for what changes while one looks.
func Ago(now, t time.Time) string {
	if d := now.Sub(t); !t.IsZero() && d < time.Minute {
		return strconv.Itoa(max(0, int(d/time.Second))) + "s"
	}
	return Age(now, t)
}

// count gives a figure in at most six cells.
func count(n int64) string {
	switch {
	case n >= 1_000_000 || n <= -100_000:
		return fmt.Sprintf("%.1fM", float64(n)/1e6)
	}
	return strconv.FormatInt(n, 10)
}

// speed gives a rate per minute in at most seven cells.
func speed(v *float64) string {
	switch {
	case v == nil:
		return unknown
	case *v >= 1e6 || *v <= -1e5:
		return fmt.Sprintf("%.0e", *v)
	case *v >= 100 || *v <= -100:
		return fmt.Sprintf("%.0f", *v)
	}
	return fmt.Sprintf("%.1f", *v)
}

func share(v *float64) string {
	if v == nil {
		return unknown
	}
	return fmt.Sprintf("%.0f %%", *v*100)
}

func moment(now, t time.Time) string {
	if t.IsZero() {
		return unknown
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC") + ", " + Ago(now, t) + " ago"
}
