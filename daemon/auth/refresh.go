package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"dev.redditpulse/shared/pulse"
)

// minFamilyLife bounds a family of refresh tokens however often it is used:
// thirty days after the log-in, or the life of one token where that is longer.
const minFamilyLife = 30 * 24 * time.Hour

// NewRefresh starts a family: the refresh token of a log-in, and the row that
// must be stored for it to work.
func (s *Signer) NewRefresh(u pulse.User) (token string, row pulse.RefreshToken, err error) {
	now := s.now().UTC()
	return s.refresh(u.ID, newFamily(now), randomID(), now)
}

// Successor makes the token that old is exchanged for. It depends on nothing
// but old's hash, family and user and on usedAt, to the second: asking again
// gives the same token, so that a lost answer can be repeated without storing
// tokens. A family past its life is an Unauthenticated error.
func (s *Signer) Successor(old pulse.RefreshToken, usedAt time.Time) (token string, row pulse.RefreshToken, err error) {
	mac := hmac.New(sha256.New, s.successor)
	mac.Write(old.Hash)
	id := base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16])
	return s.refresh(old.UserID, old.Family, id, usedAt.UTC())
}

// ParseRefresh verifies a refresh token and gives what it says of its row:
// hash, family, user, times. Whether it is spent or revoked, only the store
// knows.
func (s *Signer) ParseRefresh(token string) (pulse.RefreshToken, error) {
	c, user, err := s.parse(token, refreshType)
	if err != nil {
		return pulse.RefreshToken{}, err
	}
	if _, ok := familyBorn(c.Session); !ok {
		return pulse.RefreshToken{}, errToken
	}
	return pulse.RefreshToken{
		Hash: hashID(c.ID), Family: c.Session, UserID: user,
		IssuedAt: c.IssuedAt.UTC(), ExpiresAt: c.ExpiresAt.UTC(),
	}, nil
}

func (s *Signer) refresh(user int64, family, id string, issued time.Time) (string, pulse.RefreshToken, error) {
	issued = issued.Truncate(time.Second)
	born, ok := familyBorn(family)
	if !ok {
		return "", pulse.RefreshToken{}, fmt.Errorf("sign refresh token: %q is no family", family)
	}
	expires := issued.Add(s.refreshTTL)
	if end := born.Truncate(time.Second).Add(max(minFamilyLife, s.refreshTTL)); expires.After(end) {
		expires = end
	}
	if !expires.After(issued) {
		return "", pulse.RefreshToken{}, pulse.Errorf(pulse.Unauthenticated, "the session has ended; log in again")
	}
	token, err := s.sign(s.claims(refreshType, user, family, id, issued, expires))
	if err != nil {
		return "", pulse.RefreshToken{}, err
	}
	return token, pulse.RefreshToken{
		Hash: hashID(id), Family: family, UserID: user, IssuedAt: issued, ExpiresAt: expires,
	}, nil
}

func hashID(id string) []byte {
	sum := sha256.Sum256([]byte(id))
	return sum[:]
}

// newFamily is a UUID of version 7: random, and it knows when it was born.
func newFamily(born time.Time) string {
	var b [16]byte
	rand.Read(b[:]) // never fails: the runtime ends the process instead
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(born.UnixMilli()))
	copy(b[:6], ms[2:])
	b[6] = b[6]&0x0f | 0x70
	b[8] = b[8]&0x3f | 0x80
	h := hex.EncodeToString(b[:])
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}

func familyBorn(family string) (time.Time, bool) {
	if len(family) != 36 || family[8] != '-' || family[13] != '-' || family[18] != '-' ||
		family[23] != '-' || family[14] != '7' {
		return time.Time{}, false
	}
	b, err := hex.DecodeString(strings.ReplaceAll(family, "-", ""))
	if err != nil || len(b) != 16 {
		return time.Time{}, false
	}
	ms := binary.BigEndian.Uint64(append([]byte{0, 0}, b[:6]...))
	return time.UnixMilli(int64(ms)).UTC(), true
}
