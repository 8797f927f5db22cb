package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"dev.redditpulse/shared/client"
	"dev.redditpulse/shared/wire"
)

// operated is a system of single daemons with an operator who is logged in.
type operated struct {
	*cluster
	url, token string
	api        *client.Client
}

func operate(t *testing.T, c *cluster) *operated {
	t.Helper()
	o := &operated{cluster: c}
	c.env = append(c.env, "PULSE_AUTH_SIGNING_KEY="+strings.Repeat("key of the tests ", 4))
	if out, code := run(t, c.dir, strings.NewReader("a secret of olga's\n"), c.env, "user", "add", "olga", "--role", "operator", "--password-stdin"); code != 0 {
		t.Fatal(out)
	}
	address := freeAddress(t)
	o.url = "http://" + address
	c.env = append(c.env, "PULSE_API_LISTEN="+address)
	for _, name := range []string{"process", "store", "api"} {
		c.daemon(t, name)
	}
	api, err := client.New(client.Config{BaseURL: o.url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(api.Close)
	api.OnTokens(func(pair wire.TokenPair) { o.token = pair.Access })
	eventually(t, "log in", func() bool { return api.Login(t.Context(), "olga", "a secret of olga's") == nil })
	o.api = api
	return o
}

// dlq runs `pulse dlq` as the operator.
func (o *operated) dlq(t *testing.T, args ...string) (string, int) {
	t.Helper()
	return run(t, o.dir, nil, append(append([]string{}, o.env...), "PULSE_TOKEN="+o.token), append([]string{"dlq"}, args...)...)
}

// report runs an act and gives what it says of itself.
func (o *operated) report(t *testing.T, args ...string) wire.DeadLetterReport {
	t.Helper()
	out, code := o.dlq(t, append(args, "--output", "json")...)
	var r wire.DeadLetterReport
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != 0 {
		t.Fatalf("pulse dlq %v: exit %d: %v in %s", args, code, err, out)
	}
	return r
}

// letter is a dead letter whose message says so, nil while there is none.
func (o *operated) letter(t *testing.T, filter client.DeadLettersQuery, message string) *wire.DeadLetter {
	t.Helper()
	list, err := o.api.DeadLetters(t.Context(), filter)
	if err != nil {
		return nil
	}
	for i := range list.Results {
		if strings.Contains(list.Results[i].Message, message) {
			return &list.Results[i]
		}
	}
	return nil
}

// produce writes records as a program that is not ours would.
func (c *cluster) produce(t *testing.T, topic string, records ...*kgo.Record) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.brokers...), kgo.DefaultProduceTopic(topic))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if err := cl.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// following collects the ids of the posts that the feed tells.
func (o *operated) following(t *testing.T) (told func(id string) bool) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var mu sync.Mutex // covers ids
	ids := map[string]bool{}
	add := func(posts []wire.Post) {
		mu.Lock()
		defer mu.Unlock()
		for _, p := range posts {
			ids[p.ID] = true
		}
	}
	var reader sync.WaitGroup
	reader.Go(func() {
		for e := range o.api.Stream(ctx, wire.Filter{}) {
			switch e := e.(type) {
			case client.Posts:
				add(e.Posts)
			case client.Snapshot:
				add(e.Posts)
			}
		}
	})
	t.Cleanup(func() {
		cancel()
		reader.Wait()
	})
	return func(id string) bool {
		mu.Lock()
		defer mu.Unlock()
		return ids[id]
	}
}

// An operator finds out why a record is missing, mends the cause, and sends it
// again.
func TestARefusedRecordComesBackOnceItsCauseIsMended(t *testing.T) {
	t.Parallel()
	o := operate(t, newServers(t))
	told := o.following(t)
	o.sql(t, `alter table posts add constraint no_forbidden_words check (title not like '%forbidden%')`)
	good, bad := observation(1, 0), observation(2, 0)
	bad.Title = "forbidden \x1b[2Jword"
	value := wire.EncodeObservation(&bad)
	o.produce(t, wire.TopicRaw, &kgo.Record{Key: []byte(good.PostID), Value: wire.EncodeObservation(&good)}, &kgo.Record{
		Key: []byte(bad.PostID), Value: value,
		Headers: []kgo.RecordHeader{{Key: wire.HeaderProducedAt, Value: []byte("2026-03-04T05:06:07Z")}, {Key: "theirs", Value: []byte{0xff}}},
	})
	eventually(t, "the good one is in the feed", func() bool { return told(good.PostID) })
	var letter *wire.DeadLetter
	eventually(t, "the bad one is a dead letter", func() bool {
		letter = o.letter(t, client.DeadLettersQuery{}, "no_forbidden_words")
		return letter != nil
	})
	if letter.State != "open" || letter.Stage != "store" || letter.Class != "invalid:no_forbidden_words" || letter.Replays != 0 || letter.Group != "pulse.process" {
		t.Errorf("it is %+v", letter)
	}

	// By curl, and on the command line.
	resp, body := request(t, "GET", o.url+"/api/dead-letters/?state=open&class="+url.QueryEscape(letter.Class), o.token, "", "")
	if resp.StatusCode != http.StatusOK || !strings.Contains(body, `"id":"`+letter.ID+`"`) || !strings.Contains(body, `"count":1`) {
		t.Errorf("curl: %d %s", resp.StatusCode, body)
	}
	if out, code := o.dlq(t, "list"); code != 0 || !strings.Contains(out, letter.ID) || !strings.Contains(out, letter.Class) {
		t.Errorf("list: exit %d: %s", code, out)
	}
	out, code := o.dlq(t, "show", letter.ID)
	if code != 0 || !strings.Contains(out, "forbidden") || !strings.Contains(out, bad.PostID) || strings.Contains(out, "\x1b") {
		t.Errorf("show: exit %d: %q", code, out)
	}
	whole, err := o.api.DeadLetter(t.Context(), letter.ID)
	if err != nil || string(whole.Value) != string(value) || string(whole.Key) != bad.PostID ||
		len(whole.Headers) != 2 || string(whole.Headers[0].Value) != "2026-03-04T05:06:07Z" || string(whole.Headers[1].Value) != "\xff" {
		t.Errorf("its bytes are %+v, %v", whole, err)
	}

	if r := o.report(t, "replay", "--class", letter.Class, "--dry-run"); !r.DryRun || r.Remaining != 1 || r.Done != 0 {
		t.Errorf("the dry run says %+v", r)
	}
	o.sql(t, `alter table posts drop constraint no_forbidden_words`)
	if r := o.report(t, "replay", "--class", letter.Class); r.Done != 1 {
		t.Errorf("the replay says %+v", r)
	}
	eventually(t, "it is in the feed", func() bool { return told(bad.PostID) })
	stored, err := o.api.Post(t.Context(), bad.PostID)
	if err != nil || stored.Title != bad.Title {
		t.Errorf("stored is %+v, %v", stored, err)
	}
	before := ask[int64](t, o.cluster, "select count(*) from post_history")
	for _, args := range [][]string{{"replay", "--class", letter.Class}, {"replay", letter.ID}} {
		if r := o.report(t, args...); r.Done != 0 {
			t.Errorf("once more: %+v", r)
		}
	}
	after, err := o.api.DeadLetter(t.Context(), letter.ID)
	if err != nil || after.State != "replayed" || after.Replays != 1 || after.ChangedBy != "olga" || after.ChangedAt == nil {
		t.Errorf("it is %+v, %v", after.DeadLetter, err)
	}
	if now := ask[int64](t, o.cluster, "select count(*) from post_history"); now != before || before != 2 {
		t.Errorf("the history has %d readings, then %d, want 2", before, now)
	}
}

// What is not mended comes back under its first name, three times at most.
func TestALetterThatKeepsFailingIsRefusedAtLast(t *testing.T) {
	t.Parallel()
	o := operate(t, newServers(t))
	o.produce(t, wire.TopicRaw, &kgo.Record{Key: []byte("t3_x"), Value: []byte(`{"v":99}`)}, &kgo.Record{Value: []byte(`{"v":77}`)})
	var letter *wire.DeadLetter
	state := func(replays int) func() bool {
		return func() bool {
			letter = o.letter(t, client.DeadLettersQuery{}, "version 99")
			return letter != nil && letter.State == "open" && letter.Replays == replays
		}
	}
	eventually(t, "a dead letter", state(0))
	id, first := letter.ID, letter.FirstFailedAt
	for n := range 3 {
		if r := o.report(t, "replay", id); r.Done != 1 {
			t.Errorf("replay %d: %+v", n+1, r)
		}
		eventually(t, "it is open again", state(n+1))
		if letter.ID != id || !letter.FirstFailedAt.Equal(first) || !letter.FailedAt.After(first) {
			t.Errorf("after replay %d it is %+v", n+1, letter)
		}
	}
	if r := o.report(t, "replay", id); r.Done != 0 || len(r.Refused) != 1 || r.Refused[0] != (wire.DeadLetterRefusal{Why: "sent again 3 times already", Count: 1}) {
		t.Errorf("the fourth replay: %+v", r)
	}
	// The one without a key has no partition to go to: nobody is held up by it.
	if r := o.report(t, "replay", "--all"); r.Done != 0 || len(r.Refused) != 2 {
		t.Errorf("a replay of all: %+v", r)
	}
	if n := ask[int64](t, o.cluster, "select count(*) from dead_letters"); n != 2 {
		t.Errorf("%d letters, want 2", n)
	}

	for _, args := range [][]string{{"discard", id}, {"replay"}, {"replay", id, "--all"}, {"list", "--state", "closed"}, {"list", "--since", "yesterday"}, {"list", "--limit", "0"}} {
		if out, code := o.dlq(t, args...); code != 2 {
			t.Errorf("pulse dlq %v: exit %d, want 2: %s", args, code, out)
		}
	}
	if r := o.report(t, "discard", id, "--reason", "of no use"); r.Done != 1 {
		t.Errorf("discard: %+v", r)
	}
	if l, err := o.api.DeadLetter(t.Context(), id); err != nil || l.State != "discarded" || l.Reason != "of no use" || l.ChangedBy != "olga" {
		t.Errorf("it is %+v, %v", l.DeadLetter, err)
	}
	if out, code := o.dlq(t, "show", "reddit.posts.raw:9:9"); code != 1 || !strings.Contains(out, "reddit.posts.raw") {
		t.Errorf("show of none: exit %d: %s", code, out)
	}
}

// Without Kafka nothing is sent and nothing is marked; afterwards it goes on.
func TestAReplayWithoutKafkaMarksNothing(t *testing.T) {
	t.Parallel()
	o := operate(t, newServers(t))
	var records []*kgo.Record
	for i := range 30 {
		records = append(records, &kgo.Record{Key: fmt.Appendf(nil, "t3_%d", i), Value: []byte(`{"v":99}`)})
	}
	o.produce(t, wire.TopicRaw, records...)
	eventually(t, "all are dead letters", func() bool {
		return ask[int64](t, o.cluster, "select count(*) from dead_letters where state = 'open'") == 30
	})
	o.kafka.Close()
	eventually(t, "the API says that Kafka is away", func() bool {
		h, err := o.api.Health(t.Context())
		return err == nil && h.Status == "degraded" && h.Parts["kafka"] != "ok"
	})
	resp, body := request(t, "POST", o.url+"/api/dead-letters/replay/", o.token, "application/json", `{"filter":{},"all":true}`)
	if resp.StatusCode != http.StatusServiceUnavailable || !strings.Contains(body, `"code":"unavailable"`) {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	if n := ask[int64](t, o.cluster, "select count(*) from dead_letters where state <> 'open' or replays > 0 or leased_until is not null"); n != 0 {
		t.Errorf("%d letters are marked", n)
	}
	o.startKafka(t)
	eventually(t, "Kafka is back", func() bool {
		out, code := o.dlq(t, "replay", "--all", "--output", "json")
		return code == 0 && strings.Contains(out, `"dry_run": false`)
	})
	eventually(t, "all have failed again", func() bool {
		return ask[int64](t, o.cluster, "select count(*) from dead_letters where state = 'open' and replays > 0") == 30
	})
}

// Whatever is in the topic gets its row, whoever wrote it and however often the
// mirror dies.
func TestTheMirrorLosesNoLetterThoughItIsKilled(t *testing.T) {
	t.Parallel()
	c := newServers(t)
	letters := func(from, to int) (records []*kgo.Record) {
		for n := from; n < to; n++ {
			records = append(records, &kgo.Record{
				Key: fmt.Appendf(nil, "t3_%d", n), Value: append([]byte{0, 0xff}, strings.Repeat("x", n)...),
				Headers: []kgo.RecordHeader{
					{Key: wire.HeaderDeadID, Value: fmt.Appendf(nil, "%s/0/%d", wire.TopicRaw, n)}, {Key: wire.HeaderDeadTopic, Value: []byte(wire.TopicRaw)},
					{Key: wire.HeaderDeadPartition, Value: []byte("0")}, {Key: wire.HeaderDeadOffset, Value: fmt.Append(nil, n)},
					{Key: wire.HeaderDeadClass, Value: []byte("invalid:value")}, {Key: wire.HeaderDeadReplays, Value: []byte("0")},
				},
			})
		}
		return records
	}
	count := func() int64 { return ask[int64](t, c, "select count(*) from dead_letters") }
	c.produce(t, wire.TopicDead, letters(0, 3000)...)
	store := c.daemon(t, "store")
	eventually(t, "some are mirrored", func() bool { return count() > 0 })
	store.stop(t, syscall.SIGKILL)
	c.produce(t, wire.TopicDead, &kgo.Record{}, &kgo.Record{Key: []byte("foreign"), Value: []byte("\x1b[2J")},
		&kgo.Record{Value: []byte("v"), Headers: []kgo.RecordHeader{{Key: wire.HeaderDeadID, Value: []byte("\x00")}}})
	c.produce(t, wire.TopicDead, letters(2500, 5000)...) // some are written twice
	c.daemon(t, "store")
	eventually(t, "all are mirrored", func() bool { return count() == 5003 })
	for query, want := range map[string]int64{
		"select count(*) from dead_letters where class = 'foreign' and topic = 'reddit.posts.dlq' and id = topic || '/' || partition || '/' || \"offset\"":     3,
		"select count(*) from dead_letters where class = 'invalid:value' and length(value) = \"offset\" + 2 and key = convert_to('t3_' || \"offset\", 'UTF8')": 5000,
		"select count(*) from dead_letters where state = 'open' and failure = 0":                                                                               5003,
	} {
		if n := ask[int64](t, c, query); n != want {
			t.Errorf("%s: %d, want %d", query, n, want)
		}
	}
}
