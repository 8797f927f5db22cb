package thing

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

var (
	now  = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	seen = now.Add(-1234 * time.Millisecond)
)

// decode reads a page and checks what holds for every page.
func decode(t testing.TB, body []byte) (pulse.ListingPage, error) {
	t.Helper()
	page, err := Listing(body, "new", seen, now)
	if err != nil && (len(page.Observations) > 0 || page.Skipped > 0) {
		t.Errorf("a page with an error has %d posts", len(page.Observations))
	}
	for _, o := range page.Observations {
		got, err := wire.DecodeObservation(wire.EncodeObservation(&o), now)
		if err != nil {
			t.Errorf("the pipeline would refuse %+v: %v", o, err)
		} else if !reflect.DeepEqual(got, o) {
			t.Errorf("on the wire it changes: got %+v, want %+v", got, o)
		}
	}
	if page.After != "" && !wire.ValidPostID(page.After) {
		t.Errorf("after is %q", page.After)
	}
	return page, err
}

// page makes a listing of children.
func page(children ...string) []byte {
	return []byte(`{"kind":"Listing","data":{"after":"t3_9","children":[` + strings.Join(children, ",") + `]}}`)
}

// good is the data of a post; each of the edits replaces or adds a field.
func good(edits ...string) string {
	fields := map[string]json.RawMessage{}
	for _, pair := range append([]string{
		`name="t3_abc"`, `id="abc"`, `subreddit="golang"`, `title="a title"`, `author="gopher"`, `url="https://x.example/"`,
		`permalink="/r/golang/comments/abc/"`, `created_utc=1777888000.0`, `score=12`, `num_comments=3`,
	}, edits...) {
		k, v, _ := strings.Cut(pair, "=")
		if fields[k] = json.RawMessage(v); v == "" {
			delete(fields, k)
		}
	}
	data, err := json.Marshal(fields)
	if err != nil {
		panic(err)
	}
	return `{"kind":"t3","data":` + string(data) + `}`
}

func TestOneBadChildNeverCostsThePage(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{
		`null`, `5`, `"t3"`, `[]`, `{}`, `{"kind":"t3"}`, `{"kind":"t3","data":null}`, `{"kind":"t3","data":[1]}`, `{"kind":["t3"],"data":{}}`,
		good(`name="t1_abc"`), good(`name="t3_ABC"`), good(`name="t3_` + strings.Repeat("z", 14) + `"`), good(`name=`, `id=`), good(`name=`, `id=7`),
		good(`subreddit=`), good(`subreddit=null`), good(`subreddit="a b"`), good(`subreddit="a/b"`), good(`subreddit="a\u0000"`),
		good(`subreddit="` + strings.Repeat("x", 101) + `"`),
		good(`title=`), good(`title=null`), good(`title=17`),
		good(`created_utc=`), good(`created_utc=null`), good(`created_utc="soon"`), good(`created_utc=0`), good(`created_utc=-1`),
		good(`created_utc=1e300`), good(`created_utc=1e400`), good(`created_utc=1778888000`), good(`created_utc=1000000000`),
		good(`score=`), good(`score=null`), good(`score=-1`), good(`score=1000000001`), good(`score=1e30`), good(`score=1.5`), good(`score="12"`),
		good(`num_comments=`), good(`num_comments=-1`), good(`num_comments=99999999999999999999`),
	} {
		got, err := decode(t, page(good(`name="t3_a1"`), bad, good(`name="t3_a2"`)))
		if err != nil || got.Skipped != 1 || len(got.Observations) != 2 || got.Observations[1].PostID != "t3_a2" || got.After != "t3_9" {
			t.Errorf("%s: %d posts, %d skipped, %v", bad, len(got.Observations), got.Skipped, err)
		}
	}
}

func TestChildrenOfOtherKindsArePassedOver(t *testing.T) {
	t.Parallel()
	got, err := decode(t, page(`{"kind":"t1","data":{}}`, good(), `{"kind":"more","data":{"children":["x"]}}`, `{"kind":"t5","data":7}`))
	if err != nil || got.Skipped != 0 || len(got.Observations) != 1 {
		t.Errorf("%d posts, %d skipped, %v", len(got.Observations), got.Skipped, err)
	}
}

func TestFieldsAreTakenAsTheyAre(t *testing.T) {
	t.Parallel()
	text := func(s string) *string { return &s }
	ratio := 0.5
	base := pulse.Observation{
		PostID: "t3_abc", ObservedAt: seen, Source: "new", Subreddit: "golang", Title: "a title", Author: "gopher",
		URL: "https://x.example/", Permalink: "/r/golang/comments/abc/", CreatedAt: time.Unix(1777888000, 0).UTC(),
		Score: 12, NumComments: 3, State: pulse.Live,
	}
	for _, c := range []struct {
		edit   []string
		change func(*pulse.Observation)
	}{
		{nil, func(*pulse.Observation) {}},
		{[]string{`name=`}, func(*pulse.Observation) {}},
		{[]string{`title="Tom &amp; Jerry \u003Cb\u003E &lt;i&gt; \ud83c\udf89"`}, func(o *pulse.Observation) { o.Title = "Tom &amp; Jerry <b> &lt;i&gt; 🎉" }},
		{[]string{`title="nul\u0000here \ud83c alone"`}, func(o *pulse.Observation) { o.Title = "nul\uFFFDhere \uFFFD alone" }},
		{[]string{`title="` + strings.Repeat("é", 1200) + `"`}, func(o *pulse.Observation) { o.Title = strings.Repeat("é", 1000) }},
		{[]string{`title="x` + strings.Repeat("é", 1200) + `"`}, func(o *pulse.Observation) { o.Title = "x" + strings.Repeat("é", 999) }},
		{[]string{`title=""`}, func(o *pulse.Observation) { o.Title = "" }},
		{[]string{`url="/r/golang/x"`}, func(o *pulse.Observation) { o.URL = "/r/golang/x" }},
		{[]string{`url="` + strings.Repeat("u", 23_120) + `"`}, func(o *pulse.Observation) { o.URL = strings.Repeat("u", 23_120) }},
		{[]string{`url="` + strings.Repeat("u", 99_000) + `"`}, func(o *pulse.Observation) { o.URL = strings.Repeat("u", 64<<10) }},
		{[]string{`url=null`, `author=null`, `permalink=5`}, func(o *pulse.Observation) { o.URL, o.Author = "", "[deleted]" }},
		{[]string{`link_flair_text=null`}, func(*pulse.Observation) {}},
		{[]string{`link_flair_text=""`}, func(o *pulse.Observation) { o.Flair = text("") }},
		{[]string{`link_flair_text="show & tell"`}, func(o *pulse.Observation) { o.Flair = text("show & tell") }},
		{[]string{`link_flair_text=["odd"]`}, func(*pulse.Observation) {}},
		{[]string{`is_self=true`, `over_18=true`}, func(o *pulse.Observation) { o.IsSelf, o.Over18 = true, true }},
		{[]string{`is_self="yes"`}, func(*pulse.Observation) {}},
		{[]string{`upvote_ratio=0.5`}, func(o *pulse.Observation) { o.UpvoteRatio = &ratio }},
		{[]string{`upvote_ratio=null`}, func(*pulse.Observation) {}},
		{[]string{`upvote_ratio=1.01`}, func(*pulse.Observation) {}},
		{[]string{`created_utc=1777888000`}, func(*pulse.Observation) {}},
		{[]string{`created_utc=1777888000.1234564`}, func(o *pulse.Observation) { o.CreatedAt = time.Unix(1777888000, 123456000).UTC() }},
		{[]string{`created_utc=1777887999.9999999`}, func(*pulse.Observation) {}},
		{[]string{`score=0`, `num_comments=1000000000`}, func(o *pulse.Observation) { o.Score, o.NumComments = 0, 1e9 }},
		{[]string{`removed_by_category=null`}, func(*pulse.Observation) {}},
		{[]string{`removed_by_category="moderator"`}, func(o *pulse.Observation) { o.State = pulse.Removed }},
		{[]string{`removed_by_category="something_new"`}, func(o *pulse.Observation) { o.State = pulse.Removed }},
		{[]string{`removed_by_category="deleted"`}, func(o *pulse.Observation) { o.State = pulse.Deleted }},
		{[]string{`removed_by_category="author"`}, func(o *pulse.Observation) { o.State = pulse.Deleted }},
		{[]string{`author="[deleted]"`, `selftext="[deleted]"`}, func(o *pulse.Observation) { o.Author, o.State = "[deleted]", pulse.Deleted }},
		{[]string{`author="[deleted]"`, `selftext="text"`}, func(o *pulse.Observation) { o.Author = "[deleted]" }},
		{[]string{`crosspost_parent_list=[{"name":"t3_zzz"}]`, `media={"deep":{}}`, `edited=5.0`}, func(*pulse.Observation) {}},
	} {
		want := base
		c.change(&want)
		got, err := decode(t, page(good(c.edit...)))
		if err != nil || len(got.Observations) != 1 {
			t.Errorf("%.80s: %d posts, %v", c.edit, len(got.Observations), err)
		} else if !reflect.DeepEqual(got.Observations[0], want) {
			t.Errorf("%.80s: got %+v, want %+v", c.edit, got.Observations[0], want)
		}
	}
}

func TestHostileTextNeverOutgrowsARecord(t *testing.T) {
	t.Parallel()
	long := strings.Repeat(`\u0001`, 70_000)
	got, err := decode(t, page(good(
		`url="`+long+`"`, `permalink="`+long+`"`, `title="`+long+`"`, `author="`+long+`"`, `link_flair_text="`+long+`"`)))
	if err != nil || len(got.Observations) != 1 || len(got.Observations[0].URL) != shortURL {
		t.Errorf("%d posts, %v", len(got.Observations), err)
	}
}

func TestStickiesOverTheLimitStay(t *testing.T) {
	t.Parallel()
	var children []string
	for i := range 102 {
		children = append(children, good(fmt.Sprintf(`name="t3_%d"`, i+1)))
	}
	if got, err := decode(t, page(children...)); err != nil || len(got.Observations) != 102 {
		t.Errorf("%d posts, %v", len(got.Observations), err)
	}
}

func FuzzListing(f *testing.F) {
	f.Add(page(good()))
	f.Add(page(good(`removed_by_category="deleted"`), `{"kind":"t1"}`, `null`))
	f.Add(page(good(`title="\u0000\ud800"`, `url="`+strings.Repeat("x", 300)+`"`, `upvote_ratio=-0.0`, `link_flair_text=""`)))
	f.Add(page(good(`created_utc=1117584000`), good(`created_utc=1.7778880001234567e9`, `score=1000000000`)))
	f.Add([]byte(`{"kind":"Listing","data":{"children":null}}`))
	f.Fuzz(func(t *testing.T, body []byte) { decode(t, body) })
}
