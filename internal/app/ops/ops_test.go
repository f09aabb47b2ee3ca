package ops

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var errNotServing = errors.New("the process is starting or stopping")

func TestReadyzSaysWhatItWaitsFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var serving, disk error
		asked := 0
		r := &Readiness{Checks: []Check{
			{"process", func(context.Context) error { return serving }},
			{"store", func(context.Context) error { asked++; return disk }},
		}}
		h := Handler(r, http.NotFoundHandler())
		get := func() (int, string) {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest("GET", "/readyz", nil))
			return w.Code, strings.TrimSpace(w.Body.String())
		}
		expect := func(when string, status int, body string) {
			t.Helper()
			if code, text := get(); code != status || text != body {
				t.Errorf("%s: %d %s, want %d %s", when, code, text, status, body)
			}
		}
		expect("all well", 200, `{"ready":true}`)
		expect("again at once", 200, `{"ready":true}`)
		if asked != 1 {
			t.Errorf("the store was asked %d times within a second, want 1", asked)
		}
		serving = errNotServing
		expect("stopping, at once", 503, `{"ready":false,"waiting":{"process":"the process is starting or stopping"}}`)
		serving, disk = nil, errors.New("the disk is full")
		expect("a full disk", 503, `{"ready":false,"waiting":{"store":"the disk is full"}}`)
		disk = nil
		expect("a bad answer is not kept", 200, `{"ready":true}`)
		time.Sleep(2 * time.Second)
		disk = errors.New("the disk is full")
		expect("a good answer grows old", 503, `{"ready":false,"waiting":{"store":"the disk is full"}}`)
		disk, r.Aids = nil, []Check{{"redis", func(context.Context) error { return errors.New("no answer") }}}
		expect("a aid is missing", 200, `{"ready":true,"without":{"redis":"no answer"}}`)
	})
}

func TestTheOpsListenerServesHealthAndProfiles(t *testing.T) {
	t.Parallel()
	h := Handler(&Readiness{Checks: []Check{{"process", func(context.Context) error { return errNotServing }}}},
		http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("metrics")) }))
	for path, want := range map[string]int{
		"/healthz": 200, "/readyz": 503, "/metrics": 200, "/debug/pprof/": 200, "/debug/pprof/cmdline": 200,
		"/debug/pprof/heap": 200, "/v1/products": 404,
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != want {
			t.Errorf("GET %s: %d, want %d", path, w.Code, want)
		}
	}
}
