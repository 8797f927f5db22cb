package dump

import (
	"bytes"
	"errors"
	"time"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/thing"
	"dev.redditpulse/shared/wire"
)

// item is a line and what becomes of it.
type item struct {
	line    int64
	value   []byte // as it was read, then as it is produced
	key     string // the post's id, "" if it is not produced
	skipped bool   // the filter leaves it out
	fault   Fault  // why it is refused
}

// check decides what becomes of a line.
func (it *item) check(now time.Time, filter *sieve) {
	err := it.decode(now, filter)
	if err == nil {
		return
	}
	it.fault = Fault{Line: it.line, Field: "value", Reason: err.Error()}
	if e, ok := errors.AsType[*pulse.Error](err); ok {
		it.fault.Field, it.fault.Reason = e.Field, e.Message
	}
}

// decode tells a Kafka value from a post of an archive by its "v".
func (it *item) decode(now time.Time, filter *sieve) error {
	if bytes.HasPrefix(it.value, []byte(`{"v":`)) { // as our own encoder begins
		return it.record(now, filter)
	}
	post, err := thing.Parse(it.value)
	if err != nil {
		return err
	}
	if post.IsRecord() {
		return it.record(now, filter)
	}
	return it.post(&post, now, filter)
}

// record takes a Kafka value as it is.
func (it *item) record(now time.Time, filter *sieve) error {
	o, err := wire.DecodeObservation(it.value, now)
	if err != nil {
		return err
	}
	if it.skipped = !filter.takesSubreddit(o.Subreddit) || !filter.takesTime(o.CreatedAt); !it.skipped {
		it.key = o.PostID
	}
	return nil
}

// post makes a Kafka value of an archive's post. Most lines of a filtered import
// end before they are decoded. A post whose subreddit or time cannot be read is
// not left out but refused.
func (it *item) post(post *thing.Object, now time.Time, filter *sieve) error {
	if name, ok := post.Subreddit(); ok && !filter.takesSubreddit(name) {
		it.skipped = true
		return nil
	}
	if created, ok := post.CreatedAt(); ok && !filter.takesTime(created) {
		it.skipped = true
		return nil
	}
	o, err := post.Archived(now)
	if err != nil {
		return err
	}
	it.key, it.value = o.PostID, wire.EncodeObservation(&o)
	return nil
}
