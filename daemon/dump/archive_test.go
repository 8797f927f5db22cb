package dump

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

// archive is posts as an archive of Reddit has them, in the order of creation, a
// minute apart up to an hour ago, each read once or a few times.
func archive(n int) []string {
	made := time.Now().Add(-time.Hour).Truncate(time.Minute)
	out := make([]string, n)
	for i := range out {
		id, read := fmt.Sprintf("z%d", i-i%10/8), "retrieved_on"
		if i%2 == 1 {
			read = "retrieved_utc"
		}
		community := []string{"golang", "AskReddit", "u_gopher", "reddit.com"}[i%4]
		created := made.Add(time.Duration(i-n) * time.Minute).Unix()
		out[i] = fmt.Sprintf(`{"all_awardings":[],"archived":false,"author":"gopher","author_flair_richtext":[{"e":"text","t":"x"}],`+
			`"created_utc":%d,"domain":"self.%s","edited":false,"gildings":{},"id":"%s","is_self":true,"link_flair_text":null,`+
			`"media":null,"num_comments":%d,"over_18":false,"permalink":"/r/%s/comments/%s/title_%d/","%s":%d,"score":%d,`+
			`"selftext":"%s","subreddit":"%s","subreddit_id":"t5_1","thumbnail":"self","title":"title %d & \u00e9\ud83c\udf89",`+
			`"upvote_ratio":0.9,"url":"https://www.reddit.com/r/%s/comments/%s/"}`,
			created, community, id, i%50, community, id, i, read, created+int64(i), i,
			strings.Repeat("words with \\n and ", i%30), community, i, community, id)
	}
	return out
}

// scores are those that were produced of each post, in order, a repetition left
// out.
func (s *shelf) scores(t *testing.T) map[string][]int64 {
	t.Helper()
	byPost := make(map[string][]int64)
	for _, r := range s.all {
		o, err := wire.DecodeObservation(r.Value, time.Now())
		if err != nil {
			t.Fatalf("%s: the pipeline would refuse it: %v", r.Value, err)
		}
		if o.PostID != string(r.Key) || o.Source != "import" {
			t.Fatalf("%s has the key %s and the source %s", o.PostID, r.Key, o.Source)
		}
		if scores := byPost[o.PostID]; !slices.Contains(scores, o.Score) {
			byPost[o.PostID] = append(scores, o.Score)
		}
	}
	return byPost
}

// scoresOf is what scores should give for lines of archive, whose score is
// their number.
func scoresOf(n int, takes func(i int) bool) map[string][]int64 {
	byPost := make(map[string][]int64)
	for i := range n {
		if id := fmt.Sprintf("t3_z%d", i-i%10/8); takes(i) {
			byPost[id] = append(byPost[id], int64(i))
		}
	}
	return byPost
}

func all(int) bool { return true }

func sameScores(t *testing.T, got, want map[string][]int64) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%d posts were produced, want %d", len(got), len(want))
	}
	for id, w := range want {
		if !slices.Equal(got[id], w) {
			t.Errorf("post %s: scores %v, want %v", id, got[id], w)
			return
		}
	}
}

func TestAnArchiveGivesObservationsInItsOrder(t *testing.T) {
	t.Parallel()
	const n = 5000
	text := strings.Join(archive(n), "\n")
	for name, form := range forms {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &shelf{}
			res, err := importer(s).ImportFile(context.Background(), write(t, form(text+"\n")))
			if err != nil || res.Produced != n || res.Refused+res.Skipped != 0 {
				t.Fatalf("got %+v, %v, want %d produced", res, err, n)
			}
			sameScores(t, s.scores(t), scoresOf(n, all))
		})
	}
}

func TestLinesOfAllKindsMix(t *testing.T) {
	t.Parallel()
	records, posts := lines(10), archive(10)
	spaced := strings.Replace(records[0], `{"v":1`, `{ "V":0, "v": 1`, 1)
	sorted := `{"author":"a","created_at":"2026-01-02T03:04:05Z","num_comments":1,"observed_at":"2026-01-02T03:04:05Z",` +
		`"post_id":"t3_sorted","score":1,"subreddit":"golang","title":"x","v":1}`
	thing := `{"kind":"t3","data":` + posts[0] + `}`
	bad := []struct{ line, field string }{
		{`{"kind":"t1","data":{"id":"c1","body":"text"}}`, "kind"},
		{`{"kind":"more","data":{}}`, "kind"},
		{`{"id":"c1","body":"text","link_id":"t3_x","created_utc":1,"score":1,"subreddit":"golang"}`, "link_id"},
		{strings.Replace(posts[1], `"title":`, `"tittle":`, 1), "title"},
		{strings.Replace(posts[1], `"score":1,`, ``, 1), "score"},
		{strings.Replace(posts[1], `"subreddit":`, `"promoted":true,"was":`, 1), "subreddit"},
		{strings.Replace(posts[1], `"created_utc":`, `"created_utc":9`, 1), "created_utc"},
		{strings.Replace(posts[1], `"retrieved_utc":`, `"retrieved_utc":9`, 1), "retrieved_utc"},
		{posts[1][:200], "value"},
		{`{"v":7}`, "v"},
		{`{"post_id":"t3_x"}`, "title"},
		{`[` + posts[1] + `]`, "value"},
	}
	input := []string{records[1], spaced, thing, sorted, posts[2]}
	for _, b := range bad {
		input = append(input, b.line)
	}
	s := &shelf{}
	res, err := importer(s).Import(context.Background(), strings.NewReader(strings.Join(append(input, posts[3]), "\n")))
	if err != nil || res.Produced != 6 || res.Refused != int64(len(bad)) {
		t.Fatalf("%+v, %v, want 6 produced and %d refused", res, err, len(bad))
	}
	for i, b := range bad {
		if f := res.FirstFaults[i]; f.Field != b.field || f.Line != int64(i+6) || f.Reason == "" {
			t.Errorf("%.80s: got %v, want field %s", b.line, f, b.field)
		}
	}
	if got := s.values(); got["t3_sorted"][0] != sorted || !slices.Contains(got["t3_0z"], spaced) {
		t.Errorf("a Kafka value was changed: %v", got)
	}
}

func TestAnInterruptedArchiveGoesOnWhereItStood(t *testing.T) {
	t.Parallel()
	const n = 8000
	path := write(t, streamed(t, archive(n), zstd.WithWindowSize(1<<20)))
	takes := func(i int) bool { return i%4 != 1 }
	filter := Filter{Subreddits: []string{"GOLANG", "u_gopher", "reddit.com"}}
	for round := range 2 {
		s := &shelf{limit: 1 + rand.IntN(n/2)}
		im := New(s, s, filter, nil, slog.New(slog.DiscardHandler))
		if _, err := im.ImportFile(context.Background(), path); !errors.Is(err, errFull) {
			t.Fatalf("round %d: %v", round, err)
		}
		s.limit = 0
		place := slices.Max(append(marksOf(s), 0))
		res, err := im.ImportFile(context.Background(), path)
		if err != nil || res.ResumedFrom != place {
			t.Fatalf("round %d: %+v, %v, want it to go on behind line %d", round, res, err, place)
		}
		if res.Lines != n || res.Skipped != n/4 || res.Refused != 0 {
			t.Errorf("round %d: %+v, want %d lines, a quarter of them skipped", round, res, n)
		}
		sameScores(t, s.scores(t), scoresOf(n, takes))
	}
}

func marksOf(s *shelf) (places []int64) {
	for _, place := range s.marks {
		places = append(places, place)
	}
	return places
}

// A mark under another filter would leave lines out that were never produced.
func TestEachFilterHasItsOwnPlace(t *testing.T) {
	t.Parallel()
	path := write(t, []byte(strings.Join(archive(5000), "\n")))
	day := time.Now().Add(-24 * time.Hour)
	filters := []Filter{
		{}, {Subreddits: []string{"golang"}}, {Subreddits: []string{"golang", "AskReddit"}},
		{Since: day}, {Until: day}, {Subreddits: []string{"golang"}, Since: day},
	}
	s := &shelf{}
	for i, filter := range filters {
		s.limit = len(s.all) + 1
		res, err := New(s, s, filter, nil, slog.New(slog.DiscardHandler)).ImportFile(context.Background(), path)
		if !errors.Is(err, errFull) && filter.Since.IsZero() {
			t.Fatalf("%s: %v", filter, err)
		}
		if res.ResumedFrom != 0 {
			t.Errorf("filter %d (%s) went on from line %d of another", i, filter, res.ResumedFrom)
		}
	}
	same := Filter{Subreddits: []string{"askreddit", "GoLang", "golang"}}
	if filters[2].String() != same.String() {
		t.Errorf("%q and %q mean the same", filters[2], same)
	}
}

func TestAFilterTakesWhatItSays(t *testing.T) {
	t.Parallel()
	const n = 4000
	posts := archive(n)
	at := func(i int) time.Time {
		var post struct {
			Created int64 `json:"created_utc"`
		}
		if err := json.Unmarshal([]byte(posts[i]), &post); err != nil {
			t.Fatal(err)
		}
		return time.Unix(post.Created, 0)
	}
	faulty := strings.Replace(posts[1], `"score":`, `"scores":`, 1)
	nameless := strings.Replace(posts[1], `"subreddit":`, `"subreddits":`, 1)
	for name, c := range map[string]struct {
		filter  Filter
		takes   func(i int) bool
		refused int64
	}{
		"all":             {Filter{}, all, 2},
		"one":             {Filter{Subreddits: []string{"golang"}}, func(i int) bool { return i%4 == 0 }, 1},
		"another case":    {Filter{Subreddits: []string{"askREDDIT"}}, func(i int) bool { return i%4 == 1 }, 2},
		"two":             {Filter{Subreddits: []string{"reddit.com", "u_gopher"}}, func(i int) bool { return i%4 > 1 }, 1},
		"none of them":    {Filter{Subreddits: []string{"go"}}, func(int) bool { return false }, 1},
		"since":           {Filter{Since: at(1000)}, func(i int) bool { return i >= 1000 }, 0},
		"until":           {Filter{Until: at(1000)}, func(i int) bool { return i < 1000 }, 2},
		"since and until": {Filter{Since: at(10), Until: at(20)}, func(i int) bool { return i >= 10 && i < 20 }, 0},
		"all three": {
			Filter{Subreddits: []string{"golang"}, Since: at(10), Until: at(20)},
			func(i int) bool { return i == 12 || i == 16 }, 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &shelf{}
			input := strings.NewReader(strings.Join(append(slices.Clone(posts), faulty, nameless), "\n"))
			res, err := New(s, nil, c.filter, nil, slog.New(slog.DiscardHandler)).Import(context.Background(), input)
			if err != nil || res.Refused != c.refused || res.Produced+res.Refused+res.Skipped != n+2 {
				t.Fatalf("got %+v, %v, want %d refused of %d", res, err, c.refused, n+2)
			}
			sameScores(t, s.scores(t), scoresOf(n, c.takes))
		})
	}
}

func TestAFilterAlsoHoldsForKafkaValues(t *testing.T) {
	t.Parallel()
	input := lines(20)
	for i := range 10 {
		input[i] = strings.Replace(input[i], `"golang"`, `"rust"`, 1)
	}
	s := &shelf{}
	im := New(s, nil, Filter{Subreddits: []string{"rust"}, Since: time.Now().Add(-2 * time.Hour)}, nil, slog.New(slog.DiscardHandler))
	res, err := im.Import(context.Background(), strings.NewReader(strings.Join(input, "\n")))
	if err != nil || res.Produced != 10 || res.Skipped != 10 {
		t.Errorf("%+v, %v, want 10 produced and 10 skipped", res, err)
	}
}

// streamed packs lines as archives are packed: frames of a long window, which is
// told in their header.
func streamed(t testing.TB, all []string, opts ...zstd.EOption) []byte {
	t.Helper()
	var buf bytes.Buffer
	w, err := zstd.NewWriter(&buf, opts...)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range all {
		_, _ = io.WriteString(w, line+"\n")
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// stored is a frame whose blocks are not compressed. Its window, 1 KiB doubled
// so many times, may be longer than an encoder here can make it.
func stored(text string, doubled byte) []byte {
	frame := []byte{0x28, 0xb5, 0x2f, 0xfd, 0, doubled << 3}
	for len(text) > 0 {
		size := min(len(text), 100_000)
		last := uint32(0)
		if size == len(text) {
			last = 1
		}
		frame = append(binary.LittleEndian.AppendUint32(frame, uint32(size)<<3|last)[:len(frame)+3], text[:size]...)
		text = text[size:]
	}
	return frame
}

func TestFramesFollowEachOther(t *testing.T) {
	t.Parallel()
	posts := archive(3000)
	// Longer than a block of the decoder, of the reader and of its buffer.
	posts[1500] = strings.Replace(posts[1500], `"selftext":"`, `"selftext":"`+strings.Repeat(`\ud83c\udf89`, 100_000), 1)
	whole := strings.Join(posts, "\n") + "\n"
	half := len(whole) / 2
	skippable := []byte{0x5f, 0x2a, 0x4d, 0x18, 5, 0, 0, 0, 1, 2, 3, 4, 5}
	for name, packed := range map[string][]byte{
		"one":                    stored(whole, 13),
		"two, a line in both":    slices.Concat(stored(whole[:half], 13), stored(whole[half:], 14)),
		"skippable ones between": slices.Concat(skippable, stored(whole[:half], 12), skippable, skippable, stored(whole[half:], 12), skippable),
		"windows of all lengths": slices.Concat(streamed(t, posts[:1000], zstd.WithWindowSize(1<<20)), stored(strings.Join(posts[1000:], "\n"), 15)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &shelf{}
			res, err := importer(s).ImportFile(context.Background(), write(t, packed))
			if err != nil || res.Produced != 3000 || res.Refused != 0 {
				t.Fatalf("got %+v, %v", res, err)
			}
			sameScores(t, s.scores(t), scoresOf(3000, all))
		})
	}
}

func TestLongWindowsAreRead(t *testing.T) {
	t.Parallel()
	const window = 64 << 20
	posts := archive(1000)
	// What the end repeats lies further back than most windows reach.
	far := append(slices.Clone(posts), strings.Repeat("x", maxLine+1))
	for range 4 {
		far = append(far, far[1000])
	}
	packed := streamed(t, append(far, posts...), zstd.WithWindowSize(window), zstd.WithEncoderConcurrency(1))
	var h zstd.Header
	if err := h.Decode(packed); err != nil || h.WindowSize != window {
		t.Fatalf("the window is %d, %v, want %d", h.WindowSize, err, window)
	}
	s := &shelf{}
	res, err := importer(s).ImportFile(context.Background(), write(t, packed))
	if err != nil || res.Produced != 2000 || res.Refused != 5 {
		t.Fatalf("got %+v, %v, want 2000 produced and 5 too long", res, err)
	}
	sameScores(t, s.scores(t), scoresOf(1000, all))
}

// A frame with the longest window that archives have is cut off before the
// decoder takes the memory for it.
func TestWindowsMayBeSoLongAndNoLonger(t *testing.T) {
	t.Parallel()
	for doubled, want := range map[byte]error{21: io.ErrUnexpectedEOF, 22: zstd.ErrWindowSizeExceeded} {
		packed := stored("text", doubled)[:7]
		if _, err := importer(&shelf{}).Import(context.Background(), bytes.NewReader(packed)); !errors.Is(err, want) {
			t.Errorf("1 KiB doubled %d times: %v, want %v", doubled, err, want)
		}
	}
}

// FuzzLine holds that whatever a line is, it is produced as the pipeline takes
// it, left out, or refused with a reason.
func FuzzLine(f *testing.F) {
	f.Add([]byte(archive(1)[0]))
	f.Add([]byte(lines(1)[0]))
	f.Add([]byte(`{"kind":"t3","data":{"id":"a"}}`))
	f.Add([]byte(`{"title":"x","v":1}`))
	filter := newSieve(Filter{Subreddits: []string{"golang"}, Since: time.Unix(1e9, 0)})
	f.Fuzz(func(t *testing.T, text []byte) {
		now := time.Now()
		it := item{line: 7, value: text}
		it.check(now, filter)
		refused := it.fault != Fault{}
		if ways := btoi(it.key != "") + btoi(it.skipped) + btoi(refused); ways != 1 {
			t.Fatalf("%q: %d outcomes: %+v", text, ways, it)
		}
		if refused && (it.fault.Line != 7 || it.fault.Field == "" || it.fault.Reason == "") {
			t.Errorf("%q: fault %+v", text, it.fault)
		}
		if it.key == "" {
			return
		}
		o, err := wire.DecodeObservation(it.value, now)
		if err != nil || o.PostID != it.key || !pulse.SameSubreddit(o.Subreddit, "golang") {
			t.Errorf("%q gives %s: %+v, %v", text, it.value, o, err)
		}
	})
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func BenchmarkArchive(b *testing.B) {
	const n = 20_000
	posts := archive(n)
	text := strings.Join(posts, "\n")
	for _, c := range []struct {
		name   string
		data   []byte
		filter Filter
		want   int64
	}{
		{"plain", []byte(text), Filter{}, n},
		{"zstd", streamed(b, posts, zstd.WithWindowSize(64<<20)), Filter{}, n},
		{"plain, filtered", []byte(text), Filter{Subreddits: []string{"u_nobody"}}, 0},
		{"zstd, filtered", streamed(b, posts, zstd.WithWindowSize(64<<20)), Filter{Subreddits: []string{"u_nobody"}}, 0},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(text)))
			im := New(void{}, nil, c.filter, nil, slog.New(slog.DiscardHandler))
			for b.Loop() {
				if res, err := im.Import(b.Context(), bytes.NewReader(c.data)); err != nil || res.Produced != c.want {
					b.Fatal(res, err)
				}
			}
			b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds(), "lines/s")
		})
	}
}
