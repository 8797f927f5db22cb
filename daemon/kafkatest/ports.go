package kafkatest

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// The ports to choose from: below the range that outgoing connections take
// theirs from, and apart from those of the embedded servers. A cluster takes a
// block of them, which it keeps while its brokers are down.
const (
	firstPort  = 12000
	lastPort   = 19999
	blockPorts = 2 * nodes
)

// ports is a block of which no other cluster of this machine takes one.
type ports struct {
	first int
	lock  *os.File
}

func reservePorts() (*ports, error) {
	for first := firstPort; first+blockPorts-1 <= lastPort; first += blockPorts {
		if p, ok := reserveBlock(first); ok {
			return p, nil
		}
	}
	return nil, fmt.Errorf("reserve ports: none are free between %d and %d", firstPort, lastPort)
}

// reserveBlock fails where the block is in use, or its file another user's.
func reserveBlock(first int) (*ports, bool) {
	name := filepath.Join(os.TempDir(), "pulse-kafkatest-ports-"+strconv.Itoa(first)+".lock")
	lock, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o666)
	if err != nil {
		return nil, false
	}
	p := &ports{first: first, lock: lock}
	if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil || !p.unused() {
		lock.Close()
		return nil, false
	}
	return p, true
}

func (p *ports) unused() bool {
	for port := p.first; port < p.first+blockPorts; port++ {
		l, err := net.Listen("tcp", loopback(port))
		if err != nil {
			return false
		}
		l.Close()
	}
	return true
}

func (p *ports) broker(node int) string { return loopback(p.first + node - 1) }

func (p *ports) controller(node int) string { return loopback(p.first + nodes + node - 1) }

// free keeps the file: to remove it would let two hold the same block.
func (p *ports) free() { p.lock.Close() }

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
