package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// newDocument makes the huma API: JSON in and out, the OpenAPI document, and
// none of huma's own routes.
func newDocument(mux *paths, version string) huma.API {
	adoptErrors()
	format := huma.Format{Marshal: marshalTo, Unmarshal: unmarshal}
	c := huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: "Reddit Pulse", Version: version,
				Description: "Posts of Reddit as they rise: what is stored, what is watched, and a live feed. " +
					"Every path is served with and without its last slash.",
			},
			Components: &huma.Components{
				Schemas: huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer),
				SecuritySchemes: map[string]*huma.SecurityScheme{
					"bearer": {Type: "http", Scheme: "bearer", BearerFormat: "JWT"},
				},
			},
		},
		// huma looks "application/problem+json" up as "json".
		Formats:       map[string]huma.Format{"application/json": format, "json": format},
		DefaultFormat: "application/json",
	}
	return humago.New(mux, c)
}

// marshalTo writes nothing until all of v is encoded, and leaves a client that
// has gone to the server to notice.
func marshalTo(w io.Writer, v any) error {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, _ = w.Write(buf.Bytes())
	return nil
}

// unmarshal says no more than that a value does not fit: encoding/json would
// speak of Go's types. What is wrong in particular, checkJSON and the schema
// have said before.
func unmarshal(data []byte, v any) error {
	if json.Unmarshal(data, v) != nil {
		return errors.New("not of the documented shape")
	}
	return nil
}

// operation mounts a typed handler: parameters, body and answer are documented
// and checked by its types.
func operation[I, O any](id, summary string, handle func(context.Context, *I) (*O, error), options ...func(*huma.Operation)) mount {
	return func(s *server, r route) {
		op := describe(r, huma.Operation{OperationID: id, Summary: summary})
		// The body is read and bounded before huma sees it: see checkBody.
		op.MaxBodyBytes, op.BodyReadTimeout = -1, -1
		for _, option := range options {
			option(&op)
		}
		huma.Register(s.api, op, func(ctx context.Context, in *I) (*O, error) {
			out, err := handle(ctx, in)
			if err != nil {
				return nil, s.problemOf(ctx, err)
			}
			return out, nil
		})
	}
}

// answers sets the status of success.
func answers(status int) func(*huma.Operation) {
	return func(op *huma.Operation) { op.DefaultStatus = status }
}

// takes gives a body a bound of its own, in bytes.
func takes(most int64) func(*huma.Operation) {
	return func(op *huma.Operation) { op.MaxBodyBytes = most }
}

// plain mounts a handler that writes its answer itself, and documents it.
func plain(op huma.Operation, handle http.HandlerFunc) mount {
	return func(s *server, r route) {
		op := describe(r, op)
		op.Responses["default"] = &huma.Response{
			Description: "Error",
			Content:     jsonContent(s.api, "application/problem+json", reflect.TypeFor[problem]()),
		}
		s.api.OpenAPI().AddOperation(&op)
		s.paths.HandleFunc(r.method+" "+r.path, handle)
	}
}

func describe(r route, op huma.Operation) huma.Operation {
	op.Method, op.Path = r.method, r.path
	if op.Responses == nil {
		op.Responses = map[string]*huma.Response{}
	}
	if r.role != anyone {
		op.Security = []map[string][]string{{"bearer": {}}}
		op.Description = "For the role " + string(r.role) + " and those above."
	}
	return op
}

func jsonContent(api huma.API, contentType string, t reflect.Type) map[string]*huma.MediaType {
	return map[string]*huma.MediaType{
		contentType: {Schema: api.OpenAPI().Components.Schemas.Schema(t, true, "")},
	}
}

// operationOf finds what a route's mount has documented.
func operationOf(api huma.API, r route) *huma.Operation {
	item := api.OpenAPI().Paths[r.path]
	switch r.method {
	case http.MethodGet:
		return item.Get
	case http.MethodPost:
		return item.Post
	case http.MethodPut:
		return item.Put
	case http.MethodPatch:
		return item.Patch
	default:
		return item.Delete
	}
}

func mustSpec(api huma.API) []byte {
	body, err := json.Marshal(api.OpenAPI())
	if err != nil {
		panic("api: encode the OpenAPI document: " + err.Error())
	}
	return append(body, '\n')
}

func specDoc() huma.Operation {
	return huma.Operation{
		OperationID: "openapi", Summary: "This document",
		Responses: map[string]*huma.Response{"200": {
			Description: http.StatusText(http.StatusOK),
			Content:     map[string]*huma.MediaType{"application/openapi+json": {}},
		}},
	}
}

func (s *server) serveSpec(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/openapi+json")
	_, _ = w.Write(s.spec)
}

// optional is a query parameter that may be left out, told from one that is
// zero.
type optional[T any] struct {
	Value T
	Set   bool
}

// Schema documents T alone.
func (o optional[T]) Schema(r huma.Registry) *huma.Schema {
	return huma.SchemaFromType(r, reflect.TypeFor[T]())
}

// Receiver is where huma parses the parameter into.
func (o *optional[T]) Receiver() reflect.Value { return reflect.ValueOf(o).Elem().Field(0) }

// OnParamSet tells that the parameter was given.
func (o *optional[T]) OnParamSet(isSet bool, _ any) { o.Set = isSet }

// pointer is nil for a parameter that was left out.
func (o *optional[T]) pointer() *T {
	if !o.Set {
		return nil
	}
	return &o.Value
}
