package ops_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"dev.redditpulse/daemon/ops"
)

func TestReadinessFollowsTheChecksAndLivenessDoesNot(t *testing.T) {
	t.Parallel()
	var broken error
	reg := prometheus.NewRegistry()
	reg.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "pulse_test", Help: "x"}))
	s := httptest.NewServer(ops.Handler(reg, map[string]ops.Check{
		"primary": func(context.Context) error { return broken },
		"redis":   func(context.Context) error { return nil },
	}))
	defer s.Close()
	get := func(path string) (int, string) {
		resp, err := http.Get(s.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(body)
	}
	for _, path := range []string{"/livez", "/readyz"} {
		if code, body := get(path); code != http.StatusOK || !strings.Contains(body, `"ok"`) {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
	broken = errors.New("connection refused")
	if code, body := get("/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(body, `"primary":"connection refused"`) || strings.Contains(body, "redis") {
		t.Errorf("/readyz with a broken part: %d %s", code, body)
	}
	if code, _ := get("/livez"); code != http.StatusOK {
		t.Errorf("/livez with a broken part: %d", code)
	}
	if code, body := get("/metrics"); code != http.StatusOK || !strings.Contains(body, "pulse_test 0") {
		t.Errorf("/metrics: %d %s", code, body)
	}
}
