package redditsim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"dev.redditpulse/shared/pulse"
)

// Bounds of faults.
const (
	maxFaults    = 100      // injected at one time
	maxFaultBody = 64 << 10 // bytes of a request that injects some
	maxTakes     = 10 * time.Minute
	maxFor       = 30 * 24 * time.Hour
	maxCount     = 1_000_000_000
)

// Fault is something that goes wrong on purpose. Kind is one of FaultKinds; the
// other fields say where, how often and how long, and may be left out.
type Fault struct {
	Kind      string
	Path      string        // strikes requests whose path begins so; "" is all but the token call
	Subreddit string        // strikes requests that name it; "" is all
	Share     float64       // of the requests that it may strike, above 0 to 1; 0 is all
	Count     int           // strikes so often and is over then; 0 is no bound, but 1 for token_revoked and unknown_used
	For       time.Duration // is over after that, on the simulator's clock; 0 is no bound
	Takes     time.Duration // slow, hang: how long, in real time; 0 is 20 s for slow, 5 min for hang
	Used      int           // unknown_used: how many requests another client made; 0 is 100
}

// faultKind is what a kind of fault does. Those that answer end the handling of
// a request: the first that strikes is its answer.
type faultKind struct {
	name, does string
	answer     func(use use) reply
	state      standing // what the communities that it strikes are
}

// faultKinds are all kinds. Those that are the answer themselves come without
// the headers of the window, but for 429; where communities are closed, the
// usual refusals come with them.
var faultKinds = []faultKind{
	{name: "429", does: "too many requests, with Retry-After and the headers of a used-up window", answer: limited},
	{name: "429_plain", does: "too many requests, with none of these headers", answer: plainly(tooMany)},
	{name: "500", does: "internal server error as JSON", answer: plainly(internal)},
	{name: "502", does: "bad gateway, with an empty body that claims to be JSON", answer: emptily(502)},
	{name: "503", does: "unavailable, empty like 502", answer: emptily(503)},
	{name: "504", does: "gateway timeout, empty like 502", answer: emptily(504)},
	{name: "empty", does: "200 with an empty body", answer: emptily(200)},
	{name: "html", does: "403 with the page for blocked networks", answer: plainly(forbidden)},
	{name: "reset", does: "the connection breaks before the answer", answer: going(broken)},
	{name: "hang", does: "no answer for 'takes' (5m), then the connection breaks", answer: going(hanging)},
	{name: "truncated", does: "200 with the first half of the JSON"},
	{name: "cut", does: "the connection breaks in the middle of the body"},
	{name: "slow", does: "the body drips in over 'takes' (20s)"},
	{name: "stale", does: "the answer is that of 30 s ago"},
	{name: "empty_listing", does: "a listing without posts"},
	{name: "no_ratelimit_headers", does: "the headers of the window are left out"},
	{name: "unknown_used", does: "the window counts 'used' (100) requests of another client, once"},
	{name: "token_revoked", does: "401 for the token of the request, once and from then on"},
	{name: "private", does: "communities are private: 403", state: private},
	{name: "quarantined", does: "communities are quarantined: 403", state: quarantined},
	{name: "gated", does: "communities are gated: 403", state: gated},
	{name: "banned", does: "communities are banned: 404", state: banned},
	{name: "missing", does: "communities are not there: 302 to the search", state: missing},
}

func limited(u use) reply {
	a := tooMany.reply()
	u.used, u.remaining = u.used+u.remaining, 0
	u.headers(a.header)
	a.header.Set("Retry-After", u.reset)
	return a
}

func plainly(a recorded) func(use) reply { return func(use) reply { return a.reply() } }

func emptily(status int) func(use) reply { return plainly(jsonAnswer(status, "")) }

func going(m manner) func(use) reply {
	return func(use) reply {
		a := recorded{status: 200}.reply()
		a.manner = m
		return a
	}
}

// FaultKinds are the kinds of faults with what they do, one a line.
func FaultKinds() string {
	var b strings.Builder
	for _, k := range faultKinds {
		fmt.Fprintf(&b, "  %-21s %s\n", k.name, k.does)
	}
	return b.String()
}

func kindOf(name string) (faultKind, bool) {
	i := slices.IndexFunc(faultKinds, func(k faultKind) bool { return k.name == name })
	if i < 0 {
		return faultKind{}, false
	}
	return faultKinds[i], true
}

// check fills in defaults and refuses what makes no sense.
func (f *Fault) check() error {
	if _, known := kindOf(f.Kind); !known {
		var names []string
		for _, k := range faultKinds {
			names = append(names, k.name)
		}
		return pulse.InvalidField("kind", "%q is unknown, want one of %s", clip(f.Kind), strings.Join(names, ", "))
	}
	if f.Path != "" && (f.Path[0] != '/' || len(f.Path) > 1000) {
		return pulse.InvalidField("path", "want the start of a path like /api/info, got %q", clip(f.Path))
	}
	if f.Subreddit != "" && !validName.MatchString(f.Subreddit) {
		return pulse.InvalidField("subreddit", "%q is no name of a community", clip(f.Subreddit))
	}
	if !(f.Share >= 0 && f.Share <= 1) {
		return pulse.InvalidField("share", "want above 0 to 1, got %v", f.Share)
	}
	if f.Count < 0 || f.Count > maxCount {
		return pulse.InvalidField("count", "want 1 to %d, got %d", maxCount, f.Count)
	}
	if f.For < 0 || f.For > maxFor {
		return pulse.InvalidField("for", "want more than 0, at most %s, got %s", maxFor, f.For)
	}
	return f.checkExtras()
}

func (f *Fault) checkExtras() error {
	if drips := f.Kind == "slow" || f.Kind == "hang"; f.Takes != 0 && !drips {
		return pulse.InvalidField("takes", "is for slow and hang only")
	}
	if f.Takes < 0 || f.Takes > maxTakes {
		return pulse.InvalidField("takes", "want more than 0, at most %s, got %s", maxTakes, f.Takes)
	}
	if f.Used != 0 && f.Kind != "unknown_used" {
		return pulse.InvalidField("used", "is for unknown_used only")
	}
	if f.Used < 0 || f.Used > maxCount {
		return pulse.InvalidField("used", "want 1 to %d, got %d", maxCount, f.Used)
	}
	switch f.Kind {
	case "slow":
		f.Takes = chosen(f.Takes, 20*time.Second)
	case "hang":
		f.Takes = chosen(f.Takes, 5*time.Minute)
	case "unknown_used":
		f.Used, f.Count = chosen(f.Used, 100), chosen(f.Count, 1)
	case "token_revoked":
		f.Count = chosen(f.Count, 1)
	}
	f.Share = chosen(f.Share, 1)
	return nil
}

// faultField is one field of a fault as text. A zero that is written out means
// none at all, and is refused: 0 in a Fault is a default.
type faultField struct {
	name   string
	number bool // in JSON
	set    func(f *Fault, text string) error
}

var faultFields = []faultField{
	{"kind", false, func(f *Fault, s string) error { f.Kind = s; return nil }},
	{"path", false, func(f *Fault, s string) error { f.Path = s; return nil }},
	{"subreddit", false, func(f *Fault, s string) error { f.Subreddit = s; return nil }},
	{"share", true, func(f *Fault, s string) (err error) {
		f.Share, err = strconv.ParseFloat(s, 64)
		return none(f.Share, err)
	}},
	{"count", true, func(f *Fault, s string) (err error) { f.Count, err = strconv.Atoi(s); return none(f.Count, err) }},
	{"for", false, func(f *Fault, s string) (err error) { f.For, err = time.ParseDuration(s); return none(f.For, err) }},
	{"takes", false, func(f *Fault, s string) (err error) { f.Takes, err = time.ParseDuration(s); return none(f.Takes, err) }},
	{"used", true, func(f *Fault, s string) (err error) { f.Used, err = strconv.Atoi(s); return none(f.Used, err) }},
}

func none[T int | float64 | time.Duration](v T, err error) error {
	if err == nil && v == 0 {
		return errors.New("is 0")
	}
	return err
}

// setField reads a field by its name.
func (f *Fault) setField(name, text string) error {
	i := slices.IndexFunc(faultFields, func(field faultField) bool { return field.name == name })
	if i < 0 {
		return unknownField(name)
	}
	if faultFields[i].set(f, text) != nil {
		want := "a number above 0"
		if !faultFields[i].number {
			want = "a duration above 0 like 90s or 10m"
		}
		return pulse.InvalidField(name, "want %s, got %q", want, clip(text))
	}
	return nil
}

func unknownField(name string) error {
	var names []string
	for _, field := range faultFields {
		names = append(names, field.name)
	}
	return pulse.InvalidField(clip(name), "unknown field, want one of %s", strings.Join(names, ", "))
}

// ParseFault reads "kind=503,share=0.2,for=10m" with the fields of a fault in
// any order.
func ParseFault(text string) (Fault, error) {
	var f Fault
	seen := map[string]bool{}
	for part := range strings.SplitSeq(text, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok {
			return f, pulse.InvalidField("fault", "want field=value pairs like kind=503,share=0.2, got %q", clip(part))
		}
		if seen[name] {
			return f, pulse.InvalidField(clip(name), "is there twice")
		}
		seen[name] = true
		if err := f.setField(name, value); err != nil {
			return f, err
		}
	}
	return f, f.check()
}

// parseFaults reads a JSON list of faults. Nothing is passed over.
func parseFaults(body []byte) ([]Fault, error) {
	var list []map[string]json.RawMessage
	dec := json.NewDecoder(bytes.NewReader(body))
	if err := dec.Decode(&list); err != nil {
		return nil, pulse.InvalidField("faults", "want a JSON list of objects like [{\"kind\": \"503\", \"share\": 0.2}]: %v", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, pulse.InvalidField("faults", "want one JSON list and nothing behind it")
	}
	faults := make([]Fault, len(list))
	for i, fields := range list {
		if err := faults[i].fromJSON(fields); err != nil {
			return nil, fmt.Errorf("fault %d: %w", i+1, err)
		}
	}
	return faults, nil
}

func (f *Fault) fromJSON(fields map[string]json.RawMessage) error {
	for name, raw := range fields {
		i := slices.IndexFunc(faultFields, func(field faultField) bool { return field.name == name })
		if i < 0 {
			return unknownField(name)
		}
		text := string(raw)
		isText := text != "" && text[0] == '"'
		if isText == faultFields[i].number || !isText && !isNumber(text) {
			want := "a string in quotes"
			if faultFields[i].number {
				want = "a number without quotes"
			}
			return pulse.InvalidField(name, "want %s, got %s", want, clip(text))
		}
		if isText {
			if err := json.Unmarshal(raw, &text); err != nil {
				return pulse.InvalidField(name, "%v", err)
			}
		}
		if err := f.setField(name, text); err != nil {
			return err
		}
	}
	return f.check()
}

// isNumber tells a JSON number from other values that have no quotes.
func isNumber(raw string) bool {
	return raw != "" && (raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9')
}

// clip shortens somebody's text for an error message.
func clip(s string) string {
	const most = 60
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
