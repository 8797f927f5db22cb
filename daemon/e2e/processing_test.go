package e2e

import (
	"flag"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

var outage = flag.Duration("outage", 5*time.Second, "how long the proofs leave a server away")

// Redis, then the database, go away under load: replicas wait, keep their
// partitions and say why they are not ready; nothing becomes a dead letter, and
// what has piled up is soon gone.
func TestProcessingOutlivesItsServers(t *testing.T) {
	t.Parallel()
	p := startProof(t, newServers(t), shape{rate: *loadRate, width: 500, readings: 10}, 3)
	var generations []float64
	for _, r := range p.replicas {
		generations = append(generations, r.metric(t, generationsJoined))
	}
	p.outlives(t, "Redis", "redis", p.redis.Close, func() { p.startRedis(t) })
	p.outlives(t, "Postgres", "primary", func() { p.stopPostgres(t) }, func() { p.startPostgres(t) })
	for i, r := range p.replicas {
		if n := r.metric(t, generationsJoined); n != generations[i] {
			t.Errorf("replica %d joined %v generations meanwhile", i, n-generations[i])
		}
		peak := peakMegabytes(r)
		if raceFlag == "-race=false" && peak > 200 {
			t.Errorf("replica %d took %.0f MB", i, peak)
		}
		figure(t, "replica %d took %.0f MB at most", i, peak)
	}
	if v := p.finish(t, true); v.letters > 0 {
		t.Errorf("%d dead letters", v.letters)
	}
}

func (p *proof) outlives(t *testing.T, name, check string, stop, start func()) {
	t.Helper()
	begun := time.Now()
	stop()
	for _, r := range p.replicas {
		eventually(t, name+" is missed", func() bool {
			code, body := probe(t, "http://"+r.ops(t)+"/readyz")
			return code == http.StatusServiceUnavailable && strings.Contains(body, `"`+check+`"`) && strings.Contains(body, `"process"`)
		})
		if code, body := probe(t, "http://"+r.ops(t)+"/livez"); code != http.StatusOK {
			t.Errorf("without %s a replica is not alive: %d %s", name, code, body)
		}
	}
	<-time.After(max(0, *outage-time.Since(begun)))
	lasted, waiting := time.Since(begun), p.lookout.backlog(t.Context())
	start()
	back := time.Now()
	eventually(t, "the backlog is gone", func() bool {
		n := p.lookout.backlog(t.Context())
		return n >= 0 && n < int64(*loadRate/2)
	})
	figure(t, "%s away for %s: %d records waited and were gone %s after it was back", name, rounded(lasted), waiting, rounded(time.Since(back)))
	for _, r := range p.replicas {
		eventually(t, "ready again", func() bool { code, _ := probe(t, "http://"+r.ops(t)+"/readyz"); return code == http.StatusOK })
	}
}

// probe gives 0 where nobody answers.
func probe(t testing.TB, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, ""
	}
	defer resp.Body.Close()
	var body strings.Builder
	if err := resp.Write(&body); err != nil {
		return 0, ""
	}
	return resp.StatusCode, body.String()
}

// Partitions and replicas are doubled while records flow: all six replicas get
// to work and nothing is lost.
func TestPartitionsAndReplicasAreDoubled(t *testing.T) {
	t.Parallel()
	p := startProof(t, newServers(t), ordinary(), 3)
	begun := time.Now()
	p.command(t, "topics", "grow", "--partitions", "6")
	for range 3 {
		p.replicas = append(p.replicas, p.daemon(t, "process", "PULSE_KAFKA_PARTITIONS=6"))
	}
	eventually(t, "every new partition moves", func() bool { return p.lookout.partitions() == 12 })
	for _, r := range p.replicas {
		eventually(t, "every replica has work", func() bool { return r.metric(t, "pulse_bus_assigned_partitions") == 2 })
	}
	p.carriesOn(t, time.Now())
	worst, where := p.lookout.stall(begun, time.Now())
	figure(t, "from 3 to 6 partitions and replicas in %s; the worst partition, %s, stood still for %s", rounded(time.Since(begun)), where, rounded(worst))
	// A post's readings may be in two partitions now: their order is not kept.
	p.finish(t, false)
}

// Redis forgets everything under load: what a post's velocity is measured
// against is taken from the database, and no velocity is unknown or 0 for it.
func TestVelocitiesOutliveTheMemoryOfRedis(t *testing.T) {
	t.Parallel()
	p := startProof(t, newServers(t), shape{rate: *loadRate, width: 500, readings: 10, moving: true}, 2)
	client := redis.NewClient(&redis.Options{Addr: p.redis.Addr, DisableIdentity: true})
	defer client.Close()
	for range 3 {
		if err := client.FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		p.carriesOn(t, time.Now().Add(time.Second))
	}
	seeded := 0.0
	for _, r := range p.replicas {
		seeded += max(0, r.metric(t, "pulse_process_seeded_posts_total"))
	}
	v := p.finish(t, true)
	if none := v.null - len(p.load.all) - v.late; none > 0 {
		t.Errorf("%d velocities are unknown", none)
	}
	if zero := ask[int64](t, p.cluster, `select count(*) from post_history where velocity = 0`); zero > 0 {
		t.Errorf("%d velocities are 0 though every post moves", zero)
	}
	if seeded == 0 {
		t.Error("nothing was continued from the database")
	}
	figure(t, "Redis lost its memory three times: %.0f posts were continued from the database", seeded)
}
