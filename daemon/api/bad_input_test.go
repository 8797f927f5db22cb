package api

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"dev.redditpulse/shared/pulse"
)

func TestBadBodiesAreRefusedByName(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	const good = `{"username":"viewer","password":"viewer"}`
	for _, test := range []struct {
		name, body string
		status     int
		field      string
		says       string
	}{
		{"nothing", "", 400, "body", "empty"},
		{"blank", " \n", 400, "body", "empty"},
		{"words", "hello", 400, "body", "not JSON at byte"},
		{"a form", "username=viewer&password=viewer", 400, "body", "not JSON"},
		{"cut off", good[:20], 400, "body", "not JSON"},
		{"trailing comma", `{"username":"viewer","password":"viewer",}`, 400, "body", "not JSON"},
		{"trailing data", good + "x", 400, "body", "more after"},
		{"two values", good + good, 400, "body", "more after"},
		{"a list", "[" + good + "]", 400, "", "object"},
		{"null", "null", 400, "", "object"},
		{"a string", `"viewer"`, 400, "", "object"},
		{"a key twice", `{"username":"viewer","username":"admin","password":"viewer"}`, 400, "username", "twice"},
		{"10,000 levels", strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000), 400, "body", "deeper than 32"},
		{"10,000 objects", strings.Repeat(`{"a":`, 10_000) + "1" + strings.Repeat("}", 10_000), 400, "body", "deeper than 32"},
		{"bad UTF-8", `{"username":"` + "\xff\xfe" + `","password":"x"}`, 400, "body", "UTF-8"},
		{"NUL in the text", `{"username":"a` + "\x00" + `","password":"x"}`, 400, "body", "not JSON"},
		{"NUL escaped", `{"username":"a\u0000","password":"x"}`, 400, "username", "NUL"},
		{"a field missing", `{"username":"viewer"}`, 400, "password", "missing"},
		{"a field too much", `{"username":"viewer","password":"viewer","admin":true}`, 400, "admin", "unexpected"},
		{"empty user", `{"username":"","password":"viewer"}`, 400, "username", ""},
		{"long password", `{"username":"viewer","password":"` + strings.Repeat("x", 2000) + `"}`, 400, "password", "1024"},
		{"a number", `{"username":5,"password":"x"}`, 400, "username", "string"},
		{"over the bound", `{"username":"` + strings.Repeat("x", 64<<10) + `"}`, 413, "", "65536"},
		{"token of 5 MB", `{"token":"` + strings.Repeat("x", 5<<20) + `"}`, 413, "", "65536"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := g.do("POST", "/api/token/", test.body)
			p := wantProblem(t, got, test.status, pulse.Invalid, test.field, test.says)
			if len(got.body) > 1000 {
				t.Errorf("the answer has %d bytes: %+v", len(got.body), p)
			}
		})
	}
}

func TestHugeBodiesEndQuickly(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	const size = 50 << 20
	for name, header := range map[string]string{
		"announced": fmt.Sprintf("Content-Length: %d", size), "chunked": "Transfer-Encoding: chunked",
	} {
		conn, err := net.Dial("tcp", g.http.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(10 * time.Second))
		fmt.Fprintf(conn, "POST /api/token/ HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n", header)
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			block := strings.Repeat("a", 64<<10)
			if name == "chunked" {
				block = fmt.Sprintf("%x\r\n%s\r\n", len(block), block)
			}
			for range size / (64 << 10) {
				if _, err := io.WriteString(conn, block); err != nil {
					return
				}
			}
		}()
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		body, _ := io.ReadAll(resp.Body)
		wantProblem(t, answer{resp.StatusCode, resp.Header, string(body)}, http.StatusRequestEntityTooLarge, pulse.Invalid, "", "65536")
		conn.Close()
		<-sent
	}
}

func TestContentTypeIsCheckedWhereItMatters(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	operator := g.as(pulse.Operator)
	for i, test := range []struct {
		contentType string
		status      int // of POST /api/subreddits/
	}{
		{"application/json", 201}, {"application/json; charset=utf-8", 201}, {"", 201}, {"Application/JSON", 201},
		{"application/x-www-form-urlencoded", 415}, {"text/plain", 415}, {"multipart/form-data; boundary=x", 415}, {";;", 415}, {"application/jsonx", 415},
	} {
		got := g.do("POST", "/api/subreddits/", fmt.Sprintf(`{"name":"sub%d"}`, i), operator, "Content-Type: "+test.contentType)
		if got.status != test.status {
			t.Errorf("subreddits with %q: %d %s, want %d", test.contentType, got.status, got.body, test.status)
		}
		if got := g.do("POST", "/api/token/", `{"username":"viewer","password":"viewer"}`, "Content-Type: "+test.contentType); got.status != http.StatusOK {
			t.Errorf("token with %q: %d %s, want 200", test.contentType, got.status, got.body)
		}
	}
}

func TestBadAuthorizationIsRefused(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	good := g.token(pulse.Viewer)
	for value, says := range map[string]string{
		good: "Bearer", "Basic dmlld2VyOng=": "Bearer", "Bearer": "Bearer", "Bearer  " + good: "not valid", "Token " + good: "Bearer",
		"Bearer " + good + "x": "not valid", "Bearer ../../etc/passwd": "not valid",
	} {
		wantProblem(t, g.do("GET", "/api/posts/", "", "Authorization: "+value), http.StatusUnauthorized, pulse.Unauthenticated, "", says)
	}
	wantProblem(t, g.do("GET", "/api/posts/", "", "Authorization: Bearer "+strings.Repeat("x", 8<<10)),
		http.StatusRequestHeaderFieldsTooLarge, pulse.Invalid, "", "8192")

	req, _ := http.NewRequest("GET", g.http.URL+"/api/posts/", nil)
	req.Header["Authorization"] = []string{"Bearer " + good, "Bearer " + good}
	resp, err := g.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("two headers: %d, want 401", resp.StatusCode)
	}
}

func TestRequestIDIsKeptOrMade(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	for id, kept := range map[string]bool{
		"abc-1.2_Z": true, strings.Repeat("x", 64): true,
		"": false, strings.Repeat("x", 65): false, "a b": false, "a/b": false, "<script>": false, "é": false,
	} {
		got := g.do("GET", "/api/health/", "", "X-Request-Id: "+id).header.Get("X-Request-Id")
		if (got == id) != kept || !goodRequestID.MatchString(got) {
			t.Errorf("X-Request-Id %q came back as %q, kept wanted: %t", id, got, kept)
		}
	}
}

func TestErrorsOfTheInsideStayInside(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	viewer := g.as(pulse.Viewer)
	for i, test := range []struct {
		err    error
		status int
		code   pulse.Code
		logged bool
	}{
		{errors.New("SELECT secret FROM users"), 500, pulse.Internal, true},
		{&pulse.Error{Code: pulse.Internal, Message: "SELECT secret"}, 500, pulse.Internal, true},
		{fmt.Errorf("secret query: %w", context.DeadlineExceeded), 503, pulse.Unavailable, true},
		{fmt.Errorf("secret query: %w", &pulse.Error{Code: pulse.Unavailable, Message: "the database is away", Err: errors.New("secret host")}), 503, pulse.Unavailable, true},
		{fmt.Errorf("secret query: %w", pulse.Errorf(pulse.TooMany, "later")), 429, pulse.TooMany, false},
		{fmt.Errorf("secret query: %w", pulse.Errorf(pulse.Forbidden, "not you")), 403, pulse.Forbidden, false},
		{fmt.Errorf("secret query: %w", pulse.Errorf("odd", "odd")), 500, "odd", false},
	} {
		g.posts.mu.Lock()
		g.posts.err = test.err
		g.posts.mu.Unlock()
		id := fmt.Sprintf("case-%d", i)
		for _, path := range []string{"/api/posts/", "/api/posts/t3_001/", "/api/posts/t3_001/history/", "/api/stats/"} {
			got := g.do("GET", path, "", viewer, "X-Request-Id: "+id)
			wantProblem(t, got, test.status, test.code, "", "")
			if strings.Contains(got.body, "secret") {
				t.Errorf("%s: the answer tells the inside: %s", path, got.body)
			}
			retry := got.header.Get("Retry-After") != ""
			if retry != (test.status == 503 || test.status == 429) {
				t.Errorf("%s: %d with Retry-After: %t", path, test.status, retry)
			}
		}
		if n := strings.Count(g.log.String(), "request_id="+id); test.logged != (n == 4) {
			t.Errorf("%v: logged %d times in 4 requests, wanted: %t", test.err, n, test.logged)
		}
	}
}

func TestPanicEndsOneRequestOnly(t *testing.T) {
	t.Parallel()
	g := newRig(t, func(d *Deps) { d.Posts = nil })
	got := g.do("GET", "/api/posts/", "", g.as(pulse.Viewer))
	wantProblem(t, got, http.StatusInternalServerError, pulse.Internal, "", "request_id")
	if log := g.log.String(); strings.Count(log, "handler panicked") != 1 || !strings.Contains(log, got.header.Get("X-Request-Id")) {
		t.Errorf("log = %s", log)
	}
	if got := g.do("GET", "/api/health/", ""); got.status != http.StatusOK {
		t.Errorf("afterwards: %d", got.status)
	}
}
