package redditsim

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Bounds of what is remembered of one application.
const (
	maxWindows = 1000   // a week of them
	maxSpan    = 50_000 // requests in 600 s; more of them count as that many
)

// Usage is how an application used the API, as seen from Reddit. Requests are
// those that came with a good token, refused ones included. Token calls are in
// Kinds and Statuses alone; so is what came without a good token, of "".
type Usage struct {
	Application string         `json:"application"` // its id; "" is who had no good token
	Requests    int            `json:"requests"`
	MaxIn600s   int            `json:"max_in_600s"` // most requests in any 600 s whatsoever
	MaxUntil    time.Time      `json:"max_until"`   // the moment of the last of them
	TooMany     int            `json:"too_many"`    // answers of 429
	Kinds       map[string]int `json:"kinds"`       // token, new, hot, rising, top, info, by_id, other
	Statuses    map[int]int    `json:"statuses"`    // answers by status; 0 is none, the connection broke
	Windows     []WindowUsage  `json:"windows"`     // the latest, oldest first
}

// WindowUsage is one of Reddit's fixed windows.
type WindowUsage struct {
	From      time.Time `json:"from"`
	Requests  int       `json:"requests"`  // answered or refused
	Elsewhere int       `json:"elsewhere"` // counted for another client with the same id
	TooMany   int       `json:"too_many"`  // answers of 429
}

// Usage tells of every application that was seen, by id.
func (s *Server) Usage() []Usage { return s.usage.all() }

// usage counts requests by application.
type usage struct {
	mu      sync.Mutex // covers the rest
	names   map[string]string
	clients map[string]*clientUsage
}

type clientUsage struct {
	Usage
	recent []int64 // Unix nanoseconds of the requests of the last 600 s, oldest first
}

func newUsage() *usage { return &usage{names: map[string]string{}, clients: map[string]*clientUsage{}} }

// know keeps an application's id, which its tokens do not say.
func (us *usage) know(client, id string) {
	us.mu.Lock()
	defer us.mu.Unlock()
	if _, known := us.names[client]; !known && len(us.names) < maxClients {
		us.names[client] = strings.ToValidUTF8(clip(id), "")
	}
}

// visit is one request and its answer.
type visit struct {
	client    string // "" where there is no good token
	kind      string
	status    int // 0 where the connection breaks
	counted   bool
	elsewhere int
}

func (us *usage) add(v visit, now time.Time) {
	us.mu.Lock()
	defer us.mu.Unlock()
	c := us.of(v.client)
	c.Kinds[v.kind]++
	c.Statuses[v.status]++
	if v.counted {
		c.count(v, now)
	}
}

func (us *usage) of(client string) *clientUsage {
	c := us.clients[client]
	if c == nil && len(us.clients) >= maxClients {
		client = ""
		c = us.clients[client]
	}
	if c == nil {
		c = &clientUsage{Usage: Usage{
			Application: us.names[client], Kinds: map[string]int{}, Statuses: map[int]int{}, Windows: []WindowUsage{},
		}}
		us.clients[client] = c
	}
	return c
}

func (c *clientUsage) count(v visit, now time.Time) {
	c.Requests++
	from := time.Unix(now.Unix()/windowSeconds*windowSeconds, 0).UTC()
	if n := len(c.Windows); n == 0 || c.Windows[n-1].From.Before(from) {
		if n == maxWindows {
			c.Windows = slices.Delete(c.Windows, 0, 1)
		}
		c.Windows = append(c.Windows, WindowUsage{From: from})
	}
	w := &c.Windows[len(c.Windows)-1]
	w.Requests++
	w.Elsewhere += v.elsewhere
	if v.status == 429 {
		c.TooMany++
		w.TooMany++
	}
	// Windows are half open: a request is out of them 600 s after it came.
	nano := now.UnixNano()
	old, _ := slices.BinarySearch(c.recent, nano-windowSeconds*int64(time.Second)+1)
	if len(c.recent)-old >= maxSpan {
		old++
	}
	// Reslicing leaves the past behind when append moves the rest.
	c.recent = append(c.recent[old:], nano)
	if n := len(c.recent); n > c.MaxIn600s {
		c.MaxIn600s, c.MaxUntil = n, now.UTC()
	}
}

func (us *usage) all() []Usage {
	us.mu.Lock()
	defer us.mu.Unlock()
	list := make([]Usage, 0, len(us.clients))
	for _, c := range us.clients {
		u := c.Usage
		u.Kinds, u.Statuses, u.Windows = maps.Clone(u.Kinds), maps.Clone(u.Statuses), slices.Clone(u.Windows)
		list = append(list, u)
	}
	slices.SortFunc(list, func(a, b Usage) int { return cmp.Compare(a.Application, b.Application) })
	return list
}
