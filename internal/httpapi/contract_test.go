package httpapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"sort"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"github.com/tidegate/tidegate/api"
)

// contract is the served contract as a program reads it, and its routes.
var contract = sync.OnceValue(func() *contractRoutes {
	doc, err := openapi3.NewLoader().LoadFromData(api.Spec)
	if err == nil {
		err = doc.Validate(context.Background())
	}
	if err != nil {
		panic(err)
	}
	c := &contractRoutes{mux: http.NewServeMux(), routes: map[string]*routers.Route{}}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			pattern := method + " " + path
			c.routes[pattern] = &routers.Route{Spec: doc, Path: path, PathItem: item, Method: method, Operation: op}
			c.mux.HandleFunc(pattern, func(http.ResponseWriter, *http.Request) {})
		}
	}
	return c
})

type contractRoutes struct {
	mux    *http.ServeMux
	routes map[string]*routers.Route
	// succeeded holds the routes that were answered with less than 400 in this run of the tests.
	succeeded sync.Map
}

func init() {
	whole := func(body io.Reader, _ http.Header, _ *openapi3.SchemaRef, _ openapi3filter.EncodingFn) (any, error) {
		b, err := io.ReadAll(body)
		return string(b), err
	}
	for _, plain := range []string{"text/html", "text/csv", "text/event-stream", "application/yaml"} {
		openapi3filter.RegisterBodyDecoder(plain, whole)
	}
	// The contract's schema is that of one line: each is held to it here, the last of them by the caller.
	openapi3filter.RegisterBodyDecoder("application/x-ndjson", func(body io.Reader, _ http.Header, schema *openapi3.SchemaRef, _ openapi3filter.EncodingFn) (any, error) {
		var line any
		for d := json.NewDecoder(body); ; {
			switch err := d.Decode(&line); {
			case errors.Is(err, io.EOF):
				return line, nil
			case err != nil:
				return nil, err
			}
			if err := schema.Value.VisitJSON(line); err != nil {
				return nil, err
			}
		}
	})
}

// checkContract holds an answer to what the contract says of its route.
func checkContract(t testing.TB, r *http.Request, a answer) {
	t.Helper()
	if a.header.Get("X-Request-Id") == "" {
		t.Error("the answer has no X-Request-Id")
	}
	c := contract()
	_, pattern := c.mux.Handler(r)
	route := c.routes[pattern]
	if route == nil {
		if a.status != http.StatusNotFound && a.status != http.StatusMethodNotAllowed || a.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s %s is not in the contract, and was answered %d %s", r.Method, r.URL, a.status, a.body)
		}
		return
	}
	in := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: r, Route: route},
		Status:                 a.status,
		Header:                 a.header,
		Options:                &openapi3filter.Options{IncludeResponseStatus: true},
	}
	in.SetBodyBytes(a.body)
	if err := openapi3filter.ValidateResponse(context.Background(), in); err != nil {
		t.Errorf("%s answered %d %.300s, which is not the contract: %v", pattern, a.status, a.body, err)
	}
	if a.status < http.StatusBadRequest {
		c.succeeded.Store(pattern, true)
	}
}

// TestMain sees to it that no route is without a test that succeeds.
func TestMain(m *testing.M) {
	code := m.Run()
	if whole := !strings.Contains(strings.Join(os.Args, " "), "-test.run="); code == 0 && whole {
		if left := untested(); len(left) > 0 {
			println("no test got an answer from:\n  " + strings.Join(left, "\n  "))
			code = 1
		}
	}
	os.Exit(code)
}

func untested() []string {
	var left []string
	for pattern := range contract().routes {
		if _, ok := contract().succeeded.Load(pattern); !ok {
			left = append(left, pattern)
		}
	}
	sort.Strings(left)
	return left
}
