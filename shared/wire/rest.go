package wire

import (
	"time"

	"dev.redditpulse/shared/pulse"
)

// Credentials is the body of POST /api/token/.
type Credentials struct {
	Username string `json:"username" minLength:"1" maxLength:"150"`
	Password string `json:"password" minLength:"1" maxLength:"1024"`
}

// TokenPair is what a log-in and a refresh answer.
type TokenPair struct {
	Access  string `json:"access"`
	Refresh string `json:"refresh"`
}

// Subreddit is one row of subreddit_config with its live status.
type Subreddit struct {
	Name            string          `json:"name"`
	IntervalSeconds int             `json:"interval_seconds"`
	Priority        string          `json:"priority" enum:"fast,medium,slow"`
	IsActive        bool            `json:"is_active"`
	AddedBy         string          `json:"added_by"`
	CreatedAt       time.Time       `json:"created_at"`
	UpdatedAt       time.Time       `json:"updated_at"`
	Version         int64           `json:"version"`
	Status          SubredditStatus `json:"status"`
}

// SubredditStatus is what the scheduler last wrote of a subreddit.
type SubredditStatus struct {
	State                    string     `json:"state"`
	LastPollAt               *time.Time `json:"last_poll_at"`
	NextPollAt               *time.Time `json:"next_poll_at"`
	EffectiveIntervalSeconds *float64   `json:"effective_interval_seconds"`
	PostsPerMinute           *float64   `json:"posts_per_minute"`
	LastError                string     `json:"last_error"`
	Gaps                     int64      `json:"gaps" doc:"noticed so far"`
	LastGap                  *Gap       `json:"last_gap" doc:"the newest gap, null while there is none"`
}

// Gap is a stretch of time from which posts of a subreddit may be missing.
type Gap struct {
	From      time.Time `json:"from" doc:"when the first of the missing posts may have been made"`
	To        time.Time `json:"to" doc:"and the last"`
	NoticedAt time.Time `json:"noticed_at"`
	Reason    string    `json:"reason" doc:"in words"`
}

// GapList is the body of GET /api/subreddits/{name}/gaps/, newest first.
type GapList struct {
	Results []Gap `json:"results"`
}

// FromGap gives the wire form of g.
func FromGap(g *pulse.Gap) Gap {
	return Gap{From: g.From.UTC(), To: g.To.UTC(), NoticedAt: g.NoticedAt.UTC(), Reason: g.Reason}
}

// SubredditList is the body of GET /api/subreddits/.
type SubredditList struct {
	Results []Subreddit `json:"results"`
	Budget  *Budget     `json:"budget" doc:"null while ingestion has never said one"`
}

// NewSubreddit is the body of POST /api/subreddits/. Missing fields take the
// defaults 60, medium and true.
type NewSubreddit struct {
	Name            string  `json:"name"`
	IntervalSeconds *int    `json:"interval_seconds,omitempty"`
	Priority        *string `json:"priority,omitempty"`
	IsActive        *bool   `json:"is_active,omitempty"`
}

// SubredditChange is the body of PATCH /api/subreddits/{name}/; PUT wants all
// three.
type SubredditChange struct {
	IntervalSeconds *int    `json:"interval_seconds,omitempty"`
	Priority        *string `json:"priority,omitempty"`
	IsActive        *bool   `json:"is_active,omitempty"`
}

// FromSubreddit gives the wire form of s.
func FromSubreddit(s *pulse.Subreddit) Subreddit {
	var lastGap *Gap
	if s.Status.LastGap != nil {
		gap := FromGap(s.Status.LastGap)
		lastGap = &gap
	}
	return Subreddit{
		Name: s.Name, IntervalSeconds: s.IntervalSeconds, Priority: string(s.Priority),
		IsActive: s.IsActive, AddedBy: s.AddedBy, CreatedAt: s.CreatedAt.UTC(),
		UpdatedAt: s.UpdatedAt.UTC(), Version: s.Version,
		Status: SubredditStatus{
			State: string(s.Status.State), LastPollAt: s.Status.LastPollAt,
			NextPollAt:               s.Status.NextPollAt,
			EffectiveIntervalSeconds: s.Status.EffectiveIntervalSeconds,
			PostsPerMinute:           s.Status.PostsPerMinute,
			LastError:                s.Status.LastError, Gaps: s.Status.Gaps, LastGap: lastGap,
		},
	}
}

// Problem is the body of every error: RFC 9457 with a stable code.
type Problem struct {
	Type      string         `json:"type"`
	Title     string         `json:"title"`
	Status    int            `json:"status"`
	Detail    string         `json:"detail"`
	Code      pulse.Code     `json:"code"`
	RequestID string         `json:"request_id"`
	Errors    []ProblemField `json:"errors,omitempty"`
}

// ProblemField says what is wrong with one field of the request.
type ProblemField struct {
	Field   string `json:"field"`
	Message string `json:"message"`
}

// Health is the body of GET /api/health/: "ok" or "degraded", and the same of
// each part by name.
type Health struct {
	Status string            `json:"status" enum:"ok,degraded"`
	Parts  map[string]string `json:"parts"`
}
