package wire

import (
	"encoding/json"
	"time"

	"dev.redditpulse/shared/pulse"
)

// Post is a post in REST bodies and feed frames.
type Post struct {
	ID              string       `json:"id" doc:"Reddit's full name" example:"t3_1abcde"`
	Subreddit       string       `json:"subreddit"`
	Title           string       `json:"title"`
	Author          string       `json:"author"`
	URL             string       `json:"url"`
	Permalink       string       `json:"permalink"`
	Flair           *string      `json:"flair"`
	IsSelf          bool         `json:"is_self"`
	Over18          bool         `json:"over_18"`
	CreatedAt       time.Time    `json:"created_at"`
	ObservedAt      time.Time    `json:"observed_at"`
	Score           int64        `json:"score"`
	NumComments     int64        `json:"num_comments"`
	UpvoteRatio     *float64     `json:"upvote_ratio"`
	State           string       `json:"state" enum:"live,removed,deleted,gone"`
	Velocity        *float64     `json:"velocity" doc:"points per minute, null while unknown"`
	CommentVelocity *float64     `json:"comment_velocity" doc:"comments per minute, null while unknown"`
	Trend           *pulse.Trend `json:"trend"`
	Sentiment       *float64     `json:"sentiment" doc:"-1 to 1, null while unknown"`
	Seq             *uint64      `json:"seq" doc:"place in the feed, null outside it"`
}

// FromPost gives the wire form of p.
func FromPost(p *pulse.Post) Post {
	return Post{
		ID: p.PostID, Subreddit: p.Subreddit, Title: p.Title, Author: p.Author, URL: p.URL,
		Permalink: p.Permalink, Flair: p.Flair, IsSelf: p.IsSelf, Over18: p.Over18,
		CreatedAt: p.CreatedAt.UTC(), ObservedAt: p.ObservedAt.UTC(), Score: p.Score,
		NumComments: p.NumComments, UpvoteRatio: p.UpvoteRatio, State: string(p.State),
		Velocity: p.Velocity, CommentVelocity: p.CommentVelocity, Trend: p.Trend,
		Sentiment: p.Sentiment, Seq: p.Seq,
	}
}

// Domain gives the domain form of p.
func (p *Post) Domain() pulse.Post {
	return pulse.Post{
		Observation: pulse.Observation{
			PostID: p.ID, ObservedAt: p.ObservedAt, Subreddit: p.Subreddit, Title: p.Title,
			Author: p.Author, URL: p.URL, Permalink: p.Permalink, Flair: p.Flair,
			IsSelf: p.IsSelf, Over18: p.Over18, CreatedAt: p.CreatedAt, Score: p.Score,
			NumComments: p.NumComments, UpvoteRatio: p.UpvoteRatio, State: pulse.State(p.State),
		},
		Velocity: p.Velocity, CommentVelocity: p.CommentVelocity, Trend: p.Trend,
		Sentiment: p.Sentiment, Seq: p.Seq,
	}
}

// DecodePost reads what EncodePost wrote.
func DecodePost(body []byte) (pulse.Post, error) {
	var in Post
	if err := json.Unmarshal(body, &in); err != nil {
		return pulse.Post{}, jsonFault("post", err)
	}
	if !ValidPostID(in.ID) {
		return pulse.Post{}, pulse.InvalidField("id", "%q is no post id", clip(in.ID))
	}
	return in.Domain(), nil
}

// Page is one page of posts. Next and Previous are cursors, null at the ends.
type Page struct {
	Results  []Post  `json:"results"`
	Next     *string `json:"next"`
	Previous *string `json:"previous"`
}

// Reading is one point of a post's history.
type Reading struct {
	ObservedAt  time.Time `json:"observed_at"`
	Score       int64     `json:"score"`
	NumComments int64     `json:"num_comments"`
	UpvoteRatio *float64  `json:"upvote_ratio"`
	Velocity    *float64  `json:"velocity"`
}

// History is a post's readings, oldest first.
type History struct {
	ID      string    `json:"id"`
	Results []Reading `json:"results"`
}

// Stats counts what is stored.
type Stats struct {
	Posts            int64            `json:"posts"`
	Subreddits       int64            `json:"subreddits"`
	PostsHour        int64            `json:"posts_last_hour"`
	ObservationsHour int64            `json:"observations_last_hour"`
	NewestObservedAt *time.Time       `json:"newest_observed_at"`
	BySubreddit      []SubredditStats `json:"by_subreddit"`
}

// SubredditStats counts what is stored of one subreddit.
type SubredditStats struct {
	Subreddit string `json:"subreddit"`
	Posts     int64  `json:"posts"`
	MaxScore  int64  `json:"max_score"`
}
