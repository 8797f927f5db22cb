// Package ops serves health and metrics on a port of their own, without
// authentication: whoever reaches it is inside.
package ops

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/pprof"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// checkTimeout bounds one health check.
const checkTimeout = 2 * time.Second

// Check tells whether a part works: nil if it does.
type Check func(ctx context.Context) error

// Handler serves /livez (the process runs), /readyz (every check passes, else
// 503 with the reasons), /metrics, and the runtime's profiles for `go tool
// pprof` under /debug/pprof/.
func Handler(reg *prometheus.Registry, checks map[string]Check) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		writeStatus(w, http.StatusOK, map[string]string{})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		faults := Run(r.Context(), checks)
		status := http.StatusOK
		if len(faults) > 0 {
			status = http.StatusServiceUnavailable
		}
		writeStatus(w, status, faults)
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{
		Timeout: 10 * time.Second, MaxRequestsInFlight: 4,
	}))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}

// Run does all checks at once, each within its time, and gives the faults by
// part.
func Run(ctx context.Context, checks map[string]Check) map[string]string {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	var mu sync.Mutex // covers faults
	faults := map[string]string{}
	var all sync.WaitGroup
	for part, check := range checks {
		all.Go(func() {
			if err := check(ctx); err != nil {
				mu.Lock()
				defer mu.Unlock()
				faults[part] = err.Error()
			}
		})
	}
	all.Wait()
	return faults
}

func writeStatus(w http.ResponseWriter, status int, faults map[string]string) {
	word := "ok"
	if status != http.StatusOK {
		word = "unavailable"
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// The client going away is no concern of ours.
	_ = json.NewEncoder(w).Encode(map[string]any{"status": word, "faults": faults})
}
