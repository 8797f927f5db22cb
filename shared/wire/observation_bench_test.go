package wire_test

import (
	"testing"

	"dev.redditpulse/shared/wire"
)

func BenchmarkDecodeObservation(b *testing.B) {
	o := sample()
	value := wire.EncodeObservation(&o)
	b.SetBytes(int64(len(value)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := wire.DecodeObservation(value, now); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncodeObservation(b *testing.B) {
	o := sample()
	b.ReportAllocs()
	for b.Loop() {
		wire.EncodeObservation(&o)
	}
}
