package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"hash"
	"strings"
	"testing"
	"time"

	"dev.redditpulse/shared/pulse"
)

var (
	testKey = []byte("0123456789abcdefghijklmnopqrstuvwxyz-ABCDEF")
	start   = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	alice   = pulse.User{ID: 7, Name: "alice", Role: pulse.Operator, IsActive: true}
)

func newTestSigner(t testing.TB, now func() time.Time) *Signer {
	t.Helper()
	s, err := NewSigner(testKey, 15*time.Minute, 7*24*time.Hour, now)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func at(moment time.Time) func() time.Time { return func() time.Time { return moment } }

func TestAccessTokenSpeaksForItsUser(t *testing.T) {
	t.Parallel()
	s := newTestSigner(t, at(start))
	token, expires, err := s.Access(alice, "family")
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.VerifyAccess(token)
	want := pulse.Identity{UserID: 7, Name: "alice", Role: pulse.Operator, Session: "family", Expires: start.Add(15 * time.Minute)}
	if err != nil || got != want {
		t.Fatalf("VerifyAccess = %+v, %v; want %+v", got, err, want)
	}
	if !expires.Equal(want.Expires) {
		t.Errorf("expires = %s, want %s", expires, want.Expires)
	}
	if other, _, _ := s.Access(alice, "family"); other == token {
		t.Error("two tokens of one moment are the same")
	}
}

func TestWeakKeysAreRefused(t *testing.T) {
	t.Parallel()
	for name, key := range map[string][]byte{
		"none": nil, "empty": {}, "short": testKey[:31], "one letter": []byte(strings.Repeat("a", 64)),
		"a word again and again": []byte(strings.Repeat("secret", 10)), "zeros": make([]byte, 32),
	} {
		if _, err := NewSigner(key, time.Minute, time.Hour, nil); pulse.CodeOf(err) != pulse.Invalid {
			t.Errorf("%s: NewSigner = %v, want an invalid auth.signing_key", name, err)
		}
	}
	for _, ttl := range [][2]time.Duration{{0, time.Hour}, {-time.Minute, time.Hour}, {time.Hour, time.Minute}} {
		if _, err := NewSigner(testKey, ttl[0], ttl[1], nil); pulse.CodeOf(err) != pulse.Invalid {
			t.Errorf("lives %v: NewSigner = %v, want invalid", ttl, err)
		}
	}
}

type fields = map[string]any

// goodHeader and goodClaims are what Access writes, open to be bent.
func goodHeader(s *Signer) fields {
	return fields{"alg": "HS256", "typ": "at+jwt", "kid": s.kid}
}

func goodClaims() fields {
	return fields{
		"iss": "pulse", "aud": []string{"pulse-api"}, "sub": "7", "jti": "id", "typ": "access",
		"iat": start.Unix(), "nbf": start.Unix(), "exp": start.Add(time.Minute).Unix(),
		"name": "alice", "role": "operator", "sid": "family",
	}
}

func with(f fields, name string, value any) fields {
	if value == nil {
		delete(f, name)
	} else {
		f[name] = value
	}
	return f
}

func segment(t testing.TB, v any) string {
	t.Helper()
	if raw, ok := v.(string); ok {
		return base64.RawURLEncoding.EncodeToString([]byte(raw))
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

func forge(t testing.TB, newHash func() hash.Hash, key []byte, header, payload any) string {
	t.Helper()
	text := segment(t, header) + "." + segment(t, payload)
	mac := hmac.New(newHash, key)
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// attacks is every token that must be refused, most of them signed with the
// right key: only the check under test stands between them and the API.
func attacks(t testing.TB, s *Signer) map[string]string {
	sign := func(header, payload any) string { return forge(t, sha256.New, testKey, header, payload) }
	head := func(name string, value any) string { return sign(with(goodHeader(s), name, value), goodClaims()) }
	claim := func(name string, value any) string { return sign(goodHeader(s), with(goodClaims(), name, value)) }
	good := sign(goodHeader(s), goodClaims())
	parts := strings.Split(good, ".")
	refresh, _, err := s.NewRefresh(alice)
	if err != nil {
		t.Fatal(err)
	}
	unsigned := func(alg string) string {
		return segment(t, with(goodHeader(s), "alg", alg)) + "." + parts[1] + "."
	}
	future := start.Add(leeway + time.Second).Unix()
	text, err := json.Marshal(goodClaims())
	if err != nil {
		t.Fatal(err)
	}
	list := map[string]string{
		"empty": "", "words": "not a token", "dots": "..", "null": segment(t, "null") + "." + segment(t, "null") + "." + parts[2],
		"alg none": unsigned("none"), "alg None": unsigned("None"), "alg nOnE": unsigned("nOnE"),
		"alg missing": head("alg", nil), "alg a number": head("alg", 5),
		"HS512 with our key":    forge(t, sha512.New, testKey, with(goodHeader(s), "alg", "HS512"), goodClaims()),
		"HS384 with our key":    forge(t, sha512.New384, testKey, with(goodHeader(s), "alg", "HS384"), goodClaims()),
		"RS256":                 head("alg", "RS256"),
		"EdDSA":                 head("alg", "EdDSA"),
		"empty key":             forge(t, sha256.New, nil, goodHeader(s), goodClaims()),
		"another key":           forge(t, sha256.New, []byte("another key of thirty-two bytes!!"), goodHeader(s), goodClaims()),
		"empty signature":       parts[0] + "." + parts[1] + ".",
		"stripped signature":    parts[0] + "." + parts[1],
		"truncated signature":   good[:len(good)-3],
		"trailing bits flipped": flipTrailingBits(good),
		"padded":                good + "=",
		"line end inside":       parts[0] + "." + parts[1] + ".\n" + parts[2],
		"space after":           good + " ",
		"four segments":         good + "." + parts[2],
		"5 MB":                  strings.Repeat("A", 5<<20),
		"5 MB of payload":       parts[0] + "." + strings.Repeat("A", 5<<20) + "." + parts[2],
		"payload of another":    parts[0] + "." + segment(t, with(goodClaims(), "role", "admin")) + "." + parts[2],

		"typ missing": head("typ", nil), "typ JWT": head("typ", "JWT"), "typ of refresh": head("typ", "rt+jwt"), "typ AT+JWT": head("typ", "AT+JWT"),
		"kid missing": head("kid", nil), "kid unknown": head("kid", "k2"), "kid a path": head("kid", "../../dev/null"),
		"kid SQL": head("kid", "' OR 1=1 --"), "kid URL": head("kid", "https://evil.example/key"),
		"kid 10 KB": head("kid", strings.Repeat("k", 10<<10)), "kid empty": head("kid", ""), "kid a list": head("kid", []string{s.kid}),
		"crit": head("crit", []string{"exp"}), "crit empty": head("crit", []string{}), "jwk": head("jwk", fields{"kty": "oct", "k": "AA"}),
		"jku": head("jku", "https://evil.example"), "x5u": head("x5u", "https://evil.example"), "b64": head("b64", false),

		"iss missing": claim("iss", nil), "iss wrong": claim("iss", "Pulse"), "aud missing": claim("aud", nil),
		"aud wrong": claim("aud", "other"), "aud among others": claim("aud", []string{"pulse-api", "other"}),
		"exp missing": claim("exp", nil), "exp zero": claim("exp", 0), "exp a string": claim("exp", "9999999999"),
		"exp negative": claim("exp", -1), "exp 1e400": sign(goodHeader(s), strings.Replace(string(text), `"exp":`, `"exp":1e400,"x":`, 1)),
		"nbf ahead": claim("nbf", future), "iat ahead": claim("iat", future), "nbf missing": claim("nbf", nil), "iat missing": claim("iat", nil),
		"sub missing": claim("sub", nil), "sub zero": claim("sub", "0"), "sub negative": claim("sub", "-7"), "sub a name": claim("sub", "alice"),
		"sub padded": claim("sub", "07"), "sub a number": claim("sub", 7), "sub huge": claim("sub", strings.Repeat("9", 30)),
		"role missing": claim("role", nil), "role unknown": claim("role", "root"), "role a list": claim("role", []string{"admin"}),
		"name missing": claim("name", nil), "jti missing": claim("jti", nil),
		"typ claim missing": claim("typ", nil), "typ claim of refresh": claim("typ", "refresh"),
		"claims a list": sign(goodHeader(s), "[]"), "claims null": sign(goodHeader(s), "null"), "claims not JSON": sign(goodHeader(s), "{"),
		"claims twice": sign(goodHeader(s), string(text)+string(text)),
		"role twice":   sign(goodHeader(s), strings.Replace(string(text), `"role":`, `"role":"admin","role":`, 1)),
		"exp twice":    sign(goodHeader(s), strings.Replace(string(text), `"exp":`, `"exp":9999999999,"exp":`, 1)),
		"kid twice":    sign(`{"alg":"HS256","typ":"at+jwt","kid":"x","kid":"`+s.kid+`"}`, goodClaims()),
		"Exp a string": sign(goodHeader(s), strings.Replace(string(text), `"exp":`, `"Exp":"9999999999","x":`, 1)),
		"a refresh":    refresh,
	}
	return list
}

func flipTrailingBits(token string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, token[len(token)-1])
	return token[:len(token)-1] + string(alphabet[last^1])
}

func TestEveryAttackIsRefusedAlike(t *testing.T) {
	t.Parallel()
	s := newTestSigner(t, at(start))
	if _, err := s.VerifyAccess(forge(t, sha256.New, testKey, goodHeader(s), goodClaims())); err != nil {
		t.Fatalf("the token that the attacks are made from is refused itself: %v", err)
	}
	for name, token := range attacks(t, s) {
		_, err := s.VerifyAccess(token)
		if pulse.CodeOf(err) != pulse.Unauthenticated {
			t.Errorf("%s: VerifyAccess = %v, want unauthenticated", name, err)
			continue
		}
		old := strings.HasPrefix(name, "exp ") && errors.Is(err, errExpired)
		if !old && !errors.Is(err, errToken) {
			t.Errorf("%s: VerifyAccess = %q, want %q", name, err, errToken)
		}
	}
}

func TestTimesCountWithinTheLeeway(t *testing.T) {
	t.Parallel()
	s := newTestSigner(t, at(start))
	for _, test := range []struct {
		claim string
		ahead time.Duration
		want  error
	}{
		{"exp", -leeway + time.Second, nil},
		{"exp", -leeway, errExpired},
		{"nbf", leeway, nil},
		{"nbf", leeway + time.Second, errToken},
		{"iat", leeway, nil},
		{"iat", leeway + time.Second, errToken},
	} {
		token := forge(t, sha256.New, testKey, goodHeader(s), with(goodClaims(), test.claim, start.Add(test.ahead).Unix()))
		_, err := s.VerifyAccess(token)
		if test.want == nil && err != nil || test.want != nil && !errors.Is(err, test.want) {
			t.Errorf("%s %s from now: VerifyAccess = %v, want %v", test.claim, test.ahead, err, test.want)
		}
	}
	expiredAndForeign := forge(t, sha256.New, testKey, goodHeader(s),
		with(with(goodClaims(), "exp", start.Add(-time.Hour).Unix()), "iss", "other"))
	if _, err := s.VerifyAccess(expiredAndForeign); !errors.Is(err, errToken) {
		t.Errorf("expired and of another issuer: VerifyAccess = %v, want %v", err, errToken)
	}
}

func TestAnotherKeyVerifiesNothing(t *testing.T) {
	t.Parallel()
	s := newTestSigner(t, at(start))
	other, err := NewSigner([]byte("ZYXWVUTSRQPONMLKJIHGFEDCBA-987654321"), time.Minute, time.Hour, at(start))
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := other.Access(alice, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.VerifyAccess(token); !errors.Is(err, errToken) {
		t.Errorf("VerifyAccess = %v, want %v", err, errToken)
	}
}

func TestAccessRefusesUserWithoutRole(t *testing.T) {
	t.Parallel()
	if _, _, err := newTestSigner(t, nil).Access(pulse.User{ID: 1, Name: "x"}, ""); err == nil {
		t.Error("a token was signed for a user without a role")
	}
}

func FuzzVerify(f *testing.F) {
	s := newTestSigner(f, at(start))
	for _, token := range attacks(f, s) {
		if len(token) <= maxTokenBytes {
			f.Add(token)
		}
	}
	access, _, _ := s.Access(alice, "family")
	refresh, _, _ := s.NewRefresh(alice)
	f.Add(access)
	f.Add(refresh)
	f.Fuzz(func(t *testing.T, token string) {
		if id, err := s.VerifyAccess(token); err == nil && (id.UserID < 1 || !id.Role.Valid() || id.Expires.Before(start.Add(-leeway))) {
			t.Errorf("accepted %q for %+v", token, id)
		} else if err != nil && pulse.CodeOf(err) != pulse.Unauthenticated {
			t.Errorf("VerifyAccess(%q) = %v, want unauthenticated", token, err)
		}
		if row, err := s.ParseRefresh(token); err == nil && (len(row.Hash) != 32 || row.UserID < 1) {
			t.Errorf("accepted %q for %+v", token, row)
		}
	})
}
