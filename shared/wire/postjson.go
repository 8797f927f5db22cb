package wire

import (
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"dev.redditpulse/shared/pulse"
)

// EncodePost gives the JSON of p as the feed stream keeps it: that of FromPost,
// written without reflection, as each reading costs one.
func EncodePost(p *pulse.Post) ([]byte, error) {
	w := postWriter{body: make([]byte, 0, 640+len(p.Title)+2*len(p.Permalink)+len(p.URL))}
	w.text(`{"id":`, p.PostID)
	w.text(`,"subreddit":`, p.Subreddit)
	w.text(`,"title":`, p.Title)
	w.text(`,"author":`, p.Author)
	w.text(`,"url":`, p.URL)
	w.text(`,"permalink":`, p.Permalink)
	w.textOrNull(`,"flair":`, p.Flair)
	w.truth(`,"is_self":`, p.IsSelf)
	w.truth(`,"over_18":`, p.Over18)
	w.time(`,"created_at":`, p.CreatedAt)
	w.time(`,"observed_at":`, p.ObservedAt)
	w.integer(`,"score":`, p.Score)
	w.integer(`,"num_comments":`, p.NumComments)
	w.float(`,"upvote_ratio":`, p.UpvoteRatio)
	w.text(`,"state":`, string(p.State))
	w.float(`,"velocity":`, p.Velocity)
	w.float(`,"comment_velocity":`, p.CommentVelocity)
	w.any(`,"trend":`, p.Trend, p.Trend == nil)
	w.float(`,"sentiment":`, p.Sentiment)
	w.any(`,"seq":`, p.Seq, p.Seq == nil)
	return append(w.body, '}'), w.err
}

// postWriter appends the parts of an object, each behind its name. What is out of
// the ordinary is left to encoding/json.
type postWriter struct {
	body []byte
	err  error // the first
}

func (w *postWriter) any(name string, v any, null bool) {
	w.body = append(w.body, name...)
	if null {
		w.body = append(w.body, "null"...)
		return
	}
	text, err := marshal(v)
	if err != nil && w.err == nil {
		w.err = err
	}
	w.body = append(w.body, text...)
}

func (w *postWriter) text(name, s string) {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			w.any(name, s, false)
			return
		}
	}
	w.body = append(w.body, name...)
	w.body = append(w.body, '"')
	w.body = append(w.body, s...)
	w.body = append(w.body, '"')
}

func (w *postWriter) textOrNull(name string, s *string) {
	if s == nil {
		w.any(name, nil, true)
		return
	}
	w.text(name, *s)
}

func (w *postWriter) truth(name string, b bool) {
	w.body = strconv.AppendBool(append(w.body, name...), b)
}

func (w *postWriter) integer(name string, n int64) {
	w.body = strconv.AppendInt(append(w.body, name...), n, 10)
}

func (w *postWriter) time(name string, t time.Time) {
	t = t.UTC()
	if year := t.Year(); year < 0 || year > 9999 {
		w.any(name, t, false) // an error
		return
	}
	w.body = append(append(w.body, name...), '"')
	w.body = append(t.AppendFormat(w.body, time.RFC3339Nano), '"')
}

// float leaves to encoding/json what it writes with an exponent, or refuses.
func (w *postWriter) float(name string, f *float64) {
	if f == nil {
		w.any(name, nil, true)
		return
	}
	if size := math.Abs(*f); size != 0 && !(size >= 1e-6 && size < 1e21) {
		w.any(name, *f, false)
		return
	}
	w.body = strconv.AppendFloat(append(w.body, name...), *f, 'f', -1, 64)
}
