package bus

import (
	"bytes"
	"context"
	"testing"

	"dev.redditpulse/shared/wire"
)

func benchRecords(n int) []wire.Record {
	all := records(wire.TopicRaw, 0, n)
	for i := range all {
		all[i].Value = append(all[i].Value, bytes.Repeat([]byte("0123456789"), 48)...)
	}
	return all
}

func BenchmarkProduce(b *testing.B) {
	c := seeded(b, 3)
	bus := open(b, config(c.ListenAddrs()...))
	const n = 5000
	all := benchRecords(n)
	for b.Loop() {
		if err := bus.Produce(b.Context(), all); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds(), "records/s")
}

func BenchmarkFetch(b *testing.B) {
	c := seeded(b, 1)
	bus := open(b, config(c.ListenAddrs()...))
	const n = 50_000
	if err := bus.Produce(b.Context(), benchRecords(n)); err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	err := bus.Consume(ctx, []string{wire.TopicRaw}, func(ctx context.Context, c *Claim) {
		defer cancel()
		for b.Loop() {
			c.Rewind()
			for got := 0; got < n; {
				rs, err := c.Fetch(ctx, 500)
				if err != nil {
					b.Error(err)
					return
				}
				got += len(rs)
			}
		}
		b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds(), "records/s")
	})
	if err != nil {
		b.Fatal(err)
	}
}
