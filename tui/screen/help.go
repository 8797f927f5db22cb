package screen

import (
	"github.com/charmbracelet/bubbles/key"

	"dev.redditpulse/shared/text"
	"dev.redditpulse/tui/theme"
	"dev.redditpulse/tui/widget"
)

// Help lists bindings in as many columns as there is room for.
func Help(t theme.Theme, bindings []key.Binding, w, h int) []string {
	const wide = 34
	lines := []string{"", "  " + t.Title.Paint("Keys"), ""}
	columns := max(1, (w-2)/wide)
	var on []key.Binding
	for _, b := range bindings {
		if b.Enabled() && b.Help().Key != "" {
			on = append(on, b)
		}
	}
	rows := (len(on) + columns - 1) / columns
	rows = max(rows, min(len(on), h-len(lines)))
	for r := range rows {
		line := "  "
		for c := 0; c*rows+r < len(on); c++ {
			help := on[c*rows+r].Help()
			line += t.Head.Paint(text.Fit(help.Key, 9)) + text.Fit(help.Desc, wide-9)
		}
		lines = append(lines, line)
	}
	return widget.Fill(lines, h)
}
