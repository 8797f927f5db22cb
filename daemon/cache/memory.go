package cache

import (
	"context"
	_ "embed"
	"fmt"
	"hash/fnv"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"dev.redditpulse/shared/pulse"
)

const (
	// slots is into how many hash slots the posts are spread: the keys of one call
	// must share one, so that a Redis cluster would take it.
	slots = 16
	// timeDigits is how long the time is that each body begins with.
	timeDigits = 15
	// memoryBegan holds when this Redis began to remember, in ms.
	memoryBegan = "memory:began"
)

var (
	//go:embed remember.lua
	rememberText string

	rememberScript = redis.NewScript(rememberText)
)

// Recall gives what is remembered of each post, nil where that is nothing, and
// since when this Redis remembers: of a post that is older, the memory may have
// been lost.
func (c *Cache) Recall(ctx context.Context, ids []string) (bodies [][]byte, since time.Time, err error) {
	groups := bySlot(len(ids), func(i int) string { return ids[i] })
	replies := make([]*redis.SliceCmd, len(groups))
	var began *redis.StringCmd
	_, err = c.velocity.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.SetNX(ctx, memoryBegan, time.Now().UnixMilli(), 0)
		began = p.Get(ctx, memoryBegan)
		for i, g := range groups {
			replies[i] = p.MGet(ctx, g.keys...)
		}
		return nil
	})
	if err != nil {
		return nil, time.Time{}, coded("recall posts", err)
	}
	ms, err := began.Int64()
	if err != nil {
		return nil, time.Time{}, coded("recall posts", err)
	}
	bodies = make([][]byte, len(ids))
	for i, g := range groups {
		for k, value := range replies[i].Val() {
			if body, ok := value.(string); ok && len(body) > timeDigits {
				bodies[g.index[k]] = []byte(body[timeDigits:])
			}
		}
	}
	return bodies, time.UnixMilli(ms).UTC(), nil
}

// Remember keeps the memories. Of two memories of a post the one with the newer
// reading wins, so that repeating it, late or out of order, is harmless.
func (c *Cache) Remember(ctx context.Context, memories []pulse.Memory) error {
	groups := bySlot(len(memories), func(i int) string { return memories[i].PostID })
	return coded("remember posts", scripted(ctx, c.velocity, rememberScript, func(p redis.Pipeliner) {
		for _, g := range groups {
			args := make([]any, 1, 1+len(g.index))
			args[0] = c.ttl.Milliseconds()
			for _, i := range g.index {
				args = append(args, bodyOf(&memories[i]))
			}
			rememberScript.EvalSha(ctx, p, g.keys, args...)
		}
	}))
}

func bodyOf(m *pulse.Memory) []byte {
	body := make([]byte, 0, timeDigits+len(m.Body))
	body = fmt.Appendf(body, "%0*d", timeDigits, max(0, m.ObservedAt.UnixMilli()))
	return append(body, m.Body...)
}

// group is the posts of one hash slot.
type group struct {
	keys  []string
	index []int // where each stands in the batch
}

func bySlot(n int, id func(int) string) []group {
	var all [slots]group
	for i := range n {
		g := &all[slotOf(id(i))]
		if g.keys == nil {
			g.keys, g.index = make([]string, 0, n/slots+8), make([]int, 0, n/slots+8)
		}
		g.keys = append(g.keys, keyOf(id(i)))
		g.index = append(g.index, i)
	}
	groups := all[:0]
	for _, g := range all {
		if g.keys != nil {
			groups = append(groups, g)
		}
	}
	return groups
}

func keyOf(postID string) string {
	return "m{" + strconv.FormatUint(uint64(slotOf(postID)), 10) + "}:" + postID
}

func slotOf(postID string) uint32 {
	h := fnv.New32a()
	h.Write([]byte(postID))
	return h.Sum32() % slots
}
