package redditsim

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// tokenPath is where tokens are asked for.
const tokenPath = "/api/v1/access_token"

// tokenLasts is how long a token is good for, as Reddit has it since 2022.
const tokenLasts = 24 * time.Hour

// tokens signs and checks tokens. They hold all that must be known of them, so
// that none are kept; a restart makes all of them invalid.
type tokens struct {
	key  [32]byte
	last atomic.Int64 // number of the newest token

	mu      sync.Mutex       // covers revoked
	revoked map[string]int64 // number of the newest token that is no longer good, by application
}

func newTokens() *tokens {
	t := &tokens{revoked: map[string]int64{}}
	rand.Read(t.key[:]) // never fails
	return t
}

// bearer is what a token says.
type bearer struct {
	client string // the application's id as a hash
	number int64
}

// clientOf is what tokens say in place of an application's id.
func clientOf(id string) string {
	sum := sha256.Sum256([]byte(id))
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}

// issue makes a token "client.number.end.signature" for an application.
func (t *tokens) issue(client string, now time.Time) string {
	number, end := t.last.Add(1), now.Add(tokenLasts).Unix()
	body := client + "." + strconv.FormatInt(number, 36) + "." + strconv.FormatInt(end, 36)
	return body + "." + t.sign(body)
}

func (t *tokens) sign(body string) string {
	mac := hmac.New(sha256.New, t.key[:])
	mac.Write([]byte(body))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:18])
}

// check reads an Authorization header: whose token it is, or OAuth's word for
// what is wrong with it.
func (t *tokens) check(header string, now time.Time) (who bearer, fault string) {
	scheme, token, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "bearer") {
		return bearer{}, "invalid_request"
	}
	cut := strings.LastIndexByte(token, '.')
	if cut < 0 || !hmac.Equal([]byte(token[cut+1:]), []byte(t.sign(token[:cut]))) {
		return bearer{}, "invalid_token"
	}
	// Signed here, so that it has all its parts.
	parts := strings.Split(token[:cut], ".")
	who.client = parts[0]
	who.number, _ = strconv.ParseInt(parts[1], 36, 64)
	end, _ := strconv.ParseInt(parts[2], 36, 64)
	if now.Unix() >= end || t.isRevoked(who) {
		return bearer{}, "invalid_token"
	}
	return who, ""
}

// revoke ends a token, and the older ones of its application.
func (t *tokens) revoke(who bearer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, known := t.revoked[who.client]; !known && len(t.revoked) >= maxClients {
		clear(t.revoked) // those tokens live again
	}
	t.revoked[who.client] = max(t.revoked[who.client], who.number)
}

func (t *tokens) isRevoked(who bearer) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return who.number <= t.revoked[who.client]
}

// serveToken answers the token call. Any application with an id and a secret is
// known here.
func (s *Server) serveToken(r *http.Request, now time.Time) reply {
	if r.Method != http.MethodPost {
		return notFound.reply()
	}
	id, secret, ok := r.BasicAuth()
	if !ok || id == "" || secret == "" {
		return refuseToken(`Basic realm="reddit"`)
	}
	if r.Body != nil {
		r.Body = http.MaxBytesReader(nil, r.Body, maxForm)
	}
	if err := r.ParseForm(); err != nil {
		return badRequest.reply()
	}
	switch grant := r.PostForm.Get("grant_type"); grant {
	case "client_credentials":
	case "https://oauth.reddit.com/grants/installed_client":
		if n := len(r.PostForm.Get("device_id")); n < 20 || n > 30 {
			return oauthFault(`{"error": "invalid_request", "error_description": "bad device_id"}`).reply()
		}
	case "password", "authorization_code", "refresh_token":
		return oauthFault(`{"error": "invalid_grant"}`).reply()
	default:
		return oauthFault(`{"error": "unsupported_grant_type"}`).reply()
	}
	body := fmt.Sprintf(`{"access_token": "%s", "token_type": "bearer", "expires_in": %d, "scope": "*"}`,
		s.tokens.issue(clientOf(id), now), int(tokenLasts.Seconds()))
	return jsonAnswer(http.StatusOK, body).reply()
}

// refuseToken is the answer to a token, or a secret, that is not good.
func refuseToken(challenge string) reply {
	a := unauthorized.reply()
	a.header.Set("WWW-Authenticate", challenge)
	return a
}

func isTokenCall(path string) bool { return strings.TrimSuffix(path, "/") == tokenPath }

// oauthFault is how Reddit says no to a token call: with status 200.
func oauthFault(body string) recorded { return jsonAnswer(http.StatusOK, body) }
