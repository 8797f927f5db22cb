package thing

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

// bare is the data of a post alone, as a line of an archive has it.
func bare(edits ...string) string {
	var envelope struct{ Data json.RawMessage }
	if err := json.Unmarshal([]byte(good(edits...)), &envelope); err != nil {
		panic(err)
	}
	return string(envelope.Data)
}

// archived reads a line and checks what holds for every line.
func archived(t testing.TB, line []byte) (pulse.Observation, error) {
	t.Helper()
	object, err := Parse(line)
	if err != nil {
		return pulse.Observation{}, err
	}
	o, err := object.Archived(now)
	if err != nil {
		if pulse.CodeOf(err) != pulse.Invalid || len(err.Error()) > 300 {
			t.Errorf("%.100s: %v is no short fault of the input", line, err)
		}
		return o, err
	}
	got, err := wire.DecodeObservation(wire.EncodeObservation(&o), now)
	if err != nil {
		t.Errorf("the pipeline would refuse %+v: %v", o, err)
	} else if !reflect.DeepEqual(got, o) {
		t.Errorf("on the wire it changes: got %+v, want %+v", got, o)
	}
	if o.ObservedAt.Before(o.CreatedAt.Truncate(time.Millisecond)) {
		t.Errorf("read at %s, made at %s", o.ObservedAt, o.CreatedAt)
	}
	return o, nil
}

func TestArchivesOfAllYearsAreRead(t *testing.T) {
	t.Parallel()
	const made = 1777888000
	created := time.Unix(made, 0).UTC()
	base := pulse.Observation{
		PostID: "t3_abc", ObservedAt: created, Source: "import", Subreddit: "golang", Title: "a title", Author: "gopher",
		URL: "https://x.example/", Permalink: "/r/golang/comments/abc/", CreatedAt: created,
		Score: 12, NumComments: 3, State: pulse.Live,
	}
	same := func(*pulse.Observation) {}
	read := func(after time.Duration) func(*pulse.Observation) {
		return func(o *pulse.Observation) { o.ObservedAt = created.Add(after) }
	}
	state := func(s pulse.State) func(*pulse.Observation) { return func(o *pulse.Observation) { o.State = s } }
	for name, c := range map[string]struct {
		line   string
		change func(*pulse.Observation)
	}{
		"as in a listing":         {good(), same},
		"without a moment":        {bare(), same},
		"without a full name":     {bare(`name=`), same},
		"made: whole":             {bare(`created_utc=1777888000`), same},
		"made: text":              {bare(`created_utc="1777888000"`), same},
		"made: text of a float":   {bare(`created_utc="1777888000.0"`), same},
		"read: whole":             {bare(`retrieved_on=1777888060`), read(time.Minute)},
		"read: text":              {bare(`retrieved_on="1777888060"`), read(time.Minute)},
		"read: float":             {bare(`retrieved_utc=1777888000.9996`), read(999 * time.Millisecond)},
		"read: other name":        {bare(`retrieved_utc=1777888060`), read(time.Minute)},
		"read: no moment":         {bare(`retrieved_on=null`, `retrieved_utc="soon"`, `_meta=5`), same},
		"read before it was made": {bare(`retrieved_on=1777000000`), same},
		"read again":              {bare(`retrieved_on=1777888060`, `_meta={"retrieved_2nd_on":1777891600}`), read(time.Hour)},
		"not read again":          {bare(`retrieved_on=1777888060`, `_meta={"note":"no_2nd_retrieval"}`), read(time.Minute)},
		"score null":              {bare(`score=null`), func(o *pulse.Observation) { o.Score = 0 }},
		"no permalink":            {bare(`permalink=`), same},
		"whole permalink":         {bare(`permalink="http://www.reddit.com/r/golang/comments/abc/a_title/"`), func(o *pulse.Observation) { o.Permalink += "a_title/" }},
		"permalink of elsewhere":  {bare(`permalink="https://reddit.com.example/x"`), same},
		"permalink of nowhere":    {bare(`permalink="https://www.reddit.com"`), same},
		"profile":                 {bare(`subreddit="u_gopher"`, `permalink=`), func(o *pulse.Observation) { o.Subreddit, o.Permalink = "u_gopher", "/r/u_gopher/comments/abc/" }},
		"author null":             {bare(`author=null`), func(o *pulse.Observation) { o.Author = "[deleted]" }},
		"author missing":          {bare(`author=`), func(o *pulse.Observation) { o.Author = "[deleted]" }},
		"deleted by its author":   {bare(`author=null`, `selftext="[deleted]"`), func(o *pulse.Observation) { o.Author, o.State = "[deleted]", pulse.Deleted }},
		"says [deleted]":          {bare(`selftext="[deleted]"`), same},
		"removed":                 {bare(`selftext="[removed]"`), state(pulse.Removed)},
		"deleted, by category":    {bare(`removed_by_category="author"`), state(pulse.Deleted)},
		"removed, by category":    {bare(`removed_by_category="reddit"`, `author="[deleted]"`, `selftext="[deleted]"`), func(o *pulse.Observation) { o.Author, o.State = "[deleted]", pulse.Removed }},
		"deleted later":           {bare(`_meta={"was_deleted_later":true,"removal_type":"deleted"}`), state(pulse.Deleted)},
		"removed later":           {bare(`_meta={"was_deleted_later":true,"removal_type":"moderator"}`), state(pulse.Removed)},
		"away later":              {bare(`_meta={"was_deleted_later":true}`), state(pulse.Deleted)},
		"restored":                {bare(`removed_by_category="automod_filtered"`, `_meta={"was_initially_deleted":true,"removal_type":"automod_filtered"}`), same},
		"edited":                  {bare(`edited=1777888001.0`, `_meta={"is_edited":true}`), same},
		"kind inside":             {bare(`kind="post"`), same},
		"data inside":             {bare(`data={"title":"another"}`), same},
		"space around it":         {" \t" + bare() + "\r\n", same},
	} {
		want := base
		c.change(&want)
		got, err := archived(t, []byte(c.line))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
	}
}

func TestWhatIsNoPostIsNamed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ line, field, says string }{
		{``, "value", "not JSON at byte 0"},
		{`{`, "value", "not JSON"},
		{bare() + `{}`, "value", "not JSON"},
		{bare()[:100], "value", "not JSON at byte 100"},
		{`[1]`, "value", "not a JSON object"},
		{`"t3"`, "value", "not a JSON object"},
		{`{}`, "title", "missing"},
		{`{"kind":"t1","data":{"body":"text"}}`, "kind", `"t1" is no post`},
		{`{"kind":"Listing","data":{"children":[]}}`, "kind", `"Listing" is no post`},
		{`{"kind":null,"data":{"id":"abc"}}`, "kind", "null is no post"},
		{`{"id":"abc","body":"text","link_id":"t3_x","score":1,"subreddit":"golang"}`, "link_id", "a comment"},
		{bare(`title=`), "title", "missing, want a text"},
		{bare(`title=7`), "title", "7, want a text"},
		{bare(`name="t1_abc"`), "name", `"t1_abc" is no post id`},
		{bare(`name=`, `id=`), "id", "missing"},
		{bare(`name=`, `id="ABC"`), "id", `"t3_ABC" is no post id`},
		{bare(`subreddit=`, `promoted=true`), "subreddit", "an advertisement"},
		{bare(`subreddit=null`), "subreddit", "null, want"},
		{bare(`subreddit="r/golang"`), "subreddit", `"r/golang" is no community's name`},
		{bare(`created_utc=`), "created_utc", "missing, want seconds since 1970"},
		{bare(`created_utc="soon"`), "created_utc", `"soon", want seconds`},
		{bare(`created_utc=-5`), "created_utc", "-5, want seconds"},
		{bare(`created_utc=1000000000`), "created_utc", "2001-09-09T01:46:40Z is impossible"},
		{bare(`created_utc=1878888000`), "created_utc", "is impossible"},
		{bare(`retrieved_on=1878888000`), "retrieved_on", "is impossible"},
		{bare(`retrieved_utc="1878888000"`), "retrieved_utc", "is impossible"},
		{bare(`_meta={"retrieved_2nd_on":1878888000}`), "_meta.retrieved_2nd_on", "is impossible"},
		{bare(`score=`), "score", "missing, want a whole number"},
		{bare(`score=-1`), "score", "-1 is not between 0"},
		{bare(`score="12"`), "score", `"12", want a whole number`},
		{bare(`num_comments=`), "num_comments", "missing, want a whole number"},
		{bare(`num_comments=null`), "num_comments", "null, want a whole number"},
		{bare(`title=` + `["` + strings.Repeat("\u00e9", 500) + `"]`), "title", "…"},
	} {
		_, err := archived(t, []byte(c.line))
		if e, ok := errors.AsType[*pulse.Error](err); !ok || e.Field != c.field || !strings.Contains(e.Message, c.says) {
			t.Errorf("%.80s: got %v, want %s: …%s…", c.line, err, c.field, c.says)
		}
	}
}

func TestARecordOfOursIsKnown(t *testing.T) {
	t.Parallel()
	o := pulse.Observation{PostID: "t3_abc", Title: `with "v": in it`, ObservedAt: seen, CreatedAt: seen}
	for line, want := range map[string]bool{
		string(wire.EncodeObservation(&o)):           true,
		`{"title":"x","data":{"id":"abc"},"v":null}`: true,
		`{"title":"{\"v\":1}"}`:                      false,
		good(`v=1`):                                  false,
		bare(`media={"v":1}`):                        false,
	} {
		object, err := Parse([]byte(line))
		if err != nil || object.IsRecord() != want {
			t.Errorf("%s: %v, %v, want %v", line, object.IsRecord(), err, want)
		}
	}
}

func TestWhatAFilterAsksForNeedsNoSoundPost(t *testing.T) {
	t.Parallel()
	object, err := Parse([]byte(`{"subreddit":"GoLang","created_utc":"5"}`))
	if err != nil {
		t.Fatal(err)
	}
	name, named := object.Subreddit()
	at, dated := object.CreatedAt()
	if !named || name != "GoLang" || !dated || !at.Equal(time.Unix(5, 0)) {
		t.Errorf("got %q %v, %s %v", name, named, at, dated)
	}
	object, _ = Parse([]byte(`{"subreddit":5}`))
	_, named = object.Subreddit()
	if _, dated = object.CreatedAt(); named || dated {
		t.Errorf("named %v, dated %v, want neither", named, dated)
	}
}

func FuzzArchived(f *testing.F) {
	f.Add([]byte(bare(`retrieved_on=1777888060`, `_meta={"retrieved_2nd_on":"1777891600"}`)))
	f.Add([]byte(good(`score=null`, `permalink="https://www.reddit.com/r/x"`)))
	f.Add([]byte(bare(`created_utc="1777888000.123456"`, `title="\ud83c\u0000"`, `subreddit="u_x-y"`)))
	f.Add([]byte(`{"kind":"t1","data":{}}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		before := string(line)
		if o, err := archived(t, line); err == nil && o.Source != "import" {
			t.Errorf("source %q", o.Source)
		}
		if string(line) != before {
			t.Error("the line was changed")
		}
	})
}
