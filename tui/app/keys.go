package app

import "github.com/charmbracelet/bubbles/key"

// keys are the keys that work on every screen while nothing is typed.
var keys = struct{ Feed, Subreddits, Next, Help, Quit, Kill key.Binding }{
	Feed:       key.NewBinding(key.WithKeys("1"), key.WithHelp("1", "feed")),
	Subreddits: key.NewBinding(key.WithKeys("2"), key.WithHelp("2", "subreddits")),
	Next:       key.NewBinding(key.WithKeys("tab"), key.WithHelp("tab", "next screen")),
	Help:       key.NewBinding(key.WithKeys("?"), key.WithHelp("?", "help")),
	Quit:       key.NewBinding(key.WithKeys("q"), key.WithHelp("q", "quit")),
	Kill:       key.NewBinding(key.WithKeys("ctrl+c"), key.WithHelp("ctrl+c", "quit")),
}

// globals are the keys that do something now wherever one is.
func (m *Model) globals() []key.Binding {
	if m.at == onLogin || m.current().Typing() {
		return []key.Binding{keys.Kill}
	}
	return []key.Binding{keys.Feed, keys.Subreddits, keys.Next, keys.Help, keys.Quit, keys.Kill}
}
