package app

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"gopkg.in/natefinch/lumberjack.v2"

	"dev.redditpulse/shared/config"
	"dev.redditpulse/shared/telemetry"
)

const hangup = syscall.SIGHUP

// openLog writes the log to pulse.log in the data folder, and warnings to the
// terminal too.
func (u *upRun) openLog() (*slog.Logger, io.Closer, error) {
	path := filepath.Join(u.dir, "pulse.log")
	// Opened once by hand: the rotating writer reports a full disk only later.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("open the log: %w", err)
	}
	f.Close()
	file := &lumberjack.Logger{Filename: path, MaxSize: 20, MaxBackups: 2}
	full, err := telemetry.NewLogger(file, u.c.Log.Level, u.c.Log.Format)
	if err != nil {
		return nil, nil, err
	}
	brief, err := telemetry.NewLogger(u.sh.err, "warn", u.c.Log.Format)
	if err != nil {
		return nil, nil, err
	}
	return slog.New(slog.NewMultiHandler(full.Handler(), brief.Handler())), file, nil
}

// signingKey gives the key of this data folder, made at the first start.
func (u *upRun) signingKey() (config.Secret, error) {
	path := filepath.Join(u.dir, "signing.key")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		var key [48]byte
		if _, err := rand.Read(key[:]); err != nil {
			return "", fmt.Errorf("make the signing key: %w", err)
		}
		text = []byte(base64.StdEncoding.EncodeToString(key[:]))
		err = writePrivate(path, text)
		return config.Secret(text), err
	}
	if err != nil {
		return "", fmt.Errorf("read the signing key: %w", err)
	}
	return config.Secret(text), nil
}

// writePrivate writes a file for its owner alone, whole or not at all.
func writePrivate(path string, text []byte) error {
	tmp := path + ".new"
	if err := os.WriteFile(tmp, text, 0o600); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

func (u *upRun) runFile() string { return filepath.Join(u.dir, "run.toml") }

// writeRunFile writes every address in use, for other commands.
func (u *upRun) writeRunFile() error {
	c := &u.c
	text := fmt.Sprintf(`# Where the parts of the running `+"`pulse up`"+` (process %d) answer. Written at each
# start, removed at each stop.

[reddit]
base_url = %s
token_url = %s
client_id = %s
client_secret = %s
user_agent = %s

[kafka]
brokers = [%s]
partitions = %d
replication_factor = 1
min_insync_replicas = 1

[redis]
addr = %s
password = %s

[postgres]
primary_dsn = %s
replica_dsn = %s

[api]
listen = %s

[auth]
signing_key = %s

[ops]
listen = %s
`, os.Getpid(), quote(c.Reddit.BaseURL), quote(c.Reddit.TokenURL), quote(c.Reddit.ClientID),
		quote(c.Reddit.ClientSecret.Reveal()), quote(c.Reddit.UserAgent),
		quote(c.Kafka.Brokers[0]), c.Kafka.Partitions, quote(c.Redis.Addr), quote(c.Redis.Password.Reveal()),
		quote(c.Postgres.PrimaryDSN.Reveal()), quote(c.Postgres.ReplicaDSN.Reveal()),
		quote(c.API.Listen), quote(c.Auth.SigningKey.Reveal()), quote(c.Ops.Listen))
	return writePrivate(u.runFile(), []byte(text))
}

// quote gives a TOML basic string: Go's form of what these values hold.
func quote(s string) string { return strconv.Quote(s) }

// welcome says where everything is.
func (u *upRun) welcome() {
	u.welcomed = true
	_, port, _ := net.SplitHostPort(u.api.Addr().String())
	url := "http://localhost:" + port
	out := u.sh.out
	fmt.Fprintf(out, "\n  URL       %s\n", url)
	shown := "<password>"
	switch {
	case u.password == "":
		fmt.Fprintf(out, "  user      %s, with the password it was given\n", adminName)
	case u.password == defaultPassword:
		shown = u.password
		fmt.Fprintf(out, "  user      %s, password %s (this address is for this machine alone)\n", adminName, shown)
	default:
		shown = u.password
		fmt.Fprintf(out, "  user      %s, password %s (made now and shown this once)\n", adminName, shown)
	}
	fmt.Fprintf(out, "  curl      curl -X POST %s/api/token/ -d '{\"username\":\"%s\",\"password\":\"%s\"}' -H \"Content-Type: application/json\"\n",
		url, adminName, shown)
	fmt.Fprintf(out, "  terminal  %s\n", u.terminalLine(url))
	if u.sim == nil {
		fmt.Fprintf(out, "  next      add subreddits in pulse-tui, or with POST %s/api/subreddits/\n", url)
	}
	fmt.Fprintf(out, "\nCtrl-C stops it. The log is in %s\n", filepath.Join(u.dir, "pulse.log"))
}

// terminalLine is how to start pulse-tui: beside this binary it needs nothing
// more where .pulse is the data folder.
func (u *upRun) terminalLine(url string) string {
	program := "pulse-tui"
	if self, err := os.Executable(); err == nil {
		program = filepath.Join(filepath.Dir(self), "pulse-tui")
		if here, err := os.Getwd(); err == nil {
			if rel, err := filepath.Rel(here, program); err == nil && filepath.IsLocal(rel) {
				program = rel
			}
		}
	}
	return fmt.Sprintf("%s --server %s --user %s", program, url, adminName)
}
