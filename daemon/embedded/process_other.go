//go:build unix && !linux

package embedded

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// dieWithParent has no means here: what a killed process leaves running is
// stopped at the next start.
func dieWithParent(*syscall.SysProcAttr, syscall.Signal) {}

// find knows only the process that the pid file names.
func (l leftover) find() []int {
	if pid := l.main(); pid != 0 && slices.Contains(l.names, programOf(pid)) {
		return []int{pid}
	}
	return nil
}

// programOf is "" where there is no such process.
func programOf(pid int) string {
	out, err := exec.Command("ps", "-o", "comm=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return ""
	}
	name := filepath.Base(strings.TrimSpace(string(out)))
	return name[:min(len(name), 15)]
}
