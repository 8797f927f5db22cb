package clienttest

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"time"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

// PutDeadLetters puts dead letters beside those that are there.
func (s *Server) PutDeadLetters(letters ...wire.DeadLetterDetail) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.letters = append(s.letters, letters...)
	slices.SortFunc(s.letters, func(a, b wire.DeadLetterDetail) int {
		return cmp.Or(b.FailedAt.Compare(a.FailedAt), cmp.Compare(b.ID, a.ID))
	})
}

// DeadLetter makes the n-th of a row of dead letters that failed a second apart.
func DeadLetter(n int) wire.DeadLetterDetail {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).Add(time.Duration(n) * time.Second)
	value := `{"v":99,"n":` + strconv.Itoa(n) + `}`
	return wire.DeadLetterDetail{
		DeadLetter: wire.DeadLetter{
			ID: "reddit.posts.raw:0:" + strconv.Itoa(n), State: string(pulse.DeadOpen), Topic: wire.TopicRaw, Offset: int64(n),
			Stage: "decode", Class: "invalid:v", Message: "v: version 99 is unknown", Group: "pulse.process", AppVersion: "test",
			FirstFailedAt: at, FailedAt: at, Size: 4 + len(value),
		},
		Key: []byte("t3_a"), Value: []byte(value), ValueText: &value, Headers: []wire.DeadLetterHeader{},
	}
}

func (s *Server) deadLetters(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	f := wire.DeadLetterFilter{State: q.Get("state"), Topic: q.Get("topic"), Stage: q.Get("stage"), Class: q.Get("class")}
	for key, bound := range map[string]**time.Time{"since": &f.Since, "until": &f.Until} {
		if text := q.Get(key); text != "" {
			at, err := time.Parse(time.RFC3339Nano, text)
			if err != nil {
				fail(w, pulse.InvalidField(key, "want an RFC 3339 time"))
				return
			}
			*bound = &at
		}
	}
	limit, err := strconv.Atoi(cmp.Or(q.Get("limit"), "50"))
	if err != nil || limit < 1 || limit > 200 {
		fail(w, pulse.InvalidField("limit", "want 1 to 200"))
		return
	}
	from, _ := strconv.Atoi(q.Get("cursor"))
	s.mu.Lock()
	defer s.mu.Unlock()
	list := wire.DeadLetterList{Results: []wire.DeadLetter{}}
	var open []wire.DeadLetterDetail
	for _, l := range s.letters {
		anyState := f
		if anyState.State = ""; chosen(&l, anyState) && l.State == string(pulse.DeadOpen) {
			open = append(open, l)
		}
		if chosen(&l, f) {
			list.Results = append(list.Results, l.DeadLetter)
		}
	}
	list.Reasons = classes(open)
	list.Results = list.Results[min(from, len(list.Results)):]
	if len(list.Results) > limit {
		next := strconv.Itoa(from + limit)
		list.Results, list.Next = list.Results[:limit], &next
	}
	answer(w, 200, list)
}

func chosen(l *wire.DeadLetterDetail, f wire.DeadLetterFilter) bool {
	return (f.State == "" || f.State == l.State) && (f.Topic == "" || f.Topic == l.Topic) &&
		(f.Stage == "" || f.Stage == l.Stage) && (f.Class == "" || f.Class == l.Class) &&
		(f.Since == nil || !l.FailedAt.Before(*f.Since)) && (f.Until == nil || l.FailedAt.Before(*f.Until))
}

func classes(letters []wire.DeadLetterDetail) []wire.DeadLetterCount {
	counts := []wire.DeadLetterCount{}
	for _, l := range letters {
		i := slices.IndexFunc(counts, func(c wire.DeadLetterCount) bool { return c.Class == l.Class })
		if i < 0 {
			i, counts = len(counts), append(counts, wire.DeadLetterCount{Class: l.Class})
		}
		counts[i].Count++
	}
	return counts
}

func (s *Server) deadLetter(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.letters {
		if l.ID == r.PathValue("id") {
			answer(w, 200, l)
			return
		}
	}
	fail(w, pulse.Errorf(pulse.NotFound, "there is no dead letter %q", r.PathValue("id")))
}

func (s *Server) replay(w http.ResponseWriter, r *http.Request) {
	s.settle(w, r, func(l *wire.DeadLetterDetail, _ string) {
		l.State, l.Replays = string(pulse.DeadReplayed), l.Replays+1
	})
}

func (s *Server) discard(w http.ResponseWriter, r *http.Request) {
	s.settle(w, r, func(l *wire.DeadLetterDetail, reason string) {
		l.State, l.Reason = string(pulse.DeadDiscarded), reason
	})
}

// settle does an act on the chosen letters, oldest first. Only a discard takes
// those that were sent too often.
func (s *Server) settle(w http.ResponseWriter, r *http.Request, act func(l *wire.DeadLetterDetail, reason string)) {
	var in wire.DeadLetterAct
	if !read(w, r, &in) {
		return
	}
	if in.IDs == nil && in.Filter == nil {
		fail(w, pulse.InvalidField("ids", "missing"))
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out := wire.DeadLetterReport{DryRun: in.DryRun, Reasons: []wire.DeadLetterCount{}, Refused: []wire.DeadLetterRefusal{}}
	var ready []*wire.DeadLetterDetail
	var refused int64
	for i := len(s.letters) - 1; i >= 0; i-- {
		l := &s.letters[i]
		switch named := slices.Contains(in.IDs, l.ID); {
		case !named && (in.Filter == nil || !chosen(l, *in.Filter)):
		case l.State != string(pulse.DeadOpen), in.Reason == "" && l.Replays >= pulse.MaxReplays:
			refused++
		default:
			ready = append(ready, l)
		}
	}
	if refused > 0 {
		out.Refused = append(out.Refused, wire.DeadLetterRefusal{Why: "not open, or sent too often", Count: refused})
	}
	out.Remaining = int64(len(ready))
	if in.DryRun {
		var letters []wire.DeadLetterDetail
		for _, l := range ready {
			letters = append(letters, *l)
		}
		out.Reasons = classes(letters)
		answer(w, 200, out)
		return
	}
	for _, l := range ready[:min(len(ready), cmp.Or(in.Limit, 100))] {
		act(l, in.Reason)
		out.Done++
		out.Remaining--
	}
	answer(w, 200, out)
}
