package bus

import (
	"encoding/binary"
	"errors"
)

// What members say to each other by way of the coordinator is decoded here and
// not by kafka-go, which takes a length that somebody claims for memory to set
// aside. Of later versions the fields that we don't know stand at the end.

var errShort = errors.New("it ends too early")

// fields reads big-endian fields off the front of some bytes.
type fields struct {
	rest []byte
	err  error
}

func (f *fields) take(n int) []byte {
	if f.err == nil && (n < 0 || n > len(f.rest)) {
		f.err = errShort
	}
	if f.err != nil {
		return make([]byte, min(max(n, 0), 8))
	}
	taken := f.rest[:n]
	f.rest = f.rest[n:]
	return taken
}

func (f *fields) int16() int { return int(int16(binary.BigEndian.Uint16(f.take(2)))) }

func (f *fields) int32() int { return int(int32(binary.BigEndian.Uint32(f.take(4)))) }

func (f *fields) text() string { return string(f.take(f.int16())) }

// count is the length of an array whose elements take at least size bytes each.
func (f *fields) count(size int) int {
	n := f.int32()
	if n > len(f.rest)/size {
		f.err = errShort
	}
	if f.err != nil {
		return 0
	}
	return max(n, 0) // -1 is none
}

// decodeSubscription gives the topics that a member wants.
func decodeSubscription(data []byte) ([]string, error) {
	f := fields{rest: data}
	f.int16() // version
	var topics []string
	for range f.count(2) {
		topics = append(topics, f.text())
	}
	return topics, f.err
}

// decodeAssignment gives this member's partitions by topic. It takes no bytes as
// no partitions: what a member gets that the dealer did not know of.
func decodeAssignment(data []byte) (map[string][]int, error) {
	if len(data) == 0 {
		return nil, nil
	}
	f := fields{rest: data}
	f.int16() // version
	mine := make(map[string][]int)
	for range f.count(6) {
		topic := f.text()
		for range f.count(4) {
			mine[topic] = append(mine[topic], f.int32())
		}
	}
	return mine, f.err
}
