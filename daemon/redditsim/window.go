package redditsim

import (
	"net/http"
	"strconv"
	"sync"
	"time"
)

// windowSeconds is the length of the fixed windows in which requests are
// counted; they begin at multiples of it in Unix time.
const windowSeconds = 600

// maxClients is how many applications are counted apart in one window; all
// further ones share a count.
const maxClients = 1000

// window counts requests by application.
type window struct {
	limit int

	mu     sync.Mutex // covers the rest
	number int64      // of the current window since 1970
	used   map[string]int
}

func newWindow(limit int) *window { return &window{limit: limit, used: map[string]int{}} }

// use is where an application stands after a request.
type use struct {
	used, remaining int
	reset           string // whole seconds to the end of the window, at least 1
	over            bool   // the request was one too many, and is not counted
}

// take counts a request, and those that another client with the same id made
// since.
func (w *window) take(client string, elsewhere int, now time.Time) use {
	seconds := now.Unix()
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := seconds / windowSeconds; n != w.number {
		w.number, w.used = n, map[string]int{}
	}
	if _, known := w.used[client]; !known && len(w.used) >= maxClients {
		client = ""
	}
	w.used[client] = min(w.limit, w.used[client]+elsewhere)
	u := use{reset: untilReset(now)}
	if u.over = w.used[client] >= w.limit; !u.over {
		w.used[client]++
	}
	u.used = w.used[client]
	u.remaining = w.limit - u.used
	return u
}

// untilReset is the whole seconds to the end of the window.
func untilReset(now time.Time) string {
	return strconv.FormatInt(windowSeconds-now.Unix()%windowSeconds, 10)
}

// windowHeaders are used, remaining and reset.
var windowHeaders = [3]string{"X-Ratelimit-Used", "X-Ratelimit-Remaining", "X-Ratelimit-Reset"}

// headers writes what Reddit tells of the window: the rest as a float.
func (u use) headers(h http.Header) {
	h.Set(windowHeaders[0], strconv.Itoa(u.used))
	h.Set(windowHeaders[1], strconv.Itoa(u.remaining)+".0")
	h.Set(windowHeaders[2], u.reset)
}
