package redditsim

import (
	"encoding/json"
	"html"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// post is the data of a t3 as the API writes it.
type post struct {
	ApprovedAtUTC         *float  `json:"approved_at_utc"`
	Subreddit             string  `json:"subreddit"`
	Selftext              string  `json:"selftext"`
	AuthorFullname        string  `json:"author_fullname,omitempty"`
	Saved                 bool    `json:"saved"`
	Gilded                int     `json:"gilded"`
	Title                 string  `json:"title"`
	SubredditNamePrefixed string  `json:"subreddit_name_prefixed"`
	Hidden                bool    `json:"hidden"`
	Downs                 int     `json:"downs"`
	HideScore             bool    `json:"hide_score"`
	Name                  string  `json:"name"`
	Quarantine            bool    `json:"quarantine"`
	UpvoteRatio           float64 `json:"upvote_ratio"`
	Ups                   int     `json:"ups"`
	Domain                string  `json:"domain"`
	IsOriginalContent     bool    `json:"is_original_content"`
	LinkFlairText         *string `json:"link_flair_text"`
	Score                 int     `json:"score"`
	Thumbnail             string  `json:"thumbnail"`
	Edited                bool    `json:"edited"`
	IsSelf                bool    `json:"is_self"`
	Created               float   `json:"created"`
	SelftextHTML          *string `json:"selftext_html"`
	Likes                 *bool   `json:"likes"`
	Pinned                bool    `json:"pinned"`
	Over18                bool    `json:"over_18"`
	MediaOnly             bool    `json:"media_only"`
	CanGild               bool    `json:"can_gild"`
	Spoiler               bool    `json:"spoiler"`
	Locked                bool    `json:"locked"`
	RemovedByCategory     *string `json:"removed_by_category"`
	Distinguished         *string `json:"distinguished"`
	SubredditID           string  `json:"subreddit_id"`
	ID                    string  `json:"id"`
	IsRobotIndexable      bool    `json:"is_robot_indexable"`
	Author                string  `json:"author"`
	NumComments           int     `json:"num_comments"`
	SendReplies           bool    `json:"send_replies"`
	Archived              bool    `json:"archived"`
	Permalink             string  `json:"permalink"`
	Stickied              bool    `json:"stickied"`
	URL                   string  `json:"url"`
	SubredditSubscribers  int     `json:"subreddit_subscribers"`
	CreatedUTC            float   `json:"created_utc"`
	NumCrossposts         int     `json:"num_crossposts"`
	Media                 *string `json:"media"`
	IsVideo               bool    `json:"is_video"`
}

// float is seconds as the API writes them: whole ones with ".0" behind.
type float float64

func (f float) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(f), 'f', 1, 64), nil
}

// json is the whole t3 as one reader sees it at a moment. Without raw, text is
// escaped as HTML.
func (b birth) json(now time.Time, raw bool) []byte {
	p := b.post(now)
	if !raw {
		for _, text := range []*string{&p.Title, &p.Selftext, &p.URL, p.LinkFlairText} {
			if text != nil {
				*text = escape.Replace(*text)
			}
		}
	}
	body, err := json.Marshal(struct {
		Kind string `json:"kind"`
		Data *post  `json:"data"`
	}{"t3", p})
	if err != nil {
		panic("redditsim: write a post: " + err.Error()) // plain data always encodes
	}
	return body
}

// escape is all that Reddit escapes.
var escape = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// post is b at a moment. What never changes is drawn first, always in the same
// order.
func (b birth) post(now time.Time) *post {
	rng := rand.New(rand.NewPCG(b.c.key, mix(uint64(b.at))))
	g := topics[b.c.topic]
	created := float(math.Floor(float64(b.at) / 1000))
	p := &post{
		ID: b.id(), Name: b.fullName(), Subreddit: b.c.name,
		SubredditNamePrefixed: "r/" + b.c.name, SubredditSubscribers: b.c.subscribers,
		SubredditID: "t5_" + strconv.FormatUint(uint64(b.c.code), 36),
		CreatedUTC:  created, Created: created + 8*60*60,
		IsRobotIndexable: true, SendReplies: true,
	}
	cv := b.curve(rng)
	p.UpvoteRatio = cv.ratio
	p.Author = author(rng)
	p.AuthorFullname = "t2_" + strconv.FormatUint(hash(0, p.Author)>>24, 36)
	p.Title = g.title(rng)
	if rng.Float64() < 0.45 && len(g.flairs) > 0 {
		flair := pick(rng, g.flairs)
		p.LinkFlairText = &flair
	}
	p.Over18 = rng.Float64() < 0.01
	p.Spoiler = rng.Float64() < 0.01
	p.Stickied = rng.Float64() < 0.002
	if p.Stickied {
		moderator := "moderator"
		p.Distinguished = &moderator
	}
	p.Permalink = "/r/" + b.c.name + "/comments/" + p.ID + "/" + slug(p.Title) + "/"
	b.content(p, g, rng)

	p.Score = b.score(&cv, now)
	p.Ups = p.Score
	p.NumComments = b.comments(&cv, now)
	// AskReddit hides scores for the first hour; they are given all the same.
	p.HideScore = b.c.topic == "ask" && b.age(now) < 60
	if f := b.c.fate(b.at); f.gone(now) {
		p.takeAway(f.category)
	}
	return p
}

// content is a text, a picture or a link.
func (b birth) content(p *post, g *grammar, rng *rand.Rand) {
	if p.IsSelf = rng.Float64() < g.self; p.IsSelf {
		p.Domain, p.Thumbnail = "self."+b.c.name, "self"
		p.URL = "https://www.reddit.com" + p.Permalink
		if rng.Float64() < 0.6 {
			p.Selftext = g.title(rng) + "\n\n" + g.title(rng) + " " + g.title(rng)
			text := "<!-- SC_OFF --><div class=\"md\"><p>" + html.EscapeString(p.Selftext) + "</p>\n</div><!-- SC_ON -->"
			p.SelftextHTML = &text
		}
		return
	}
	p.Domain, p.Thumbnail = pick(rng, g.domains), "default"
	switch p.Domain {
	case "i.redd.it":
		p.URL = "https://i.redd.it/" + strconv.FormatUint(rng.Uint64(), 36) + ".jpg"
	case "v.redd.it":
		p.URL, p.IsVideo = "https://v.redd.it/"+strconv.FormatUint(rng.Uint64(), 36), true
	case "youtube.com":
		p.URL = "https://www.youtube.com/watch?v=" + strconv.FormatUint(rng.Uint64()>>8, 36) + "&t=" + digits(rng.IntN(600))
	default:
		p.URL = "https://" + p.Domain + "/" + slug(p.Title) + "-" + digits(rng.IntN(100_000))
	}
	if p.Over18 {
		p.Thumbnail = "nsfw"
	}
}

// takeAway leaves of the post what Reddit leaves of one that is gone.
func (p *post) takeAway(category string) {
	p.RemovedByCategory = &category
	p.IsRobotIndexable = false
	text := "[removed]"
	if category == "deleted" {
		text = "[deleted]"
		p.Author, p.AuthorFullname = text, ""
	}
	if p.IsSelf {
		p.Selftext, p.SelftextHTML = text, nil
	}
}

// slug is the title as permalinks have it.
func slug(title string) string {
	const most = 50
	var b strings.Builder
	for _, r := range strings.ToLower(title) {
		switch {
		case b.Len() >= most:
			return strings.Trim(b.String(), "_")
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "_"):
			b.WriteByte('_')
		}
	}
	return strings.Trim(b.String(), "_")
}

func digits(n int) string { return strconv.Itoa(n) }
