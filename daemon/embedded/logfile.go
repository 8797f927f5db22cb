package embedded

import (
	"bytes"
	"os"
	"strings"
	"sync"
)

const (
	maxLogBytes  = 4 << 20 // of one file; one older file is kept beside it
	maxLineBytes = 8 << 10 // longer lines are cut for the tail and the watcher
	tailLines    = 40
)

// logFile takes what a server says: into a file of bounded size, into a short
// memory for error messages and, line by line, to a watcher. It never fails and
// never blocks on more than the disk, because a server that cannot log stops.
type logFile struct {
	path  string
	watch func(line string) // may be nil; called under the lock

	mu   sync.Mutex // covers all below
	file *os.File   // nil where the disk refused
	size int64
	line []byte   // the beginning of an unfinished line
	tail []string // the last complete lines
}

func openLog(path string, watch func(line string)) *logFile {
	l := &logFile{path: path, watch: watch}
	l.file, _ = os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, ownerOnlyFile)
	if l.file != nil {
		if info, err := l.file.Stat(); err == nil {
			l.size = info.Size()
		}
	}
	return l
}

// Write always takes everything.
func (l *logFile) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.store(p)
	rest := p
	for {
		part, after, complete := bytes.Cut(rest, []byte{'\n'})
		l.line = append(l.line, part[:min(len(part), maxLineBytes-len(l.line))]...)
		if !complete {
			return len(p), nil
		}
		l.finishLine()
		rest = after
	}
}

func (l *logFile) finishLine() {
	line := string(l.line)
	l.line = l.line[:0]
	if len(l.tail) == tailLines {
		l.tail = append(l.tail[:0], l.tail[1:]...)
	}
	l.tail = append(l.tail, line)
	if l.watch != nil {
		l.watch(line)
	}
}

// store drops what the disk does not take.
func (l *logFile) store(p []byte) {
	if l.file == nil {
		return
	}
	if l.size+int64(len(p)) > maxLogBytes && l.size > 0 {
		l.file.Close()
		_ = os.Rename(l.path, l.path+".1")
		l.size = 0
		l.file, _ = os.OpenFile(l.path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, ownerOnlyFile)
		if l.file == nil {
			return
		}
	}
	n, _ := l.file.Write(p)
	l.size += int64(n)
}

func (l *logFile) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil {
		l.file.Close()
		l.file = nil
	}
}

// says tells whether one of the last lines holds one of the texts.
func (l *logFile) says(texts ...string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.tail {
		for _, text := range texts {
			if strings.Contains(line, text) {
				return true
			}
		}
	}
	return false
}

// complaints are what servers put before the line that tells, the worst first.
var complaints = []string{"PANIC:", "FATAL:", "ERROR:", "error:", "FATAL", "Can't ", "could not "}

// reason is the last line that tells why a server gave up, else the last line.
func (l *logFile) reason() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return telling(append(append([]string(nil), l.tail...), string(l.line)))
}

func telling(lines []string) string {
	for _, word := range complaints {
		for i := len(lines) - 1; i >= 0; i-- {
			if at := strings.Index(lines[i], word); at >= 0 {
				return strings.Join(strings.Fields(lines[i][at:]), " ")
			}
		}
	}
	for i := len(lines) - 1; i >= 0; i-- {
		if line := strings.TrimSpace(lines[i]); line != "" {
			return line
		}
	}
	return "it said nothing"
}
