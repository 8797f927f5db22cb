package embedded

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"dev.redditpulse/shared/pulse"
)

// oldestPostgres is the first major version that our SQL is written for.
const oldestPostgres = 15

// binaries are the programs of one Postgres version: a folder with initdb and
// postgres in it.
type binaries struct {
	dir     string
	version string // "15.18"
	major   int
}

// usual are the places beside the PATH where packages put Postgres.
var usual = []string{
	"/usr/lib/postgresql/*/bin",
	"/usr/pgsql-*/bin",
	"/usr/local/pgsql/bin",
	"/opt/homebrew/opt/postgresql@*/bin",
	"/usr/local/opt/postgresql@*/bin",
	"/Applications/Postgres.app/Contents/Versions/*/bin",
}

// finder looks for Postgres, on the machine first and then on the net.
type finder struct {
	wanted  int // the major version that wrote the data, 0 where there is none yet
	acct    *account
	say     func(string)
	bundle  bundle
	folders []string // where to look, "" and patterns as in usual; "" is the PATH
}

func (f finder) find(ctx context.Context) (binaries, error) {
	if named := os.Getenv("PULSE_POSTGRES_BIN"); named != "" {
		b, err := f.inspect(ctx, named)
		if err == nil {
			err = f.suits(b)
		}
		if err != nil {
			return binaries{}, &pulse.Error{Code: pulse.Invalid, Field: "PULSE_POSTGRES_BIN", Message: "is no Postgres to start", Err: err}
		}
		return b, nil
	}
	found, refused := f.onMachine(ctx)
	for _, b := range found {
		if f.wanted == 0 || b.major == f.wanted {
			return b, nil
		}
	}
	if f.wanted != 0 && f.wanted != f.bundle.major() {
		return binaries{}, f.wrongVersion(found)
	}
	b, err := f.download(ctx)
	if err != nil {
		for _, r := range refused {
			err = fmt.Errorf("%w; %w", err, r)
		}
		return binaries{}, &pulse.Error{
			Code: pulse.Unavailable,
			Message: "no Postgres on this machine and none could be downloaded: install postgresql " +
				strconv.Itoa(oldestPostgres) + " or newer, or set PULSE_POSTGRES_BIN to a folder with initdb and postgres",
			Err: err,
		}
	}
	return b, nil
}

func (f finder) download(ctx context.Context) (binaries, error) {
	dir, err := f.bundle.fetch(ctx, f.say)
	if err != nil {
		return binaries{}, err
	}
	b, err := f.inspect(ctx, dir)
	if err != nil {
		return binaries{}, fmt.Errorf("the downloaded Postgres does not run here: %w", err)
	}
	return b, nil
}

// onMachine lists what is usable, the PATH's first and then the newest first,
// and why the rest is not.
func (f finder) onMachine(ctx context.Context) (found []binaries, refused []error) {
	var dirs []string
	for _, pattern := range f.folders {
		if pattern == "" {
			if path, err := exec.LookPath("postgres"); err == nil {
				dirs = append(dirs, filepath.Dir(path))
			}
			continue
		}
		matches, _ := filepath.Glob(pattern)
		slices.SortFunc(matches, func(a, b string) int { return majorIn(b) - majorIn(a) })
		dirs = append(dirs, matches...)
	}
	for _, dir := range dirs {
		b, err := f.inspect(ctx, dir)
		if err == nil && b.major < oldestPostgres {
			err = fmt.Errorf("%s holds version %s", dir, b.version)
		}
		if err != nil {
			refused = append(refused, err)
			continue
		}
		found = append(found, b)
	}
	return found, refused
}

var digits = regexp.MustCompile(`\d+`)

// majorIn is the first number in a path, 0 without one.
func majorIn(path string) int {
	n, _ := strconv.Atoi(digits.FindString(path))
	return n
}

var postgresVersion = regexp.MustCompile(`\(PostgreSQL\) (\d+)(\.\d+)?`)

// inspect runs the program as the user that it will run as, which shows at once
// that it may.
func (f finder) inspect(ctx context.Context, dir string) (binaries, error) {
	// A link's neighbours are not the program's: initdb looks beside itself.
	path, err := filepath.EvalSymlinks(filepath.Join(dir, "postgres"))
	if err != nil {
		return binaries{}, fmt.Errorf("look for postgres: %w", err)
	}
	dir = filepath.Dir(path)
	if _, err := os.Stat(filepath.Join(dir, "initdb")); err != nil {
		return binaries{}, fmt.Errorf("look for initdb beside postgres: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "--version")
	cmd.Dir = "/"
	cmd.Env = serverEnv()
	f.acct.as(cmd)
	out, err := cmd.CombinedOutput()
	if err != nil {
		if line := strings.TrimSpace(string(out)); line != "" {
			err = fmt.Errorf("%w: %s", err, telling(strings.Split(line, "\n")))
		}
		return binaries{}, fmt.Errorf("run %s: %w", path, err)
	}
	v := postgresVersion.FindStringSubmatch(string(out))
	if v == nil {
		return binaries{}, fmt.Errorf("%s --version names no version", path)
	}
	major, _ := strconv.Atoi(v[1])
	return binaries{dir: dir, version: v[1] + v[2], major: major}, nil
}

func (f finder) suits(b binaries) error {
	if b.major < oldestPostgres {
		return fmt.Errorf("%s holds version %s, %d or newer is needed", b.dir, b.version, oldestPostgres)
	}
	if f.wanted != 0 && b.major != f.wanted {
		return f.wrongVersion([]binaries{b})
	}
	return nil
}

func (f finder) wrongVersion(found []binaries) error {
	var have []string
	for _, b := range found {
		have = append(have, b.version)
	}
	if have == nil {
		have = []string{"none"}
	}
	return pulse.Errorf(pulse.Unavailable,
		"the data was written by Postgres %d and this machine has %s: set PULSE_POSTGRES_BIN to the programs of version %d, or choose another data folder",
		f.wanted, strings.Join(have, ", "), f.wanted)
}

// serverEnv is our environment without what would change how Postgres behaves.
func serverEnv() []string {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return strings.HasPrefix(name, "PG") || strings.HasPrefix(name, "LC_") ||
			name == "LANG" || name == "LANGUAGE" || name == "TZ" || strings.HasPrefix(name, "PULSE_")
	})
	return append(env, "LC_ALL=C", "TZ=UTC")
}
