package client

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

// renewEarly is how long before its end an access token is renewed.
const renewEarly = 30 * time.Second

// maxToken bounds what is looked into as a token, in bytes.
const maxToken = 16 << 10

// Claims is what an access token says of itself. It is for display: only the
// server can verify it.
type Claims struct {
	Name    string
	Role    pulse.Role
	Issued  time.Time // zero: unknown
	Expires time.Time // zero: unknown
}

// Login trades a name and a password for tokens and keeps them. The error is
// Unauthenticated where the server does not know the pair.
func (c *Client) Login(ctx context.Context, username, password string) error {
	var pair wire.TokenPair
	err := c.call(ctx, request{
		method: http.MethodPost, path: "/api/token/", open: true,
		body: wire.Credentials{Username: username, Password: password}, out: &pair,
	})
	if err != nil {
		return err
	}
	return c.accept(pair)
}

// SetTokens installs tokens that were kept from before; either may be "".
func (c *Client) SetTokens(pair wire.TokenPair) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.install(pair, false)
}

// SetToken installs one token of either kind: an access token serves until it
// is refused, a refresh token is traded for a pair at the first call.
func (c *Client) SetToken(token string) {
	if isRefresh(token) {
		c.SetTokens(wire.TokenPair{Refresh: token})
		return
	}
	c.SetTokens(wire.TokenPair{Access: token})
}

// OnTokens has f called with each new pair, so that the refresh token can be
// kept; an empty pair says that the session is over. f must not call back.
func (c *Client) OnTokens(f func(wire.TokenPair)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.onTokens = f
}

// Claims is what the current access token says, zero while there is none.
func (c *Client) Claims() Claims {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.claims
}

// Logout ends the session at the server, and here even if the server is away.
func (c *Client) Logout(ctx context.Context) error {
	c.mu.Lock()
	refresh := c.tokens.Refresh
	c.install(wire.TokenPair{}, false)
	f := c.onTokens
	c.mu.Unlock()
	if f != nil {
		f(wire.TokenPair{})
	}
	if refresh == "" {
		return nil
	}
	return c.call(ctx, request{
		method: http.MethodPost, path: "/api/token/revoke/", open: true,
		body: map[string]string{"refresh": refresh},
	})
}

// accept keeps a pair that the server has just issued.
func (c *Client) accept(pair wire.TokenPair) error {
	if pair.Access == "" {
		return pulse.Errorf(pulse.Unavailable, "the server at %s gave no token: is it Reddit Pulse?", c.base.Host)
	}
	c.mu.Lock()
	c.install(pair, true)
	f := c.onTokens
	c.mu.Unlock()
	if f != nil {
		f(pair)
	}
	return nil
}

// install sets the tokens. Of a fresh pair only the lifetime counts, not the
// times in it, so that a clock that is wrong here does no harm. c.mu is held.
func (c *Client) install(pair wire.TokenPair, fresh bool) {
	c.tokens, c.claims, c.renewAt, c.ended = pair, Claims{}, time.Time{}, false
	if pair.Access == "" {
		return
	}
	c.claims = readClaims(pair.Access)
	end := c.claims.Expires
	if end.IsZero() || pair.Refresh == "" {
		return
	}
	early := renewEarly
	if !c.claims.Issued.IsZero() {
		life := end.Sub(c.claims.Issued)
		early = max(0, min(early, life/4))
		if fresh {
			end = c.now().Add(life)
		}
	}
	c.renewAt = end.Add(-early)
}

// access gives an access token, renewed where it is about to end or where it
// is the refused one.
func (c *Client) access(ctx context.Context, refused string) (string, error) {
	c.mu.Lock()
	token, due := c.tokens.Access, c.renewAt
	canRenew, ended := c.tokens.Refresh != "", c.ended
	c.mu.Unlock()
	switch {
	case token != "" && token != refused && (due.IsZero() || c.now().Before(due)):
		return token, nil
	case canRenew:
		return c.renew(ctx, token)
	case ended:
		return "", sessionEnded(nil)
	case token == "":
		return "", pulse.Errorf(pulse.Unauthenticated, "not logged in")
	}
	return "", pulse.Errorf(pulse.Unauthenticated, "the access token is no longer accepted")
}

// renew trades the refresh token for a new pair, once for all callers that
// hold the same old access token.
func (c *Client) renew(ctx context.Context, old string) (string, error) {
	done := c.flight.DoChan("refresh", func() (any, error) {
		c.mu.Lock()
		pair := c.tokens
		c.mu.Unlock()
		if pair.Access != old && pair.Access != "" {
			return pair.Access, nil // somebody was faster
		}
		// The callers may leave; the trade goes on, because the old refresh
		// token is spent once the server has seen it.
		return c.trade(context.WithoutCancel(ctx), pair.Refresh)
	})
	select {
	case r := <-done:
		token, _ := r.Val.(string)
		return token, r.Err
	case <-ctx.Done():
		return "", c.noAnswer(ctx.Err())
	}
}

func (c *Client) trade(ctx context.Context, refresh string) (string, error) {
	var pair wire.TokenPair
	err := c.call(ctx, request{
		method: http.MethodPost, path: "/api/token/refresh/", open: true,
		body: map[string]string{"refresh": refresh}, out: &pair,
	})
	switch pulse.CodeOf(err) {
	case pulse.Unauthenticated, pulse.Forbidden, pulse.Invalid:
		c.forget(refresh)
		return "", sessionEnded(err)
	}
	if err != nil {
		return "", err
	}
	if pair.Refresh == "" {
		pair.Refresh = refresh // a server that does not rotate
	}
	if err := c.accept(pair); err != nil {
		return "", err
	}
	return pair.Access, nil
}

// forget drops a refused refresh token unless a log-in has replaced it.
func (c *Client) forget(refresh string) {
	c.mu.Lock()
	if c.tokens.Refresh != refresh {
		c.mu.Unlock()
		return
	}
	c.install(wire.TokenPair{}, false)
	c.ended = true
	f := c.onTokens
	c.mu.Unlock()
	if f != nil {
		f(wire.TokenPair{})
	}
}

// sessionEnded is what every call says once the server has refused the refresh
// token, whichever call found out first.
func sessionEnded(err error) error {
	return &pulse.Error{Code: pulse.Unauthenticated, Message: "the session has ended, log in again", Err: err}
}

// isRefresh tells whether a token calls itself a refresh token.
func isRefresh(token string) bool {
	var head, body struct {
		Typ string `json:"typ"`
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 || len(token) > maxToken {
		return false
	}
	readPart(parts[0], &head)
	readPart(parts[1], &body)
	for _, typ := range []string{head.Typ, body.Typ} {
		switch strings.ToLower(typ) {
		case "refresh", "rt+jwt", "refresh+jwt":
			return true
		}
	}
	return false
}

// readClaims reads an access token; what it cannot read stays zero.
func readClaims(token string) Claims {
	var in struct {
		Sub      string  `json:"sub"`
		Name     string  `json:"name"`
		Username string  `json:"username"`
		Role     string  `json:"role"`
		Iat      float64 `json:"iat"`
		Exp      float64 `json:"exp"`
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 || len(token) > maxToken {
		return Claims{}
	}
	readPart(parts[1], &in)
	out := Claims{Name: in.Name, Role: pulse.Role(in.Role), Issued: unix(in.Iat), Expires: unix(in.Exp)}
	if out.Name == "" {
		out.Name = in.Username
	}
	if out.Name == "" {
		out.Name = in.Sub
	}
	return out
}

func readPart(part string, into any) {
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(part, "="))
	if err != nil {
		return
	}
	// A part that is no JSON leaves into as it is, which means unknown.
	_ = json.NewDecoder(bytes.NewReader(raw)).Decode(into)
}

func unix(seconds float64) time.Time {
	if !(seconds > 0 && seconds < 1e11) {
		return time.Time{}
	}
	return time.UnixMilli(int64(seconds * 1000))
}
