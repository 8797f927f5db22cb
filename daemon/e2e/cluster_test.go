package e2e

import (
	"context"
	"encoding/json"
	"fmt"
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
// and kills by themselves, and where it needs one a simulated Reddit in a process
// of its own.
type cluster struct {
	dir      string
	env      []string
	brokers  []string
	kafka    *embedded.Kafka // nil where the brokers are real ones
	redis    *embedded.Redis
	postgres *embedded.Postgres
	dsn      string
	reddit   string // address of the simulator
}

// newCluster starts the servers and the simulator; env is for all daemons.
func newCluster(t testing.TB, sim []string, env ...string) *cluster {
	t.Helper()
	c := newServers(t, env...)
	c.reddit = start(t, c.dir, nil, append([]string{"sim", "--listen", "127.0.0.1:0"}, sim...)...).says(t, `answers at (http://\S+)`)
	c.env = append([]string{
		"PULSE_REDDIT_BASE_URL=" + c.reddit, "PULSE_REDDIT_TOKEN_URL=" + c.reddit + "/api/v1/access_token",
		"PULSE_REDDIT_CLIENT_ID=e2e", "PULSE_REDDIT_CLIENT_SECRET=e2e",
		"PULSE_REDDIT_USER_AGENT=linux:dev.redditpulse:test (by /u/pulse_simulator)",
	}, c.env...)
	return c
}

// newServers starts the servers alone.
func newServers(t testing.TB, env ...string) *cluster {
	t.Helper()
	c := &cluster{dir: folder(t)}
	c.startKafka(t)
	t.Cleanup(func() { c.kafka.Close() })
	c.prepare(t, c.kafka.Brokers(), 1, env...)
	return c
}

// prepare starts Redis and the database beside these brokers, of which so many
// keep each record, and makes topics and tables.
func (c *cluster) prepare(t testing.TB, brokers []string, copies int, env ...string) {
	t.Helper()
	c.brokers = brokers
	c.startRedis(t)
	t.Cleanup(func() { c.redis.Close() })
	c.startPostgres(t)
	t.Cleanup(func() { c.stopPostgres(t) })
	c.env = append([]string{
		"PULSE_KAFKA_BROKERS=" + strings.Join(brokers, ","),
		fmt.Sprintf("PULSE_KAFKA_REPLICATION_FACTOR=%d", copies), fmt.Sprintf("PULSE_KAFKA_MIN_INSYNC_REPLICAS=%d", (copies+1)/2),
		"PULSE_POSTGRES_PRIMARY_DSN=" + c.postgres.PrimaryDSN, "PULSE_REDIS_ADDR=" + c.redis.Addr,
	}, env...)
	for _, command := range [][]string{{"migrate", "up"}, {"topics", "ensure"}} {
		c.command(t, command...)
	}
}

// command runs a command of the operator's to its end.
func (c *cluster) command(t testing.TB, args ...string) {
	t.Helper()
	if out, code := run(t, c.dir, nil, c.env, args...); code != 0 {
		t.Fatalf("pulse %v: %s", args, out)
	}
}

// startRedis starts Redis, again under its address and with what it had kept.
func (c *cluster) startRedis(t testing.TB) {
	t.Helper()
	before := c.redis
	redis, err := embedded.StartRedis(t.Context(), embedded.RedisConfig{Dir: filepath.Join(c.dir, "redis")})
	if err != nil {
		t.Fatal(err)
	}
	c.redis = redis
	if before != nil && before.Addr != redis.Addr {
		t.Fatal("somebody else has taken the port of Redis")
	}
}

// startKafka starts the broker, again under its address.
func (c *cluster) startKafka(t testing.TB) {
	t.Helper()
	before := c.kafka
	kafka, err := embedded.StartKafka(t.Context(), embedded.KafkaConfig{Dir: filepath.Join(c.dir, "kafka")})
	if err != nil {
		t.Fatal(err)
	}
	c.kafka = kafka
	if before != nil && before.Brokers()[0] != kafka.Brokers()[0] {
		t.Fatal("somebody else has taken Kafka's port")
	}
}

// startPostgres starts the primary, again under its address.
func (c *cluster) startPostgres(t testing.TB) {
	t.Helper()
	postgres, err := embedded.StartPostgres(t.Context(), embedded.PostgresConfig{Dir: filepath.Join(c.dir, "postgres"), NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	c.postgres = postgres
	if c.dsn != "" && c.dsn != postgres.PrimaryDSN {
		t.Fatal("somebody else has taken the port of Postgres")
	}
	c.dsn = postgres.PrimaryDSN
}

func (c *cluster) stopPostgres(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := c.postgres.Close(ctx); err != nil {
		t.Error(err)
	}
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
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.brokers...), kgo.ConsumeTopics(wire.TopicRaw))
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
