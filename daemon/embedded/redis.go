package embedded

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"dev.redditpulse/shared/pulse"
)

const (
	// redisMemory bounds what Redis may hold; full, it refuses writes, because
	// evicting a key of its own choice would be a loss that nobody notices.
	redisMemory = "512mb"
	// redisStartLimit covers reading an append-only file of that size.
	redisStartLimit = 60 * time.Second
	redisStopLimit  = 3 * time.Second
)

// RedisConfig says where Redis lives.
type RedisConfig struct {
	Dir      string       // made where it is missing, for its owner alone
	Log      *slog.Logger // nil: silent
	Password string       // "": none is asked for
}

// Redis is a redis-server or valkey-server of the machine, or where there is
// none, miniredis inside this process, which keeps nothing between starts.
type Redis struct {
	Addr string // host:port
	Kind string // "redis-server 7.0.15", "miniredis"

	done  chan struct{}
	close func()
	once  sync.Once
}

// Done is closed when the server has ended, by Close or by itself. miniredis
// ends by Close alone.
func (r *Redis) Done() <-chan struct{} { return r.done }

// Close stops the server within 4 s; again is harmless.
func (r *Redis) Close() { r.once.Do(r.close) }

// StartRedis starts the server on 127.0.0.1, under the same port as the last
// time where that is free. It looks for the program in PULSE_REDIS_SERVER, then
// for redis-server and valkey-server on the PATH.
func StartRedis(ctx context.Context, c RedisConfig) (*Redis, error) {
	log := orDiscard(c.Log)
	dir, err := absolute(c.Dir, ownerOnlyDir)
	if err != nil {
		return nil, &pulse.Error{Code: pulse.Unavailable, Message: "start Redis", Err: err}
	}
	program, kind, err := findRedis(ctx, log)
	if err != nil {
		return nil, err
	}
	d := redisDir{dir: dir, program: program, kind: kind, password: c.Password, log: log}
	if err := d.leftover().stop(ctx, step{syscall.SIGTERM, 5 * time.Second}, step{syscall.SIGKILL, 2 * time.Second}); err != nil {
		return nil, &pulse.Error{Code: pulse.Conflict, Message: "start Redis", Err: err}
	}
	start := d.start
	if program == "" {
		start = d.startMini
	}
	r, err := start(ctx)
	if errors.Is(err, errUnreadable) {
		log.Warn("redis data set aside because it cannot be read", "err", err)
		if err = d.setAside(); err == nil {
			r, err = start(ctx)
		}
	}
	if err != nil {
		return nil, &pulse.Error{Code: pulse.Unavailable, Message: "start Redis", Err: err}
	}
	return r, nil
}

// findRedis gives "" where the machine has no Redis that is new enough.
func findRedis(ctx context.Context, log *slog.Logger) (program, kind string, err error) {
	if named := os.Getenv("PULSE_REDIS_SERVER"); named != "" {
		kind, err := redisKind(ctx, named)
		if err != nil {
			return "", "", &pulse.Error{Code: pulse.Invalid, Field: "PULSE_REDIS_SERVER", Message: "is no Redis to start", Err: err}
		}
		return named, kind, nil
	}
	for _, name := range []string{"redis-server", "valkey-server"} {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		kind, err := redisKind(ctx, path)
		if err != nil {
			log.Warn("redis program not used", "program", path, "err", err)
			continue
		}
		return path, kind, nil
	}
	return "", "", nil
}

var redisVersion = regexp.MustCompile(`v=(\d+)\.(\d+)\.\S+`)

// redisKind asks the program for its version: streams, scripts and the options
// used here are all there from 6.2 on.
func redisKind(ctx context.Context, path string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("run %s --version: %w", path, err)
	}
	v := redisVersion.FindSubmatch(out)
	if v == nil {
		return "", fmt.Errorf("%s --version names no version", path)
	}
	version := strings.TrimPrefix(string(v[0]), "v=")
	major, _ := strconv.Atoi(string(v[1]))
	minor, _ := strconv.Atoi(string(v[2]))
	if major < 6 || major == 6 && minor < 2 {
		return "", fmt.Errorf("%s is version %s, 6.2 or newer is needed", path, version)
	}
	return filepath.Base(path) + " " + version, nil
}

// redisDir is one data folder and what runs on it.
type redisDir struct {
	dir, program, kind, password string
	log                          *slog.Logger
}

func (d redisDir) path(name string) string { return filepath.Join(d.dir, name) }

func (d redisDir) leftover() leftover {
	names := []string{"redis-server", "valkey-server"}
	if base := filepath.Base(d.program); d.program != "" {
		names = append(names, base[:min(len(base), 15)])
	}
	return leftover{dir: d.dir, pidFile: d.path("redis.pid"), names: names}
}

var (
	errUnreadable = errors.New("its data cannot be read")
	errPortTaken  = errors.New("its port is taken")
)

func (d redisDir) start(ctx context.Context) (*Redis, error) {
	var err error
	for range portRaces {
		var r *Redis
		if r, err = d.startOnce(ctx); err == nil || !errors.Is(err, errPortTaken) {
			return r, err
		}
		forgetPort(d.path("port"))
	}
	return nil, err
}

func (d redisDir) startOnce(ctx context.Context) (*Redis, error) {
	port, err := choosePort(d.path("port"))
	if err != nil {
		return nil, err
	}
	// The configuration goes in by standard input: a password is then neither in
	// the list of processes nor on the disk.
	cmd := exec.Command(d.program, "-")
	cmd.Dir = d.dir
	cmd.Stdin = strings.NewReader(d.config(port))
	p, err := start(cmd, openLog(d.path("redis.log"), nil), syscall.SIGTERM)
	if err != nil {
		return nil, fmt.Errorf("run %s: %w", d.program, err)
	}
	stop := func() {
		ctx, cancel := context.WithTimeout(context.Background(), redisStopLimit)
		defer cancel()
		if err := p.stop(ctx, step{syscall.SIGTERM, redisStopLimit}, step{syscall.SIGKILL, time.Second}); err != nil {
			d.log.Error("redis not stopped", "err", err)
		}
	}
	answers := until(ctx, redisStartLimit, func() bool {
		return !p.alive() || pong(loopback(port), d.password)
	})
	switch {
	case !p.alive():
		return nil, d.explain(p)
	case !answers:
		stop()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("no answer within %s: %s", redisStartLimit, p.log.reason())
	}
	return &Redis{Addr: loopback(port), Kind: d.kind, done: p.done, close: stop}, nil
}

func (d redisDir) explain(p *process) error {
	switch {
	case p.log.says("Address already in use"):
		return fmt.Errorf("%w: %w", errPortTaken, p.ended())
	case p.log.says("Bad file format", "Unrecoverable error reading the append only file",
		"Can't handle RDB format", "error trying to load the RDB", "AOF loading aborted"):
		return fmt.Errorf("%w: %w", errUnreadable, p.ended())
	}
	return p.ended()
}

// config is in the syntax of redis.conf.
func (d redisDir) config(port int) string {
	lines := []string{
		"bind 127.0.0.1",
		"port " + strconv.Itoa(port),
		"protected-mode yes",
		"daemonize no",
		"dir " + redisQuote(d.dir),
		"pidfile " + redisQuote(d.path("redis.pid")),
		`logfile ""`,
		"databases 16",
		"appendonly yes",
		"appendfsync everysec",
		`save ""`,
		"maxmemory " + redisMemory,
		"maxmemory-policy noeviction",
	}
	if d.password != "" {
		lines = append(lines, "requirepass "+redisQuote(d.password))
	}
	return strings.Join(lines, "\n") + "\n"
}

// redisQuote writes any text as one word of redis.conf.
func redisQuote(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(text) {
		switch c := text[i]; {
		case c == '"' || c == '\\':
			b.WriteString(`\` + string(c))
		case c < ' ' || c > '~':
			fmt.Fprintf(&b, `\x%02x`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// setAside keeps one older state for a look: what Redis held can be made anew.
func (d redisDir) setAside() error {
	for _, name := range []string{"appendonlydir", "appendonly.aof", "dump.rdb"} {
		os.RemoveAll(d.path(name + ".bad"))
		if err := os.Rename(d.path(name), d.path(name+".bad")); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("set the unreadable data aside: %w", err)
		}
	}
	return nil
}

// pong tells whether the server takes commands; while it loads it does not.
func pong(addr, password string) bool {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return false
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	in := bufio.NewReader(conn)
	ask := func(words ...string) string {
		fmt.Fprintf(conn, "*%d\r\n", len(words))
		for _, w := range words {
			fmt.Fprintf(conn, "$%d\r\n%s\r\n", len(w), w)
		}
		answer, _ := in.ReadString('\n')
		return strings.TrimSpace(answer)
	}
	if password != "" && ask("AUTH", password) != "+OK" {
		return false
	}
	return ask("PING") == "+PONG"
}
