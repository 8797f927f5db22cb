package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"dev.redditpulse/shared/client"
	"dev.redditpulse/shared/telemetry"
	"dev.redditpulse/shared/wire"
)

// maxToken bounds a token file, in bytes.
const maxToken = 16 << 10

// access is how a command reaches the API and who it says it is.
type access struct {
	server, tokenFile, user, passwordFile string
	passwordStdin                         bool
}

func (a *access) flags(cmd *cobra.Command) {
	f := cmd.PersistentFlags()
	f.StringVar(&a.server, "server", "", "address of the API (default: api.listen of the configuration)")
	f.StringVar(&a.tokenFile, "token-file", "", "file with an access or refresh token (else PULSE_TOKEN, else --user)")
	f.StringVar(&a.user, "user", "", "account to log in with, its password from one of the next two or asked for")
	f.StringVar(&a.passwordFile, "password-file", "", "file with the password")
	f.BoolVar(&a.passwordStdin, "password-stdin", false, "read the password from standard input")
	cmd.MarkFlagsMutuallyExclusive("password-stdin", "password-file")
}

// client gives a client that is logged in, or has the token to be, until end.
func (sh *shell) client(ctx context.Context, a *access) (c *client.Client, end func(), err error) {
	server := a.server
	if server == "" {
		loaded, err := sh.load(true, nil)
		if err != nil {
			return nil, nil, err
		}
		server = reachable(loaded.API.Listen)
	}
	if c, err = client.New(client.Config{BaseURL: server, UserAgent: "pulse/" + telemetry.Version()}); err != nil {
		return nil, nil, err
	}
	token, err := sh.token(a)
	switch {
	case err != nil:
		return nil, nil, err
	case token != "":
		c.OnTokens(func(pair wire.TokenPair) { sh.keepToken(a, pair.Refresh) })
		c.SetToken(token)
		return c, c.Close, nil
	case a.user == "":
		return nil, nil, errors.New("who are you? give --user NAME, --token-file FILE or PULSE_TOKEN")
	}
	password, err := sh.readPassword(a.passwordStdin, a.passwordFile, "Password: ")
	if err != nil {
		return nil, nil, err
	}
	if err := c.Login(ctx, a.user, password); err != nil {
		c.Close()
		return nil, nil, fmt.Errorf("log in as %s at %s: %w", a.user, c.BaseURL(), err)
	}
	return c, func() {
		// A session that nobody ends expires.
		_ = c.Logout(context.WithoutCancel(ctx))
		c.Close()
	}, nil
}

// keepToken keeps the refresh token that took the place of the one in the file,
// which is spent.
func (sh *shell) keepToken(a *access, refresh string) {
	switch {
	case refresh == "":
	case a.tokenFile == "":
		fmt.Fprintln(sh.err, "the refresh token in PULSE_TOKEN is spent: give an access token there, or --token-file, which is kept up to date")
	default:
		if err := replaceFile(a.tokenFile, refresh+"\n"); err != nil {
			fmt.Fprintln(sh.err, "the refresh token in --token-file is spent, and the next one cannot be kept:", err)
		}
	}
}

// replaceFile writes a file that its owner alone may read, at once.
func replaceFile(path, text string) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".token-*")
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// reachable is the address of a listener as seen from this machine.
func reachable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

func (sh *shell) token(a *access) (string, error) {
	if a.tokenFile != "" {
		return readToken(a.tokenFile)
	}
	if a.user != "" {
		return "", nil
	}
	for _, pair := range sh.environ {
		if value, ok := strings.CutPrefix(pair, "PULSE_TOKEN="); ok {
			return strings.TrimSpace(value), nil
		}
	}
	return "", nil
}

// readToken reads the one word that a file holds.
func readToken(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("read --token-file: %w", err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxToken+1))
	if err != nil {
		return "", fmt.Errorf("read --token-file: %w", err)
	}
	words := strings.Fields(string(raw))
	if len(raw) > maxToken || len(words) != 1 {
		return "", fmt.Errorf("read --token-file: %s: want one token of at most %d KiB", path, maxToken>>10)
	}
	return words[0], nil
}
