// Package auth signs and verifies access and refresh tokens and hashes
// passwords. It keeps no token and reads no database: what must be remembered
// of a token is handed to the caller as a row.
package auth

import (
	"bytes"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"dev.redditpulse/shared/pulse"
)

const (
	issuer   = "pulse"
	audience = "pulse-api"

	accessType  = "access"
	refreshType = "refresh"

	minKeyBytes   = 32
	minKeySymbols = 8       // distinct bytes; 32 hex digits of a random key have more
	maxTokenBytes = 4 << 10 // before anything is parsed

	// leeway is how far the clocks of two daemons may differ.
	leeway = 10 * time.Second
)

// headerTypes is the typ header of each kind of token, so that one kind can
// never be taken for the other.
var headerTypes = map[string]string{accessType: "at+jwt", refreshType: "rt+jwt"}

// claims is the payload of both kinds. Name and Role are set in access tokens
// alone: a refresh reads them afresh.
type claims struct {
	jwt.RegisteredClaims
	Type    string     `json:"typ"`
	Name    string     `json:"name,omitempty"`
	Role    pulse.Role `json:"role,omitempty"`
	Session string     `json:"sid"`
}

// UnmarshalJSON refuses what the library lets pass: times in quotes, and a
// claim given twice, which two readers could take for two different things.
func (c *claims) UnmarshalJSON(b []byte) error {
	var times struct {
		Exp, Nbf, Iat *float64
	}
	if !uniqueKeys(b) || json.Unmarshal(b, &times) != nil {
		return errToken
	}
	type plain claims
	return json.Unmarshal(b, (*plain)(c))
}

// uniqueKeys tells whether b is a JSON object that has no key twice.
func uniqueKeys(b []byte) bool {
	dec := json.NewDecoder(bytes.NewReader(b))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return false
	}
	seen := map[string]bool{}
	for dec.More() {
		token, err := dec.Token()
		key, ok := token.(string)
		if err != nil || !ok || seen[key] {
			return false
		}
		seen[key] = true
		var skip json.RawMessage
		if dec.Decode(&skip) != nil {
			return false
		}
	}
	return true
}

// Signer signs tokens with HS256 and verifies what it has signed. It is safe
// for concurrent use. The zero value signs nothing: make one with NewSigner.
type Signer struct {
	keys       map[string][]byte // by kid, matched exactly
	kid        string            // of the key that signs
	successor  []byte            // derives the ids of successors
	accessTTL  time.Duration
	refreshTTL time.Duration
	now        func() time.Time
	parser     *jwt.Parser
}

// NewSigner makes a Signer. key is at least 32 random bytes; anything shorter,
// or with so few different bytes that nobody drew it at random, is refused.
func NewSigner(key []byte, accessTTL, refreshTTL time.Duration, now func() time.Time) (*Signer, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	if accessTTL < time.Second {
		return nil, pulse.InvalidField("auth.access_ttl", "%s, want at least 1s", accessTTL)
	}
	if refreshTTL < accessTTL {
		return nil, pulse.InvalidField("auth.refresh_ttl", "%s, want at least auth.access_ttl, %s", refreshTTL, accessTTL)
	}
	if now == nil {
		now = time.Now
	}
	kid, err := derive(key, "pulse key id", 8)
	if err != nil {
		return nil, err
	}
	successor, err := derive(key, "pulse refresh successor", sha256.Size)
	if err != nil {
		return nil, err
	}
	s := &Signer{
		kid: hex.EncodeToString(kid), successor: successor,
		accessTTL: accessTTL, refreshTTL: refreshTTL, now: now,
		parser: jwt.NewParser(
			jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
			jwt.WithIssuer(issuer), jwt.WithAudience(audience),
			jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithStrictDecoding(),
			jwt.WithLeeway(leeway), jwt.WithTimeFunc(now),
		),
	}
	s.keys = map[string][]byte{s.kid: append([]byte(nil), key...)}
	return s, nil
}

func checkKey(key []byte) error {
	if len(key) < minKeyBytes {
		return pulse.InvalidField("auth.signing_key", "%d bytes, want at least %d random ones, "+
			"e.g. from: openssl rand -hex 32", len(key), minKeyBytes)
	}
	var seen [256]bool
	symbols := 0
	for _, b := range key {
		if !seen[b] {
			seen[b] = true
			symbols++
		}
	}
	if symbols < minKeySymbols {
		return pulse.InvalidField("auth.signing_key", "only %d different bytes, want random ones, "+
			"e.g. from: openssl rand -hex 32", symbols)
	}
	return nil
}

func derive(key []byte, purpose string, size int) ([]byte, error) {
	out, err := hkdf.Key(sha256.New, key, nil, purpose, size)
	if err != nil {
		return nil, fmt.Errorf("derive %s: %w", purpose, err)
	}
	return out, nil
}

// Access makes an access token of u within a session: the family of the refresh
// token it comes with, "" for none. expires is in whole seconds.
func (s *Signer) Access(u pulse.User, session string) (token string, expires time.Time, err error) {
	if !u.Role.Valid() {
		return "", time.Time{}, fmt.Errorf("sign access token: user %d has no known role", u.ID)
	}
	now := s.now().UTC().Truncate(time.Second)
	expires = now.Add(s.accessTTL)
	c := s.claims(accessType, u.ID, session, randomID(), now, expires)
	c.Name, c.Role = u.Name, u.Role
	token, err = s.sign(c)
	return token, expires, err
}

// VerifyAccess tells who an access token speaks for. Every fault is one and the
// same Unauthenticated error, but for a token that is good and has expired.
func (s *Signer) VerifyAccess(token string) (pulse.Identity, error) {
	c, user, err := s.parse(token, accessType)
	if err != nil {
		return pulse.Identity{}, err
	}
	if c.Name == "" || !c.Role.Valid() {
		return pulse.Identity{}, errToken
	}
	return pulse.Identity{
		UserID: user, Name: c.Name, Role: c.Role, Session: c.Session, Expires: c.ExpiresAt.UTC(),
	}, nil
}

var (
	errToken   = pulse.Errorf(pulse.Unauthenticated, "the token is not valid")
	errExpired = pulse.Errorf(pulse.Unauthenticated, "the token has expired")
)

func (s *Signer) claims(kind string, user int64, session, id string, issued, expires time.Time) *claims {
	return &claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: issuer, Audience: jwt.ClaimStrings{audience},
			Subject: strconv.FormatInt(user, 10), ID: id,
			IssuedAt: jwt.NewNumericDate(issued), NotBefore: jwt.NewNumericDate(issued),
			ExpiresAt: jwt.NewNumericDate(expires),
		},
		Type: kind, Session: session,
	}
}

func (s *Signer) sign(c *claims) (string, error) {
	t := jwt.NewWithClaims(jwt.SigningMethodHS256, c)
	t.Header["typ"] = headerTypes[c.Type]
	t.Header["kid"] = s.kid
	token, err := t.SignedString(s.keys[s.kid])
	if err != nil {
		return "", fmt.Errorf("sign %s token: %w", c.Type, err)
	}
	if len(token) > maxTokenBytes {
		return "", fmt.Errorf("sign %s token: %d bytes, want at most %d", c.Type, len(token), maxTokenBytes)
	}
	return token, nil
}

// parse verifies a token of a kind and gives its claims and its user.
func (s *Signer) parse(token, kind string) (*claims, int64, error) {
	if len(token) > maxTokenBytes || !tokenAlphabet(token) {
		return nil, 0, errToken
	}
	c := &claims{}
	if _, err := s.parser.ParseWithClaims(token, c, s.keyFor(kind)); err != nil {
		return nil, 0, tokenFault(err)
	}
	user, err := strconv.ParseInt(c.Subject, 10, 64)
	if err != nil || user < 1 || strconv.FormatInt(user, 10) != c.Subject {
		return nil, 0, errToken
	}
	if c.Type != kind || len(c.Audience) != 1 || c.ID == "" || c.IssuedAt == nil || c.NotBefore == nil {
		return nil, 0, errToken
	}
	return c, user, nil
}

// keyFor allows exactly the headers that sign writes: a critical extension, a
// key that the token brings along or an unknown kid finds no key.
func (s *Signer) keyFor(kind string) jwt.Keyfunc {
	return func(t *jwt.Token) (any, error) {
		first, _, _ := strings.Cut(t.Raw, ".")
		if header, err := base64.RawURLEncoding.DecodeString(first); err != nil || !uniqueKeys(header) {
			return nil, errToken
		}
		for name := range t.Header {
			switch name {
			case "alg", "typ", "kid":
			default:
				return nil, errToken
			}
		}
		kid, _ := t.Header["kid"].(string)
		key := s.keys[kid]
		if len(key) == 0 || t.Header["typ"] != headerTypes[kind] {
			return nil, errToken
		}
		return key, nil
	}
}

// tokenFault hides why a token is refused, but for its age: a client may log in
// again by itself only when that is all.
func tokenFault(err error) error {
	if !errors.Is(err, jwt.ErrTokenExpired) {
		return errToken
	}
	for _, other := range []error{
		jwt.ErrTokenNotValidYet, jwt.ErrTokenUsedBeforeIssued, jwt.ErrTokenInvalidAudience,
		jwt.ErrTokenInvalidIssuer, jwt.ErrTokenSignatureInvalid, jwt.ErrTokenMalformed,
	} {
		if errors.Is(err, other) {
			return errToken
		}
	}
	return errExpired
}

// tokenAlphabet refuses what base64 decoding would skip over, line ends, so
// that a token has one spelling.
func tokenAlphabet(token string) bool {
	for i := range len(token) {
		switch b := token[i]; {
		case b >= 'a' && b <= 'z', b >= 'A' && b <= 'Z', b >= '0' && b <= '9':
		case b == '-', b == '_', b == '.':
		default:
			return false
		}
	}
	return true
}

// randomID is 128 random bits.
func randomID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails: the runtime ends the process instead
	return base64.RawURLEncoding.EncodeToString(b[:])
}
