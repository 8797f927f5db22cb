package bus

import (
	"context"
	"net"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go/protocol/metadata"
)

const vigilInterval = 500 * time.Millisecond

// vigil cuts the connections to brokers that the others have given up. A broker
// that hangs keeps its connections open, and what waits on them would wait for
// its whole timeout although another leads by then.
func (b *Bus) vigil() {
	tick := time.NewTicker(vigilInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-b.ctx.Done():
			return
		}
		b.cutGone()
	}
}

// cutGone goes by the transport's metadata, which is at most a few seconds old
// while any broker answers.
func (b *Bus) cutGone() {
	ctx, cancel := context.WithTimeout(b.ctx, requestTimeout)
	defer cancel()
	m, err := b.transport.RoundTrip(ctx, bootstrap, &metadata.Request{TopicNames: topics})
	if err != nil {
		return
	}
	there := make(map[string]bool)
	for _, broker := range m.(*metadata.Response).Brokers {
		there[net.JoinHostPort(broker.Host, strconv.Itoa(int(broker.Port)))] = true
	}
	if cut := b.dial.cutExcept(there); cut > 0 {
		b.metrics.cut.Add(float64(cut))
		b.log.Warn("connections to a broker that has left the cluster are cut", "connections", cut)
	}
}
