package embedded

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Names within a cluster's folder.
const (
	primaryName = "primary"
	replicaName = "replica"
	// unfinished marks a data folder in the making: it gets its name when it is
	// whole, so that a crash leaves nothing that looks like a server's data.
	unfinished = ".new"
	// staleName is the file that says that the replica must be made anew.
	staleName = "replica.stale"
)

// Names within Postgres.
const (
	ownerRole       = "pulse"
	databaseName    = "pulse"
	replicationRole = "replicator"
	slotName        = "pulse_replica"
)

// makeSlot keeps the write-ahead log for the replica from now on.
const makeSlot = "SELECT pg_create_physical_replication_slot('" + slotName + "', true)"

// freshBytes is what a new pair of servers takes on the disk, with some room to
// begin working.
const freshBytes = 250 << 20

// cluster is the folder of a primary and a replica, and how to make them. All
// its methods but the making of configuration need the servers to be stopped.
type cluster struct {
	home     string // without symbolic links
	acct     *account
	bin      binaries
	log      *slog.Logger
	say      func(string)
	noSync   bool
	owner    string // password of ownerRole
	replicas string // password of replicationRole
}

func (c *cluster) path(name string) string { return filepath.Join(c.home, name) }

// majorOf is the Postgres version that wrote a data folder, 0 where there is
// none.
func majorOf(dir string) (int, error) {
	text, err := os.ReadFile(filepath.Join(dir, "PG_VERSION"))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	major, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0, fmt.Errorf("%s holds no Postgres data: its PG_VERSION is %.20q", dir, text)
	}
	return major, nil
}

// stopLeftovers ends what a killed process left running, the replica first.
func (c *cluster) stopLeftovers(ctx context.Context) error {
	for _, name := range []string{replicaName, primaryName} {
		l := leftover{dir: c.path(name), pidFile: filepath.Join(c.path(name), "postmaster.pid"), names: []string{"postgres"}}
		if err := l.stop(ctx,
			step{syscall.SIGINT, 5 * time.Second},
			step{syscall.SIGQUIT, 3 * time.Second},
			step{syscall.SIGKILL, 2 * time.Second},
		); err != nil {
			return err
		}
		// Postgres believes a stale file whose process number lives on as some
		// other program's, and would never start again.
		if pid := l.main(); pid != 0 && programOf(pid) != "postgres" {
			os.Remove(l.pidFile)
		}
	}
	return nil
}

// prepare makes what is missing: the primary, and with replica its copy.
func (c *cluster) prepare(ctx context.Context, replica bool) error {
	for _, name := range []string{primaryName, replicaName} {
		if err := os.RemoveAll(c.path(name + unfinished)); err != nil {
			return fmt.Errorf("clear what was left unfinished: %w", err)
		}
	}
	fresh, err := c.passwords()
	if err != nil {
		return err
	}
	major, err := majorOf(c.path(primaryName))
	if err != nil {
		return fmt.Errorf("read the primary's version: %w", err)
	}
	if major == 0 {
		if err := c.initialise(ctx, replica); err != nil || !replica {
			return err
		}
		return c.copyPrimary(ctx)
	}
	if fresh {
		if err := c.alone(ctx, c.path(primaryName), c.setPasswords()); err != nil {
			return fmt.Errorf("set new passwords: %w", err)
		}
	}
	// A replica would know new passwords only some time after it is up.
	if replica && (fresh || !c.hasReplica()) {
		return c.seed(ctx)
	}
	return nil
}

// passwords reads the two passwords, or makes them where one is missing.
func (c *cluster) passwords() (fresh bool, err error) {
	for name, to := range map[string]*string{"password": &c.owner, "replicator-password": &c.replicas} {
		text, err := os.ReadFile(c.path(name))
		if *to = strings.TrimSpace(string(text)); err == nil && *to != "" {
			continue
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false, fmt.Errorf("read the password of Postgres: %w", err)
		}
		fresh = true
		*to = rand.Text()
		if err := writeFile(c.path(name), []byte(*to+"\n")); err != nil {
			return false, fmt.Errorf("keep the password of Postgres: %w", err)
		}
	}
	return fresh, nil
}

func (c *cluster) setPasswords() []string {
	return []string{
		"ALTER ROLE " + ownerRole + " PASSWORD " + sqlQuote(c.owner),
		"ALTER ROLE " + replicationRole + " PASSWORD " + sqlQuote(c.replicas),
	}
}

// initialise makes an empty primary with its roles and its database, and with
// replica the slot for one. A replica that is there belonged to another primary.
func (c *cluster) initialise(ctx context.Context, replica bool) error {
	if entries, err := os.ReadDir(c.path(primaryName)); err == nil && len(entries) > 0 {
		return fmt.Errorf("%s holds no Postgres data but is not empty: move it away", c.path(primaryName))
	}
	if err := enoughSpace(c.home, freshBytes); err != nil {
		return err
	}
	c.say("making a Postgres " + c.bin.version + " database")
	dir := c.path(primaryName + unfinished)
	if err := c.initdb(ctx, dir); err != nil {
		os.RemoveAll(dir)
		return fmt.Errorf("make the Postgres data: %w", err)
	}
	sql := append([]string{
		"CREATE ROLE " + replicationRole + " LOGIN REPLICATION",
		"CREATE DATABASE " + databaseName,
	}, c.setPasswords()...)
	if replica {
		sql = append(sql, makeSlot)
	}
	if err := c.alone(ctx, dir, sql); err != nil {
		os.RemoveAll(dir)
		return fmt.Errorf("make the Postgres roles: %w", err)
	}
	for _, name := range []string{primaryName, replicaName} {
		if err := os.RemoveAll(c.path(name)); err != nil {
			return fmt.Errorf("make the Postgres data: %w", err)
		}
	}
	return os.Rename(dir, c.path(primaryName))
}

func (c *cluster) initdb(ctx context.Context, dir string) error {
	var err error
	// Not every system has the first locale; both sort by code point.
	for _, locale := range []string{"C.UTF-8", "C"} {
		os.RemoveAll(dir)
		if err := c.acct.mkdir(dir); err != nil {
			return err
		}
		// The authentication file is replaced before the first start.
		args := []string{"-D", dir, "-U", ownerRole, "--encoding=UTF8", "--locale=" + locale, "--auth=reject", "--no-instructions"}
		if c.noSync {
			args = append(args, "--no-sync")
		}
		if err = c.run(ctx, "", "initdb", args...); err == nil || !strings.Contains(err.Error(), "locale") {
			break
		}
	}
	return err
}

// hasReplica is false for a copy that does not follow or is known to be stale.
func (c *cluster) hasReplica() bool {
	_, stale := os.Stat(c.path(staleName))
	_, follows := os.Stat(filepath.Join(c.path(replicaName), "standby.signal"))
	of, err := majorOf(c.path(replicaName))
	return errors.Is(stale, fs.ErrNotExist) && follows == nil && err == nil && of == c.bin.major
}

// seed makes the replica's slot anew, which holds the write-ahead log from here
// on, and copies the primary. A primary that was killed comes into a clean state
// by this too.
func (c *cluster) seed(ctx context.Context) error {
	err := c.alone(ctx, c.path(primaryName), []string{
		"SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '" + slotName + "'",
		makeSlot,
	})
	if err != nil {
		return fmt.Errorf("make the replica's slot: %w", err)
	}
	return c.copyPrimary(ctx)
}

// copyPrimary makes the replica a copy of the stopped primary: no server can be
// caught half-way, so that this is right from any state and needs no more tools.
func (c *cluster) copyPrimary(ctx context.Context) error {
	from, to := c.path(primaryName), c.path(replicaName)
	size, err := treeSize(from)
	if err != nil {
		return fmt.Errorf("measure the primary: %w", err)
	}
	if err := enoughSpace(c.home, size+freshBytes/4); err != nil {
		return err
	}
	c.say("copying the primary for the replica (" + strconv.FormatInt(size>>20, 10) + " MiB)")
	if err := os.RemoveAll(to); err != nil {
		return fmt.Errorf("remove the old replica: %w", err)
	}
	if err = c.copyData(ctx, from, to+unfinished); err == nil && !c.noSync {
		err = c.run(ctx, "", "initdb", "--sync-only", "-D", to+unfinished)
	}
	if err != nil {
		os.RemoveAll(to + unfinished)
		return fmt.Errorf("copy the primary for the replica: %w", err)
	}
	if err := os.Rename(to+unfinished, to); err != nil {
		return fmt.Errorf("keep the replica: %w", err)
	}
	return os.RemoveAll(c.path(staleName))
}

func (c *cluster) copyData(ctx context.Context, from, to string) error {
	err := filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		inside, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, inside)
		switch {
		case inside == "postmaster.pid", inside == "postmaster.opts":
			return nil
		case filepath.Dir(inside) == "pg_replslot":
			return fs.SkipDir // the slots are the primary's alone
		case e.IsDir():
			return c.acct.mkdir(target)
		case e.Type().IsRegular():
			return c.copyFile(path, target)
		}
		return fmt.Errorf("%s is neither a file nor a folder", path)
	})
	if err != nil {
		return err
	}
	return c.write(filepath.Join(to, "standby.signal"), nil)
}

func (c *cluster) copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, ownerOnlyFile)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close(), c.acct.own(to))
}

// write makes a file of the servers' own.
func (c *cluster) write(path string, content []byte) error {
	if err := writeFile(path, content); err != nil {
		return err
	}
	return c.acct.own(path)
}

// alone runs statements, one line each, in Postgres without a server around it.
func (c *cluster) alone(ctx context.Context, dir string, sql []string) error {
	if err := c.configure(dir, nil); err != nil {
		return err
	}
	return c.run(ctx, strings.Join(sql, ";\n\n")+";\n\n", "postgres",
		"--single", "-j", "-D", dir, "-c", "config_file="+filepath.Join(dir, confName), "-c", "exit_on_error=on", "postgres")
}

// run runs a program of Postgres to its end, without a console.
func (c *cluster) run(ctx context.Context, input, program string, args ...string) error {
	cmd := c.command(program, args...)
	cmd.Stdin = strings.NewReader(input)
	log := openLog(c.path("setup.log"), nil)
	p, err := start(cmd, log, syscall.SIGKILL)
	if err != nil {
		return fmt.Errorf("run %s: %w", cmd.Path, err)
	}
	select {
	case <-p.done:
	case <-ctx.Done():
		err := p.stop(ctx, step{syscall.SIGTERM, 2 * time.Second}, step{syscall.SIGKILL, time.Second})
		return errors.Join(fmt.Errorf("%s: %w", program, ctx.Err()), err, c.stopHelpers(ctx))
	}
	if p.err != nil {
		return fmt.Errorf("%s: %w", program, p.ended())
	}
	return nil
}

// stopHelpers ends what initdb started and left behind when it was stopped.
func (c *cluster) stopHelpers(ctx context.Context) error {
	var errs []error
	for _, name := range []string{primaryName, replicaName} {
		l := leftover{dir: c.path(name + unfinished), names: []string{"postgres"}}
		errs = append(errs, l.stop(context.WithoutCancel(ctx), step{syscall.SIGKILL, 2 * time.Second}))
	}
	return errors.Join(errs...)
}

func (c *cluster) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(c.bin.dir, program), args...)
	cmd.Dir = c.home
	cmd.Env = serverEnv()
	c.acct.as(cmd)
	return cmd
}

func sqlQuote(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

func treeSize(dir string) (int64, error) {
	var size int64
	err := filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err == nil && info.Mode().IsRegular() {
			size += info.Size()
		}
		return err
	})
	return size, err
}

func enoughSpace(dir string, need int64) error {
	var disk syscall.Statfs_t
	if err := syscall.Statfs(dir, &disk); err != nil {
		return fmt.Errorf("ask for the free space of %s: %w", dir, err)
	}
	if free := int64(disk.Bavail) * int64(disk.Bsize); free < need { //nolint:unconvert // 32 bits on other systems
		return fmt.Errorf("the disk of %s has %d MB free, Postgres needs %d MB: %w", dir, free/1e6, need/1e6, syscall.ENOSPC)
	}
	return nil
}
