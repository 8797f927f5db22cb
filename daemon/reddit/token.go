package reddit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

// tokens keeps one app-only token and renews it shortly before its end. There
// is no refresh token for such clients: a new one is asked for.
type tokens struct {
	url, id, secret string
	life            context.Context // ends with the client
	ask             func(context.Context, *http.Request) (*answer, error)
	now             func() time.Time
	flight          singleflight.Group

	mu      sync.Mutex // covers the rest
	value   string     // "" when there is none
	renewAt time.Time
}

// get gives a token that is good for a while yet. However many ask at once,
// one request is made.
func (t *tokens) get(ctx context.Context) (string, error) {
	if value, ok := t.current(); ok {
		return value, nil
	}
	// The flight serves all who wait for it, so that none of them may end it.
	result := t.flight.DoChan("token", func() (any, error) {
		if value, ok := t.current(); ok {
			return value, nil
		}
		return t.renew(t.life)
	})
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case r := <-result:
		if r.Err != nil {
			return "", fmt.Errorf("get access token: %w", r.Err)
		}
		return r.Val.(string), nil
	}
}

// drop forgets a token that Reddit refused, unless a newer one is here already.
func (t *tokens) drop(value string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.value == value {
		t.value = ""
	}
}

func (t *tokens) current() (string, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.value, t.value != "" && t.now().Before(t.renewAt)
}

func (t *tokens) renew(ctx context.Context) (string, error) {
	form := url.Values{"grant_type": {"client_credentials"}}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.url, strings.NewReader(form))
	if err != nil {
		return "", fmt.Errorf("make request: %w", err)
	}
	req.SetBasicAuth(t.id, t.secret)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	asked := t.now()
	a, err := t.ask(ctx, req)
	if err != nil {
		return "", err
	}
	value, lasts, err := a.token()
	var limited *LimitError
	if err != nil && !errors.As(err, &limited) {
		err = &OutageError{Err: err} // without a token nothing can be asked
	}
	if err != nil {
		return "", err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.value = value
	// A little early, so that a token never ends between our check and Reddit's.
	t.renewAt = asked.Add(lasts - min(lasts/10, 30*time.Second))
	return value, nil
}

// token reads the answer to a token call. Reddit reports most faults with
// status 200.
func (a *answer) token() (value string, lasts time.Duration, err error) {
	switch {
	case a.status == http.StatusTooManyRequests:
		return "", 0, a.limited()
	case a.status == http.StatusUnauthorized:
		return "", 0, errors.New("reddit does not know reddit.client_id with this reddit.client_secret")
	case a.status != http.StatusOK:
		return "", 0, a.unexpected()
	case a.broken != nil:
		return "", 0, a.broken
	}
	var body struct {
		AccessToken      string   `json:"access_token"`
		ExpiresIn        *float64 `json:"expires_in"`
		Error            any      `json:"error"`
		ErrorDescription string   `json:"error_description"`
	}
	if err := json.Unmarshal(a.body, &body); err != nil && !onlyTypes(err) {
		return "", 0, fmt.Errorf("reddit's answer of %d bytes is not JSON", len(a.body))
	}
	switch {
	case body.Error != nil && body.ErrorDescription != "":
		return "", 0, fmt.Errorf("reddit refuses: %s: %s", clip(fmt.Sprint(body.Error)), clip(body.ErrorDescription))
	case body.Error != nil:
		return "", 0, fmt.Errorf("reddit refuses: %s", clip(fmt.Sprint(body.Error)))
	case !plainToken(body.AccessToken):
		return "", 0, errors.New("reddit's answer has no usable access_token")
	case body.ExpiresIn == nil || !(*body.ExpiresIn > 0):
		// Not said: taken as short, never as everlasting.
		return body.AccessToken, time.Minute, nil
	}
	const longest = 30 * 24 * time.Hour
	return body.AccessToken, time.Duration(min(*body.ExpiresIn, longest.Seconds()) * float64(time.Second)), nil
}

// plainToken tells whether s can stand in a header.
func plainToken(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != "" && len(s) <= 8<<10
}
