package screen

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"dev.redditpulse/shared/text"
	"dev.redditpulse/shared/wire"
	"dev.redditpulse/tui/theme"
)

const (
	// silence is how long ingestion may say nothing before that is shown.
	silence = time.Minute
	// slack is the share by which a figure may differ without being another.
	slack = 0.01
	// everyWide is the cells that an interval takes.
	everyWide = 8
)

// budgetLine is the budget of requests in words, and how it looks; "" while
// ingestion has never said one.
func budgetLine(t theme.Theme, b *wire.Budget, rows []wire.Subreddit, now time.Time) (string, theme.Style) {
	if b == nil {
		return "", theme.Style{}
	}
	style := t.Good
	parts := []string{"requests " + count(rounded(b.Wanted())) + " of " + count(rounded(b.Allowed)) + " a minute"}
	if percent := rounded(100 * b.Wanted() / b.Allowed); b.Allowed > 0 && percent > 100 {
		style = t.Warn
		parts[0] = "budget " + count(percent) + " %" + stretched(b)
	}
	polled, missed := promises(rows)
	if missed == 0 {
		parts = append(parts, "every interval holds")
	} else {
		style = t.Warn
		parts = append(parts, fmt.Sprintf("%d of %d miss their promise", missed, polled))
	}
	if until := b.Reddit.StoppedUntil; until != nil && until.After(now) {
		style = t.Bad
		parts = append(parts, "nothing is sent until "+until.UTC().Format("15:04:05 UTC"))
	}
	if now.Sub(b.At) > silence {
		style = t.Bad
		parts = append(parts, "ingestion is silent for "+Age(now, b.At))
	}
	return strings.Join(parts, " · "), style
}

// stretched says what gives way.
func stretched(b *wire.Budget) string {
	switch {
	case b.IntervalFactor > 1+slack:
		return fmt.Sprintf(": intervals ×%.1f", b.IntervalFactor)
	case b.RefreshFactor > 1+slack:
		return fmt.Sprintf(": refresh of posts ×%.1f", b.RefreshFactor)
	}
	return ""
}

// promises counts the rows that are polled, and of them those that are polled
// less often than promised.
func promises(rows []wire.Subreddit) (polled, missed int) {
	for i := range rows {
		row := &rows[i]
		effective := row.Status.EffectiveIntervalSeconds
		if !row.IsActive || effective == nil {
			continue
		}
		polled++
		if *effective > float64(row.IntervalSeconds)*(1+slack) {
			missed++
		}
	}
	return polled, missed
}

// every is the interval of a row, in at most everyWide cells: the promise, and
// after an arrow what it really is where that differs.
func every(row *wire.Subreddit) string {
	// Polls come a little before their time, which nobody calls another interval.
	const early = 0.1
	promised := float64(row.IntervalSeconds)
	effective := row.Status.EffectiveIntervalSeconds
	if effective == nil || !row.IsActive || *effective <= promised*(1+slack) && *effective >= promised*(1-early) {
		return strconv.Itoa(row.IntervalSeconds) + "s"
	}
	for _, unit := range []struct {
		seconds float64
		name    string
	}{{1, "s"}, {60, "m"}, {3600, "h"}, {86_400, "d"}} {
		from, to := rounded(promised/unit.seconds), rounded(*effective/unit.seconds)
		if cell := strconv.FormatInt(from, 10) + "→" + strconv.FormatInt(to, 10) + unit.name; text.Width(cell) <= everyWide {
			return cell
		}
	}
	return strconv.Itoa(row.IntervalSeconds) + "s→…"
}

// gapLine tells of the gaps of a row, "" where there are none.
func gapLine(row *wire.Subreddit) string {
	gap := row.Status.LastGap
	if row.Status.Gaps == 0 || gap == nil {
		return ""
	}
	head := "a gap, "
	if row.Status.Gaps > 1 {
		head = count(row.Status.Gaps) + " gaps, the newest "
	}
	from, to := gap.From.UTC(), gap.To.UTC()
	until := to.Format("15:04 UTC")
	if from.YearDay() != to.YearDay() || from.Year() != to.Year() {
		until = to.Format("2006-01-02 15:04 UTC")
	}
	line := row.Name + ": " + head + from.Format("2006-01-02 15:04") + " to " + until
	if gap.Reason != "" {
		line += ": " + gap.Reason
	}
	return line
}

// rounded is a figure for people, within the bounds of a count.
func rounded(v float64) int64 { return int64(math.Round(max(-1e9, min(v, 1e9)))) }
