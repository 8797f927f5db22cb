package auth

import (
	"context"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"dev.redditpulse/shared/pulse"
)

func django(t testing.TB, pw string, iterations string, count int) string {
	t.Helper()
	sum, err := pbkdf2.Key(sha256.New, pw, []byte("salt1234"), count, 32)
	if err != nil {
		t.Fatal(err)
	}
	return "pbkdf2_sha256$" + iterations + "$salt1234$" + base64.StdEncoding.EncodeToString(sum)
}

func TestPasswordMatchesItsHashAlone(t *testing.T) {
	t.Parallel()
	hash, err := HashPassword("correct horse")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("hash = %q, want Argon2id of 19 MiB", hash)
	}
	if other, _ := HashPassword("correct horse"); other == hash {
		t.Error("two hashes of a password share a salt")
	}
	old := django(t, "correct horse", "1000", 1000)
	h := NewHasher()
	for _, test := range []struct {
		name, hash, pw string
		want           bool
	}{
		{"right", hash, "correct horse", true},
		{"wrong", hash, "correct hors", false},
		{"empty password", hash, "", false},
		{"no hash", "", "correct horse", false},
		{"no hash, no password", "", "", false},
		{"unusable in Django", "!unusable", "correct horse", false},
		{"bcrypt", "$2b$12$abcdefghijklmnopqrstuv", "correct horse", false},
		{"Django, right", old, "correct horse", true},
		{"Django, wrong", old, "wrong", false},
		{"Django, more iterations claimed", django(t, "correct horse", "1001", 1000), "correct horse", false},
		{"too long", hash, strings.Repeat("x", maxPasswordBytes+1), false},
		{"truncated", hash[:len(hash)-8], "correct horse", false},
	} {
		if got, err := h.Verify(t.Context(), test.hash, test.pw); got != test.want || err != nil {
			t.Errorf("%s: Verify = %t, %v; want %t", test.name, got, err, test.want)
		}
	}
}

func TestHashPasswordRefusesEmptyAndHuge(t *testing.T) {
	t.Parallel()
	for _, pw := range []string{"", strings.Repeat("x", maxPasswordBytes+1)} {
		if _, err := HashPassword(pw); pulse.CodeOf(err) != pulse.Invalid {
			t.Errorf("%d bytes: HashPassword = %v, want invalid", len(pw), err)
		}
	}
}

func TestHashesThatWouldStallAreRefused(t *testing.T) {
	t.Parallel()
	for _, hash := range []string{
		"$argon2id$v=19$m=4194304,t=2,p=1$c2FsdHNhbHQ$c3Vtc3Vtc3Vtc3Vtc3Vt",
		"$argon2id$v=19$m=19456,t=1000000,p=1$c2FsdHNhbHQ$c3Vtc3Vtc3Vtc3Vtc3Vt",
		"$argon2id$v=19$m=19456,t=0,p=1$c2FsdHNhbHQ$c3Vtc3Vtc3Vtc3Vtc3Vt",
		"$argon2id$v=19$m=19456,t=1,p=0$c2FsdHNhbHQ$c3Vtc3Vtc3Vtc3Vtc3Vt",
		"$argon2id$v=19$m=-1,t=1,p=1$c2FsdHNhbHQ$c3Vtc3Vtc3Vtc3Vtc3Vt",
		"$argon2id$v=16$m=19456,t=2,p=1$c2FsdHNhbHQ$c3Vtc3Vtc3Vtc3Vtc3Vt",
		"$argon2i$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$c3Vtc3Vtc3Vtc3Vtc3Vt",
		"$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$",
		"pbkdf2_sha256$999999999$saltsalt$c3Vtc3Vtc3Vtc3Vtc3Vtc3Vt",
		"pbkdf2_sha256$0$saltsalt$c3Vtc3Vtc3Vtc3Vtc3Vtc3Vt",
	} {
		if p, ok := parseHash(hash); ok {
			t.Errorf("parseHash(%q) = %+v, want refused", hash, p)
		}
	}
}

func TestNoHashCostsWhatAHashCosts(t *testing.T) {
	hash, err := HashPassword("secret")
	if err != nil {
		t.Fatal(err)
	}
	stored, ok := parseHash(hash)
	none := dummy()
	if !ok || stored.memory != none.memory || stored.time != none.time || stored.threads != none.threads ||
		len(stored.salt) != len(none.salt) || len(stored.sum) != len(none.sum) {
		t.Fatalf("without a hash the work is %+v, with one %+v", none, stored)
	}
	// The work is really done: of interleaved samples the shortest of each
	// kind, which other load on the machine disturbs least.
	h := NewHasher()
	known, unknown := time.Hour, time.Hour
	sample := func(stored string, least *time.Duration) {
		began := time.Now()
		if ok, err := h.Verify(t.Context(), stored, "guess"); ok || err != nil {
			t.Fatalf("Verify = %t, %v; want false", ok, err)
		}
		*least = min(*least, time.Since(began))
	}
	for range 12 {
		sample(hash, &known)
		sample("", &unknown)
	}
	if unknown < known/2 || unknown > known*2 {
		t.Errorf("without a hash %s, with one %s: want about the same", unknown, known)
	}
}

func TestVerifyQueueIsBounded(t *testing.T) {
	t.Parallel()
	h := &Hasher{slots: make(chan struct{}, 1), queue: time.Millisecond}
	h.slots <- struct{}{} // somebody else verifies
	if _, err := h.Verify(t.Context(), "", "x"); pulse.CodeOf(err) != pulse.TooMany {
		t.Errorf("Verify = %v, want too_many", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	h.queue = time.Hour
	if _, err := h.Verify(ctx, "", "x"); !errors.Is(err, context.Canceled) {
		t.Errorf("Verify = %v, want canceled", err)
	}
	<-h.slots
	if ok, err := h.Verify(t.Context(), "", "x"); ok || err != nil {
		t.Errorf("a free slot: Verify = %t, %v; want false", ok, err)
	}
}

func FuzzParseHash(f *testing.F) {
	hash, err := HashPassword("x")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(hash)
	f.Add(django(f, "x", "1000", 1000))
	f.Add("pbkdf2_sha256$")
	f.Add("$argon2id$v=19$m=8,t=1,p=1$$")
	f.Fuzz(func(t *testing.T, hash string) {
		p, ok := parseHash(hash)
		if !ok {
			return
		}
		if p.memory > maxArgonMemory || p.time > maxArgonTime || p.threads > maxArgonThreads || p.iterations > maxIterations {
			t.Errorf("parseHash(%q) = %+v, over the bounds", hash, p)
		}
		if p.iterations > 2000 || p.memory > 64 {
			return
		}
		if sum, err := p.derive("x"); err != nil || len(sum) != len(p.sum) {
			t.Errorf("derive of %q: %d bytes, %v; want %d", hash, len(sum), err, len(p.sum))
		}
	})
}
