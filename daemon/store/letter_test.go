package store

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

var start = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// dead is a record as process writes dead letters, with some headers changed.
func dead(offset int64, changed ...wire.Header) wire.Record {
	text := func(key, value string) wire.Header { return wire.Header{Key: key, Value: []byte(value)} }
	return wire.Record{
		Topic: wire.TopicDead, Partition: 2, Offset: offset, Time: start.Add(time.Minute),
		Key: []byte("t3_a"), Value: []byte("{\x00\xff"),
		Headers: append([]wire.Header{
			text(wire.HeaderDeadID, "reddit.posts.raw/1/7"), text(wire.HeaderDeadTopic, wire.TopicRaw),
			text(wire.HeaderDeadPartition, "1"), text(wire.HeaderDeadOffset, "7"), text(wire.HeaderDeadStage, "store"),
			text(wire.HeaderDeadClass, "invalid:score"), text(wire.HeaderDeadMessage, "score: refused"),
			text(wire.HeaderDeadGroup, "pulse.process"), text(wire.HeaderDeadVersion, "v1"),
			text(wire.HeaderDeadFirstFailed, wire.FormatTime(start)), text(wire.HeaderDeadReplays, "2"),
			text(wire.HeaderProducedAt, "2026-03-04T05:06:06Z"),
		}, changed...),
	}
}

func TestALetterIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	r := dead(40)
	l := letterOf(&r, start.Add(time.Hour))
	if l.ID != "reddit.posts.raw/1/7" || l.Topic != wire.TopicRaw || l.Partition != 1 || l.Offset != 7 ||
		l.Stage != "store" || l.Class != "invalid:score" || l.Message != "score: refused" || l.Group != "pulse.process" ||
		l.AppVersion != "v1" || l.Replays != 2 || !l.FirstFailedAt.Equal(start) || !l.FailedAt.Equal(r.Time) {
		t.Errorf("read %+v", l)
	}
	if !bytes.Equal(l.Key, r.Key) || !bytes.Equal(l.Value, r.Value) {
		t.Errorf("the bytes changed: %q, %q", l.Key, l.Value)
	}
	if len(l.Headers) != 1 || l.Headers[0].Key != wire.HeaderProducedAt {
		t.Errorf("its own headers are %v, want %s alone", l.Headers, wire.HeaderProducedAt)
	}
}

func TestALetterWithoutAnIdentityGetsThatOfItsPlace(t *testing.T) {
	t.Parallel()
	header := func(key, value string) wire.Header { return wire.Header{Key: key, Value: []byte(value)} }
	for name, changed := range map[string][]wire.Header{
		"an id of two parts":        {header(wire.HeaderDeadID, "reddit.posts.raw/1")},
		"an id of another topic":    {header(wire.HeaderDeadID, "orders/1/7")},
		"an id of this very topic":  {header(wire.HeaderDeadID, wire.TopicDead+"/2/41")},
		"a negative id":             {header(wire.HeaderDeadID, "reddit.posts.raw/1/-7")},
		"an empty id":               {header(wire.HeaderDeadID, "")},
		"a topic that is not ours":  {header(wire.HeaderDeadTopic, "orders")},
		"the dead letters' topic":   {header(wire.HeaderDeadTopic, wire.TopicDead)},
		"no number of a partition":  {header(wire.HeaderDeadPartition, "one")},
		"a partition out of bounds": {header(wire.HeaderDeadPartition, "99999999999")},
		"a negative offset":         {header(wire.HeaderDeadOffset, "-1")},
	} {
		r := dead(40, changed...)
		l := letterOf(&r, start.Add(time.Hour))
		if l.ID != "reddit.posts.dlq/2/40" || l.Class != pulse.DeadForeign || l.Topic != wire.TopicDead || l.Partition != 2 || l.Offset != 40 {
			t.Errorf("%s: read %+v", name, l)
		}
	}
	bare := wire.Record{Topic: wire.TopicDead, Partition: 2, Offset: 40}
	if l := letterOf(&bare, start); l.ID != "reddit.posts.dlq/2/40" || l.Class != pulse.DeadForeign || !l.FailedAt.Equal(start) {
		t.Errorf("a bare record is read as %+v", l)
	}
}

func TestImpossibleTimesAndCountsAreBounded(t *testing.T) {
	t.Parallel()
	for _, first := range []string{"", "yesterday", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-03-04T05:06:07+99:99"} {
		r := dead(40, wire.Header{Key: wire.HeaderDeadFirstFailed, Value: []byte(first)})
		if l := letterOf(&r, start.Add(time.Hour)); !l.FirstFailedAt.Equal(l.FailedAt) {
			t.Errorf("first failed %q: %s, want the last failure %s", first, l.FirstFailedAt, l.FailedAt)
		}
	}
	r := dead(40)
	r.Time = start.Add(48 * time.Hour)
	if l := letterOf(&r, start.Add(time.Hour)); !l.FailedAt.Equal(start.Add(time.Hour)) {
		t.Errorf("a failure of the future is at %s, want now", l.FailedAt)
	}
	for count, want := range map[string]int{"-4": 0, "x": 0, "": 0, "3": 3, "99999999999999999999": 0} {
		r := dead(40, wire.Header{Key: wire.HeaderDeadReplays, Value: []byte(count)})
		if l := letterOf(&r, start.Add(time.Hour)); l.Replays != want {
			t.Errorf("replays %q: %d, want %d", count, l.Replays, want)
		}
	}
}

// FuzzLetterOf holds every record, however hostile, to what the database takes.
func FuzzLetterOf(f *testing.F) {
	f.Add("reddit.posts.raw/1/7", "reddit.posts.raw", "1", "7", "invalid:score", "message", "2026-03-04T05:06:07Z", "2", "own", []byte("v"))
	f.Add("reddit.posts.raw/\x00/7", "\xff", "-1", "9223372036854775808", "\u202e", "\x1b[2J", "-", "1e3", "\x00", []byte{0xff})
	f.Add("a/b/c/d", strings.Repeat("☃", 2000), "٣", " 7", "\ufffd", strings.Repeat("\xe2\x98", 999), "", "", "", []byte(nil))
	f.Fuzz(func(t *testing.T, id, topic, partition, offset, class, message, first, replays, own string, value []byte) {
		r := wire.Record{
			Topic: wire.TopicDead, Partition: 2, Offset: 40, Time: start, Value: value,
			Headers: []wire.Header{
				{Key: wire.HeaderDeadID, Value: []byte(id)}, {Key: wire.HeaderDeadTopic, Value: []byte(topic)},
				{Key: wire.HeaderDeadPartition, Value: []byte(partition)}, {Key: wire.HeaderDeadOffset, Value: []byte(offset)},
				{Key: wire.HeaderDeadClass, Value: []byte(class)}, {Key: wire.HeaderDeadMessage, Value: []byte(message)},
				{Key: wire.HeaderDeadFirstFailed, Value: []byte(first)}, {Key: wire.HeaderDeadReplays, Value: []byte(replays)},
				{Key: own, Value: value},
			},
		}
		l := letterOf(&r, start.Add(time.Hour))
		texts := []string{l.ID, l.Topic, l.Stage, l.Class, l.Message, l.Group, l.AppVersion}
		for _, h := range l.Headers {
			texts = append(texts, h.Key)
		}
		for _, s := range texts {
			if !utf8.ValidString(s) || strings.ContainsRune(s, 0) || len(s) > maxText {
				t.Errorf("not storable: %q", s)
			}
		}
		if l.Partition < 0 || l.Offset < 0 || l.Replays < 0 || l.FirstFailedAt.After(l.FailedAt) || l.FirstFailedAt.Year() < 2005 {
			t.Errorf("out of bounds: %+v", l)
		}
		if own := knownTopic(l.Topic); own == (l.Class == pulse.DeadForeign && l.ID == "reddit.posts.dlq/2/40") {
			t.Errorf("neither ours nor foreign: %+v", l)
		}
		if !bytes.Equal(l.Value, value) {
			t.Error("the value changed")
		}
	})
}
