package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

// maxMessage bounds what a dead letter says of its fault, in bytes.
const maxMessage = 512

// letter makes the dead letter of a record: key, value and headers verbatim, the
// reason in headers of ours. A record that is a replayed dead letter keeps the
// identity of its first failure.
func (p *Processor) letter(r *wire.Record, s step, cause error) wire.Record {
	id := r.Header(wire.HeaderDeadID)
	first := r.Header(wire.HeaderDeadFirstFailed)
	if id == nil {
		id = fmt.Appendf(nil, "%s/%d/%d", r.Topic, r.Partition, r.Offset)
		first = []byte(wire.FormatTime(p.now()))
	}
	replays := r.Header(wire.HeaderDeadReplays)
	if replays == nil {
		replays = []byte("0")
	}
	text := func(key, value string) wire.Header { return wire.Header{Key: key, Value: []byte(value)} }
	headers := []wire.Header{
		{Key: wire.HeaderDeadID, Value: id},
		text(wire.HeaderDeadTopic, r.Topic),
		text(wire.HeaderDeadPartition, strconv.Itoa(r.Partition)),
		text(wire.HeaderDeadOffset, strconv.FormatInt(r.Offset, 10)),
		text(wire.HeaderDeadTimestamp, wire.FormatTime(r.Time)),
		text(wire.HeaderDeadGroup, p.c.Group),
		text(wire.HeaderDeadStage, string(s)),
		text(wire.HeaderDeadClass, classOf(cause)),
		text(wire.HeaderDeadMessage, messageOf(cause)),
		{Key: wire.HeaderDeadFirstFailed, Value: first},
		text(wire.HeaderDeadVersion, p.c.Version),
		{Key: wire.HeaderDeadReplays, Value: replays},
	}
	for _, h := range r.Headers {
		if !strings.HasPrefix(h.Key, wire.HeaderDeadPrefix) {
			headers = append(headers, h)
		}
	}
	return wire.Record{Topic: wire.TopicDead, Key: r.Key, Value: r.Value, Headers: headers}
}

// classOf groups dead letters: the code and the field of the fault.
func classOf(err error) string {
	var e *pulse.Error
	if errors.As(err, &e) && e.Field != "" {
		return string(e.Code) + ":" + e.Field
	}
	return string(pulse.CodeOf(err))
}

func messageOf(err error) string {
	text := err.Error()
	if len(text) > maxMessage {
		text = strings.ToValidUTF8(text[:maxMessage], "")
	}
	return text
}

func (p *Processor) storeLetters(refused []refusal) []wire.Record {
	var letters []wire.Record
	for i := range refused {
		letters = append(letters, p.letter(refused[i].record, stepStore, refused[i].err))
	}
	return letters
}

// bury produces the dead letters and waits until they are safe: the offset
// moves only then.
func (p *Processor) bury(ctx context.Context, claim Claim, letters []wire.Record, log *slog.Logger) error {
	if len(letters) == 0 {
		return nil
	}
	defer p.done(stepDead, time.Now())
	err := p.outwait(ctx, claim, stepDead, log, func() error {
		err := p.dead.Produce(ctx, letters)
		if err != nil && pulse.CodeOf(err) == pulse.Invalid {
			// A letter that can't be sent would be lost: a bug, to be waited out.
			return &pulse.Error{Code: pulse.Internal, Message: "produce dead letters", Err: err}
		}
		return err
	})
	if err != nil {
		return err
	}
	for i := range letters {
		l := &letters[i]
		p.metrics.dead.WithLabelValues(string(l.Header(wire.HeaderDeadStage))).Inc()
		log.Warn("record became a dead letter", "dlq_id", string(l.Header(wire.HeaderDeadID)),
			"stage", string(l.Header(wire.HeaderDeadStage)), "err", string(l.Header(wire.HeaderDeadMessage)))
	}
	return nil
}
