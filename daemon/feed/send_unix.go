//go:build unix

package feed

import "syscall"

const canSendDirect = true

// sender writes to a connection without ever waiting. One belongs to each
// writer and is used for one connection at a time.
type sender struct {
	bytes []byte
	n     int
	err   error
	try   func(fd uintptr) bool // s.once, made once
}

func newSender() *sender {
	s := &sender{}
	s.try = s.once
	return s
}

// send writes what the kernel takes at once. n < len(b) without an error means
// that the connection is full.
func (s *sender) send(c syscall.RawConn, b []byte) (n int, err error) {
	s.bytes, s.n, s.err = b, 0, nil
	if err := c.Write(s.try); err != nil {
		return 0, err
	}
	s.bytes = nil
	return s.n, s.err
}

// once always reports to be done, so that nobody waits for room.
func (s *sender) once(fd uintptr) bool {
	for s.n < len(s.bytes) {
		n, err := syscall.Write(int(fd), s.bytes[s.n:])
		switch err {
		case nil:
			s.n += n
		case syscall.EINTR:
		case syscall.EAGAIN:
			return true
		default:
			s.err = err
			return true
		}
	}
	return true
}
