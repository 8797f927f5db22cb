package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"mime"
	"net"
	"net/http"
	"strconv"
	"unicode/utf8"

	"dev.redditpulse/shared/pulse"
)

const (
	// maxDepth is how deeply a body may nest; ours have three levels at most.
	maxDepth = 32
	// maxNumber is what every reader of JSON holds exactly.
	maxNumber = 1 << 53
)

// checkBody reads the whole body, within its bound, and puts it back as JSON
// that is known to be sound: UTF-8, one value, no key twice, no NUL, not deep.
func (s *server) checkBody(ep *endpoint, w http.ResponseWriter, r *http.Request) error {
	// Open routes take JSON under any label: a bare `curl -d` calls it a form,
	// and nothing rides along with such a request that a foreign page could use.
	if ep.role != anyone && !jsonType(r.Header.Get("Content-Type")) {
		return fail(http.StatusUnsupportedMediaType, pulse.Invalid, "want Content-Type: application/json")
	}
	tooLarge := fail(http.StatusRequestEntityTooLarge, pulse.Invalid,
		"the body is larger than "+strconv.FormatInt(ep.maxBody, 10)+" bytes")
	if r.ContentLength > ep.maxBody {
		w.Header().Set("Connection", "close")
		return tooLarge
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, ep.maxBody))
	var over *http.MaxBytesError
	var slow net.Error
	switch {
	case errors.As(err, &over):
		return tooLarge
	case errors.As(err, &slow) && slow.Timeout():
		return fail(http.StatusRequestTimeout, pulse.Invalid, "the body did not arrive in time")
	case err != nil:
		return pulse.InvalidField("body", "ended early")
	}
	if err := checkJSON(body); err != nil {
		return err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	r.ContentLength = int64(len(body))
	r.Header.Set("Content-Type", "application/json")
	return nil
}

func jsonType(contentType string) bool {
	if contentType == "" {
		return true
	}
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && media == "application/json"
}

// checkJSON finds the first fault of a body that must be one JSON object.
func checkJSON(body []byte) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return pulse.InvalidField("body", "empty, want a JSON object")
	}
	if !utf8.Valid(body) {
		return pulse.InvalidField("body", "not valid UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	w := walker{dec: dec, field: "body"}
	if err := w.value(); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return pulse.InvalidField("body", "has more after the JSON value, at byte %d", dec.InputOffset())
	}
	if !json.Valid(body) {
		return notJSON(dec)
	}
	return nil
}

// walker goes through one JSON value token by token.
type walker struct {
	dec   *json.Decoder
	depth int
	field string // where it is, such as changes[3].name, for errors
}

func (w *walker) value() error {
	token, err := w.dec.Token()
	if err != nil {
		return notJSON(w.dec)
	}
	switch token := token.(type) {
	case string:
		if fault := textFault(token); fault != "" {
			return pulse.InvalidField(w.field, "%s", fault)
		}
	case json.Number:
		if n, err := token.Float64(); err != nil || math.Abs(n) > maxNumber {
			return pulse.InvalidField(w.field, "the number is out of range")
		}
	case json.Delim:
		w.depth++
		defer func() { w.depth-- }()
		if w.depth > maxDepth {
			return pulse.InvalidField("body", "nested deeper than %d levels", maxDepth)
		}
		if token == '{' {
			return w.object()
		}
		return w.list()
	}
	return nil
}

func (w *walker) object() error {
	seen := map[string]bool{}
	place := w.field
	defer func() { w.field = place }()
	for w.dec.More() {
		token, err := w.dec.Token()
		key, ok := token.(string)
		if err != nil || !ok {
			return notJSON(w.dec)
		}
		if w.depth > 1 {
			w.field = clip(place + "." + key)
		} else {
			w.field = clip(key)
		}
		if seen[key] {
			return pulse.InvalidField(w.field, "given twice")
		}
		if fault := textFault(key); fault != "" {
			return pulse.InvalidField("body", "a key %s", fault)
		}
		seen[key] = true
		if err := w.value(); err != nil {
			return err
		}
	}
	return w.end()
}

func (w *walker) list() error {
	place := w.field
	defer func() { w.field = place }()
	for i := 0; w.dec.More(); i++ {
		w.field = clip(place + "[" + strconv.Itoa(i) + "]")
		if err := w.value(); err != nil {
			return err
		}
	}
	return w.end()
}

func (w *walker) end() error {
	if _, err := w.dec.Token(); err != nil {
		return notJSON(w.dec)
	}
	return nil
}

func notJSON(dec *json.Decoder) error {
	return pulse.InvalidField("body", "not JSON at byte %d", dec.InputOffset())
}
