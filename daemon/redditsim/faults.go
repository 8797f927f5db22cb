package redditsim

import (
	"slices"
	"strings"
	"sync"
	"time"

	"dev.redditpulse/shared/pulse"
)

// FaultState is an injected fault and what it has done.
type FaultState struct {
	Fault
	ID     int
	Since  time.Time
	Until  time.Time // zero where it has no end
	Struck int       // requests
	Over   bool      // it strikes no more
}

// faults are those that were injected, in that order.
type faults struct {
	seed uint64

	mu   sync.Mutex // covers the rest
	last int        // id
	list []*injected
}

type injected struct {
	FaultState
	kind  faultKind
	drawn uint64 // requests that it might have struck
}

// Inject makes a fault strike from now on. Faults that are over make room for
// new ones; more than 100 at one time are refused.
func (s *Server) Inject(f Fault) error { return s.inject([]Fault{f}) }

// inject takes all of the faults, or none.
func (s *Server) inject(list []Fault) error {
	for i := range list {
		if err := list[i].check(); err != nil {
			return err
		}
	}
	return s.faults.add(list, s.now())
}

// Faults are the injected ones, in that order, with those that are over.
func (s *Server) Faults() []FaultState { return s.faults.states(s.now()) }

// Clear ends and forgets all faults. Revoked tokens stay so.
func (s *Server) Clear() { s.faults.clear() }

func (fs *faults) add(list []Fault, now time.Time) error {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if len(fs.list)+len(list) > maxFaults {
		fs.list = slices.DeleteFunc(fs.list, func(in *injected) bool { return in.over(now) })
	}
	if len(fs.list)+len(list) > maxFaults {
		return pulse.InvalidField("faults", "at most %d at one time, %d are there", maxFaults, len(fs.list))
	}
	for _, f := range list {
		fs.last++
		kind, _ := kindOf(f.Kind) // checked
		in := &injected{FaultState: FaultState{Fault: f, ID: fs.last, Since: now.UTC()}, kind: kind}
		if f.For > 0 {
			in.Until = in.Since.Add(f.For)
		}
		fs.list = append(fs.list, in)
	}
	return nil
}

func (fs *faults) states(now time.Time) []FaultState {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	states := make([]FaultState, len(fs.list))
	for i, in := range fs.list {
		states[i] = in.FaultState
		states[i].Over = in.over(now)
	}
	return states
}

func (fs *faults) clear() {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.list = nil
}

func (in *injected) over(now time.Time) bool {
	return in.Count > 0 && in.Struck >= in.Count || !in.Until.IsZero() && !now.Before(in.Until)
}

// hits are the faults that strike one request. A nil one is none.
type hits struct {
	kinds     []string            // each at most once
	answer    *faultKind          // what is answered in place of anything else
	takes     time.Duration       // of slow and hang
	elsewhere int                 // requests of another client to count
	states    map[string]standing // of communities, by name in lower case; "" is all
}

func (h *hits) has(kind string) bool { return h != nil && slices.Contains(h.kinds, kind) }

// standing is how the faults make a community stand.
func (h *hits) standing(name string) (standing, bool) {
	if h == nil || h.states == nil {
		return open, false
	}
	if state, ok := h.states[strings.ToLower(name)]; ok {
		return state, true
	}
	state, ok := h.states[""]
	return state, ok
}

// strike draws which faults strike a request. Which of its requests a fault
// with a share strikes follows from the seed.
func (fs *faults) strike(path string, now time.Time) *hits {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if len(fs.list) == 0 {
		return nil
	}
	var h *hits
	names := namesIn(path)
	for _, in := range fs.list {
		if h != nil && h.answer != nil {
			break // nothing behind it matters, nor is it used up
		}
		if in.over(now) || !in.matches(path, names) {
			continue
		}
		if in.kind.state != open && len(names) == 0 {
			// Their posts are not found by id either; that is no strike of its own.
			if in.Share == 1 {
				h = h.with(in)
			}
			continue
		}
		in.drawn++
		if fraction(fs.seed^mix(uint64(in.ID)), in.drawn) >= in.Share {
			continue
		}
		in.Struck++
		h = h.with(in)
	}
	return h
}

func (in *injected) matches(path string, names []string) bool {
	if in.Path == "" && isTokenCall(path) || !strings.HasPrefix(path, in.Path) {
		return false
	}
	byID := in.kind.state != open && len(names) == 0
	return in.Subreddit == "" || byID || slices.Contains(names, strings.ToLower(in.Subreddit))
}

func (h *hits) with(in *injected) *hits {
	if h == nil {
		h = &hits{}
	}
	if !slices.Contains(h.kinds, in.Kind) {
		h.kinds = append(h.kinds, in.Kind)
	}
	h.elsewhere += in.Used
	if in.Takes > 0 {
		h.takes = in.Takes
	}
	if in.kind.answer != nil {
		h.answer = &in.kind
	}
	if in.kind.state != open {
		if h.states == nil {
			h.states = map[string]standing{}
		}
		h.states[strings.ToLower(in.Subreddit)] = in.kind.state
	}
	return h
}

// namesIn are the communities that a path names, in lower case.
func namesIn(path string) []string {
	rest, ok := strings.CutPrefix(strings.ToLower(path), "/r/")
	if !ok {
		return nil
	}
	joined, _, _ := strings.Cut(rest, "/")
	return strings.Split(joined, "+")
}

// instead is what is answered in place of anything else.
func (h *hits) instead(u use) reply {
	a := h.answer.answer(u)
	a.takes = h.takes
	return a
}

// bend changes an answer on its way out.
func (h *hits) bend(a reply) reply {
	switch {
	case h == nil:
		return a
	case h.has("cut"):
		a.manner = cutOff
	case h.has("slow"):
		a.manner, a.takes = slowly, h.takes
	}
	if h.has("truncated") {
		a.body = a.body[:len(a.body)/2]
	}
	if h.has("no_ratelimit_headers") {
		for _, name := range windowHeaders {
			a.header.Del(name)
		}
	}
	return a
}
