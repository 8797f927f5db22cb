package wire

import "time"

// The Kafka topics. Each has the same number of partitions, and a post's id is
// the key in all of them.
const (
	TopicRaw     = "reddit.posts.raw"     // first sight of a post
	TopicRefresh = "reddit.posts.refresh" // later readings
	TopicDead    = "reddit.posts.dlq"     // records that can never be stored
)

// HeaderProducedAt is when a record was handed to Kafka, RFC 3339.
const HeaderProducedAt = "pulse-produced-at"

// HeaderDeadPrefix begins the headers that say of a dead letter why it is one.
const HeaderDeadPrefix = "__pulse.errors."

// Headers of a dead letter. Key and value stay byte for byte what they were.
const (
	HeaderDeadID          = "__pulse.errors.dlq_id" // topic/partition/offset of the first failure
	HeaderDeadTopic       = "__pulse.errors.topic"
	HeaderDeadPartition   = "__pulse.errors.partition"
	HeaderDeadOffset      = "__pulse.errors.offset"
	HeaderDeadTimestamp   = "__pulse.errors.timestamp" // of the record, RFC 3339
	HeaderDeadGroup       = "__pulse.errors.group"
	HeaderDeadStage       = "__pulse.errors.stage" // decode, score or store
	HeaderDeadClass       = "__pulse.errors.class"
	HeaderDeadMessage     = "__pulse.errors.message" // at most 512 bytes, no payload
	HeaderDeadFirstFailed = "__pulse.errors.first_failed_at"
	HeaderDeadVersion     = "__pulse.errors.app_version"
	HeaderDeadReplays     = "__pulse.errors.replay_count"
)

// Header is one Kafka record header.
type Header struct {
	Key   string
	Value []byte
}

// Record is one Kafka record, read or to be produced. Partition, Offset and
// Time are set on records read and ignored on records to be produced.
type Record struct {
	Topic     string
	Partition int
	Offset    int64
	Time      time.Time
	Key       []byte
	Value     []byte
	Headers   []Header
}

// Header gives the value of the last header named key, nil where there is none.
func (r *Record) Header(key string) []byte {
	for i := len(r.Headers) - 1; i >= 0; i-- {
		if r.Headers[i].Key == key {
			return r.Headers[i].Value
		}
	}
	return nil
}
