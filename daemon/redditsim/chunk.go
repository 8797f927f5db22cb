package redditsim

import (
	"cmp"
	"slices"
	"sync"
)

const (
	// perChunk is how many buckets are made, and remembered, as one.
	perChunk = 16
	// maxChunks bounds one generation of remembered chunks, of which there are
	// two. A chunk has 64 posts on average, which take 5 KB.
	maxChunks = 2048
	// maxEmpty is how many chunks in a row without a post end a listing.
	maxEmpty = 12
)

// chunk is the posts of perChunk buckets in the order of their places, the
// lowest first. It holds those to come as well.
type chunk []birth

// chunkOf is the number of the chunk that a moment lies in.
func (c *community) chunkOf(unixMilli int64) int64 { return unixMilli / (c.bucket * perChunk) }

func (c *community) makeChunk(n int64) chunk {
	end := (n + 1) * perChunk * c.bucket
	made := make(chunk, 0, perBucket*perChunk*5/4)
	for b := range int64(perChunk) {
		for _, at := range c.made(n*perChunk + b) {
			made = append(made, c.birth(at, end))
		}
	}
	slices.SortFunc(made, func(a, b birth) int { return cmp.Or(cmp.Compare(a.place, b.place), cmp.Compare(a.at, b.at)) })
	return made
}

// find gives the post made at a moment, nil where there is none.
func (ch chunk) find(at int64) *birth {
	for i := range ch {
		if ch[i].at == at {
			return &ch[i]
		}
	}
	return nil
}

// chunks remembers the chunks that were used last. It keeps two generations: a
// full young one takes the place of the old one, whose chunks are forgotten
// unless they were used again. All of them could be made anew.
type chunks struct {
	mu         sync.Mutex // covers the generations
	young, old map[chunkKey]chunk
}

type chunkKey struct {
	community uint64
	number    int64
}

func newChunks() *chunks { return &chunks{young: map[chunkKey]chunk{}} }

// get gives a chunk that nobody may change.
func (cs *chunks) get(c *community, n int64) chunk {
	key := chunkKey{c.key, n}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	found, ok := cs.young[key]
	if ok {
		return found
	}
	if found, ok = cs.old[key]; !ok {
		found = c.makeChunk(n)
	}
	if len(cs.young) >= maxChunks {
		cs.old, cs.young = cs.young, make(map[chunkKey]chunk, maxChunks)
	}
	cs.young[key] = found
	return found
}

// walk goes back through the posts that a community's listing has at a moment.
type walk struct {
	chunks *chunks
	c      *community
	now    int64  // Unix milliseconds
	at     *birth // where it stands; nil at the end
	next   int64  // chunk to read when the current one is used up
	rest   chunk
	empty  int // chunks without a post, in a row
}

func (cs *chunks) walk(c *community, now int64) *walk {
	w := &walk{chunks: cs, c: c, now: now}
	if c.bucket > 0 {
		w.next = c.chunkOf(now)
		w.step()
	}
	return w
}

// step goes on to the next older post.
func (w *walk) step() {
	for w.at = nil; ; {
		for n := len(w.rest) - 1; n >= 0; n-- {
			b := &w.rest[n]
			if b.listed(w.now) {
				w.at, w.rest = b, w.rest[:n]
				return
			}
		}
		if w.empty > maxEmpty || w.next < w.c.chunkOf(founded) {
			return
		}
		w.rest = w.chunks.get(w.c, w.next)
		w.next--
		if w.empty++; len(w.rest) > 0 {
			w.empty = 0
		}
	}
}
