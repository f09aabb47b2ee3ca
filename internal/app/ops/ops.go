// Package ops is the listener of the operator: health, readiness, metrics and profiles.
package ops

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/pprof"
	"sync"
	"time"
)

// Check is one thing that must hold before the shop may be sent shoppers. Ask returns why it does not.
type Check struct {
	Name string
	Ask  func(ctx context.Context) error
}

// readyTimeout bounds one answer of /readyz; a probe that waits longer has given up by then.
const readyTimeout = 2 * time.Second

// readyFresh is how long an answer of /readyz stands, so that eager probes cost at most one small write a second.
const readyFresh = time.Second

// Readiness answers /readyz. It is safe for concurrent use.
type Readiness struct {
	// Checks must hold. Every probe asks the first.
	Checks []Check
	// Aids are what the shop works without, slower; they are asked at most once a second too.
	Aids []Check

	mu    sync.Mutex
	asked time.Time
	last  ready
}

// ready is the answer of /readyz.
type ready struct {
	Ready bool `json:"ready"`
	// Waiting says, for each check that fails, why.
	Waiting map[string]string `json:"waiting,omitempty"`
	// Without says, for each aid that the shop works without at the moment, why.
	Without map[string]string `json:"without,omitempty"`
}

// failing asks the checks and returns why those that fail do.
func failing(ctx context.Context, checks []Check) map[string]string {
	var why map[string]string
	for _, c := range checks {
		if err := c.Ask(ctx); err != nil {
			if why == nil {
				why = map[string]string{}
			}
			why[c.Name] = err.Error()
		}
	}
	return why
}

func (r *Readiness) now(ctx context.Context) ready {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.asked) < readyFresh && r.last.Ready {
		// Only a good answer is kept, and the first check (is the process serving at all?) is asked always.
		if r.Checks[0].Ask(ctx) == nil {
			return r.last
		}
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	answer := ready{Waiting: failing(ctx, r.Checks)}
	answer.Ready = answer.Waiting == nil
	answer.Without = failing(ctx, r.Aids)
	r.asked, r.last = time.Now(), answer
	return answer
}

// Handler serves the second listener: health, readiness, metrics and profiles. It is for the operator's network only.
func Handler(r *Readiness, metrics http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"ok":true}` + "\n"))
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, req *http.Request) {
		answer := r.now(req.Context())
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		if !answer.Ready {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_ = json.NewEncoder(w).Encode(answer)
	})
	mux.Handle("GET /metrics", metrics)
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}
