package store

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

const (
	// Bounds of what is taken from headers, in bytes and pieces.
	maxText    = 512
	maxHeaders = 64
	maxHeader  = 16 << 10
)

// letterOf reads a record of the dead letters' topic. Whatever stands in it there
// is a letter: one whose identity can't be read gets that of its own place.
func letterOf(r *wire.Record, now time.Time) pulse.DeadLetter {
	l := pulse.DeadLetter{
		ID: header(r, wire.HeaderDeadID), Topic: header(r, wire.HeaderDeadTopic),
		Stage: header(r, wire.HeaderDeadStage), Class: header(r, wire.HeaderDeadClass),
		Message: header(r, wire.HeaderDeadMessage), Group: header(r, wire.HeaderDeadGroup),
		AppVersion: header(r, wire.HeaderDeadVersion), FailedAt: possible(r.Time, now),
		Key: r.Key, Value: r.Value, Headers: othersOf(r),
	}
	var sound bool
	if l.Partition, l.Offset, sound = placeOf(r); !sound || !knownTopic(l.Topic) || !validID(l.ID) {
		l.ID = place(r.Topic, r.Partition, r.Offset)
		l.Topic, l.Partition, l.Offset = r.Topic, r.Partition, r.Offset
		l.Class, l.Stage = pulse.DeadForeign, "mirror"
		l.Message = "the headers that say where it failed are missing or damaged"
	}
	l.FirstFailedAt = l.FailedAt
	if t, err := time.Parse(time.RFC3339Nano, header(r, wire.HeaderDeadFirstFailed)); err == nil && t.Before(l.FailedAt) {
		l.FirstFailedAt = possible(t, l.FailedAt)
	}
	if n, err := strconv.Atoi(header(r, wire.HeaderDeadReplays)); err == nil {
		l.Replays = max(0, min(n, 1000))
	}
	return l
}

func placeOf(r *wire.Record) (partition int, offset int64, sound bool) {
	p, err1 := strconv.ParseInt(header(r, wire.HeaderDeadPartition), 10, 32)
	offset, err2 := strconv.ParseInt(header(r, wire.HeaderDeadOffset), 10, 64)
	return int(p), offset, err1 == nil && err2 == nil && p >= 0 && offset >= 0
}

// knownTopic tells whether a letter can be sent to a topic again.
func knownTopic(topic string) bool { return topic == wire.TopicRaw || topic == wire.TopicRefresh }

// validID tells whether id is a place that a letter can have failed at first:
// topic/partition/offset. Places in the dead letters' own topic are the ids of
// foreign ones.
func validID(id string) bool {
	parts := strings.Split(id, "/")
	if len(parts) != 3 || !knownTopic(parts[0]) {
		return false
	}
	partition, err1 := strconv.ParseUint(parts[1], 10, 31)
	offset, err2 := strconv.ParseUint(parts[2], 10, 63)
	return err1 == nil && err2 == nil && id == place(parts[0], int(partition), int64(offset))
}

// place names a record.
func place(topic string, partition int, offset int64) string {
	return fmt.Sprintf("%s/%d/%d", topic, partition, offset)
}

// possible is t, or limit where t lies behind it or before all of Reddit.
func possible(t, limit time.Time) time.Time {
	if t.After(limit) || t.Year() < 2005 {
		return limit
	}
	return t.UTC()
}

// header is the text of a header, made safe to store.
func header(r *wire.Record, key string) string { return storable(string(r.Header(key))) }

// storable drops from text what the database or a reader could not bear.
func storable(s string) string {
	s = strings.Map(func(c rune) rune {
		if c == unicode.ReplacementChar || unicode.IsControl(c) {
			return -1
		}
		return c
	}, strings.ToValidUTF8(s[:min(len(s), 4*maxText)], ""))
	return strings.ToValidUTF8(s[:min(len(s), maxText)], "")
}

// othersOf is the record's own headers: what was said of its failure is apart.
func othersOf(r *wire.Record) []pulse.DeadHeader {
	var others []pulse.DeadHeader
	for _, h := range r.Headers {
		if strings.HasPrefix(h.Key, wire.HeaderDeadPrefix) || len(h.Value) > maxHeader || len(others) == maxHeaders {
			continue
		}
		others = append(others, pulse.DeadHeader{Key: storable(h.Key), Value: h.Value})
	}
	return others
}
