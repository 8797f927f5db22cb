package api

import (
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"dev.redditpulse/shared/pulse"
)

// paths is the mux that huma registers its handlers on. It only collects them:
// router then serves each path with all of its methods in one place.
type paths struct {
	handlers map[string]http.HandlerFunc // by "METHOD /path/"
}

func newPaths() *paths { return &paths{handlers: map[string]http.HandlerFunc{}} }

// HandleFunc keeps the handler of a "METHOD /path/" pattern.
func (p *paths) HandleFunc(pattern string, h func(http.ResponseWriter, *http.Request)) {
	p.handlers[pattern] = h
}

// ServeHTTP is what huma's interface asks for; requests never come this way.
func (p *paths) ServeHTTP(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }

// resource is one path and what may be done with it.
type resource struct {
	path      string
	allow     string // the Allow header
	endpoints map[string]*endpoint
}

// endpoint is one method of a resource.
type endpoint struct {
	route
	query   map[string]bool // known parameters; true: may be repeated
	hasBody bool
	maxBody int64 // bytes
	serve   http.HandlerFunc
}

// router serves the mounted routes and 404 for everything else.
func (p *paths) router(s *server, routes []route) http.Handler {
	resources := map[string]*resource{}
	for _, r := range routes {
		res := resources[r.path]
		if res == nil {
			res = &resource{path: r.path, endpoints: map[string]*endpoint{}}
			resources[r.path] = res
		}
		op := operationOf(s.api, r)
		ep := &endpoint{
			route: r, query: queryNames(op), hasBody: op.RequestBody != nil, maxBody: s.maxBody,
			serve: p.handlers[r.method+" "+r.path],
		}
		if op.MaxBodyBytes > 0 {
			ep.maxBody = op.MaxBodyBytes
		}
		res.endpoints[r.method] = ep
	}
	for _, fixed := range resources {
		for _, res := range resources {
			fixed.uncover(res)
		}
	}
	mux := http.NewServeMux()
	for _, res := range resources {
		res.allow = allowed(res)
		mux.HandleFunc(withSlash(res.path)+"{$}", func(w http.ResponseWriter, r *http.Request) {
			s.serveResource(res, w, r)
		})
	}
	mux.HandleFunc("/", s.notFound)
	return mux
}

// uncover lets a fixed path also serve what a parameter in the place of its
// word would: a row may have that word for its name.
func (fixed *resource) uncover(res *resource) {
	param, word := covered(res.path, fixed.path)
	if param == "" {
		return
	}
	for method, ep := range res.endpoints {
		if fixed.endpoints[method] != nil {
			continue
		}
		own := *ep
		own.serve = func(w http.ResponseWriter, r *http.Request) {
			r.SetPathValue(param, word)
			ep.serve(w, r)
		}
		fixed.endpoints[method] = &own
	}
}

// covered gives the one parameter of a pattern that a path has a word for, ""
// where the two do not meet.
func covered(pattern, path string) (param, word string) {
	theirs, ours := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(theirs) != len(ours) {
		return "", ""
	}
	for i := range ours {
		name, ok := strings.CutPrefix(theirs[i], "{")
		switch {
		case theirs[i] == ours[i]:
		case !ok || param != "":
			return "", ""
		default:
			param, word = strings.TrimSuffix(name, "}"), ours[i]
		}
	}
	return param, word
}

func allowed(res *resource) string {
	methods := []string{http.MethodOptions}
	for method := range res.endpoints {
		methods = append(methods, method)
		if method == http.MethodGet {
			methods = append(methods, http.MethodHead)
		}
	}
	slices.Sort(methods)
	return strings.Join(methods, ", ")
}

func queryNames(op *huma.Operation) map[string]bool {
	names := map[string]bool{}
	for _, p := range op.Parameters {
		if p.In == "query" {
			names[p.Name] = p.Schema != nil && p.Schema.Type == huma.TypeArray
		}
	}
	return names
}

func withSlash(p string) string {
	if strings.HasSuffix(p, "/") {
		return p
	}
	return p + "/"
}

// canonical gives r with the last slash, so that both spellings reach the same
// handler without a redirect. A path that is not in its shortest form, such as
// //api/posts, is nobody's: false.
func canonical(r *http.Request) (*http.Request, bool) {
	p := r.URL.Path
	if !strings.HasPrefix(p, "/") || path.Clean(p) != strings.TrimSuffix(p, "/") && p != "/" {
		return nil, false
	}
	if strings.HasSuffix(r.URL.EscapedPath(), "/") {
		return r, true
	}
	u := *r.URL
	u.Path += "/"
	if u.RawPath != "" {
		u.RawPath += "/"
	}
	r = r.WithContext(r.Context())
	r.URL = &u
	return r, true
}

// serveResource does what all routes have in common, in this order: method,
// token and role, query, body.
func (s *server) serveResource(res *resource, w http.ResponseWriter, r *http.Request) {
	label(w, res.path)
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	ep := res.endpoints[method]
	if ep == nil {
		s.serveMethods(res, w, r)
		return
	}
	label(w, ep.path)
	r, err := s.admit(ep, r)
	if err == nil {
		r, err = ep.checkQuery(r)
	}
	if err == nil && ep.hasBody {
		err = s.checkBody(ep, w, r)
	}
	if err != nil {
		s.writeProblem(w, r, err)
		return
	}
	ep.serve(w, r)
}

func (s *server) serveMethods(res *resource, w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Allow", res.allow)
	if r.Method == http.MethodOptions {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	s.writeProblem(w, r, fail(http.StatusMethodNotAllowed, pulse.Invalid,
		"this path knows the methods "+res.allow))
}

func (s *server) notFound(w http.ResponseWriter, r *http.Request) {
	s.writeProblem(w, r, fail(http.StatusNotFound, pulse.NotFound,
		"there is no such path; /api/openapi.json lists them all"))
}

// checkQuery refuses what a handler would otherwise pass over in silence:
// unknown, empty and needlessly repeated parameters.
func (e *endpoint) checkQuery(r *http.Request) (*http.Request, error) {
	if r.URL.RawQuery == "" {
		return r, nil
	}
	values, err := parseQuery(r.URL.RawQuery, e.query)
	if err != nil {
		return r, err
	}
	u := *r.URL
	u.RawQuery = values.Encode()
	r = r.WithContext(r.Context())
	r.URL = &u
	return r, nil
}

// parseQuery reads a query string; known says which parameters there are and
// whether each may be repeated.
func parseQuery(raw string, known map[string]bool) (url.Values, error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, pulse.InvalidField("query", "malformed: want name=value pairs joined by &, percent-encoded")
	}
	for name, list := range values {
		repeatable, ok := known[name]
		if !ok {
			return nil, pulse.InvalidField(clip(name), "unknown query parameter%s", knownNames(known))
		}
		if len(list) > 1 && !repeatable {
			return nil, pulse.InvalidField(name, "given %d times, want once", len(list))
		}
		for _, value := range list {
			if value == "" {
				return nil, pulse.InvalidField(name, "empty; leave it out instead")
			}
			if fault := textFault(value); fault != "" {
				return nil, pulse.InvalidField(name, "%s", fault)
			}
		}
	}
	return values, nil
}

func knownNames(known map[string]bool) string {
	if len(known) == 0 {
		return "; this path has none"
	}
	var names []string
	for name := range known {
		names = append(names, name)
	}
	slices.Sort(names)
	return ", want one of " + strings.Join(names, ", ")
}
