package bus

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

// backoff is the pause between tries: doubling from min to max, half of it
// random.
type backoff struct {
	min, max time.Duration
	next     time.Duration
}

// wait pauses, or returns ctx's error when it ends first.
func (b *backoff) wait(ctx context.Context) error {
	if b.next == 0 {
		b.next = b.min
	}
	pause := b.next/2 + rand.N(b.next/2+1)
	b.next = min(2*b.next, b.max)
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// occasional lets a message that may come many times a second through at once
// and then every ten seconds at most, saying how often it was held back.
type occasional struct {
	mu   sync.Mutex // covers the rest
	last time.Time
	held int
}

const messagePause = 10 * time.Second

func (o *occasional) warn(log *slog.Logger, msg string, args ...any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if now := time.Now(); now.Sub(o.last) >= messagePause {
		log.Warn(msg, append(args, "held_back", o.held)...)
		o.last, o.held = now, 0
		return
	}
	o.held++
}
