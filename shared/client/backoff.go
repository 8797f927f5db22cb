package client

import (
	"math/rand/v2"
	"time"
)

// backoff is how long to wait between two attempts: twice as long each time,
// half of it by chance, so that many clients do not come back at once.
type backoff struct {
	first   time.Duration
	most    time.Duration
	healthy time.Duration // a connection that lasted this long starts over
}

// wait is the pause after the n-th failure in a row, counted from 0.
func (b backoff) wait(n int) time.Duration {
	pause := b.most
	if n < 16 {
		pause = min(b.first<<n, b.most)
	}
	return jitter(pause)
}

// longest is the pause where a quick retry would only do harm.
func (b backoff) longest() time.Duration { return jitter(b.most) }

func jitter(d time.Duration) time.Duration {
	if d <= 1 {
		return d
	}
	return d/2 + rand.N(d/2+1)
}
