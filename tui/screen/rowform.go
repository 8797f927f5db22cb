package screen

import (
	"strconv"
	"strings"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

// parseRow reads "politics, 90, fast, active": name, seconds, priority, active
// or paused. What is left out at the end takes the values of base.
func parseRow(line string, base wire.Subreddit) (wire.Subreddit, error) {
	parts := strings.Split(line, ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	if len(parts) > 4 {
		return base, pulse.Errorf(pulse.Invalid, "%d values, want name, seconds, priority, active or paused", len(parts))
	}
	base.Name = strings.TrimPrefix(strings.TrimPrefix(parts[0], "/"), "r/")
	if v := value(parts, 1); v != "" {
		n, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(v, "s")))
		if err != nil {
			return base, pulse.InvalidField("seconds", "%q is no whole number of seconds", v)
		}
		base.IntervalSeconds = n
	}
	if v := value(parts, 2); v != "" {
		base.Priority = strings.ToLower(v)
	}
	switch v := strings.ToLower(value(parts, 3)); v {
	case "":
	case "active", "on", "true", "yes":
		base.IsActive = true
	case "paused", "inactive", "off", "false", "no":
		base.IsActive = false
	default:
		return base, pulse.InvalidField("active", "%q, want active or paused", v)
	}
	return base, pulse.CheckSubreddit(pulse.Subreddit{
		Name: base.Name, IntervalSeconds: base.IntervalSeconds, Priority: pulse.Priority(base.Priority),
	})
}

func value(parts []string, i int) string {
	if i < len(parts) {
		return parts[i]
	}
	return ""
}

// formatRow is what parseRow reads.
func formatRow(s wire.Subreddit) string {
	return s.Name + ", " + strconv.Itoa(s.IntervalSeconds) + ", " + s.Priority + ", " + activity(s.IsActive)
}

func activity(active bool) string {
	if active {
		return "active"
	}
	return "paused"
}

// defaults are the values of a new row.
func defaults() wire.Subreddit {
	return wire.Subreddit{IntervalSeconds: 60, Priority: string(pulse.Medium), IsActive: true}
}

// newRow is row as the API wants it; changed is only what differs from base.
func newRow(row wire.Subreddit) wire.NewSubreddit {
	return wire.NewSubreddit{
		Name: row.Name, IntervalSeconds: &row.IntervalSeconds, Priority: &row.Priority, IsActive: &row.IsActive,
	}
}

func changed(base, row wire.Subreddit) (c wire.SubredditChange, differs bool) {
	if row.IntervalSeconds != base.IntervalSeconds {
		c.IntervalSeconds, differs = &row.IntervalSeconds, true
	}
	if row.Priority != base.Priority {
		c.Priority, differs = &row.Priority, true
	}
	if row.IsActive != base.IsActive {
		c.IsActive, differs = &row.IsActive, true
	}
	return c, differs
}
