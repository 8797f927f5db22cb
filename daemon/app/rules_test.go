package app_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "dev.redditpulse/"

// goPackage is what `go list -json` tells of a package.
type goPackage struct {
	ImportPath   string
	Imports      []string
	TestImports  []string
	XTestImports []string
	Standard     bool
}

// The rooms and what of ours each may import, besides shared.
var (
	stages   = []string{"ingest", "process", "store", "feed", "api", "dump", "backtest"}
	adapters = []string{"reddit", "bus", "cache", "db", "auth"}
	// Helpers that only tests may import.
	helpers = []string{"daemon/pgtest", "daemon/redistest", "daemon/kafkatest", "shared/client/clienttest"}
)

// homes names for each library the only packages that may import it.
var homes = map[string][]string{
	"github.com/segmentio/kafka-go":       {"daemon/bus", "daemon/kafkatest"},
	"github.com/redis/go-redis":           {"daemon/cache"},
	"github.com/jackc/pgx":                {"daemon/db", "daemon/pgtest"},
	"github.com/pressly/goose":            {"daemon/db"},
	"github.com/golang-jwt/jwt":           {"daemon/auth"},
	"github.com/gorilla/websocket":        {"daemon/feed", "shared/client"},
	"github.com/knadh/koanf":              {"shared/config"},
	"github.com/charmbracelet/bubbletea":  {"tui"},
	"github.com/charmbracelet/lipgloss":   {"tui"},
	"github.com/danielgtaylor/huma":       {"daemon/api"},
	"github.com/twmb/franz-go":            {"daemon/embedded", "daemon/kafkatest"},
	"github.com/alicebob/miniredis":       {"daemon/embedded"},
	"github.com/jonreiter/govader":        {"daemon/score"},
	"github.com/hashicorp/golang-lru":     {"daemon/score"},
	"github.com/spf13/cobra":              {"daemon/app", "tui"},
	"github.com/prometheus/client_golang": {"shared/telemetry", "daemon"},
}

func TestDependencyRules(t *testing.T) {
	t.Parallel()
	for _, p := range listPackages(t) {
		from := strings.TrimPrefix(p.ImportPath, module)
		for _, imported := range p.Imports {
			if why := forbidden(from, imported); why != "" {
				t.Errorf("%s imports %s: %s", from, imported, why)
			}
		}
		checkName(t, from)
	}
}

func forbidden(from, imported string) string {
	to, ours := strings.CutPrefix(imported, module)
	if !ours {
		return forbiddenLibrary(from, imported)
	}
	switch top := strings.Split(from, "/")[0]; {
	case from == "shared/pulse":
		return "the domain imports the standard library only"
	case slices.Contains(helpers, to) && !slices.Contains(helpers, from):
		return "only tests may"
	case top == "shared" && !strings.HasPrefix(to, "shared/"):
		return "shared imports nothing else of ours"
	case top == "tui" && strings.HasPrefix(to, "daemon/"), top == "daemon" && strings.HasPrefix(to, "tui/"):
		return "client and daemons meet in shared only"
	case top == "tui" && to == "sql", to == "sql" && from != "daemon/db":
		return "statements are the database adapter's"
	case top == "daemon":
		return forbiddenRoom(path.Base(from), to)
	}
	return ""
}

func forbiddenRoom(from, to string) string {
	target, room := strings.CutPrefix(to, "daemon/")
	if !room {
		return ""
	}
	switch {
	case slices.Contains(stages, from) && target != "score" && target != "plan":
		return "a stage imports shared, score and plan only"
	case slices.Contains(adapters, from):
		return "an adapter imports shared only"
	case from == "score", from == "plan", from == "lifecycle", from == "ops", from == "embedded", from == "redditsim":
		return "this room stands alone"
	}
	return ""
}

func forbiddenLibrary(from, imported string) string {
	if from == "shared/pulse" && strings.Contains(strings.Split(imported, "/")[0], ".") {
		return "the domain imports the standard library only"
	}
	for library, rooms := range homes {
		if imported != library && !strings.HasPrefix(imported, library+"/") {
			continue
		}
		if !slices.ContainsFunc(rooms, func(room string) bool { return from == room || strings.HasPrefix(from, room+"/") }) {
			return "its home is " + strings.Join(rooms, " and ")
		}
	}
	return ""
}

func checkName(t *testing.T, from string) {
	t.Helper()
	if slices.Contains([]string{"util", "utils", "common", "types", "models", "helpers", "http", "redis", "kafka", "postgres", "jwt"}, path.Base(from)) {
		t.Errorf("%s: the name says nothing, or is a library's", from)
	}
}

func listPackages(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports,TestImports,XTestImports,Standard", "./...")
	cmd.Dir = "../.."
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var all []goPackage
	dec := json.NewDecoder(out)
	for {
		var p goPackage
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if len(all) < 20 {
		t.Fatalf("go list gave %d packages", len(all))
	}
	return all
}
