package redistest_test

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"dev.redditpulse/daemon/redistest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func command(t *testing.T, addr string, words ...string) string {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(5 * time.Second))
	fmt.Fprintf(conn, "*%d\r\n", len(words))
	for _, w := range words {
		fmt.Fprintf(conn, "$%d\r\n%s\r\n", len(w), w)
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		t.Fatalf("%v: %v", words, err)
	}
	return strings.TrimSpace(answer)
}

func TestEachTestHasAnEmptyRedisOfItsOwn(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"one", "two"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr := redistest.Addr(t)
			if got := command(t, addr, "DBSIZE"); got != ":0" {
				t.Errorf("DBSIZE = %s, want :0", got)
			}
			if got := command(t, addr, "SET", "name", name); got != "+OK" {
				t.Errorf("SET answers %s", got)
			}
		})
	}
}
