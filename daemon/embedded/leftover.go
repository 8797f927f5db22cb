package embedded

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// leftover describes the servers that an earlier process may have left running
// on a data folder: killed, it had no time to stop them, and they may still be
// busy stopping themselves.
type leftover struct {
	dir     string   // the servers' working folder, without symbolic links
	pidFile string   // its first line is the main process
	names   []string // of their programs, as the kernel cuts them
}

// stop ends them with the given signals; the first goes to the main process
// alone, where it is known.
func (l leftover) stop(ctx context.Context, steps ...step) error {
	pids := l.find()
	for i, s := range steps {
		if len(pids) == 0 {
			return nil
		}
		if main := l.main(); i == 0 && slices.Contains(pids, main) {
			pids = []int{main}
		}
		for _, pid := range pids {
			_ = syscall.Kill(pid, s.signal)
		}
		until(ctx, s.wait, func() bool {
			pids = l.find()
			return len(pids) == 0
		})
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if len(pids) > 0 {
		return fmt.Errorf("process %d still works on %s and does not end", pids[0], l.dir)
	}
	return nil
}

// main is 0 where no process is named.
func (l leftover) main() int {
	text, err := os.ReadFile(l.pidFile)
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(first))
	if err != nil || pid <= 1 {
		return 0
	}
	return pid
}
