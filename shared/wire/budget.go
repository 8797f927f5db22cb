package wire

import (
	"math"
	"time"

	"dev.redditpulse/shared/pulse"
)

// Budget is what polling costs and what it may cost, as ingestion last said.
type Budget struct {
	At        time.Time `json:"at" doc:"when ingestion said so"`
	Allowed   float64   `json:"allowed_per_minute" doc:"requests that may be sent"`
	Sent      float64   `json:"sent_per_minute" doc:"requests, over the last ten minutes"`
	Discovery float64   `json:"discovery_per_minute" doc:"requests that all intervals kept as promised would take"`
	Refresh   float64   `json:"refresh_per_minute" doc:"requests that reading all live posts when due would take"`
	Sweep     float64   `json:"sweep_per_minute" doc:"requests that looking for late posts takes"`

	IntervalFactor float64     `json:"interval_factor" doc:"by which all intervals are stretched; 1 keeps the promise"`
	RefreshFactor  float64     `json:"refresh_factor" doc:"by which the refresh of posts is stretched"`
	LivePosts      int64       `json:"live_posts" doc:"that are read again"`
	Reddit         RedditLimit `json:"reddit"`
}

// RedditLimit is how ingestion stands with Reddit's own limit.
type RedditLimit struct {
	Limit        float64    `json:"limit" doc:"requests that Reddit allows in 600 s; 0 while unknown"`
	Used         float64    `json:"used" doc:"of them in the window that ends at resets_at"`
	ResetsAt     *time.Time `json:"resets_at" doc:"null while no window is known"`
	StoppedUntil *time.Time `json:"stopped_until" doc:"nothing is sent before; null: no stop"`
}

// FromBudget gives the wire form of b, nil while none was ever said.
func FromBudget(b *pulse.Budget) *Budget {
	if b.At.IsZero() {
		return nil
	}
	return &Budget{
		At: b.At.UTC(), Allowed: Figure(b.Allowed), Sent: Figure(b.Sent),
		Discovery: Figure(b.Discovery), Refresh: Figure(b.Refresh), Sweep: Figure(b.Sweep),
		IntervalFactor: Figure(b.Factor), RefreshFactor: Figure(b.RefreshFactor), LivePosts: b.LivePosts,
		Reddit: RedditLimit{
			Limit: Figure(b.Window.Limit), Used: Figure(b.Window.Used),
			ResetsAt: known(b.Window.ResetAt), StoppedUntil: known(b.Window.StoppedUntil),
		},
	}
}

func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// Wanted is the requests a minute that doing everything when due would take.
func (b *Budget) Wanted() float64 { return b.Discovery + b.Refresh + b.Sweep }

// Figure makes v fit to be read: at most three places, and never one of the
// values that JSON does not know.
func Figure(v float64) float64 {
	const most = 1e9
	if math.IsNaN(v) {
		return 0
	}
	return math.Round(max(-most, min(most, v))*1000) / 1000
}

// PreviewRequest is the body of POST /api/subreddits/preview/: a list of
// changes, or the fields of one.
type PreviewRequest struct {
	Changes []PreviewChange `json:"changes,omitempty" minItems:"1" maxItems:"1000" nullable:"false" doc:"or the fields of one change beside it"`

	Name            string  `json:"name,omitempty" doc:"of the one change, without r/"`
	IntervalSeconds *int    `json:"interval_seconds,omitempty"`
	Priority        *string `json:"priority,omitempty"`
	IsActive        *bool   `json:"is_active,omitempty"`
	Remove          bool    `json:"remove,omitempty"`
}

// PreviewChange adds a row, with the defaults of POST, or edits the one that is
// there, where missing fields stay, or removes it.
type PreviewChange struct {
	Name            string  `json:"name" doc:"without r/, case ignored"`
	IntervalSeconds *int    `json:"interval_seconds,omitempty"`
	Priority        *string `json:"priority,omitempty"`
	IsActive        *bool   `json:"is_active,omitempty"`
	Remove          bool    `json:"remove,omitempty"`
}

// PreviewOf asks for changes; of one, its fields alone, so that a refusal names
// them as they were typed.
func PreviewOf(changes ...PreviewChange) PreviewRequest {
	if len(changes) != 1 {
		return PreviewRequest{Changes: changes}
	}
	c := changes[0]
	return PreviewRequest{
		Name: c.Name, IntervalSeconds: c.IntervalSeconds, Priority: c.Priority,
		IsActive: c.IsActive, Remove: c.Remove,
	}
}

// One gives the change that is written beside Changes.
func (r *PreviewRequest) One() PreviewChange {
	return PreviewChange{
		Name: r.Name, IntervalSeconds: r.IntervalSeconds, Priority: r.Priority,
		IsActive: r.IsActive, Remove: r.Remove,
	}
}

// Preview is what changes would do before they are saved.
type Preview struct {
	Now          Load         `json:"now"`
	Then         Load         `json:"then"`
	PromiseHolds bool         `json:"promise_holds" doc:"whether then every interval holds"`
	Subreddits   []PreviewRow `json:"subreddits" doc:"the changed ones, then those whose effective interval would move by more than 1 %"`
	More         int          `json:"more,omitempty" doc:"how many of them are left out of subreddits"`
	Detail       string       `json:"detail" doc:"in words" example:"42 of 84 requests a minute; every interval holds"`
}

// Load is what polling takes. Figures are requests a minute.
type Load struct {
	Subreddits int     `json:"subreddits" doc:"that are polled"`
	Allowed    float64 `json:"allowed_per_minute" doc:"that may be sent"`
	Discovery  float64 `json:"discovery_per_minute" doc:"that all intervals kept as promised would take"`
	Refresh    float64 `json:"refresh_per_minute" doc:"that reading all live posts when due would take"`
	Sweep      float64 `json:"sweep_per_minute" doc:"that looking for late posts takes"`
	Total      float64 `json:"total_per_minute" doc:"discovery, refresh and sweep"`
	Share      float64 `json:"share" doc:"total of allowed; above 1 something is stretched"`

	IntervalFactor float64 `json:"interval_factor" doc:"by which all intervals are stretched; 1 keeps the promise"`
	RefreshFactor  float64 `json:"refresh_factor" doc:"by which the refresh of posts is stretched"`
}

// PreviewRow is one subreddit of a preview, as it would be.
type PreviewRow struct {
	Name            string   `json:"name"`
	IntervalSeconds int      `json:"interval_seconds"`
	Priority        string   `json:"priority" enum:"fast,medium,slow"`
	NowEffective    *float64 `json:"now_effective_seconds" doc:"between two polls; null: not polled"`
	ThenEffective   *float64 `json:"then_effective_seconds" doc:"between two polls; null: not polled"`
	PromiseHolds    bool     `json:"promise_holds" doc:"false where then it is polled less often than promised"`
	Changed         bool     `json:"changed" doc:"whether it is one of the changes"`
}
