package session

import (
	"time"

	"dev.redditpulse/shared/text"
	"dev.redditpulse/shared/wire"
)

// Most bytes of a text that is kept; titles have 300 characters at Reddit.
const (
	mostTitle = 2_000
	mostName  = 200
	mostURL   = 4_000
)

// Post is a post as it is shown. All text in it is drawable. It is never
// changed: a newer reading is another Post.
type Post struct {
	ID              string
	Subreddit       string
	Title           string
	Author          string
	URL             string
	Permalink       string // path on Reddit
	Flair           string
	State           string
	IsSelf          bool
	Over18          bool
	Created         time.Time
	Observed        time.Time
	Score           int64
	Comments        int64
	Ratio           *float64 // 0 to 1, nil while unknown
	Velocity        *float64 // points per minute, nil while unknown
	CommentVelocity *float64
	Sentiment       *float64
	Trend           string // the reason in words, "" while the post does not trend
	Rev             uint64 // grows with each change in the store
}

// clean makes untrusted text of at most that many bytes drawable.
func clean(s string, most int) string {
	if len(s) > most {
		s = s[:most]
	}
	return text.Drawable(text.Storable(s))
}

func fromWire(p *wire.Post) *Post {
	out := &Post{
		ID: p.ID, Subreddit: clean(p.Subreddit, mostName), Title: clean(p.Title, mostTitle),
		Author: clean(p.Author, mostName), URL: clean(p.URL, mostURL), Permalink: clean(p.Permalink, mostURL),
		State: clean(p.State, mostName), IsSelf: p.IsSelf, Over18: p.Over18, Created: p.CreatedAt,
		Observed: p.ObservedAt, Score: p.Score, Comments: p.NumComments, Ratio: p.UpvoteRatio,
		Velocity: p.Velocity, CommentVelocity: p.CommentVelocity, Sentiment: p.Sentiment,
	}
	if p.Flair != nil {
		out.Flair = clean(*p.Flair, mostName)
	}
	if p.Trend != nil {
		out.Trend = clean(p.Trend.Reason, mostTitle)
	}
	return out
}

func cleanSubreddit(s wire.Subreddit) wire.Subreddit {
	s.Name = clean(s.Name, mostName)
	s.Priority = clean(s.Priority, mostName)
	s.AddedBy = clean(s.AddedBy, mostName)
	s.Status.State = clean(s.Status.State, mostName)
	s.Status.LastError = clean(s.Status.LastError, mostTitle)
	if gap := s.Status.LastGap; gap != nil {
		cleaned := *gap
		cleaned.Reason = clean(gap.Reason, mostTitle)
		s.Status.LastGap = &cleaned
	}
	return s
}
