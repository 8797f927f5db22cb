package embedded

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

func dieWithParent(a *syscall.SysProcAttr, dying syscall.Signal) { a.Pdeathsig = dying }

// find lists the servers of the folder that run now, wherever they came from.
func (l leftover) find() []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var pids []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err == nil && slices.Contains(l.names, programOf(pid)) && l.worksHere(pid) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// worksHere asks for the working folder. Root in a container may not see that
// of another user's process; then the arguments, which all may see, decide.
func (l leftover) worksHere(pid int) bool {
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	cwd, err := os.Readlink(filepath.Join(proc, "cwd"))
	if err == nil {
		return cwd == l.dir
	}
	args, err := os.ReadFile(filepath.Join(proc, "cmdline"))
	return err == nil && slices.Contains(strings.Split(string(args), "\x00"), l.dir)
}

// programOf is the name the kernel knows the process by (15 bytes at most), ""
// where there is no such process.
func programOf(pid int) string {
	name, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "comm"))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(name))
}
