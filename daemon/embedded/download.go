package embedded

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"time"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"
	"github.com/ulikunitz/xz"
)

const (
	downloadLimit = 10 * time.Minute // for all of it
	stallLimit    = 30 * time.Second // without a byte
	maxBundle     = 200 << 20        // bytes of the archive
	maxUnpacked   = 1 << 30          // bytes on the disk
)

// bundle is one published build of Postgres: a jar that holds a .txz for one
// system. What its bytes must be is written here, so that neither the server nor
// the way to it has to be trusted.
type bundle struct {
	base    string            // address of the repository
	version string            // "17.11.0"
	sums    map[string]string // SHA-256 by "<system>-<architecture>" as Go names them
	cache   string            // folder for what is unpacked
}

func published(cache string) bundle {
	return bundle{
		base:    repository(),
		version: "17.11.0",
		sums: map[string]string{
			"linux-amd64":  "0dd7b72b6f335b8ecfb355fa24c5781e8a93edd09880bb77eb52ebbf29b3e96d",
			"linux-arm64":  "8b042e0ea418b1927d95399207950da0734d27fe01e29503ade3bdc464ad4c2b",
			"darwin-amd64": "d464ff178e9860ba204662ac23fa547504b7fd392392ff2fb92e3fd73b5bdb64",
			"darwin-arm64": "a1c2786acb0c398f9b2d76806fc52f5dc8b222cbc8e9383a9b9702084daaf3a5",
		},
		cache: cache,
	}
}

// repository is the address that the bundles are published at: the library that
// exists for them keeps it, in a field that has no getter. The library itself
// refuses root, has no deadlines and trusts the sums that it downloads.
func repository() string {
	return reflect.ValueOf(embeddedpostgres.DefaultConfig()).FieldByName("binaryRepositoryURL").String()
}

// cacheDir is where downloads are kept: shared by all users' clusters for root,
// because the user that Postgres runs as has to come to it.
func cacheDir(home string) string {
	if os.Geteuid() == 0 {
		return "/var/cache/pulse"
	}
	if dir, err := os.UserCacheDir(); err == nil {
		return filepath.Join(dir, "pulse")
	}
	return filepath.Join(home, "cache")
}

func (b bundle) major() int { return majorIn(b.version) }

func (b bundle) system() string { return runtime.GOOS + "-" + runtime.GOARCH }

func (b bundle) url() string {
	name := "embedded-postgres-binaries-" + strings.Replace(b.system(), "arm64", "arm64v8", 1)
	return fmt.Sprintf("%s/io/zonky/test/postgres/%s/%s/%s-%s.jar", b.base, name, b.version, name, b.version)
}

// fetch gives the folder of the programs, downloaded where the cache has none.
func (b bundle) fetch(ctx context.Context, say func(string)) (string, error) {
	home := filepath.Join(b.cache, "postgres-"+b.version+"-"+b.system())
	if _, err := os.Stat(filepath.Join(home, "bin", "postgres")); err == nil {
		return filepath.Join(home, "bin"), nil
	}
	sum, known := b.sums[b.system()]
	if !known {
		return "", fmt.Errorf("no build for %s is known", b.system())
	}
	if err := makeDir(b.cache, 0o755); err != nil {
		return "", fmt.Errorf("make the cache: %w", err)
	}
	work, err := os.MkdirTemp(b.cache, "unpacking-*")
	if err != nil {
		return "", fmt.Errorf("make the cache: %w", err)
	}
	defer os.RemoveAll(work)
	jar := filepath.Join(work, "bundle.jar")
	if err := b.download(ctx, jar, sum, say); err != nil {
		return "", err
	}
	tree := filepath.Join(work, "tree")
	if err := unpack(ctx, jar, tree); err != nil {
		return "", fmt.Errorf("unpack %s: %w", filepath.Base(b.url()), err)
	}
	// Another process may have been quicker: then its tree is as good.
	if err := os.Rename(tree, home); err != nil {
		if _, there := os.Stat(filepath.Join(home, "bin", "postgres")); there != nil {
			return "", fmt.Errorf("keep the programs: %w", err)
		}
	}
	return filepath.Join(home, "bin"), nil
}

func (b bundle) download(ctx context.Context, path, sum string, say func(string)) error {
	ctx, cancel := context.WithTimeout(ctx, downloadLimit)
	defer cancel()
	stalled := time.AfterFunc(stallLimit, cancel)
	defer stalled.Stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.url(), nil)
	if err != nil {
		return fmt.Errorf("download Postgres: %w", err)
	}
	req.Close = true // nothing else will be asked of that server
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("download Postgres: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("download Postgres: %s answers %s", b.url(), resp.Status)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_EXCL, ownerOnlyFile)
	if err != nil {
		return fmt.Errorf("keep the download: %w", err)
	}
	defer f.Close()
	p := &progress{say: say, total: resp.ContentLength, name: "downloading Postgres " + b.version}
	p.tell()
	hash := sha256.New()
	moving := writerFunc(func(n int) {
		stalled.Reset(stallLimit)
		p.add(n)
	})
	n, err := io.Copy(io.MultiWriter(f, hash, moving), io.LimitReader(resp.Body, maxBundle+1))
	if err != nil {
		return fmt.Errorf("download Postgres: %w", err)
	}
	if n > maxBundle {
		return fmt.Errorf("download Postgres: more than %d bytes", maxBundle)
	}
	if got := hex.EncodeToString(hash.Sum(nil)); got != sum {
		return fmt.Errorf("download Postgres: its SHA-256 is %s, not %s", got, sum)
	}
	return f.Close()
}

// progress says how far a download is, at every fifth of it.
type progress struct {
	say         func(string)
	name        string
	done, total int64 // bytes; total is -1 while unknown
	told        int64 // fifths
}

func (p *progress) add(n int) {
	p.done += int64(n)
	if p.total > 0 && p.done*5/p.total > p.told {
		p.told = p.done * 5 / p.total
		p.tell()
	}
}

func (p *progress) tell() {
	if p.total <= 0 {
		p.say(p.name)
		return
	}
	p.say(p.name + " (" + strconv.FormatFloat(float64(p.total)/1e6, 'f', 1, 64) + " MB): " +
		strconv.FormatInt(p.done*100/p.total, 10) + "%")
}

type writerFunc func(n int)

func (w writerFunc) Write(p []byte) (int, error) {
	w(len(p))
	return len(p), nil
}

// unpack writes the tree of the jar's one .txz into dir.
func unpack(ctx context.Context, jar, dir string) error {
	z, err := zip.OpenReader(jar)
	if err != nil {
		return err
	}
	defer z.Close()
	for _, member := range z.File {
		if strings.HasSuffix(member.Name, ".txz") {
			r, err := member.Open()
			if err != nil {
				return err
			}
			defer r.Close()
			return untar(ctx, bufio.NewReaderSize(r, 1<<20), dir)
		}
	}
	return errors.New("no .txz in it")
}

// untar cannot leave dir: the root refuses every name that would, and follows no
// link out of it. Modes are set against the umask: another user runs this.
func untar(ctx context.Context, packed io.Reader, dir string) error {
	plain, err := xz.NewReader(packed)
	if err != nil {
		return err
	}
	if err := makeDir(dir, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	in := tar.NewReader(io.LimitReader(plain, maxUnpacked))
	for ctx.Err() == nil {
		h, err := in.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := place(root, h, in); err != nil {
			return fmt.Errorf("%s: %w", h.Name, err)
		}
	}
	return ctx.Err()
}

func place(root *os.Root, h *tar.Header, content io.Reader) error {
	name := filepath.Clean(h.Name)
	if err := placeDir(root, filepath.Dir(name)); err != nil {
		return err
	}
	switch h.Typeflag {
	case tar.TypeDir:
		return placeDir(root, name)
	case tar.TypeSymlink:
		return root.Symlink(h.Linkname, name)
	case tar.TypeReg:
		f, err := root.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_EXCL, ownerOnlyFile)
		if err != nil {
			return err
		}
		_, err = io.Copy(f, content)
		return errors.Join(err, f.Chmod(0o644|h.FileInfo().Mode()&0o111), f.Close())
	}
	return nil
}

func placeDir(root *os.Root, name string) error {
	if name == "." {
		return nil
	}
	if _, err := root.Stat(name); err == nil {
		return nil
	}
	if err := placeDir(root, filepath.Dir(name)); err != nil {
		return err
	}
	if err := root.Mkdir(name, 0o755); err != nil {
		return err
	}
	return root.Chmod(name, 0o755)
}
