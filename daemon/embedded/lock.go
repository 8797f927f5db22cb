package embedded

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"dev.redditpulse/shared/pulse"
)

// Lock is the right of this process to a data folder. The kernel takes it back
// when the process ends in whatever way.
type Lock struct {
	// Dir is the folder's absolute path, free of symbolic links.
	Dir string

	once sync.Once
	file *os.File
}

// LockDir makes dir where it is missing (for its owner alone; as root others may
// pass through it, because Postgres runs as another user) and locks it. The
// error is one line and names the process that holds the lock.
func LockDir(dir string) (*Lock, error) {
	path, err := absolute(dir, passable())
	if err != nil {
		return nil, unusable(dir, err)
	}
	name := filepath.Join(path, "lock")
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, ownerOnlyFile)
	if err != nil {
		return nil, unusable(path, err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, pulse.Errorf(pulse.Conflict, "%s is in use by %s", path, holder(f))
		}
		return nil, unusable(path, fmt.Errorf("lock %s: %w", name, err))
	}
	if err := writePID(f); err != nil {
		f.Close()
		return nil, unusable(path, fmt.Errorf("write %s: %w", name, err))
	}
	return &Lock{Dir: path, file: f}, nil
}

// Unlock gives the folder back; again is harmless. The file stays: removing it
// would let two others lock two different files of one name.
func (l *Lock) Unlock() {
	l.once.Do(func() {
		// Closing alone would leave the lock to a child that is just being born
		// and still has our files open.
		_ = syscall.Flock(int(l.file.Fd()), syscall.LOCK_UN)
		l.file.Close()
	})
}

func writePID(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

// holder reads who has the lock; the file is empty for the moment between the
// other's lock and its first write.
func holder(f *os.File) string {
	text := make([]byte, 20)
	n, err := f.ReadAt(text, 0)
	if pid := strings.TrimSpace(string(text[:n])); (err == nil || err == io.EOF) && pid != "" {
		return "process " + pid
	}
	return "another process"
}

// unusable says in one line why a data folder cannot be used.
func unusable(dir string, err error) error {
	text := "the data folder " + dir + " cannot be used"
	if info, stat := os.Stat(dir); stat == nil && !info.IsDir() {
		text += ", it is a file"
	} else if errors.Is(err, fs.ErrPermission) {
		text += ", it or a folder above belongs to another user"
	}
	return &pulse.Error{Code: pulse.Unavailable, Message: text, Err: err}
}
