package wire_test

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"dev.redditpulse/shared/pulse"
)

var update = flag.Bool("update", false, "write the golden files anew")

// now is the moment at which all samples are decoded.
var now = time.Date(2026, 3, 14, 15, 10, 0, 0, time.UTC)

func ptr[T any](v T) *T { return &v }

func sample() pulse.Observation {
	return pulse.Observation{
		PostID:     "t3_1abcde",
		ObservedAt: time.Date(2026, 3, 14, 15, 9, 26, 535_000_000, time.UTC),
		Source:     "new", Subreddit: "golang",
		Title:  `Go 1.26 is out: <b>faster</b> & "greener" 🎉 – what it means for us`,
		Author: "rob_the_gopher", URL: "https://go.dev/blog/go1.26?a=1&b=2",
		Permalink: "/r/golang/comments/1abcde/go_126_is_out/",
		Flair:     ptr("news"), Over18: false, IsSelf: false,
		CreatedAt: time.Date(2026, 3, 14, 14, 0, 1, 0, time.UTC),
		Score:     1234, NumComments: 56, UpvoteRatio: ptr(0.97), State: pulse.Live,
	}
}

// golden compares got with a file of testdata byte for byte.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", "golden", name+".json")
	got = append(bytes.Clone(got), '\n')
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (go test -update writes it)", err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s has changed, which breaks its readers:\n got %s\nwant %s", name, got, want)
	}
}

// wantField fails unless err is for the sender and names field.
func wantField(t *testing.T, err error, field string) {
	t.Helper()
	var e *pulse.Error
	if !errors.As(err, &e) || e.Code != pulse.Invalid {
		t.Errorf("got %v, want an invalid %s", err, field)
		return
	}
	if e.Field != field || e.Message == "" {
		t.Errorf("got field %q (%s), want %q", e.Field, e.Message, field)
	}
}
