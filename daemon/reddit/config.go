package reddit

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"dev.redditpulse/shared/pulse"
)

// Config says which Reddit is asked and as whom. Every field but Transport is
// needed.
type Config struct {
	BaseURL           string // of OAuth requests, e.g. https://oauth.reddit.com
	TokenURL          string // of the token call
	ClientID          string
	ClientSecret      string
	UserAgent         string            // "platform:app id:version (by /u/name)"; Reddit blocks default ones
	RequestsPerMinute int               // at least 1; any ten minutes hold at most ten times as many, all calls together
	Timeout           time.Duration     // of one request from dialling to its last byte
	Transport         http.RoundTripper // nil: the network
}

// Agents that Reddit throttles or blocks on sight, and what is left of a
// template that nobody filled in. Compared in lower case.
var (
	defaultAgents = []string{
		"go-http-client", "python-requests", "python-urllib", "python/", "java/", "curl/",
		"wget/", "okhttp", "node-fetch", "axios/", "mozilla/",
	}
	placeholders = []string{
		"<", ">", "your_", "your-", "yourname", "your name", "yourusername", "your username",
		"changeme", "change me", "placeholder", "/u/username", "/u/name)", "example.com",
	}
)

func (c *Config) transport() http.RoundTripper {
	if c.Transport != nil {
		return c.Transport
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 8
	t.MaxResponseHeaderBytes = 64 << 10
	return t
}

func (c *Config) check() (base, token *url.URL, err error) {
	if base, err = checkURL("reddit.base_url", c.BaseURL); err != nil {
		return nil, nil, err
	}
	if token, err = checkURL("reddit.token_url", c.TokenURL); err != nil {
		return nil, nil, err
	}
	switch {
	case c.ClientID == "":
		err = pulse.InvalidField("reddit.client_id", "missing, want the id of your application at reddit.com/prefs/apps")
	case c.ClientSecret == "":
		err = pulse.InvalidField("reddit.client_secret", "missing, want the secret of your application at reddit.com/prefs/apps")
	case c.RequestsPerMinute < 1:
		err = pulse.InvalidField("reddit.requests_per_minute", "want at least 1, got %d", c.RequestsPerMinute)
	case c.Timeout <= 0:
		err = pulse.InvalidField("reddit.timeout", "want more than 0, e.g. 16s")
	default:
		err = checkUserAgent(c.UserAgent)
	}
	return base, token, err
}

// checkURL reads an absolute address and takes the last slash off, so that a
// path can follow.
func checkURL(field, s string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimRight(s, "/"))
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return nil, pulse.InvalidField(field, "want an http or https address, e.g. https://oauth.reddit.com")
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, pulse.InvalidField(field, "want an address without user, query and fragment")
	}
	return u, nil
}

func checkUserAgent(agent string) error {
	const want = `want your own, e.g. "linux:reddit-pulse:1.0 (by /u/yourname)" with your name`
	lower := strings.ToLower(strings.TrimSpace(agent))
	if lower == "" {
		return pulse.InvalidField("reddit.user_agent", "missing, %s", want)
	}
	for i := range len(agent) {
		if agent[i] < ' ' || agent[i] > '~' {
			return pulse.InvalidField("reddit.user_agent", "has a character that is not plain ASCII, %s", want)
		}
	}
	for _, start := range defaultAgents {
		if strings.HasPrefix(lower, start) {
			return pulse.InvalidField("reddit.user_agent", "Reddit blocks the agents of browsers and libraries, %s", want)
		}
	}
	for _, part := range placeholders {
		if strings.Contains(lower, part) {
			return pulse.InvalidField("reddit.user_agent", "%q is a placeholder, %s", part, want)
		}
	}
	return nil
}
