package dump

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"go.uber.org/goleak"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shelf keeps what is produced, and fails once it holds more than limit.
type shelf struct {
	mu    sync.Mutex
	all   []wire.Record
	limit int // 0: none
	marks map[string]int64
	saves int
}

var errFull = errors.New("the shelf is full")

func (s *shelf) Produce(ctx context.Context, records []wire.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.limit > 0 && len(s.all) >= s.limit {
		return errFull
	}
	s.all = append(s.all, records...)
	return ctx.Err()
}

func (s *shelf) Progress(_ context.Context, id string) (int64, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.marks[id], "", nil
}

func (s *shelf) SaveProgress(_ context.Context, id string, offset int64, _ string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.marks == nil {
		s.marks = make(map[string]int64)
	}
	s.marks[id] = offset
	s.saves++
	return nil
}

func (s *shelf) ForgetProgress(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.marks, id)
	return nil
}

// values are what was produced of each post, in order, a repetition left out.
func (s *shelf) values() map[string][]string {
	byPost := make(map[string][]string)
	for _, r := range s.all {
		key := string(r.Key)
		if v := string(r.Value); !slices.Contains(byPost[key], v) {
			byPost[key] = append(byPost[key], v)
		}
	}
	return byPost
}

func importer(s *shelf) *Importer {
	return New(s, s, Filter{}, nil, slog.New(slog.NewTextHandler(io.Discard, nil)))
}

// lines are readings of few posts, so that each is seen often.
func lines(n int) []string {
	start := time.Now().Add(-time.Hour).UTC()
	out := make([]string, n)
	for i := range out {
		o := pulse.Observation{
			PostID: fmt.Sprintf("t3_%dz", i*7919%(n/10+1)), Subreddit: "golang", Title: "a title",
			Source: "import", ObservedAt: start.Add(time.Duration(i) * time.Millisecond),
			CreatedAt: start, Score: int64(i), State: pulse.Live,
		}
		out[i] = string(wire.EncodeObservation(&o))
	}
	return out
}

func expected(all []string) map[string][]string {
	byPost := make(map[string][]string)
	for _, l := range all {
		o, err := wire.DecodeObservation([]byte(l), time.Now())
		if err != nil {
			panic(err)
		}
		byPost[o.PostID] = append(byPost[o.PostID], l)
	}
	return byPost
}

func compare(t *testing.T, got, want map[string][]string) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%d posts were produced, want %d", len(got), len(want))
	}
	for id, w := range want {
		if !slices.Equal(got[id], w) {
			t.Errorf("post %s: %d readings, want %d in the file's order", id, len(got[id]), len(w))
			return
		}
	}
}

var forms = map[string]func(string) []byte{
	"plain":               func(s string) []byte { return []byte(s) },
	"no last line feed":   func(s string) []byte { return []byte(strings.TrimSuffix(s, "\n")) },
	"CRLF":                func(s string) []byte { return []byte(strings.ReplaceAll(s, "\n", "\r\n")) },
	"byte order mark":     func(s string) []byte { return append(slices.Clone(byteOrderMark), s...) },
	"blank lines":         func(s string) []byte { return []byte("\n \r\n" + strings.ReplaceAll(s, "\n", "\n\n\t\n")) },
	"gzip":                func(s string) []byte { return gzipped(s) },
	"gzip of two members": func(s string) []byte { i := len(s) / 3; return append(gzipped(s[:i]), gzipped(s[i:])...) },
	"zstd":                func(s string) []byte { return zstded(s) },
	"zstd, skippable frame first": func(s string) []byte {
		return append([]byte{0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 7, 7}, zstded(s)...)
	},
}

func gzipped(s string) []byte {
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	_, _ = io.WriteString(w, s)
	_ = w.Close()
	return buf.Bytes()
}

func zstded(s string) []byte {
	w, err := zstd.NewWriter(nil)
	if err != nil {
		panic(err)
	}
	defer w.Close()
	return w.EncodeAll([]byte(s), nil)
}

func write(t *testing.T, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "dump with a misleading name.txt")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestEveryFormGivesTheSameRecordsInOrder(t *testing.T) {
	t.Parallel()
	all := lines(5000)
	text := strings.Join(all, "\n") + "\n"
	for name, form := range forms {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &shelf{}
			res, err := importer(s).ImportFile(context.Background(), write(t, form(text)))
			if err != nil {
				t.Fatal(err)
			}
			if res.Produced != 5000 || res.Refused != 0 {
				t.Errorf("got %+v, want 5000 produced", res)
			}
			compare(t, s.values(), expected(all))
			for _, r := range s.all {
				if r.Topic != wire.TopicRaw {
					t.Fatalf("a reading of %s went to %s: in two topics its post's readings lose their order", r.Key, r.Topic)
				}
			}
		})
	}
}

func TestStandardInputIsReadWithDash(t *testing.T) {
	t.Parallel()
	s := &shelf{}
	im := importer(s)
	im.stdin = strings.NewReader(strings.Join(lines(30), "\n"))
	res, err := im.ImportFile(context.Background(), "-")
	if err != nil || res.Produced != 30 || s.saves != 0 {
		t.Errorf("got %+v, %v and %d saves, want 30 produced and no place kept", res, err, s.saves)
	}
}

func TestAnInterruptedImportGoesOnWhereItStood(t *testing.T) {
	t.Parallel()
	const n = 12_000
	all := lines(n)
	path := write(t, zstded(strings.Join(all, "\n")))
	want := expected(all)
	for round := range 4 {
		s := &shelf{limit: 1 + rand.IntN(n-1)}
		var starts []int64
		for runs := 0; ; runs++ {
			res, err := importer(s).ImportFile(context.Background(), path)
			if runs > 0 {
				starts = append(starts, res.ResumedFrom)
			}
			if err == nil {
				if res.Lines != n {
					t.Errorf("round %d: %d lines, want %d", round, res.Lines, n)
				}
				break
			}
			if !errors.Is(err, errFull) || runs > 1 {
				t.Fatalf("round %d: %v", round, err)
			}
			s.limit = 0
		}
		compare(t, s.values(), want)
		if len(s.marks) != 0 {
			t.Errorf("round %d: the place is still kept: %v", round, s.marks)
		}
		// Whatever was in flight is produced twice, and nothing before it.
		if twice := len(s.all) - n; twice > blocksInFlight*blockLines {
			t.Errorf("round %d: %d records were produced twice (resumed at %v)", round, twice, starts)
		}
	}
}

func TestTheEndOfTheContextStopsTheImport(t *testing.T) {
	t.Parallel()
	r, w := io.Pipe()
	defer w.Close()
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.WriteString(w, strings.Join(lines(2500), "\n"))
		cancel()
	}()
	s := &shelf{}
	_, err := importer(s).Import(ctx, r)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the end of the context", err)
	}
}

func TestBadLinesAreNamedAndTheRestGoesOn(t *testing.T) {
	t.Parallel()
	good := lines(3)
	deep := `{"v":1,"post_id":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + "}"
	bad := []struct{ line, field string }{
		{strings.Replace(good[0], `"v":1`, `"v":2`, 1), "v"},
		{strings.Replace(good[0], "a title", `nul \u0000 here`, 1), "title"},
		{strings.Replace(good[0], "a title", "bad \xff\xfe", 1), "value"},
		{strings.Replace(good[0], `"score":0`, `"score":-5`, 1), "score"},
		{strings.Replace(good[0], `"score":0`, `"score":1e300`, 1), "score"},
		{deep, "value"},
		{"not JSON at all", "value"},
		{strings.Repeat("x", 50<<20), "value"},
		{`{"v":1,"x":"` + strings.Repeat("y", maxLine-13) + `"}`, "value"},
		{"\x00\x01\x02", "value"},
	}
	text := good[0] + "\n"
	for _, b := range bad {
		text += b.line + "\n"
	}
	text += good[1] + "\n" + strings.Repeat("{\n", 100) + good[2]
	s := &shelf{}
	res, err := importer(s).Import(context.Background(), strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if res.Produced != 3 || res.Refused != int64(len(bad))+100 || res.Lines != int64(len(bad))+103 {
		t.Errorf("got %d lines, %d produced, %d refused", res.Lines, res.Produced, res.Refused)
	}
	compare(t, s.values(), expected(good))
	if len(res.FirstFaults) != maxFaults {
		t.Fatalf("%d faults are described, want %d", len(res.FirstFaults), maxFaults)
	}
	for i, b := range bad {
		f := res.FirstFaults[i]
		if f.Line != int64(i+2) || f.Field != b.field || f.Reason == "" || len(f.Reason) > 300 {
			t.Errorf("fault %d is %v, want line %d, field %s", i, f, i+2, b.field)
		}
	}
}

func TestDataCutOffIsAnErrorBehindEverythingReadable(t *testing.T) {
	t.Parallel()
	all := lines(20_000)
	text := strings.Join(all, "\n")
	for name, packed := range map[string][]byte{"gzip": gzipped(text), "zstd": zstded(text)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &shelf{}
			path := write(t, packed[:len(packed)*2/3])
			res, err := importer(s).ImportFile(context.Background(), path)
			if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("line %d", res.Lines+1)) {
				t.Fatalf("got %v after %d lines, want an error that names the line", err, res.Lines)
			}
			if res.Lines < 1000 || res.Produced != res.Lines {
				t.Errorf("%d lines were read and %d produced", res.Lines, res.Produced)
			}
			compare(t, s.values(), expected(all[:res.Lines]))
			for _, place := range s.marks {
				if place != res.Lines {
					t.Errorf("the place is %d, want %d", place, res.Lines)
				}
			}
			if len(s.marks) != 1 {
				t.Errorf("%d places are kept, want 1", len(s.marks))
			}
		})
	}
}

func TestWhatIsNoFileIsSaid(t *testing.T) {
	t.Parallel()
	for _, path := range []string{t.TempDir(), filepath.Join(t.TempDir(), "absent")} {
		if _, err := importer(&shelf{}).ImportFile(context.Background(), path); err == nil {
			t.Errorf("%s: no error", path)
		}
	}
	for name, data := range map[string][]byte{
		"gzip": {0x1f, 0x8b, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9}, "zstd": {0x28, 0xb5, 0x2f, 0xfd, 0xff, 0xff, 0xff, 0xff, 0xff},
	} {
		if _, err := importer(&shelf{}).Import(context.Background(), bytes.NewReader(data)); err == nil {
			t.Errorf("broken %s: no error", name)
		}
	}
	if res, err := importer(&shelf{}).Import(context.Background(), strings.NewReader("")); err != nil || res.Lines != 0 {
		t.Errorf("an empty file: %+v, %v", res, err)
	}
}

func TestTheReportCountsWhatWasDone(t *testing.T) {
	t.Parallel()
	var last Status
	s := &shelf{}
	im := New(s, s, Filter{}, func(st Status) { last = st }, slog.New(slog.DiscardHandler))
	data := gzipped(strings.Join(append(lines(100), "bad"), "\n"))
	if _, err := im.ImportFile(context.Background(), write(t, data)); err != nil {
		t.Fatal(err)
	}
	want := Status{Lines: 101, Produced: 100, Refused: 1, Bytes: int64(len(data)), Total: int64(len(data))}
	if last != want {
		t.Errorf("got %+v, want %+v", last, want)
	}
}
