package cache

import (
	"context"
	_ "embed"
	"errors"
	"hash/fnv"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"dev.redditpulse/shared/pulse"
)

//go:embed velocity.lua
var velocityText string

var velocityScript = redis.NewScript(velocityText)

// slots is into how many hash slots the posts are spread: the keys of one call
// must share one, so that a Redis cluster would take it.
const slots = 16

// Advance takes the readings of a batch, sorted by post and time and distinct,
// and gives for each the earlier reading that its velocity is measured against:
// the zero Reading where there is none (a first sight, a stale reading, or Redis
// lost its data). step is the shortest time worth measuring over. A post's newest
// reading taken again gets the same answer; one before it is stale by then.
func (c *Cache) Advance(ctx context.Context, readings []pulse.Observation, step time.Duration) ([]pulse.Reading, error) {
	calls := c.advanceCalls(readings, step)
	if err := c.sendAdvance(ctx, calls); err != nil {
		return nil, coded("advance velocities", err)
	}
	against := make([]pulse.Reading, len(readings))
	for i := range calls {
		if err := calls[i].read(against); err != nil {
			return nil, coded("advance velocities", err)
		}
	}
	return against, nil
}

// advanceCall is one call of the script: the posts of one slot.
type advanceCall struct {
	keys  []string
	args  []any
	index []int // where in the batch each reading stands
	reply *redis.Cmd
}

func (c *Cache) advanceCalls(readings []pulse.Observation, step time.Duration) []advanceCall {
	var bySlot [slots]advanceCall
	for from := 0; from < len(readings); {
		to := from + 1
		for to < len(readings) && readings[to].PostID == readings[from].PostID {
			to++
		}
		slot := slotOf(readings[from].PostID)
		call := &bySlot[slot]
		if call.args == nil {
			call.args = []any{c.ttl.Milliseconds(), step.Milliseconds()}
		}
		call.keys = append(call.keys, "v{"+strconv.Itoa(slot)+"}:"+readings[from].PostID)
		call.args = append(call.args, to-from)
		for i := from; i < to; i++ {
			o := &readings[i]
			call.args = append(call.args, o.ObservedAt.UnixMilli(), o.Score, o.NumComments)
			call.index = append(call.index, i)
		}
		from = to
	}
	var calls []advanceCall
	for _, call := range bySlot {
		if call.args != nil {
			calls = append(calls, call)
		}
	}
	return calls
}

func slotOf(postID string) int {
	h := fnv.New32a()
	h.Write([]byte(postID))
	return int(h.Sum32() % slots)
}

// sendAdvance pipelines the calls. A pipelined EVALSHA does not load the script
// by itself, so after a restart of Redis it is loaded and all are sent again:
// the script may run twice.
func (c *Cache) sendAdvance(ctx context.Context, calls []advanceCall) error {
	send := func() error {
		_, err := c.velocity.Pipelined(ctx, func(p redis.Pipeliner) error {
			for i := range calls {
				calls[i].reply = velocityScript.EvalSha(ctx, p, calls[i].keys, calls[i].args...)
			}
			return nil
		})
		return err
	}
	err := send()
	if err == nil || !noScript(err) {
		return err
	}
	if err := velocityScript.Load(ctx, c.velocity).Err(); err != nil {
		return err
	}
	return send()
}

func noScript(err error) bool { return strings.HasPrefix(err.Error(), "NOSCRIPT") }

func (call *advanceCall) read(against []pulse.Reading) error {
	reply, err := call.reply.Result()
	if err != nil {
		return err
	}
	parts, err := stringsOf(reply, 4*len(call.index))
	if err != nil {
		return err
	}
	for k, i := range call.index {
		t, score, comments := parts[4*k+1], parts[4*k+2], parts[4*k+3]
		if t == "" {
			continue
		}
		ms, err1 := strconv.ParseInt(t, 10, 64)
		s, err2 := strconv.ParseInt(score, 10, 64)
		n, err3 := strconv.ParseInt(comments, 10, 64)
		if err := errors.Join(err1, err2, err3); err != nil {
			return err
		}
		against[i] = pulse.Reading{ObservedAt: time.UnixMilli(ms).UTC(), Score: s, NumComments: n}
	}
	return nil
}
