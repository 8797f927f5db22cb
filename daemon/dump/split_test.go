package dump

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/iotest"

	"dev.redditpulse/shared/wire"
)

// FuzzSplitter compares with the plainest way to cut lines.
func FuzzSplitter(f *testing.F) {
	f.Add([]byte("a\nb\r\n\n  c  "), true)
	f.Add([]byte("\xef\xbb\xbfx\n\xef\xbb\xbfy"), false)
	f.Add([]byte("\r\n\r\r\n\x00"), true)
	f.Fuzz(func(t *testing.T, data []byte, slow bool) {
		var r io.Reader = bytes.NewReader(data)
		if slow {
			r = iotest.OneByteReader(r)
		}
		s := newSplitter(r, "plain")
		want := bytes.Split(bytes.TrimPrefix(data, byteOrderMark), []byte("\n"))
		if len(want[len(want)-1]) == 0 && !bytes.Equal(data, byteOrderMark) {
			want = want[:len(want)-1]
		}
		buf := []byte("kept")
		for i, w := range want {
			got, tooLong, err := s.next(buf)
			if err != nil || tooLong {
				t.Fatalf("line %d: %v, too long: %v", i+1, err, tooLong)
			}
			if !bytes.HasPrefix(got, buf) {
				t.Fatalf("line %d: what was there before is gone", i+1)
			}
			if got := got[len(buf):]; !bytes.Equal(got, bytes.Trim(w, " \t\r")) {
				t.Fatalf("line %d is %q, want %q", i+1, got, w)
			}
		}
		if _, _, err := s.next(nil); !errors.Is(err, io.EOF) {
			t.Fatalf("behind the last line: %v", err)
		}
	})
}

func TestALineMayBeSoLongAndNoLonger(t *testing.T) {
	t.Parallel()
	s := newSplitter(strings.NewReader(
		strings.Repeat("a", maxLine)+"\r\n"+strings.Repeat("b", maxLine+1)+"\nc\n"+strings.Repeat("d", 5*maxLine)), "plain")
	for i, want := range []struct {
		size    int
		tooLong bool
	}{{maxLine, false}, {0, true}, {1, false}, {0, true}} {
		line, tooLong, err := s.next(nil)
		if err != nil || len(line) != want.size || tooLong != want.tooLong {
			t.Errorf("line %d: %d bytes, too long %v, %v; want %+v", i+1, len(line), tooLong, err, want)
		}
	}
}

type void struct{}

func (void) Produce(context.Context, []wire.Record) error { return nil }

func BenchmarkImport(b *testing.B) {
	text := strings.Join(lines(50_000), "\n")
	for name, data := range map[string][]byte{"plain": []byte(text), "zstd": zstded(text), "gzip": gzipped(text)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			im := New(void{}, nil, Filter{}, nil, slog.New(slog.DiscardHandler))
			for b.Loop() {
				if res, err := im.Import(b.Context(), bytes.NewReader(data)); err != nil || res.Produced != 50_000 {
					b.Fatal(res, err)
				}
			}
			b.ReportMetric(50_000*float64(b.N)/b.Elapsed().Seconds(), "lines/s")
		})
	}
}
