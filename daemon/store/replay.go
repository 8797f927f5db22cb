package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"golang.org/x/time/rate"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

const (
	// replayChunk is how many letters are taken at once: each may be a megabyte.
	replayChunk = 20
	// replayLease is how long a chunk may take. A process that dies meanwhile has
	// perhaps sent some of it; they are sent again later, which is harmless.
	replayLease = 2 * time.Minute
	// replayTime bounds one act, settleGrace what it still owes then: together they
	// are below the ten seconds that a client waits for an answer.
	replayTime  = 6 * time.Second
	settleGrace = 2 * time.Second
)

// ReplayStore keeps the letters' state.
type ReplayStore interface {
	// DeadOutlook says what would be done; mostReplays 0: to a discard.
	DeadOutlook(ctx context.Context, c pulse.DeadChoice, mostReplays int) (pulse.DeadOutlook, error)
	// LeaseDeadLetters takes at most limit letters that may be sent again, none of
	// except.
	LeaseDeadLetters(ctx context.Context, c pulse.DeadChoice, except []string, lease time.Duration, limit int) ([]pulse.DeadLetter, error)
	// MarkReplayed settles letters; their Replays count this time in.
	MarkReplayed(ctx context.Context, letters []pulse.DeadLetter, by string) error
	ReleaseDeadLetters(ctx context.Context, ids []string) error
	DiscardDeadLetters(ctx context.Context, c pulse.DeadChoice, by, reason string, limit int) (int64, error)
}

// Producer writes to Kafka.
type Producer interface {
	// Produce returns once all brokers that must have the records have them.
	Produce(ctx context.Context, records []wire.Record) error
}

// Replayer sends dead letters again to the topic that they came from, and gives
// others up.
type Replayer struct {
	db    ReplayStore
	bus   Producer
	limit *rate.Limiter
	log   *slog.Logger
}

// NewReplayer makes a replayer of at most perSecond letters a second.
func NewReplayer(db ReplayStore, bus Producer, perSecond int, log *slog.Logger) *Replayer {
	return &Replayer{db: db, bus: bus, limit: rate.NewLimiter(rate.Limit(perSecond), replayChunk), log: log}
}

// ReplayOutlook says what Replay would do.
func (r *Replayer) ReplayOutlook(ctx context.Context, c pulse.DeadChoice) (pulse.DeadOutlook, error) {
	return r.db.DeadOutlook(ctx, c, pulse.MaxReplays)
}

// DiscardOutlook says what Discard would do.
func (r *Replayer) DiscardOutlook(ctx context.Context, c pulse.DeadChoice) (pulse.DeadOutlook, error) {
	return r.db.DeadOutlook(ctx, c, 0)
}

// Replay sends at most limit of the chosen letters again, oldest failures first,
// each once, and says how many the brokers have, also with an error: the others are
// as they were. Refused are those that cannot be sent as they are. It stops by
// itself when its time is over. A letter keeps its identity: should it fail again,
// it is open again.
func (r *Replayer) Replay(ctx context.Context, c pulse.DeadChoice, by string, limit int) (done, refused int, err error) {
	act, cancel := context.WithTimeout(ctx, replayTime)
	defer cancel()
	done, refused, err = r.replay(act, c, by, limit)
	if err != nil {
		r.log.Warn("dead letters replayed until a part failed", "by", by, "letters", done, "refused", refused, "err", err)
		text := fmt.Sprintf("%d dead letters were sent again before a part of the system failed; the others are as they were", done)
		return done, refused, &pulse.Error{Code: pulse.CodeOf(err), Message: text, Err: err}
	}
	r.log.Info("dead letters replayed", "by", by, "letters", done, "refused", refused)
	return done, refused, nil
}

func (r *Replayer) replay(ctx context.Context, c pulse.DeadChoice, by string, limit int) (done, refused int, err error) {
	// What fails again meanwhile is open again, and not to be taken twice.
	var tried []string
	for done < limit {
		want := min(replayChunk, limit-done)
		if err := r.limit.WaitN(ctx, want); err != nil {
			if len(tried) > 0 && !errors.Is(ctx.Err(), context.Canceled) {
				return done, refused, nil // there is no time left for more
			}
			return done, refused, &pulse.Error{Code: pulse.Unavailable, Message: "wait for a turn", Err: err}
		}
		letters, err := r.db.LeaseDeadLetters(ctx, c, tried, replayLease, want)
		if err != nil {
			return done, refused, err
		}
		for i := range letters {
			tried = append(tried, letters[i].ID)
			letters[i].Replays++
		}
		sent, sendErr := r.send(ctx, letters)
		if err := r.settle(ctx, letters, sent, by); err != nil {
			return done, refused, errors.Join(sendErr, err)
		}
		done += len(sent)
		if sendErr != nil {
			return done, refused, sendErr
		}
		refused += len(letters) - len(sent)
		if len(letters) < want {
			break
		}
	}
	return done, refused, nil
}

// send produces letters and gives those that the brokers have. One that cannot be
// sent holds up no other.
func (r *Replayer) send(ctx context.Context, letters []pulse.DeadLetter) (sent []pulse.DeadLetter, err error) {
	records := make([]wire.Record, len(letters))
	for i := range letters {
		records[i] = recordOf(&letters[i])
	}
	err = r.bus.Produce(ctx, records)
	switch {
	case err == nil:
		return letters, nil
	case pulse.CodeOf(err) != pulse.Invalid:
		return nil, &pulse.Error{Code: pulse.Unavailable, Message: "send dead letters again", Err: err}
	case len(letters) == 1:
		r.log.Warn("a dead letter cannot be sent again", "dlq_id", letters[0].ID, "err", err)
		return nil, nil
	}
	for i := range letters {
		one, err := r.send(ctx, letters[i:i+1])
		sent = append(sent, one...)
		if err != nil {
			return sent, err
		}
	}
	return sent, nil
}

// settle marks what was sent, also when the caller has gone, and gives the other
// letters back.
func (r *Replayer) settle(ctx context.Context, letters, sent []pulse.DeadLetter, by string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleGrace)
	defer cancel()
	if len(sent) > 0 {
		if err := r.db.MarkReplayed(ctx, sent, by); err != nil {
			return err
		}
	}
	var back []string
	for i := range letters {
		if !slices.ContainsFunc(sent, func(s pulse.DeadLetter) bool { return s.ID == letters[i].ID }) {
			back = append(back, letters[i].ID)
		}
	}
	if len(back) == 0 {
		return nil
	}
	if err := r.db.ReleaseDeadLetters(ctx, back); err != nil {
		r.log.Warn("dead letters stay taken until their lease ends", "letters", len(back), "err", err)
	}
	return nil
}

// recordOf is the record that failed, with the headers by which a new failure is
// known as the same.
func recordOf(l *pulse.DeadLetter) wire.Record {
	headers := make([]wire.Header, 0, len(l.Headers)+3)
	for _, h := range l.Headers {
		headers = append(headers, wire.Header{Key: h.Key, Value: h.Value})
	}
	return wire.Record{
		Topic: l.Topic, Key: l.Key, Value: l.Value,
		Headers: append(headers,
			wire.Header{Key: wire.HeaderDeadID, Value: []byte(l.ID)},
			wire.Header{Key: wire.HeaderDeadFirstFailed, Value: []byte(wire.FormatTime(l.FirstFailedAt))},
			wire.Header{Key: wire.HeaderDeadReplays, Value: []byte(strconv.Itoa(l.Replays))}),
	}
}

// Discard gives at most limit of the chosen letters up, and says how many it were.
func (r *Replayer) Discard(ctx context.Context, c pulse.DeadChoice, by, reason string, limit int) (int, error) {
	n, err := r.db.DiscardDeadLetters(ctx, c, by, reason, limit)
	if err != nil {
		return int(n), err
	}
	r.log.Info("dead letters discarded", "by", by, "letters", n, "reason", reason)
	return int(n), nil
}
