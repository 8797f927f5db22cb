package cache

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"dev.redditpulse/shared/wire"
)

const (
	feedMeta   = "{feed}:meta"
	feedStream = "{feed}:stream"
	// tailBlock is how long a read of the stream waits for news. Not for ever: a
	// blocking call ignores the end of its context, and a stream that was lost
	// never answers.
	tailBlock = 2 * time.Second
	// appendChunk bounds how long one append keeps Redis from other work.
	appendChunk = 100
)

var (
	//go:embed append.lua
	appendText string
	//go:embed newepoch.lua
	newEpochText string

	appendScript   = redis.NewScript(appendText)
	newEpochScript = redis.NewScript(newEpochText)
)

// Announce appends posts (their JSON) to the feed, which keeps at least the
// newest length. A failure may leave some of them appended: announcing all
// again is harmless, readers know a post by id and time.
func (c *Cache) Announce(ctx context.Context, posts [][]byte, length int) error {
	return coded("announce posts", scripted(ctx, c.feed, appendScript, func(p redis.Pipeliner) {
		for chunk := range slices.Chunk(posts, appendChunk) {
			args := make([]any, 0, 2+len(chunk))
			args = append(args, length, freshEpoch())
			for _, post := range chunk {
				args = append(args, post)
			}
			appendScript.EvalSha(ctx, p, []string{feedMeta, feedStream}, args...)
		}
	}))
}

// FeedTail reads the feed for one reader, which must not call it concurrently.
type FeedTail struct {
	c *Cache
	// The last entry handed out: where the next read goes on.
	state wire.FeedState
	id    string // stream id of the entry state.Seq, "0-0" before the first
}

// FeedTail makes a reader of the feed.
func (c *Cache) FeedTail() *FeedTail { return &FeedTail{c: c, id: "0-0"} }

// Tail gives the newest at most n entries, oldest first, and moves the reader
// behind them.
func (t *FeedTail) Tail(ctx context.Context, n int) (wire.FeedState, []wire.FeedEntry, error) {
	state, err := t.current(ctx)
	if err == nil && state.Epoch == "" && t.state.Epoch == "" {
		state, err = t.begin(ctx)
	}
	if err != nil {
		return wire.FeedState{}, nil, err
	}
	messages, err := t.c.feed.XRevRangeN(ctx, feedStream, "+", "-", int64(n)).Result()
	if err != nil {
		return wire.FeedState{}, nil, coded("read the feed's tail", err)
	}
	t.state, t.id = wire.FeedState{Epoch: state.Epoch}, "0-0"
	entries := make([]wire.FeedEntry, len(messages))
	for i, m := range messages {
		if entries[len(messages)-1-i], err = entryOf(m); err != nil {
			return wire.FeedState{}, nil, coded("read the feed's tail", err)
		}
	}
	if len(messages) > 0 {
		t.id, t.state.Seq = messages[0].ID, entries[len(entries)-1].Seq
	} else {
		t.state.Seq = state.Seq
	}
	return t.state, entries, nil
}

// Next waits up to two seconds for entries behind after, the last number that
// the caller has, and gives at most limit. The state tells a new epoch, whose
// entries only Tail gives: then there are none here.
func (t *FeedTail) Next(ctx context.Context, after uint64, limit int) (wire.FeedState, []wire.FeedEntry, error) {
	if after != t.state.Seq {
		return wire.FeedState{}, nil, fmt.Errorf("read the feed behind %d: the reader stands at %d", after, t.state.Seq)
	}
	streams, err := t.c.tail.XRead(ctx, &redis.XReadArgs{
		Streams: []string{feedStream, t.id}, Count: int64(limit), Block: tailBlock,
	}).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return wire.FeedState{}, nil, coded("read the feed", err)
	}
	state, err := t.current(ctx)
	if err != nil {
		return wire.FeedState{}, nil, err
	}
	if state.Epoch == t.state.Epoch && state.Seq < t.state.Seq {
		if state, err = t.startEpoch(ctx); err != nil {
			return wire.FeedState{}, nil, err
		}
	}
	if state.Epoch != t.state.Epoch {
		return state, nil, nil
	}
	entries, err := t.take(streams)
	return t.state, entries, err
}

// take moves the reader behind what was read.
func (t *FeedTail) take(streams []redis.XStream) ([]wire.FeedEntry, error) {
	var entries []wire.FeedEntry
	for _, stream := range streams {
		for _, m := range stream.Messages {
			e, err := entryOf(m)
			if err != nil {
				return nil, coded("read the feed", err)
			}
			entries = append(entries, e)
			t.id, t.state.Seq = m.ID, e.Seq
		}
	}
	return entries, nil
}

// begin gives a feed that has never had an entry its epoch, so that who watches
// from the start misses nothing when the first comes.
func (t *FeedTail) begin(ctx context.Context) (wire.FeedState, error) {
	_, err := t.c.feed.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.HSetNX(ctx, feedMeta, "epoch", freshEpoch())
		p.HSetNX(ctx, feedMeta, "n", 0)
		return nil
	})
	if err != nil {
		return wire.FeedState{}, coded("begin the feed", err)
	}
	return t.current(ctx)
}

// startEpoch ends an epoch whose numbers went back.
func (t *FeedTail) startEpoch(ctx context.Context) (wire.FeedState, error) {
	err := newEpochScript.Run(ctx, t.c.feed, []string{feedMeta, feedStream},
		t.state.Epoch, t.state.Seq, freshEpoch()).Err()
	if err != nil {
		return wire.FeedState{}, coded("start a feed epoch", err)
	}
	return t.current(ctx)
}

// current is the feed's state in Redis; the zero state where there is none.
func (t *FeedTail) current(ctx context.Context) (wire.FeedState, error) {
	values, err := t.c.feed.HMGet(ctx, feedMeta, "epoch", "n").Result()
	if err != nil {
		return wire.FeedState{}, coded("read the feed's state", err)
	}
	epoch, ok := values[0].(string)
	if !ok {
		return wire.FeedState{}, nil
	}
	text, _ := values[1].(string)
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return wire.FeedState{}, coded("read the feed's state", err)
	}
	return wire.FeedState{Epoch: epoch, Seq: n}, nil
}

func entryOf(m redis.XMessage) (wire.FeedEntry, error) {
	text, _ := m.Values["n"].(string)
	post, _ := m.Values["p"].(string)
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return wire.FeedEntry{}, fmt.Errorf("feed entry %s: number %q", m.ID, text)
	}
	return wire.FeedEntry{Seq: n, Post: []byte(post)}, nil
}
