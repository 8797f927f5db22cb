package e2e

import (
	"context"
	"encoding/json"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kgo"

	"dev.redditpulse/daemon/embedded"
	"dev.redditpulse/shared/wire"
)

// cluster is the servers of a system without its daemons, which a test starts
// and kills by themselves, and a simulated Reddit in a process of its own.
type cluster struct {
	dir    string
	env    []string
	kafka  *embedded.Kafka
	dsn    string
	reddit string // address of the simulator
}

// newCluster starts the servers and the simulator; env is for all daemons.
func newCluster(t testing.TB, sim []string, env ...string) *cluster {
	t.Helper()
	dir := folder(t)
	c := &cluster{dir: dir}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	kafka, err := embedded.StartKafka(ctx, embedded.KafkaConfig{Dir: filepath.Join(dir, "kafka")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kafka.Close)
	postgres, err := embedded.StartPostgres(ctx, embedded.PostgresConfig{Dir: filepath.Join(dir, "postgres"), NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = postgres.Close(ctx)
	})
	redis, err := embedded.StartRedis(ctx, embedded.RedisConfig{Dir: filepath.Join(dir, "redis")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(redis.Close)
	c.kafka, c.dsn = kafka, postgres.PrimaryDSN
	c.reddit = start(t, dir, nil, append([]string{"sim", "--listen", "127.0.0.1:0"}, sim...)...).says(t, `answers at (http://\S+)`)
	c.env = append([]string{
		"PULSE_KAFKA_BROKERS=" + kafka.Brokers()[0], "PULSE_KAFKA_REPLICATION_FACTOR=1", "PULSE_KAFKA_MIN_INSYNC_REPLICAS=1",
		"PULSE_POSTGRES_PRIMARY_DSN=" + postgres.PrimaryDSN, "PULSE_REDIS_ADDR=" + redis.Addr,
		"PULSE_REDDIT_BASE_URL=" + c.reddit, "PULSE_REDDIT_TOKEN_URL=" + c.reddit + "/api/v1/access_token",
		"PULSE_REDDIT_CLIENT_ID=e2e", "PULSE_REDDIT_CLIENT_SECRET=e2e",
		"PULSE_REDDIT_USER_AGENT=linux:dev.redditpulse:test (by /u/pulse_simulator)",
	}, env...)
	for _, command := range [][]string{{"migrate", "up"}, {"topics", "ensure"}} {
		if out, code := run(t, dir, nil, c.env, command...); code != 0 {
			t.Fatalf("pulse %v: %s", command, out)
		}
	}
	return c
}

// daemon starts one of the daemons.
func (c *cluster) daemon(t testing.TB, name string, env ...string) *process {
	t.Helper()
	return start(t, c.dir, append(append([]string{}, c.env...), env...), name)
}

// sql runs a statement, as an operator with psql would.
func (c *cluster) sql(t testing.TB, statement string, args ...any) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), c.dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// ask reads one value.
func ask[T any](t testing.TB, c *cluster, query string, args ...any) (value T) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), c.dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if err := conn.QueryRow(t.Context(), query, args...).Scan(&value); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return value
}

// firstSights counts the records of the raw topic by post.
func (c *cluster) firstSights(t testing.TB) map[string]int {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.kafka.Brokers()...), kgo.ConsumeTopics(wire.TopicRaw))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	counts := map[string]int{}
	for {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		fetches := cl.PollFetches(ctx)
		cancel()
		if fetches.NumRecords() == 0 {
			return counts
		}
		fetches.EachRecord(func(r *kgo.Record) { counts[string(r.Key)]++ })
	}
}

// truth is what the simulator says was posted.
type truth struct {
	ID          string
	CreatedAt   time.Time  `json:"created_at"`
	VisibleFrom *time.Time `json:"visible_from"`
	GoneAt      *time.Time `json:"gone_at"`
}

func (c *cluster) truth(t testing.TB, from, to time.Time, names ...string) []truth {
	t.Helper()
	query := url.Values{"from": {from.UTC().Format(time.RFC3339)}, "to": {to.UTC().Format(time.RFC3339)}, "subreddit": names}
	_, body := request(t, "GET", c.reddit+"/__sim/truth?"+query.Encode(), "", "", "")
	var all []truth
	for line := range strings.Lines(body) {
		var post truth
		if err := json.Unmarshal([]byte(line), &post); err != nil {
			t.Fatalf("%v in %.300s", err, line)
		}
		all = append(all, post)
	}
	return all
}

// usage is what the simulator says of our requests.
type usage struct {
	Application string
	Requests    int
	MaxIn600s   int `json:"max_in_600s"`
	TooMany     int `json:"too_many"`
}

func (c *cluster) usage(t testing.TB) usage {
	t.Helper()
	_, body := request(t, "GET", c.reddit+"/__sim/requests", "", "", "")
	var answer struct{ Applications []usage }
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		t.Fatalf("%v in %.300s", err, body)
	}
	for _, u := range answer.Applications {
		if u.Application == "e2e" {
			return u
		}
	}
	return usage{}
}
