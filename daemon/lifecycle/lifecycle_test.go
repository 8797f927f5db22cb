package lifecycle_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"dev.redditpulse/daemon/lifecycle"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = slog.New(slog.DiscardHandler)

// journal records what happens in which order.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(line string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, line)
}

func (j *journal) service(name string, started func()) lifecycle.Service {
	return lifecycle.Service{
		Name: name,
		Run: func(ctx context.Context) error {
			<-ctx.Done()
			j.add("stop " + name)
			return nil
		},
		Ready: func(context.Context) error {
			j.add("start " + name)
			if started != nil {
				started()
			}
			return nil
		},
	}
}

func TestStartsInOrderAndStopsInReverse(t *testing.T) {
	t.Parallel()
	var j journal
	ctx, cancel := context.WithCancel(t.Context())
	err := lifecycle.Run(ctx, quiet, time.Minute, j.service("a", nil), j.service("b", nil), j.service("c", cancel))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"start a", "start b", "start c", "stop c", "stop b", "stop a"}
	if !slices.Equal(j.lines, want) {
		t.Errorf("got %v, want %v", j.lines, want)
	}
}

func TestTheFirstToFailStopsTheRest(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	failures := map[string]func(context.Context) error{
		"an error":      func(context.Context) error { return broken },
		"a panic":       func(context.Context) error { panic("broken") },
		"an early end":  func(context.Context) error { return nil },
		"not got ready": nil,
	}
	for what, run := range failures {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			var j journal
			failing := lifecycle.Service{Name: "b", Run: run}
			if run == nil {
				failing.Run = func(ctx context.Context) error { <-ctx.Done(); return nil }
				failing.Ready = func(context.Context) error { return broken }
			}
			err := lifecycle.Run(t.Context(), quiet, time.Minute, j.service("a", nil), failing)
			if err == nil || !strings.HasPrefix(err.Error(), "b: ") {
				t.Errorf("got %v, want b's failure", err)
			}
			if !slices.Contains(j.lines, "stop a") {
				t.Errorf("a was not stopped: %v", j.lines)
			}
		})
	}
}

func TestAFailedStartStartsNoMore(t *testing.T) {
	t.Parallel()
	var j journal
	failing := lifecycle.Service{
		Name:  "a",
		Run:   func(ctx context.Context) error { <-ctx.Done(); return nil },
		Ready: func(context.Context) error { return errors.New("no") },
	}
	if err := lifecycle.Run(t.Context(), quiet, time.Minute, failing, j.service("b", nil)); err == nil {
		t.Error("got no error")
	}
	if len(j.lines) != 0 {
		t.Errorf("b was touched: %v", j.lines)
	}
}

func TestAServiceThatOutlivesTheGraceIsNamed(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	defer close(release)
	ctx, cancel := context.WithCancel(t.Context())
	deaf := lifecycle.Service{
		Name:  "deaf",
		Run:   func(context.Context) error { <-release; return nil },
		Ready: func(context.Context) error { cancel(); return nil },
	}
	err := lifecycle.Run(ctx, quiet, time.Millisecond, deaf)
	if err == nil || !strings.Contains(err.Error(), "deaf: still running") {
		t.Errorf("got %v, want the deaf service named", err)
	}
}

func TestAnErrorWhileStoppingIsReported(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	s := lifecycle.Service{
		Name:  "a",
		Run:   func(ctx context.Context) error { <-ctx.Done(); return errors.New("could not finish") },
		Ready: func(context.Context) error { cancel(); return nil },
	}
	if err := lifecycle.Run(ctx, quiet, time.Minute, s); err == nil || !strings.Contains(err.Error(), "could not finish") {
		t.Errorf("got %v, want the failure", err)
	}
}
