package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"dev.redditpulse/daemon/db"
	"dev.redditpulse/shared/config"
	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
	"dev.redditpulse/sql"
)

const (
	benchRows    = 100_000
	benchPosts   = 25_000 // each is read four times
	benchBatch   = 500
	benchWriters = 3
)

// From the start of the built program on an empty folder to the first post that
// the API gives.
func BenchmarkFirstPost(b *testing.B) {
	for b.Loop() {
		begun := time.Now()
		s := up(b, folder(b), nil)
		eventually(b, "the first post", func() bool { return s.posts(b) > 0 })
		b.ReportMetric(time.Since(begun).Seconds(), "s/first-post")
		s.stop(b, interrupt)
	}
}

// From the first record produced to the last row committed, beside bare unnest
// upserts of the same rows by the same statements on the same server.
func BenchmarkImport(b *testing.B) {
	path := filepath.Join(folder(b), "dump.ndjson")
	rows := benchObservations()
	writeDump(b, path, rows)
	for b.Loop() {
		s := quietSystem(b)
		begun := time.Now()
		if out, code := run(b, s.dir, nil, nil, "import", path); code != 0 {
			b.Fatal(out)
		}
		eventually(b, "all readings are stored", func() bool {
			return s.metric(b, `pulse_store_rows_written_total{table="post_history"}`) == benchRows
		})
		ours := benchRows / time.Since(begun).Seconds()
		bare := bareUpserts(b, s.setting(b, "postgres", "primary_dsn").(string), rows)
		b.ReportMetric(ours, "records/s")
		b.ReportMetric(bare, "bare-rows/s")
		b.ReportMetric(100*ours/bare, "%of-bare")
		s.stop(b, interrupt)
	}
}

func benchObservations() []pulse.Observation {
	rows := make([]pulse.Observation, benchRows)
	for i := range rows {
		n, round := i%benchPosts, i/benchPosts
		rows[i] = observation(n, time.Duration(n%3600)*time.Second+time.Duration(round)*2*time.Minute)
		rows[i].Title = fmt.Sprintf("A title of ordinary length for post number %d", n)
	}
	return rows
}

func writeDump(b *testing.B, path string, rows []pulse.Observation) {
	b.Helper()
	var lines bytes.Buffer
	for i := range rows {
		lines.Write(wire.EncodeObservation(&rows[i]))
		lines.WriteByte('\n')
	}
	if err := os.WriteFile(path, lines.Bytes(), 0o600); err != nil {
		b.Fatal(err)
	}
}

// bareUpserts writes rows into a fresh database of the same server with
// nothing but the two statements of a batch, and gives rows a second.
func bareUpserts(b *testing.B, dsn string, rows []pulse.Observation) float64 {
	b.Helper()
	ctx := b.Context()
	admin, err := pgx.Connect(ctx, dsn)
	if err != nil {
		b.Fatal(err)
	}
	defer admin.Close(ctx)
	if _, err := admin.Exec(ctx, "create database bare"); err != nil {
		b.Fatal(err)
	}
	defer func() {
		if _, err := admin.Exec(ctx, "drop database bare with (force)"); err != nil {
			b.Error(err)
		}
	}()
	bareDSN := strings.Replace(dsn, "/pulse?", "/bare?", 1)
	if bareDSN == dsn {
		b.Fatalf("no database name in the DSN")
	}
	migrateBare(b, bareDSN)
	pool, err := pgxpool.New(ctx, bareDSN)
	if err != nil {
		b.Fatal(err)
	}
	defer pool.Close()
	days := map[time.Time]bool{}
	for i := range rows {
		days[rows[i].ObservedAt.UTC().Truncate(24*time.Hour)] = true
	}
	for day := range days {
		if _, err := pool.Exec(ctx, "select ensure_history_partition($1)", day); err != nil {
			b.Fatal(err)
		}
	}
	batches := make(chan []pulse.Observation)
	var writers sync.WaitGroup
	begun := time.Now()
	for range benchWriters {
		writers.Go(func() {
			for batch := range batches {
				if err := writeBare(ctx, pool, batch); err != nil {
					b.Error(err)
				}
			}
		})
	}
	for start := 0; start < len(rows); start += benchBatch {
		batches <- rows[start:min(start+benchBatch, len(rows))]
	}
	close(batches)
	writers.Wait()
	return float64(len(rows)) / time.Since(begun).Seconds()
}

func migrateBare(b *testing.B, dsn string) {
	b.Helper()
	m, err := db.OpenMigrator(config.Secret(dsn), slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	defer m.Close()
	if _, err := m.Up(b.Context()); err != nil {
		b.Fatal(err)
	}
}

// writeBare is one batch: rows of one batch are of different posts, in order.
func writeBare(ctx context.Context, pool *pgxpool.Pool, rows []pulse.Observation) error {
	n := len(rows)
	id, subreddit, title, author := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	url, permalink, state, flair := make([]string, n), make([]string, n), make([]string, n), make([]*string, n)
	self, over18, ratio, trend := make([]bool, n), make([]bool, n), make([]*float64, n), make([]*string, n)
	created, observed := make([]time.Time, n), make([]time.Time, n)
	score, comments, velocity := make([]int64, n), make([]int64, n), make([]float64, n)
	for i := range rows {
		o := &rows[i]
		id[i], subreddit[i], title[i], author[i] = o.PostID, o.Subreddit, o.Title, o.Author
		url[i], permalink[i], state[i], velocity[i] = o.URL, o.Permalink, string(o.State), float64(o.Score)
		created[i], observed[i], score[i], comments[i] = o.CreatedAt, o.ObservedAt, o.Score, o.NumComments
	}
	// Both in one round trip, and so in one transaction.
	var batch pgx.Batch
	batch.Queue(sql.Query("post/upsert"), id, subreddit, title, author, url, permalink, flair,
		self, over18, created, observed, score, comments, ratio, state, velocity, velocity, velocity, trend)
	batch.Queue(sql.Query("history/insert"), id, observed, score, comments, ratio, velocity, velocity)
	return pool.SendBatch(ctx, &batch).Close()
}

// What the system and a connected pulse-tui cost while hardly anything happens.
func BenchmarkIdle(b *testing.B) {
	const window = 30 * time.Second
	for b.Loop() {
		s := up(b, folder(b), nil)
		tui := startTerminal(b, s, 200, 60)
		tui.logIn("admin", "admin")
		tui.shows("following")
		eventually(b, "the first polls are done", func() bool { return s.posts(b) > 1000 })
		<-time.After(10 * time.Second) // the backfill's echo
		pids := map[string][]string{
			"pulse": {strconv.Itoa(s.cmd.Process.Pid)}, "tui": {strconv.Itoa(tui.pid())},
			"redis": pidsOf(s, "redis-server|valkey-server"), "postgres": pidsOf(s, "postgres"),
		}
		before := map[string]float64{}
		for part, list := range pids {
			before[part] = cpuSeconds(list)
		}
		<-time.After(window)
		for part, list := range pids {
			b.ReportMetric(100*(cpuSeconds(list)-before[part])/window.Seconds(), part+"-%cpu")
			b.ReportMetric(rssMegabytes(list), part+"-MB")
		}
		s.stop(b, interrupt)
	}
}

// pidsOf gives the system's child processes of a kind, and theirs.
func pidsOf(s *system, pattern string) []string {
	children, _ := exec.Command("pgrep", "-P", strconv.Itoa(s.cmd.Process.Pid), "-f", pattern).Output()
	pids := strings.Fields(string(children))
	for _, pid := range pids {
		grandchildren, _ := exec.Command("pgrep", "-P", pid).Output()
		pids = append(pids, strings.Fields(string(grandchildren))...)
	}
	return pids
}

// cpuSeconds adds up what processes have used; the kernel counts in hundredths.
func cpuSeconds(pids []string) float64 {
	total := 0.0
	for _, pid := range pids {
		text, _ := os.ReadFile("/proc/" + pid + "/stat")
		if _, rest, ok := bytes.Cut(text, []byte(") ")); ok {
			if fields := strings.Fields(string(rest)); len(fields) > 12 {
				user, _ := strconv.ParseFloat(fields[11], 64)
				system, _ := strconv.ParseFloat(fields[12], 64)
				total += (user + system) / 100
			}
		}
	}
	return total
}

// rssMegabytes adds up resident memory; what Postgres' processes share counts
// for each of them.
func rssMegabytes(pids []string) float64 {
	total := 0.0
	for _, pid := range pids {
		text, _ := os.ReadFile("/proc/" + pid + "/status")
		for line := range strings.Lines(string(text)) {
			if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
				kb, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
				total += kb / 1024
			}
		}
	}
	return total
}

// metric reads one of the system's metrics; -1 while it can't be had.
func (s *system) metric(t testing.TB, series string) float64 {
	t.Helper()
	return metricAt(t, s.setting(t, "ops", "listen").(string), series)
}

// metric reads one of a daemon's metrics; -1 while it can't be had.
func (p *process) metric(t testing.TB, series string) float64 {
	t.Helper()
	return metricAt(t, p.ops(t), series)
}

// ops is where a daemon serves its health and metrics.
func (p *process) ops(t testing.TB) string {
	t.Helper()
	return p.says(t, `daemon starts.* ops=(\S+)`)
}

func metricAt(t testing.TB, address, series string) float64 {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return -1
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, series+" "); ok {
			n, _ := strconv.ParseFloat(strings.TrimSpace(value), 64)
			return n
		}
	}
	return -1
}
