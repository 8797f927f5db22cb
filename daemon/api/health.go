package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"dev.redditpulse/shared/wire"
)

const (
	healthOK       = "ok"
	healthDegraded = "degraded"

	// primaryPart is the one part without which the system is down: no log-in,
	// no change, nothing stored.
	primaryPart = "primary"

	healthFresh = time.Second // the route is open: it may not be a way to load the parts
	healthWait  = time.Second // bounds one round of checks
)

// health asks the parts how they are, at most once a second.
type health struct {
	parts map[string]*part
	now   func() time.Time

	mu    sync.Mutex // held during a round, so that all wait for the same one
	asked time.Time
	last  wire.Health
}

// part is one thing to ask. A check that hangs is not started a second time.
type part struct {
	check func(context.Context) error
	busy  atomic.Bool
}

func newHealth(checks map[string]func(context.Context) error, now func() time.Time) *health {
	h := &health{parts: make(map[string]*part, len(checks)), now: now}
	for name, check := range checks {
		h.parts[name] = &part{check: check}
	}
	return h
}

func (p *part) ok(ctx context.Context) bool {
	if !p.busy.CompareAndSwap(false, true) {
		return false
	}
	defer p.busy.Store(false)
	return p.check(ctx) == nil
}

// report gives the state of all parts, at most healthFresh old.
func (h *health) report() wire.Health {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.last.Parts != nil && h.now().Sub(h.asked) < healthFresh {
		return h.last
	}
	// Not the request's context: the answer is for everybody who waits.
	ctx, cancel := context.WithTimeout(context.Background(), healthWait)
	defer cancel()
	well := make(chan string, len(h.parts)) // room for all: none of them ever blocks
	states := make(map[string]string, len(h.parts))
	for name, p := range h.parts {
		states[name] = healthDegraded
		go func() {
			if !p.ok(ctx) {
				name = ""
			}
			well <- name
		}()
	}
	for range h.parts {
		select {
		case name := <-well:
			if name != "" {
				states[name] = healthOK
			}
		case <-ctx.Done():
		}
	}
	h.asked, h.last = h.now(), wire.Health{Status: overall(states), Parts: states}
	return h.last
}

// silence is how long ingestion may say nothing of its budget.
const silence = time.Minute

// Heard checks that ingestion speaks. One that never did has until a minute
// after this process began.
func Heard(polling PollReader, now func() time.Time) func(context.Context) error {
	began := now()
	return func(ctx context.Context) error {
		budget, err := polling.LastBudget(ctx)
		if err != nil {
			return err
		}
		last := budget.At
		if last.Before(began) {
			last = began
		}
		if quiet := now().Sub(last); quiet > silence {
			return fmt.Errorf("ingestion has said nothing for %s", quiet.Round(time.Second))
		}
		return nil
	}
}

func overall(parts map[string]string) string {
	for _, state := range parts {
		if state != healthOK {
			return healthDegraded
		}
	}
	return healthOK
}

func (s *server) healthDoc() huma.Operation {
	content := jsonContent(s.api, "application/json", reflect.TypeFor[wire.Health]())
	return huma.Operation{
		OperationID: "health", Summary: "How the system is",
		Responses: map[string]*huma.Response{
			"200": {Description: "The primary database is there", Content: content},
			"503": {Description: "The primary database is away", Content: content},
		},
	}
}

func (s *server) serveHealth(w http.ResponseWriter, _ *http.Request) {
	report := s.health.report()
	status := http.StatusOK
	if state, ok := report.Parts[primaryPart]; ok && state != healthOK {
		status = http.StatusServiceUnavailable
		w.Header().Set("Retry-After", "1")
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(report)
}
