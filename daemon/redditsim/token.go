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
	"time"
)

// tokenPath is where tokens are asked for.
const tokenPath = "/api/v1/access_token"

// tokenLasts is how long a token is good for, as Reddit has it since 2022.
const tokenLasts = 24 * time.Hour

// tokens signs and checks tokens. They hold all that must be known of them, so
// that none are kept; a restart makes all of them invalid.
type tokens struct{ key [32]byte }

func newTokens() *tokens {
	t := &tokens{}
	rand.Read(t.key[:]) // never fails
	return t
}

// issue makes a token "client.end.signature" for an application.
func (t *tokens) issue(client string, now time.Time) string {
	sum := sha256.Sum256([]byte(client))
	name := base64.RawURLEncoding.EncodeToString(sum[:12])
	body := name + "." + strconv.FormatInt(now.Add(tokenLasts).Unix(), 36)
	return body + "." + t.sign(body)
}

func (t *tokens) sign(body string) string {
	mac := hmac.New(sha256.New, t.key[:])
	mac.Write([]byte(body))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:18])
}

// bearer reads an Authorization header: whose token it is, or OAuth's word for
// what is wrong with it.
func (t *tokens) bearer(header string, now time.Time) (client, fault string) {
	scheme, token, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "bearer") {
		return "", "invalid_request"
	}
	cut := strings.LastIndexByte(token, '.')
	if cut < 0 || !hmac.Equal([]byte(token[cut+1:]), []byte(t.sign(token[:cut]))) {
		return "", "invalid_token"
	}
	client, end, _ := strings.Cut(token[:cut], ".")
	if until, err := strconv.ParseInt(end, 36, 64); err != nil || now.Unix() >= until {
		return "", "invalid_token"
	}
	return client, ""
}

// serveToken answers the token call. Any application with an id and a secret is
// known here.
func (s *Server) serveToken(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		notFound.write(w, r)
		return
	}
	id, secret, ok := r.BasicAuth()
	if !ok || id == "" || secret == "" {
		w.Header().Set("WWW-Authenticate", `Basic realm="reddit"`)
		unauthorized.write(w, r)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		badRequest.write(w, r)
		return
	}
	switch grant := r.PostForm.Get("grant_type"); grant {
	case "client_credentials":
	case "https://oauth.reddit.com/grants/installed_client":
		if n := len(r.PostForm.Get("device_id")); n < 20 || n > 30 {
			oauthFault(`{"error": "invalid_request", "error_description": "bad device_id"}`).write(w, r)
			return
		}
	case "password", "authorization_code", "refresh_token":
		oauthFault(`{"error": "invalid_grant"}`).write(w, r)
		return
	default:
		oauthFault(`{"error": "unsupported_grant_type"}`).write(w, r)
		return
	}
	body := fmt.Sprintf(`{"access_token": "%s", "token_type": "bearer", "expires_in": %d, "scope": "*"}`,
		s.tokens.issue(id, s.now()), int(tokenLasts.Seconds()))
	jsonAnswer(http.StatusOK, body).write(w, r)
}

// oauthFault is how Reddit says no to a token call: with status 200.
func oauthFault(body string) recorded { return jsonAnswer(http.StatusOK, body) }
