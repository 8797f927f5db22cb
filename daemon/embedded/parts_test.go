package embedded

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ulikunitz/xz"
)

// jar packs files as the published bundles do; a value "-> x" is a link to x.
func jar(t *testing.T, names ...string) []byte {
	t.Helper()
	var packed, jar bytes.Buffer
	x, err := xz.NewWriter(&packed)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(x)
	for _, name := range names {
		name, link, isLink := strings.Cut(name, " -> ")
		content := []byte("#!/bin/sh\necho 'postgres (PostgreSQL) 17.11'\n")
		h := &tar.Header{Name: name, Mode: 0o755, Size: int64(len(content)), Typeflag: tar.TypeReg}
		if isLink {
			h.Typeflag, h.Linkname, h.Size, content = tar.TypeSymlink, link, 0, nil
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
	x.Close()
	z := zip.NewWriter(&jar)
	member, err := z.Create("postgres.txz")
	if err != nil {
		t.Fatal(err)
	}
	member.Write(packed.Bytes())
	z.Close()
	return jar.Bytes()
}

func serve(t *testing.T, status int, body []byte) bundle {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		w.Write(body)
	}))
	t.Cleanup(s.Close)
	sum := sha256.Sum256(body)
	b := published(openDir(t))
	b.base, b.sums = s.URL, map[string]string{b.system(): hex.EncodeToString(sum[:])}
	return b
}

func TestADownloadIsUnpackedOnceAndUsed(t *testing.T) {
	t.Parallel()
	b := serve(t, http.StatusOK, jar(t, "bin/postgres", "bin/initdb", "lib/libpq.so.5", "lib/libpq.so -> libpq.so.5"))
	var said []string
	f := finder{bundle: b, acct: serverAccount(b.cache), say: func(line string) { said = append(said, line) }}
	for range 2 {
		found, err := f.find(within(t, 20*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		if found.version != "17.11" || found.major != 17 {
			t.Errorf("found = %+v", found)
		}
	}
	if n := len(said); n == 0 || !strings.HasSuffix(said[n-1], "100%") || strings.Contains(strings.Join(said[1:], ""), " 0%") {
		t.Errorf("said %q, want one download", said)
	}
	if got, _ := os.Readlink(filepath.Join(b.cache, "postgres-17.11.0-"+b.system(), "lib", "libpq.so")); got != "libpq.so.5" {
		t.Errorf("link = %q", got)
	}
	if left, _ := filepath.Glob(filepath.Join(b.cache, "unpacking-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestABadDownloadIsRefused(t *testing.T) {
	t.Parallel()
	good := jar(t, "bin/postgres", "bin/initdb")
	outside := filepath.Join(t.TempDir(), "planted")
	tests := []struct {
		name   string
		status int
		body   []byte
		sum    string
		want   string
	}{
		{"another content", http.StatusOK, good, strings.Repeat("0", 64), "its SHA-256 is"},
		{"not there", http.StatusNotFound, nil, "", "404"},
		{"no archive", http.StatusOK, []byte("hello"), "", "zip"},
		{"a name outside", http.StatusOK, jar(t, "../../planted"), "", "planted"},
		{"a link outside", http.StatusOK, jar(t, "bin -> "+filepath.Dir(outside), "bin/planted"), "", "planted"},
		{"no programs", http.StatusOK, jar(t, "README"), "", "look for postgres"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := serve(t, tt.status, tt.body)
			if tt.sum != "" {
				b.sums[b.system()] = tt.sum
			}
			_, err := finder{bundle: b, acct: serverAccount(b.cache), say: func(string) {}}.find(within(t, 10*time.Second))
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "install postgresql") {
				t.Errorf("error = %v, want %q", err, tt.want)
			}
			if _, err := os.Stat(outside); err == nil {
				t.Error("a file was written outside the cache")
			}
		})
	}
}

func TestWithoutANetTheErrorSaysWhatToDo(t *testing.T) {
	t.Parallel()
	b := published(openDir(t))
	b.base = "http://127.0.0.1:1" // nothing listens there
	_, err := finder{bundle: b, acct: serverAccount(b.cache), say: func(string) {}}.find(within(t, 10*time.Second))
	checkOneLine(t, err, "install postgresql 15 or newer, or set PULSE_POSTGRES_BIN")
}

func TestAnotherVersionsDataIsNotOpened(t *testing.T) {
	t.Parallel()
	b := serve(t, http.StatusOK, jar(t, "bin/postgres", "bin/initdb"))
	_, err := finder{wanted: 14, bundle: b, acct: serverAccount(b.cache), say: func(string) {}}.find(within(t, 10*time.Second))
	checkOneLine(t, err, "the data was written by Postgres 14")
}

func TestTheLogOfAServerIsBounded(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	var lines int
	l := openLog(path, func(string) { lines++ })
	line := strings.Repeat("x", 1023) + "\n"
	for range 3 * maxLogBytes / len(line) {
		fmt.Fprint(l, line)
	}
	l.Write(bytes.Repeat([]byte("y"), 3*maxLineBytes)) // never ends
	l.close()
	if want := 3 * maxLogBytes / len(line); lines != want {
		t.Errorf("watched %d lines, want %d", lines, want)
	}
	for _, name := range []string{path, path + ".1"} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() > maxLogBytes {
			t.Errorf("%s has %d bytes, want at most %d", name, info.Size(), maxLogBytes)
		}
	}
	if len(l.line) > maxLineBytes || len(l.tail) > tailLines {
		t.Errorf("kept %d bytes and %d lines", len(l.line), len(l.tail))
	}
}

func TestTheTellingLineIsFound(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text, want string
	}{
		{"postgres", "2026 UTC [1] LOG:  starting\n2026 UTC [1] FATAL:  could not create lock file: No space left on device\n2026 UTC [1] LOG:  shut down\n",
			"FATAL: could not create lock file: No space left on device"},
		{"initdb", "creating\ninitdb: error: could not access directory\ninitdb: hint: try\n", "error: could not access directory"},
		{"redis", "1:M Server started\n1:M # Can't open the append-only file\n", "Can't open the append-only file"},
		{"anything else", "one\ntwo\n\n", "two"},
		{"nothing", "", "it said nothing"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l := openLog(filepath.Join(t.TempDir(), "log"), nil)
			defer l.close()
			fmt.Fprint(l, tt.text)
			if got := l.reason(); got != tt.want {
				t.Errorf("reason = %q, want %q", got, tt.want)
			}
		})
	}
}

// A disk of a few megabytes shows what a full one does.
func TestAFullDiskIsOneClearLine(t *testing.T) {
	t.Parallel()
	needRoot(t)
	dir := openDir(t)
	mountSmall(t, dir)
	_, err := StartPostgres(within(t, 20*time.Second), PostgresConfig{Dir: filepath.Join(dir, "postgres"), Replica: true})
	checkOneLine(t, err, "MB free")
	if err := os.WriteFile(filepath.Join(dir, "filler"), bytes.Repeat([]byte{1}, 8<<20), 0o600); err == nil {
		t.Fatal("the disk is not full")
	}
	_, err = LockDir(dir)
	checkOneLine(t, err, "no space left")
	if k, err := StartKafka(within(t, 5*time.Second), KafkaConfig{Dir: filepath.Join(dir, "kafka")}); err == nil {
		k.Close()
		t.Error("Kafka starts on a full disk")
	} else {
		checkOneLine(t, err, "no space left")
	}
}

func TestUntilEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if until(ctx, time.Hour, func() bool { return false }) {
		t.Error("until reports what never came true")
	}
}

func TestTheRepositoryOfTheBundlesIsKnown(t *testing.T) {
	t.Parallel()
	if u, err := url.Parse(published("").url()); err != nil || u.Scheme != "https" || u.Host == "" {
		t.Errorf("bundles lie at %q, %v", published("").url(), err)
	}
}
