package screen

import (
	"strings"

	"dev.redditpulse/shared/text"
	"dev.redditpulse/tui/session"
	"dev.redditpulse/tui/widget"
)

func rule(w int) string { return strings.Repeat("─", max(0, w)) }

// describe gives all that is known of the row under the cursor.
func (f *Feed) describe(w int) []string {
	at := f.table.Cursor()
	if at < 0 || at >= len(f.view.Rows) {
		return []string{"", "  " + f.theme.Faint.Paint("no post under the cursor")}
	}
	row := f.view.Rows[at]
	if row.Gap != nil {
		return []string{"", "  " + f.theme.GapRow.Paint(text.Cut(gapText(row.Gap), w-4))}
	}
	p := row.Post
	if newer := f.store.Find(p.ID); newer != nil && !f.frozen {
		p = newer
	}
	var lines []string
	for _, line := range widget.Wrap(p.Title, w-2, 3) {
		lines = append(lines, " "+f.theme.Title.Paint(line))
	}
	const label = 12
	for _, field := range f.fields(p) {
		for i, line := range widget.Wrap(field[1], w-label-2, 3) {
			name := ""
			if i == 0 {
				name = field[0]
			}
			lines = append(lines, " "+f.theme.Head.Paint(text.Fit(name, label))+line)
		}
	}
	return lines
}

// fields are the labelled facts of a post, most wanted first.
func (f *Feed) fields(p *session.Post) [][2]string {
	now := f.now()
	out := [][2]string{
		{"score", count(p.Score) + ", " + speed(p.Velocity) + " a minute, " + share(p.Ratio) + " up"},
		{"comments", count(p.Comments) + ", " + speed(p.CommentVelocity) + " a minute"},
		{"in", "r/" + p.Subreddit + " by " + p.Author},
		{"created", moment(now, p.Created)},
		{"observed", moment(now, p.Observed)},
		{"state", p.State},
		{"comments at", "https://www.reddit.com" + p.Permalink},
	}
	if !p.IsSelf {
		out = append(out, [2]string{"links to", p.URL})
	}
	if p.Flair != "" {
		out = append(out, [2]string{"flair", p.Flair})
	}
	if p.Trend != "" {
		out = append(out, [2]string{"trend", p.Trend})
	}
	if p.Sentiment != nil {
		out = append(out, [2]string{"sentiment", speed(p.Sentiment)})
	}
	if p.Over18 {
		out = append(out, [2]string{"over 18", "yes"})
	}
	return append(out, [2]string{"id", p.ID})
}
