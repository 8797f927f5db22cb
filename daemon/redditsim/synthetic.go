package redditsim

import (
	"encoding/binary"
	"hash/fnv"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// synthetic is communities made from a seed. A post is a function of the seed,
// its community and the moment it was made: nothing is kept but the names of
// small communities that were asked for, and with the same configuration a
// restart goes on where it was.
//
// Time is cut into buckets, per community, that hold a few posts each on
// average; a bucket's posts follow from its number alone. A post's id is
//
//	(its millisecond since 2020) << 20 | (20 bits of the hash of its community)
//
// in base 36, so that ids grow with time, and the bucket of any id is known.
type synthetic struct {
	seed   uint64
	speed  float64
	rates  map[string]float64 // posts a minute by name in lower case
	odd    *Oddities
	chunks *chunks

	mu     sync.Mutex              // covers the maps
	byName map[string]*community   // by name in lower case
	byCode map[uint32][]*community // communities that share a code differ in their milliseconds
}

const (
	codeBits  = 20
	perBucket = 4 // posts in a bucket, on average
	// maxLearned bounds the small communities that are remembered because
	// somebody asked for them. Further ones are answered, but their posts are not
	// found by id. Configured and known ones are remembered in any number.
	maxLearned = 20_000
)

// founded is when ids begin; no community has older posts.
var founded = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()

func newSynthetic(c *Config) *synthetic {
	s := &synthetic{
		seed: c.Seed, speed: c.Speed, rates: c.Rates, odd: &c.Oddities, chunks: newChunks(),
		byName: map[string]*community{}, byCode: map[uint32][]*community{},
	}
	for _, e := range catalogue {
		s.know(e.name)
	}
	for name := range c.Rates {
		s.know(name)
	}
	return s
}

func (s *synthetic) names() []string {
	if len(s.rates) > 0 {
		return slices.Sorted(maps.Keys(s.rates))
	}
	return slices.Clone(lively)
}

func (s *synthetic) community(name string) standing { return standingOf(name) }

func (s *synthetic) refusal(state standing) recorded { return refusals[state] }

func (s *synthetic) exact(*http.Request) (recorded, bool) { return recorded{}, false }

// find gives the community of that name; there is one for every name.
func (s *synthetic) find(name string) *community { return s.remember(name, maxLearned) }

// know finds a community and remembers it however many there are.
func (s *synthetic) know(name string) { s.remember(name, math.MaxInt) }

func (s *synthetic) remember(name string, most int) *community {
	lower := strings.ToLower(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.byName[lower]; c != nil {
		return c
	}
	c := s.invent(lower)
	if len(s.byName) < most {
		s.byName[lower] = c
		s.byCode[c.code] = append(s.byCode[c.code], c)
	}
	return c
}

func (s *synthetic) invent(lower string) *community {
	key := hash(s.seed, lower)
	e, known := inCatalogue(lower)
	if !known {
		// Between one post in three hours and one in three minutes.
		e = entry{
			name: lower, topic: topicNames[key%uint64(len(topicNames))],
			perMinute: 0.005 * math.Pow(60, fraction(key, 1)),
			reach:     50 * math.Pow(40, fraction(key, 2)),
			chatter:   0.05 + 0.4*fraction(key, 3),
		}
		e.subscribers = int(e.reach * (20 + 200*fraction(key, 4)))
	}
	if rate, set := s.rates[lower]; set {
		e.perMinute = rate
	}
	c := &community{
		entry: e, grammar: topics[e.topic], key: key, code: uint32(key >> (64 - codeBits)),
		speed: s.speed, odd: s.odd,
	}
	c.fullname = "t5_" + strconv.FormatUint(uint64(c.code), 36)
	if e.perMinute > 0 {
		c.bucket = max(1, int64(perBucket/(e.perMinute*s.speed/60_000)))
	}
	return c
}

func inCatalogue(lower string) (entry, bool) {
	for _, e := range catalogue {
		if strings.EqualFold(e.name, lower) {
			return e, true
		}
	}
	return entry{}, false
}

// newest merges the communities' posts; "all" and "popular" are the whole
// catalogue.
func (s *synthetic) newest(names []string, now time.Time, give func(item) bool) {
	chosen := make(map[*community]bool, len(names))
	heads := make([]*walk, 0, len(names))
	add := func(name string) {
		if c := s.find(name); !chosen[c] {
			chosen[c] = true
			if w := s.chunks.walk(c, now.UnixMilli()); w.at != nil {
				heads = append(heads, w)
			}
		}
	}
	for _, name := range names {
		if lower := strings.ToLower(name); lower == "all" || lower == "popular" {
			for _, e := range catalogue {
				add(e.name)
			}
			continue
		}
		add(name)
	}
	for len(heads) > 0 {
		newest := 0
		for i, w := range heads {
			if w.at.place > heads[newest].at.place {
				newest = i
			}
		}
		w := heads[newest]
		if !give(w.at) {
			return
		}
		if w.step(); w.at == nil {
			heads = slices.Delete(heads, newest, newest+1)
		}
	}
}

// post finds a post by its full name, also one that its listing no longer has.
func (s *synthetic) post(id string, now time.Time) item {
	digits, ok := strings.CutPrefix(id, "t3_")
	n, err := strconv.ParseUint(digits, 36, 64)
	if !ok || err != nil || n>>codeBits > math.MaxInt64>>codeBits {
		return nil
	}
	at := int64(n>>codeBits) + founded
	if at > now.UnixMilli() {
		return nil
	}
	s.mu.Lock()
	candidates := s.byCode[uint32(n&(1<<codeBits-1))]
	s.mu.Unlock()
	for _, c := range candidates {
		if c.bucket == 0 {
			continue
		}
		b := s.chunks.get(c, c.chunkOf(at)).find(at)
		// Capitals and leading zeros make another name of the same number.
		if b != nil && b.found(now.UnixMilli()) && string(b.appendName(nil)) == id {
			return b
		}
	}
	return nil
}

// hash mixes a seed and a name into 64 even bits.
func hash(seed uint64, name string) uint64 {
	h := fnv.New64a()
	h.Write(binary.LittleEndian.AppendUint64(nil, seed))
	h.Write([]byte(name))
	return mix(h.Sum64())
}

// mix spreads the bits of n evenly.
func mix(n uint64) uint64 {
	n ^= n >> 30
	n *= 0xbf58476d1ce4e5b9
	n ^= n >> 27
	n *= 0x94d049bb133111eb
	return n ^ n>>31
}

// fraction is a number from 0 to below 1 that follows from key and salt.
func fraction(key, salt uint64) float64 {
	return float64(mix(key+salt*0x9e3779b97f4a7c15)>>11) / (1 << 53)
}
