package redditsim

import (
	"html"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// content is what of a post never changes.
type content struct {
	curve               curve
	author, title       string
	flair               string // "" is none
	over18, spoiler     bool
	isSelf, isVideo     bool
	selftext            string
	url, domain, thumb  string
	permalink, id, name string
}

// content draws everything in always the same order.
func (b *birth) content(rng *rand.Rand) content {
	g := b.c.grammar
	ct := content{curve: b.curve(rng), author: author(rng), title: g.title(rng)}
	if rng.Float64() < 0.45 && len(g.flairs) > 0 {
		ct.flair = pick(rng, g.flairs)
	}
	ct.over18 = rng.Float64() < 0.01
	ct.spoiler = rng.Float64() < 0.01
	ct.name = string(b.appendName(nil))
	ct.id = ct.name[len("t3_"):]
	path := slug(ct.title)
	ct.permalink = "/r/" + b.c.name + "/comments/" + ct.id + "/" + path + "/"
	if ct.isSelf = rng.Float64() < g.self; ct.isSelf {
		ct.domain, ct.thumb, ct.url = "self."+b.c.name, "self", "https://www.reddit.com"+ct.permalink
		if rng.Float64() < 0.6 {
			ct.selftext = g.title(rng) + "\n\n" + g.title(rng) + " " + g.title(rng)
		}
		return ct
	}
	ct.link(rng, g, path)
	return ct
}

// link is a picture, a film or an address elsewhere.
func (ct *content) link(rng *rand.Rand, g *grammar, path string) {
	ct.domain, ct.thumb = pick(rng, g.domains), "default"
	switch ct.domain {
	case "i.redd.it":
		ct.url = "https://i.redd.it/" + strconv.FormatUint(rng.Uint64(), 36) + ".jpg"
	case "v.redd.it":
		ct.url, ct.isVideo = "https://v.redd.it/"+strconv.FormatUint(rng.Uint64(), 36), true
	case "youtube.com":
		ct.url = "https://www.youtube.com/watch?v=" + strconv.FormatUint(rng.Uint64()>>8, 36) + "&t=" + digits(rng.IntN(600))
	default:
		ct.url = "https://" + ct.domain + "/" + path + "-" + digits(rng.IntN(100_000))
	}
	if ct.over18 {
		ct.thumb = "nsfw"
	}
}

// appendJSON writes the whole t3 as one reader sees it at a moment, with the
// fields and the order of the API. Without raw, text is escaped as HTML.
func (b *birth) appendJSON(p *pen, now time.Time, raw bool) {
	p.turnTo(b)
	p.raw = raw
	ct := b.content(p.rng)
	category := b.category(now.UnixMilli())
	fullname, text := "t2_"+strconv.FormatUint(hash(0, ct.author)>>24, 36), ct.selftext
	// What Reddit leaves of a post that is taken away.
	if category != "" && ct.isSelf {
		text = "[removed]"
	}
	if category == deleted {
		ct.author, fullname = "[deleted]", ""
		if ct.isSelf {
			text = "[deleted]"
		}
	}
	score, age := b.score(&ct.curve, now), b.c.age(b.at, now)
	sub := b.c.name

	p.add(`{"kind":"t3","data":{"approved_at_utc":null`)
	p.text("subreddit", sub)
	p.prose("selftext", text)
	if fullname != "" {
		p.text("author_fullname", fullname)
	}
	p.add(`,"saved":false,"gilded":0`)
	p.prose("title", ct.title)
	p.text("subreddit_name_prefixed", "r/"+sub)
	p.add(`,"hidden":false,"downs":0`)
	// AskReddit hides scores for the first hour; they are given all the same.
	p.flag("hide_score", b.c.topic == "ask" && age < 60)
	p.text("name", ct.name)
	p.add(`,"quarantine":false`)
	p.float("upvote_ratio", ct.curve.ratio)
	p.number("ups", int64(score))
	p.text("domain", ct.domain)
	p.add(`,"is_original_content":false`)
	p.nullable("link_flair_text", ct.flair)
	p.number("score", int64(score))
	p.text("thumbnail", ct.thumb)
	p.add(`,"edited":false`)
	p.flag("is_self", ct.isSelf)
	p.seconds("created", b.created()+8*60*60)
	p.nullable("selftext_html", asHTML(text))
	p.add(`,"likes":null,"pinned":false`)
	p.flag("over_18", ct.over18)
	p.add(`,"media_only":false,"can_gild":false`)
	p.flag("spoiler", ct.spoiler)
	p.add(`,"locked":false`)
	p.nullable("removed_by_category", category)
	p.nullable("distinguished", map[bool]string{true: "moderator"}[b.sticky])
	p.text("subreddit_id", b.c.fullname)
	p.text("id", ct.id)
	p.flag("is_robot_indexable", category == "")
	p.text("author", ct.author)
	p.number("num_comments", int64(b.comments(&ct.curve, now)))
	p.add(`,"send_replies":true,"archived":false`)
	p.text("permalink", ct.permalink)
	p.flag("stickied", b.sticky)
	p.prose("url", ct.url)
	p.number("subreddit_subscribers", int64(b.c.subscribers))
	p.seconds("created_utc", b.created())
	p.add(`,"num_crossposts":0,"media":null`)
	p.flag("is_video", ct.isVideo)
	p.add(`}}`)
}

// asHTML is a text as its author's markup gives it, "" for none and for what
// stands in place of one.
func asHTML(text string) string {
	if text == "" || text == "[removed]" || text == "[deleted]" {
		return ""
	}
	return "<!-- SC_OFF --><div class=\"md\"><p>" + html.EscapeString(text) + "</p>\n</div><!-- SC_ON -->"
}

// slug is the title as permalinks have it.
func slug(title string) string {
	const most = 50
	path := make([]byte, 0, most)
	for i := 0; i < len(title) && len(path) < most; i++ {
		switch c := title[i]; {
		case c >= 'A' && c <= 'Z':
			path = append(path, c-'A'+'a')
		case c >= 'a' && c <= 'z' || c >= '0' && c <= '9':
			path = append(path, c)
		case len(path) > 0 && path[len(path)-1] != '_':
			path = append(path, '_')
		}
	}
	return strings.TrimRight(string(path), "_")
}

func digits(n int) string { return strconv.Itoa(n) }
