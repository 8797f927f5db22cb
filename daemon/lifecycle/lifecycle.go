// Package lifecycle starts the parts of a process in order and stops them in
// reverse: what takes work in stops first, what finishes it last. It knows
// nothing of what the parts do.
package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"
)

// Service is one part of a process. Run works until ctx ends and then returns
// nil when it has finished what it had begun; an earlier return, or an error,
// stops the whole process.
type Service struct {
	Name string
	Run  func(ctx context.Context) error
	// Ready, where set, blocks until the service may be depended upon; the next
	// one starts only then. It must respect ctx.
	Ready func(ctx context.Context) error
}

// Run starts the services in order, waits until ctx ends or one of them stops,
// and stops the rest in reverse order, each within the grace that is left. The
// first error wins; a service that outlives the grace is an error too.
func Run(ctx context.Context, log *slog.Logger, grace time.Duration, services ...Service) error {
	stopped := make(chan *running, len(services))
	var started []*running
	var cause error
	for _, s := range services {
		r := start(s, stopped)
		started = append(started, r)
		if cause = r.waitReady(ctx, s.Ready); cause != nil {
			break
		}
	}
	if cause == nil {
		select {
		case <-ctx.Done():
		case r := <-stopped:
			cause = r.unexpected()
		}
	}
	return errors.Join(cause, stopAll(log, grace, started, cause))
}

type running struct {
	name   string
	cancel context.CancelFunc
	done   chan struct{}
	err    error // set before done closes
}

func start(s Service, stopped chan<- *running) *running {
	// Not derived from the caller's context: its end must not stop all the
	// services at once but one after the other.
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{name: s.Name, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer func() {
			close(r.done)
			stopped <- r
		}()
		defer func() {
			if p := recover(); p != nil {
				r.err = fmt.Errorf("%s: panic: %v\n%s", s.Name, p, debug.Stack())
			}
		}()
		if err := s.Run(ctx); err != nil && !(ctx.Err() != nil && errors.Is(err, context.Canceled)) {
			r.err = fmt.Errorf("%s: %w", s.Name, err)
		}
	}()
	return r
}

// waitReady returns nil also when ctx ended: Run finds that out by itself.
func (r *running) waitReady(ctx context.Context, ready func(context.Context) error) error {
	if ready == nil {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	result := make(chan error, 1)
	go func() { result <- ready(ctx) }()
	select {
	case <-r.done:
		return r.unexpected()
	case err := <-result:
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
		return nil
	}
}

func (r *running) unexpected() error {
	if r.err != nil {
		return r.err
	}
	return fmt.Errorf("%s: stopped by itself", r.name)
}

// stopAll gives the first error of a service that stopped because it was told
// to; the one that is the cause of the stop is known.
func stopAll(log *slog.Logger, grace time.Duration, started []*running, cause error) error {
	deadline := time.NewTimer(grace)
	defer deadline.Stop()
	var failed error
	for i := len(started) - 1; i >= 0; i-- {
		r := started[i]
		r.cancel()
		select {
		case <-r.done:
			log.Debug("service stopped", "service", r.name)
			if failed == nil && !errors.Is(cause, r.err) {
				failed = r.err
			}
		case <-deadline.C:
			for _, rest := range started[:i] {
				rest.cancel()
			}
			return fmt.Errorf("%s: still running %s after the order to stop", r.name, grace)
		}
	}
	return failed
}
