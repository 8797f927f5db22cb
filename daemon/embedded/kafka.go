package embedded

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"dev.redditpulse/shared/pulse"
)

const (
	// kafkaCloseLimit bounds Close: what is acknowledged is on disk already, so
	// that giving up costs a slower next start and nothing else.
	kafkaCloseLimit = 5 * time.Second
	// minSession lets consumer groups choose short sessions, so that a killed
	// process's partitions come back soon.
	minSession = time.Second
)

// KafkaConfig says where the broker lives.
type KafkaConfig struct {
	Dir string       // made where it is missing, for its owner alone
	Log *slog.Logger // nil: silent
}

// Kafka is one broker inside this process. It makes no topic by itself.
type Kafka struct {
	addr    string
	cluster *kfake.Cluster
	closing sync.Once
}

// StartKafka opens the broker's data in c.Dir and serves it on 127.0.0.1, under
// the same port as the last time where that is free.
//
// Batches are written before they are acknowledged and not forced to the disk
// one by one: a killed process loses nothing, a power cut may.
func StartKafka(ctx context.Context, c KafkaConfig) (*Kafka, error) {
	dir, err := absolute(c.Dir, ownerOnlyDir)
	if err != nil {
		return nil, &pulse.Error{Code: pulse.Unavailable, Message: "start Kafka", Err: err}
	}
	l, err := listen(filepath.Join(dir, "port"))
	if err != nil {
		return nil, &pulse.Error{Code: pulse.Unavailable, Message: "start Kafka", Err: err}
	}
	type result struct {
		cluster *kfake.Cluster
		err     error
	}
	opened := make(chan result, 1)
	go func() {
		cluster, err := kfake.NewCluster(
			kfake.NumBrokers(1),
			kfake.ClusterID("pulse"),
			kfake.DataDir(filepath.Join(dir, "data")),
			kfake.GroupMinSessionTimeout(minSession),
			kfake.ListenFn(func(string, string) (net.Listener, error) { return l, nil }),
			kfake.WithLogger(kafkaLog{orDiscard(c.Log)}),
		)
		opened <- result{cluster, err}
	}()
	select {
	case r := <-opened:
		if r.err != nil {
			l.Close()
			return nil, &pulse.Error{Code: pulse.Unavailable, Message: "open the Kafka data in " + dir +
				" (move that folder away to start with empty topics)", Err: r.err}
		}
		return &Kafka{addr: l.Addr().String(), cluster: r.cluster}, nil
	case <-ctx.Done():
		// Reading the data cannot be interrupted: wait for it, to leave nothing
		// that still works on the folder.
		limit := time.NewTimer(kafkaCloseLimit)
		defer limit.Stop()
		select {
		case r := <-opened:
			if r.err == nil {
				(&Kafka{cluster: r.cluster}).Close()
			}
		case <-limit.C:
		}
		l.Close()
		return nil, fmt.Errorf("open the Kafka data in %s: %w", dir, ctx.Err())
	}
}

// Brokers is the bootstrap list for clients.
func (k *Kafka) Brokers() []string { return []string{k.addr} }

// Close stops serving and saves what makes the next start quick. It returns
// after 5 s at the latest; again is harmless.
func (k *Kafka) Close() {
	k.closing.Do(func() {
		closed := make(chan struct{})
		go func() {
			defer close(closed)
			k.cluster.Close()
		}()
		limit := time.NewTimer(kafkaCloseLimit)
		defer limit.Stop()
		select {
		case <-closed:
		case <-limit.C:
		}
	})
}

// kafkaLog passes on what an operator should see: the rest repeats every
// request of every client.
type kafkaLog struct{ log *slog.Logger }

func (k kafkaLog) Logf(level kfake.LogLevel, format string, args ...any) {
	switch level {
	case kfake.LogLevelError:
		k.log.Error("kafka broker error", "err", fmt.Sprintf(format, args...))
	case kfake.LogLevelWarn:
		k.log.Warn("kafka broker warning", "err", fmt.Sprintf(format, args...))
	}
}
