package app

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/spf13/pflag"
)

// options is the command line.
type options struct {
	server    string
	user      string
	tokenFile string
	readOnly  bool
	ascii     bool
}

func (o *options) register(f *pflag.FlagSet) {
	f.StringVar(&o.server, "server", "", "address of the API (default: the one of .pulse/run.toml, else "+defaultServer+")")
	f.StringVar(&o.user, "user", "", "name to log in with")
	f.StringVar(&o.tokenFile, "token-file", "", "file with an access or refresh token (else PULSE_TOKEN, else the form)")
	f.BoolVar(&o.readOnly, "read-only", false, "refuse every change")
	f.BoolVar(&o.ascii, "ascii", false, "draw with ASCII characters only")
}

const defaultServer = "http://127.0.0.1:8080"

// runFile is where a running `pulse up` says which addresses it uses.
var runFile = filepath.Join(".pulse", "run.toml")

// address is where the API is.
func (o *options) address() (string, error) {
	if o.server != "" {
		return o.server, nil
	}
	raw, err := os.ReadFile(runFile)
	if errors.Is(err, fs.ErrNotExist) {
		return defaultServer, nil
	}
	if err != nil {
		return "", fmt.Errorf("%w; --server says where the API is", err)
	}
	return addressIn(raw)
}

// addressIn reads the address of the API from a configuration.
func addressIn(raw []byte) (string, error) {
	var c struct {
		API struct {
			Listen string `toml:"listen"`
		} `toml:"api"`
	}
	if err := toml.Unmarshal(raw, &c); err != nil {
		return "", fmt.Errorf("read %s: %w; --server says where the API is", runFile, err)
	}
	if c.API.Listen == "" {
		return defaultServer, nil
	}
	host, port, err := net.SplitHostPort(c.API.Listen)
	if err != nil {
		return "", fmt.Errorf("read %s: api.listen: %w; --server says where the API is", runFile, err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1" // it listens everywhere, so here too
	}
	return "http://" + net.JoinHostPort(host, port), nil
}

// maxTokenFile bounds a token file, in bytes.
const maxTokenFile = 16 << 10

// token is the token to begin with and where it came from, "" for none.
func (o *options) token(getenv func(string) string) (token, from string, err error) {
	if o.tokenFile == "" {
		return strings.TrimSpace(getenv("PULSE_TOKEN")), "PULSE_TOKEN", nil
	}
	f, err := os.Open(o.tokenFile)
	if err != nil {
		return "", "", fmt.Errorf("read --token-file: %w", err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxTokenFile+1))
	if err != nil {
		return "", "", fmt.Errorf("read --token-file: %w", err)
	}
	token = strings.TrimSpace(string(raw))
	switch {
	case len(raw) > maxTokenFile:
		return "", "", fmt.Errorf("read --token-file: %s is larger than %d KiB: no token", o.tokenFile, maxTokenFile>>10)
	case token == "":
		return "", "", fmt.Errorf("read --token-file: %s is empty", o.tokenFile)
	case strings.ContainsAny(token, " \t\r\n\x00"):
		return "", "", fmt.Errorf("read --token-file: %s holds more than one word: no token", o.tokenFile)
	}
	return token, o.tokenFile, nil
}
