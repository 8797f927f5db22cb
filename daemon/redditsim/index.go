package redditsim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"dev.redditpulse/shared/wire"
)

// Bounds of a replay folder; the known one has 118 files and 21 MB.
const (
	maxIndex = 64 << 20  // bytes of index.json
	maxFile  = 256 << 20 // bytes of one recorded body
)

// recording is one entry of index.json.
type recording struct {
	File    string            `json:"file"`
	Kind    string            `json:"kind"`
	Status  int               `json:"status"`
	Method  string            `json:"method"`
	URI     string            `json:"uri"`
	Length  int               `json:"uri_len"` // of the address as sent; 0 is unknown
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"` // "json", "html", "txt" or "empty"
}

// keptHeaders are replayed as they were recorded. All others were of their
// hour, or are written anew.
var keptHeaders = []string{"Content-Type", "Location", "Retry-After", "WWW-Authenticate"}

// errorHeaders are replayed with errors only: other answers tell of our window.
var errorHeaders = windowHeaders[:]

// openTape reads a replay folder whole into memory.
func openTape(dir string, log *slog.Logger) (*tape, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	index, err := readIndex(root)
	if err != nil {
		return nil, err
	}
	t := &tape{
		log: log, posts: map[string]*take{}, shelves: map[string]*shelf{},
		refusals: map[standing]recorded{}, answers: map[string]*recordings{},
	}
	for _, rec := range index {
		body, err := readFile(root, rec.File, maxFile)
		if err != nil {
			return nil, err
		}
		t.record(rec, body)
	}
	t.arrange()
	if err := t.readQuoted(root); err != nil {
		return nil, err
	}
	log.Info("recorded answers read", "dir", dir, "files", len(index), "posts", len(t.posts),
		"communities", len(t.shelves))
	return t, nil
}

func readIndex(root *os.Root) ([]recording, error) {
	const name = "index.json"
	body, err := readFile(root, name, maxIndex)
	if err != nil {
		return nil, err
	}
	var index []recording
	if err := json.Unmarshal(body, &index); err != nil {
		return nil, fmt.Errorf("read %s: %w", inDir(root, name), err)
	}
	for i, rec := range index {
		if fault := rec.fault(); fault != "" {
			return nil, fmt.Errorf("read %s: entry %d (%q): %s", inDir(root, name), i+1, rec.File, fault)
		}
	}
	if len(index) == 0 {
		return nil, fmt.Errorf("read %s: no entries", inDir(root, name))
	}
	return index, nil
}

// fault says what is wrong with an entry, "" when nothing is.
func (rec *recording) fault() string {
	u, err := url.Parse(rec.URI)
	switch {
	case rec.File == "" || !filepath.IsLocal(rec.File):
		return "file: want the name of a file in the folder"
	case rec.Method == "":
		return "method: missing"
	case err != nil || u.Host == "":
		return "uri: want a whole address"
	case rec.Status < 200 || rec.Status > 599:
		return fmt.Sprintf("status: want 200 to 599, got %d", rec.Status)
	}
	return ""
}

func readFile(root *os.Root, name string, most int64) ([]byte, error) {
	f, err := root.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", inDir(root, name), cause(err))
	}
	defer f.Close()
	body, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", inDir(root, name), cause(err))
	}
	if int64(len(body)) > most {
		return nil, fmt.Errorf("read %s: longer than %d MB", inDir(root, name), most>>20)
	}
	return body, nil
}

func inDir(root *os.Root, name string) string { return filepath.Join(root.Name(), name) }

// cause is a file error without the path that it names already.
func cause(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// record keeps an answer and the posts in it.
func (t *tape) record(rec recording, body []byte) {
	header := http.Header{}
	for k, v := range rec.Headers {
		header.Set(k, v)
	}
	date, _ := http.ParseTime(header.Get("Date"))
	if rec.Body == "json" {
		t.collect(rec.File, date, body)
	}
	u, err := url.Parse(rec.URI)
	if err != nil || strings.TrimSuffix(u.Path, "/") == tokenPath {
		return // the token call answers by itself
	}
	if rec.Length != 0 && rec.Length != len(rec.URI) {
		return // the index holds the address cut short: nobody can ask for it
	}
	a := recorded{status: rec.Status, body: body}
	kept := keptHeaders
	if rec.Status >= http.StatusBadRequest {
		kept = append(kept[:len(kept):len(kept)], errorHeaders...)
	}
	for _, name := range kept {
		if v := header.Get(name); v != "" {
			a.header = append(a.header, [2]string{name, v})
		}
	}
	if header.Get("Content-Type") == "" && rec.Body == "json" {
		a.header = append(a.header, [2]string{"Content-Type", jsonType})
	}
	key := requestKey(rec.Method, u)
	if t.answers[key] == nil {
		t.answers[key] = &recordings{}
	}
	t.answers[key].all = append(t.answers[key].all, a)
}

// collect keeps the posts that stand anywhere in a body. One that says too
// little of itself to be listed is left out.
func (t *tape) collect(file string, date time.Time, body []byte) {
	for _, raw := range things(body) {
		var thing struct {
			Data struct {
				Name       string   `json:"name"`
				Subreddit  string   `json:"subreddit"`
				CreatedUTC *float64 `json:"created_utc"`
				Score      any      `json:"score"` // figures and flags of an odd type count as none
				Stickied   any      `json:"stickied"`
			} `json:"data"`
		}
		err := json.Unmarshal(raw, &thing)
		d := thing.Data
		if err != nil || !wire.ValidPostID(d.Name) || d.Subreddit == "" || d.CreatedUTC == nil {
			t.log.Warn("recorded post left out", "file", file, "name", d.Name, "err", err)
			continue
		}
		p := &take{id: d.Name, community: d.Subreddit, created: *d.CreatedUTC, raw: raw, date: date, file: file}
		p.score, _ = d.Score.(float64)
		p.sticky, _ = d.Stickied.(bool)
		t.add(p)
	}
}

// readQuoted takes the bodies of refusals from the folder's quoted/, where they
// are there.
func (t *tape) readQuoted(root *os.Root) error {
	for state, name := range map[standing]string{
		private: "private_403.json", quarantined: "quarantined_403_with_email_optin.json",
		gated: "gated_403.json", banned: "banned_404.json",
	} {
		body, err := readFile(root, filepath.Join("quoted", name), maxIndex)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		t.refusals[state] = jsonAnswer(refusals[state].status, string(body))
	}
	return nil
}
