//go:build !unix

package feed

import (
	"errors"
	"syscall"
)

const canSendDirect = false

// sender is not used here: every write leaves its writer.
type sender struct{}

func newSender() *sender { return &sender{} }

func (*sender) send(syscall.RawConn, []byte) (int, error) {
	return 0, errors.New("send without waiting: not on this system")
}
