// Package embedded runs the servers that `pulse up` needs without any
// installation by hand: Kafka inside this process, Redis and Postgres as its
// children. Everything listens on 127.0.0.1 alone, keeps its data in one folder
// and ends with this process, also when that is killed. It never speaks SQL or
// Redis for others: the addresses are all it hands out.
//
// What lives how long: a kill -9 of this process loses nothing that Kafka or
// Postgres had acknowledged (the page cache outlives a process) and at most a
// second of Redis. A power cut is survived by Postgres; Kafka may lose what the
// kernel had not written yet, as a single real broker would by default.
package embedded

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
)

// ownerOnly is the mode of every file and folder that holds data or a secret.
const (
	ownerOnlyFile = 0o600
	ownerOnlyDir  = 0o700
)

// absolute gives dir without symbolic links, made where it is missing.
func absolute(dir string, mode os.FileMode) (string, error) {
	path, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("find the folder %s: %w", dir, err)
	}
	if err := makeDir(path, mode); err != nil {
		return "", fmt.Errorf("make the folder %s: %w", path, err)
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", fmt.Errorf("find the folder %s: %w", path, err)
	}
	return real, nil
}

// makeDir makes the folder with just that mode, whatever the umask; one that is
// there is left as it is.
func makeDir(path string, mode os.FileMode) error {
	if _, err := os.Stat(path); err == nil {
		return os.MkdirAll(path, mode)
	}
	if err := os.MkdirAll(path, mode); err != nil {
		return err
	}
	return os.Chmod(path, mode)
}

// passable is the mode of a folder that the user Postgres runs as must come
// through: as root that is somebody else.
func passable() os.FileMode {
	if os.Geteuid() == 0 {
		return 0o711
	}
	return ownerOnlyDir
}

// writeFile replaces the file at once, so that a reader or a crash never meets
// half of it.
func writeFile(path string, content []byte) error {
	next := path + ".new"
	if err := os.WriteFile(next, content, ownerOnlyFile); err != nil {
		return err
	}
	return os.Rename(next, path)
}

func orDiscard(log *slog.Logger) *slog.Logger {
	if log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return log
}
