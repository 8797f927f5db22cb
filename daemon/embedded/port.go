package embedded

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
)

// The ports to choose from: below the range that outgoing connections take
// theirs from, which would make a server's port vanish between two starts.
const (
	firstPort = 20000
	lastPort  = 32767
	portTries = 200
	// portRaces is how often a server starts again under another port because
	// somebody took its own after it was chosen: it may be a child of ours in the
	// making, which for a moment has all our files.
	portRaces = 3
)

// listen opens the port remembered in file, or else a free one, on 127.0.0.1,
// and remembers it.
func listen(file string) (net.Listener, error) {
	if port := remembered(file); port != 0 {
		if l, err := listenOn(port); err == nil {
			return l, nil
		}
	}
	var last error
	for range portTries {
		l, err := listenOn(firstPort + rand.IntN(lastPort-firstPort+1))
		if err != nil {
			last = err
			continue
		}
		port := l.Addr().(*net.TCPAddr).Port
		if err := writeFile(file, []byte(strconv.Itoa(port)+"\n")); err != nil {
			l.Close()
			return nil, fmt.Errorf("remember the port: %w", err)
		}
		return l, nil
	}
	return nil, fmt.Errorf("find a free port between %d and %d: %w", firstPort, lastPort, last)
}

// choosePort is listen for a server that opens its port itself. Somebody may
// take the port in between: the caller tries again after forgetPort.
func choosePort(file string) (int, error) {
	l, err := listen(file)
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func forgetPort(file string) { os.Remove(file) }

// remembered is 0 where the file is missing or makes no sense.
func remembered(file string) int {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	port, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || port < firstPort || port > lastPort {
		return 0
	}
	return port
}

func listenOn(port int) (net.Listener, error) {
	return net.Listen("tcp", loopback(port))
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
