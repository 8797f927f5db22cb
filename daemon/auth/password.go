package auth

import (
	"context"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/argon2"

	"dev.redditpulse/shared/pulse"
)

const (
	maxPasswordBytes = 1 << 10

	// The parameters of new hashes, and of the work done where there is no
	// hash to compare with.
	argonMemory  = 19 << 10 // KiB
	argonTime    = 2
	argonThreads = 1
	argonSalt    = 16 // bytes
	argonSum     = 32 // bytes

	// Hashes that ask for more work than this are refused: a row of the
	// database must not be able to stall the daemon.
	maxArgonMemory  = 256 << 10 // KiB
	maxArgonTime    = 16
	maxArgonThreads = 16
	maxIterations   = 5_000_000

	// verifyQueue is how long a verification waits for a free core.
	verifyQueue = time.Second
)

// HashPassword gives the Argon2id hash of a password as a PHC string.
func HashPassword(pw string) (string, error) {
	if pw == "" {
		return "", pulse.InvalidField("password", "empty")
	}
	if len(pw) > maxPasswordBytes {
		return "", pulse.InvalidField("password", "%d bytes, want at most %d", len(pw), maxPasswordBytes)
	}
	salt := make([]byte, argonSalt)
	rand.Read(salt) // never fails: the runtime ends the process instead
	sum := argon2.IDKey([]byte(pw), salt, argonTime, argonMemory, argonThreads, argonSum)
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version,
		argonMemory, argonTime, argonThreads,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(sum)), nil
}

// Hasher verifies passwords, as many at a time as there are cores: each costs
// 19 MiB and some 40 ms, and log-ins need no token. Make one with NewHasher.
type Hasher struct {
	slots chan struct{}
	queue time.Duration
}

// NewHasher makes a Hasher.
func NewHasher() *Hasher {
	return &Hasher{slots: make(chan struct{}, runtime.NumCPU()), queue: verifyQueue}
}

// Verify tells whether pw is the password of hash: an Argon2id PHC string or a
// Django "pbkdf2_sha256$" hash. A hash that is empty or of another kind, and a
// password over 1 KB, cost the same time and are never right. More calls than
// can be served within a second end as TooMany.
func (h *Hasher) Verify(ctx context.Context, hash, pw string) (bool, error) {
	leave, err := h.enter(ctx)
	if err != nil {
		return false, err
	}
	defer leave()
	stored, ok := parseHash(hash)
	if !ok {
		stored = dummy()
	}
	if len(pw) > maxPasswordBytes {
		pw, ok = "", false
	}
	sum, err := stored.derive(pw)
	if err != nil {
		return false, fmt.Errorf("hash password: %w", err)
	}
	same := subtle.ConstantTimeCompare(sum, stored.sum) == 1
	return same && ok, nil
}

func (h *Hasher) enter(ctx context.Context) (leave func(), err error) {
	leave = func() { <-h.slots }
	select {
	case h.slots <- struct{}{}:
		return leave, nil
	default:
	}
	full := time.NewTimer(h.queue)
	defer full.Stop()
	select {
	case h.slots <- struct{}{}:
		return leave, nil
	case <-full.C:
		return nil, pulse.Errorf(pulse.TooMany, "too many log-ins at once; try again in a second")
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for a password check: %w", ctx.Err())
	}
}

// passwordHash is a parsed hash. Iterations is set for PBKDF2, the others for
// Argon2id.
type passwordHash struct {
	iterations   int
	memory, time uint32
	threads      uint8
	salt, sum    []byte
}

func (p *passwordHash) derive(pw string) ([]byte, error) {
	if p.iterations > 0 {
		return pbkdf2.Key(sha256.New, pw, p.salt, p.iterations, len(p.sum))
	}
	return argon2.IDKey([]byte(pw), p.salt, p.time, p.memory, p.threads, uint32(len(p.sum))), nil
}

func dummy() *passwordHash {
	return &passwordHash{
		memory: argonMemory, time: argonTime, threads: argonThreads,
		salt: make([]byte, argonSalt), sum: make([]byte, argonSum),
	}
}

// parseHash reads a stored hash; false means that no password can match it.
func parseHash(hash string) (*passwordHash, bool) {
	if len(hash) > 512 {
		return nil, false
	}
	if rest, ok := strings.CutPrefix(hash, "$argon2id$v=19$"); ok {
		return parseArgon(rest)
	}
	if rest, ok := strings.CutPrefix(hash, "pbkdf2_sha256$"); ok {
		return parseDjango(rest)
	}
	return nil, false
}

// parseArgon reads "m=19456,t=2,p=1$salt$sum".
func parseArgon(rest string) (*passwordHash, bool) {
	parts := strings.Split(rest, "$")
	if len(parts) != 3 {
		return nil, false
	}
	costs := strings.Split(parts[0], ",")
	if len(costs) != 3 {
		return nil, false
	}
	memory, ok1 := cost(costs[0], "m=", maxArgonMemory)
	passes, ok2 := cost(costs[1], "t=", maxArgonTime)
	threads, ok3 := cost(costs[2], "p=", maxArgonThreads)
	salt, err1 := base64.RawStdEncoding.Strict().DecodeString(parts[1])
	sum, err2 := base64.RawStdEncoding.Strict().DecodeString(parts[2])
	if !ok1 || !ok2 || !ok3 || err1 != nil || err2 != nil || !sizes(salt, sum) || memory < 8*threads {
		return nil, false
	}
	return &passwordHash{
		memory: uint32(memory), time: uint32(passes), threads: uint8(threads), salt: salt, sum: sum,
	}, true
}

// parseDjango reads "iterations$salt$sum"; the salt is used as it is written.
func parseDjango(rest string) (*passwordHash, bool) {
	parts := strings.Split(rest, "$")
	if len(parts) != 3 {
		return nil, false
	}
	iterations, ok := cost(parts[0], "", maxIterations)
	salt := []byte(parts[1])
	sum, err := base64.StdEncoding.Strict().DecodeString(parts[2])
	if !ok || err != nil || !sizes(salt, sum) {
		return nil, false
	}
	return &passwordHash{iterations: iterations, salt: salt, sum: sum}, true
}

func cost(text, prefix string, most int) (int, bool) {
	digits, ok := strings.CutPrefix(text, prefix)
	if !ok {
		return 0, false
	}
	n, err := strconv.Atoi(digits)
	return n, err == nil && n >= 1 && n <= most
}

func sizes(salt, sum []byte) bool {
	return len(salt) >= 8 && len(salt) <= 64 && len(sum) >= 16 && len(sum) <= 64
}
