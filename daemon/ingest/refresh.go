package ingest

import (
	"context"
	"fmt"
	"time"

	"dev.redditpulse/daemon/plan"
	"dev.redditpulse/shared/pulse"
)

const (
	pageSize = plan.PageSize
	// An answer without a single one of so many posts is Reddit's fault.
	suspicious = 10
	// How long a post waits that Reddit did not answer for and that is not stored
	// yet: its end can't be told without its beginning.
	unstoredRetry = 5 * time.Minute
)

// refresh reads posts again by their ids and hands on how they stand. Posts that
// Reddit leaves out are gone.
func (r *reader) refresh(ctx context.Context, ids []string) error {
	page, err := r.reddit.Info(ctx, ids)
	if err == nil && len(page.Observations) == 0 && len(ids) >= suspicious {
		err = errEmptyPage
	}
	if err != nil {
		return fmt.Errorf("read %d posts again: %w", len(ids), err)
	}
	if err := r.produce(ctx, page.Observations, nil); err != nil {
		return &pipelineError{err}
	}
	r.live.saw(page.Observations, time.Now())
	r.metrics.refreshed.Add(float64(len(page.Observations)))
	missing := without(ids, page.Observations)
	if page.Skipped > 0 { // some of these may be there, but unreadable
		r.live.release(missing, time.Now().Add(unstoredRetry))
		return nil
	}
	return r.markGone(ctx, missing, page.At)
}

// without gives the ids of which there is no reading.
func without(ids []string, readings []pulse.Observation) []string {
	there := make(map[string]bool, len(readings))
	for i := range readings {
		there[readings[i].PostID] = true
	}
	var missing []string
	for _, id := range ids {
		if !there[id] {
			missing = append(missing, id)
		}
	}
	return missing
}

// markGone hands on that Reddit no longer answers for these posts, with their
// last figures.
func (r *reader) markGone(ctx context.Context, ids []string, at time.Time) error {
	if len(ids) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	stored, err := r.store.PostsByID(ctx, ids)
	if err != nil {
		return &pipelineError{fmt.Errorf("look up posts that are gone: %w", err)}
	}
	readings := make([]pulse.Observation, 0, len(stored))
	for i := range stored {
		o := stored[i].Observation
		if !o.ObservedAt.Before(at) {
			continue // somebody has seen it since
		}
		o.ObservedAt, o.State, o.Source = at, pulse.Gone, "info"
		readings = append(readings, o)
	}
	if err := r.produce(ctx, readings, nil); err != nil {
		return &pipelineError{err}
	}
	r.metrics.gone.Add(float64(len(readings)))
	r.live.saw(readings, time.Now())
	r.live.release(without(ids, readings), time.Now().Add(unstoredRetry))
	return nil
}
