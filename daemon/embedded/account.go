package embedded

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// account is the unprivileged user that Postgres runs as when this process is
// root, which Postgres refuses. nil means: as the user we are.
type account struct {
	name     string
	uid, gid uint32
}

// nobodyID is taken where the machine names neither postgres nor nobody.
const nobodyID = 65534

func serverAccount(home string) *account {
	if os.Geteuid() != 0 {
		return nil
	}
	// A folder that has its data already keeps its user: it may have been begun
	// without root.
	if info, err := os.Stat(filepath.Join(home, primaryName)); err == nil {
		if s, ok := info.Sys().(*syscall.Stat_t); ok && s.Uid != 0 {
			return &account{name: fmt.Sprintf("user %d", s.Uid), uid: s.Uid, gid: s.Gid}
		}
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, errU := strconv.ParseUint(u.Uid, 10, 32)
		gid, errG := strconv.ParseUint(u.Gid, 10, 32)
		if errU == nil && errG == nil && uid != 0 {
			return &account{name: name, uid: uint32(uid), gid: uint32(gid)}
		}
	}
	return &account{name: "user 65534", uid: nobodyID, gid: nobodyID}
}

// as makes cmd run as the account.
func (a *account) as(cmd *exec.Cmd) {
	if a == nil {
		return
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: a.uid, Gid: a.gid}}
}

// own gives path to the account.
func (a *account) own(path string) error {
	if a == nil {
		return nil
	}
	return os.Lchown(path, int(a.uid), int(a.gid))
}

// mkdir makes a folder of the account's own.
func (a *account) mkdir(path string) error {
	if err := os.Mkdir(path, ownerOnlyDir); err != nil {
		return err
	}
	return a.own(path)
}

// locationName is the file that says where the cluster is, when it is not in
// the folder itself.
const locationName = "location"

// clusterHome finds the folder for the cluster: dir itself, or where the account
// cannot come to it (below /root, say), a folder of ours elsewhere that dir
// remembers.
func clusterHome(ctx context.Context, dir string, say func(string)) (string, error) {
	dir, err := absolute(dir, passable())
	if err != nil {
		return "", err
	}
	pointer := filepath.Join(dir, locationName)
	if text, err := os.ReadFile(pointer); err == nil {
		home := strings.TrimSpace(string(text))
		if real, err := filepath.EvalSymlinks(home); err == nil {
			return real, nil
		}
		return "", fmt.Errorf("the cluster of %s was kept in %s, which is gone: remove %s to start with an empty one", dir, home, pointer)
	}
	acct := serverAccount(dir)
	if acct == nil || acct.reaches(ctx, dir) {
		return dir, nil
	}
	if !acct.reaches(ctx, "/") {
		return "", fmt.Errorf("Postgres refuses to run as root and root may not become %s here: start as a normal user", acct.name)
	}
	home, err := acct.otherHome(ctx)
	if err != nil {
		return "", fmt.Errorf("%s, as whom Postgres runs, cannot come to %s: %w", acct.name, dir, err)
	}
	if err := writeFile(pointer, []byte(home+"\n")); err != nil {
		return "", errors.Join(fmt.Errorf("write %s: %w", pointer, err), os.Remove(home))
	}
	say(fmt.Sprintf("%s, as whom Postgres runs, cannot come to %s: its data is kept in %s", acct.name, dir, home))
	return home, nil
}

func (a *account) otherHome(ctx context.Context) (string, error) {
	var last error
	for _, base := range []string{"/var/lib/pulse", filepath.Join(os.TempDir(), "pulse-data")} {
		if last = makeDir(base, passable()); last != nil {
			continue
		}
		// Nobody else may have prepared the folder: it would be theirs to change.
		if info, err := os.Lstat(base); err != nil || !info.IsDir() || info.Sys().(*syscall.Stat_t).Uid != 0 {
			last = fmt.Errorf("%s is not ours", base)
			continue
		}
		home := filepath.Join(base, "postgres-"+strings.ToLower(rand.Text()[:12]))
		if last = makeDir(home, passable()); last != nil {
			continue
		}
		if a.reaches(ctx, home) {
			return home, nil
		}
		os.Remove(home)
		last = fmt.Errorf("nor to %s", base)
	}
	return "", last
}

// reaches tries it: modes alone would miss mounts and access lists.
func (a *account) reaches(ctx context.Context, dir string) bool {
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", ":")
	cmd.Dir = dir
	a.as(cmd)
	return !errors.Is(cmd.Run(), fs.ErrPermission)
}
