package embedded

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// say sends commands, of words without spaces, and gives the first line of each answer.
func say(t *testing.T, addr string, commands ...string) []string {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	in := bufio.NewReader(conn)
	var answers []string
	for _, c := range commands {
		words := strings.Fields(c)
		fmt.Fprintf(conn, "*%d\r\n", len(words))
		for _, w := range words {
			fmt.Fprintf(conn, "$%d\r\n%s\r\n", len(w), w)
		}
		line, err := in.ReadString('\n')
		if err != nil {
			t.Fatalf("%s: %v", c, err)
		}
		answers = append(answers, strings.TrimSpace(line))
	}
	return answers
}

func startRedis(t *testing.T, c RedisConfig) *Redis {
	t.Helper()
	c.Log = testLog(t)
	r, err := StartRedis(within(t, 20*time.Second), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

func needRedis(t *testing.T) {
	t.Helper()
	if program, _, err := findRedis(within(t, 5*time.Second), orDiscard(nil)); program == "" || err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("no redis-server or valkey-server")
		}
		t.Skip("no redis-server or valkey-server")
	}
}

func TestRedisKeepsItsDataThroughAKillOfItsParent(t *testing.T) {
	t.Parallel()
	needRedis(t)
	dir := filepath.Join(openDir(t), `a "quoted" folder, größer`)
	c := run(t, "redis", dir, nil)
	if c.Err != "" {
		t.Fatal(c.Err)
	}
	if got := say(t, c.Addr, "SET kept yes"); got[0] != "+OK" {
		t.Fatalf("SET answers %q", got)
	}
	c.kill()

	r := startRedis(t, RedisConfig{Dir: dir})
	if r.Addr != c.Addr {
		t.Errorf("address after the kill = %s, want %s", r.Addr, c.Addr)
	}
	if got := say(t, r.Addr, "STRLEN kept")[0]; got != ":3" {
		t.Errorf("length of the kept value = %s, want :3", got)
	}
	if got := setting(t, r, "maxmemory-policy"); got != "noeviction" {
		t.Errorf("policy = %s", got)
	}
	if got := setting(t, r, "dir"); got != dir {
		t.Errorf("folder = %s, want %s", got, dir)
	}
}

func TestALeftoverRedisIsStopped(t *testing.T) {
	t.Parallel()
	needRedis(t)
	dir := openDir(t)
	first := startRedis(t, RedisConfig{Dir: dir})
	// A second start on the folder meets what a killed process would leave.
	second := startRedis(t, RedisConfig{Dir: dir})
	select {
	case <-first.Done():
	case <-time.After(10 * time.Second):
		t.Error("the first server still runs")
	}
	if got := say(t, second.Addr, "PING")[0]; got != "+PONG" {
		t.Errorf("PING answers %s", got)
	}
}

func TestARedisThatDiesIsReported(t *testing.T) {
	t.Parallel()
	needRedis(t)
	r := startRedis(t, RedisConfig{Dir: openDir(t)})
	if !strings.Contains(r.Kind, "-server ") {
		t.Errorf("kind = %q", r.Kind)
	}
	for _, pid := range (leftover{dir: setting(t, r, "dir"), names: []string{"redis-server", "valkey-server"}}).find() {
		syscall.Kill(pid, syscall.SIGKILL)
	}
	select {
	case <-r.Done():
	case <-time.After(10 * time.Second):
		t.Error("Done is not closed though the server was killed")
	}
}

// setting asks the server for one of its settings.
func setting(t *testing.T, r *Redis, name string) string {
	t.Helper()
	conn, err := net.Dial("tcp", r.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(5 * time.Second))
	fmt.Fprintf(conn, "CONFIG GET %s\r\n", name)
	in := bufio.NewReader(conn)
	var line string
	for range 5 { // *2, $n, the name, $n, the value
		if line, err = in.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	return strings.TrimSpace(line)
}

func TestUnreadableRedisDataIsSetAside(t *testing.T) {
	t.Parallel()
	needRedis(t)
	dir := openDir(t)
	r := startRedis(t, RedisConfig{Dir: dir})
	say(t, r.Addr, "SET lost yes")
	r.Close()
	files, err := filepath.Glob(filepath.Join(dir, "appendonlydir", "*.aof"))
	if err != nil {
		t.Fatal(err)
	}
	if older := filepath.Join(dir, "appendonly.aof"); len(files) == 0 {
		files = []string{older}
	}
	for _, f := range files {
		if err := os.WriteFile(f, []byte("this is no append-only file\r\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r = startRedis(t, RedisConfig{Dir: dir})
	if got := say(t, r.Addr, "EXISTS lost")[0]; got != ":0" {
		t.Errorf("EXISTS answers %s, want :0", got)
	}
}

func TestRedisAsksForThePassword(t *testing.T) {
	t.Parallel()
	needRedis(t)
	r := startRedis(t, RedisConfig{Dir: openDir(t), Password: `a "pass" \word`})
	if got := say(t, r.Addr, "PING")[0]; !strings.HasPrefix(got, "-NOAUTH") {
		t.Errorf("PING without the password answers %s", got)
	}
	if !pong(r.Addr, `a "pass" \word`) {
		t.Error("the password is refused")
	}
}

func TestMiniredisExpiresKeysByItself(t *testing.T) {
	t.Parallel()
	d := redisDir{dir: t.TempDir(), log: testLog(t)}
	r, err := d.startMini(within(t, 5*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if r.Kind != "miniredis" {
		t.Errorf("kind = %q", r.Kind)
	}
	if got := say(t, r.Addr, "SET short lived PX 200")[0]; got != "+OK" {
		t.Fatalf("SET answers %s", got)
	}
	eventually(t, "the key expires", func() bool { return say(t, r.Addr, "EXISTS short")[0] == ":0" })
	r.Close()
	if !isClosed(r.Done()) {
		t.Error("Done is open after Close")
	}
}

func TestAWrongRedisProgramIsNamed(t *testing.T) {
	t.Setenv("PULSE_REDIS_SERVER", "/bin/true")
	_, err := StartRedis(within(t, 5*time.Second), RedisConfig{Dir: t.TempDir()})
	checkOneLine(t, err, "PULSE_REDIS_SERVER")
}
