package embedded

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dev.redditpulse/shared/pulse"
)

func TestASecondLockIsRefusedNamingTheHolder(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "my data", ".pulse")
	c := run(t, "lock", dir, nil)
	if c.Err != "" {
		t.Fatal(c.Err)
	}
	_, err := LockDir(dir)
	if want := fmt.Sprintf("%s is in use by process %d", dir, c.cmd.Process.Pid); err == nil || err.Error() != want {
		t.Fatalf("second lock: %v, want %s", err, want)
	}
	if got := pulse.CodeOf(err); got != pulse.Conflict {
		t.Errorf("code = %s, want %s", got, pulse.Conflict)
	}
	c.kill()
	l, err := LockDir(dir)
	if err != nil {
		t.Fatalf("after the holder was killed: %v", err)
	}
	l.Unlock()
	l.Unlock()
	again, err := LockDir(dir)
	if err != nil {
		t.Fatalf("after Unlock: %v", err)
	}
	again.Unlock()
}

func TestAFolderThatCannotBeUsedIsExplainedInOneLine(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := LockDir(file)
	checkOneLine(t, err, "it is a file")
	_, err = LockDir(filepath.Join(file, "below"))
	checkOneLine(t, err, "not a directory")
}

func TestAnotherUsersFolderIsExplained(t *testing.T) {
	t.Parallel()
	needRoot(t)
	dir := openDir(t)
	c := run(t, "lock", filepath.Join(dir, "theirs"), nobody)
	if !strings.Contains(c.Err, "belongs to another user") || strings.Contains(c.Err, "\n") {
		t.Errorf("error = %q", c.Err)
	}
}

func checkOneLine(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
		t.Errorf("error = %v, want one line with %q", err, want)
	}
}
