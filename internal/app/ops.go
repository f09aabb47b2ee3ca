package app

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/pprof"
	"sync"
	"time"
)

// check is one thing that must hold before the shop may be sent shoppers. It returns why it does not.
type check struct {
	name string
	ask  func(ctx context.Context) error
}

// readyTimeout bounds one answer of /readyz; a probe that waits longer has given up by then.
const readyTimeout = 2 * time.Second

// readyFresh is how long an answer of /readyz stands, so that eager probes cost at most one small write a second.
const readyFresh = time.Second

// readiness answers /readyz. It is safe for concurrent use.
type readiness struct {
	checks []check
	// aids are what the shop works without, slower; they are asked at most once a second too.
	aids []check

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
func failing(ctx context.Context, checks []check) map[string]string {
	var why map[string]string
	for _, c := range checks {
		if err := c.ask(ctx); err != nil {
			if why == nil {
				why = map[string]string{}
			}
			why[c.name] = err.Error()
		}
	}
	return why
}

func (r *readiness) now(ctx context.Context) ready {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.asked) < readyFresh && r.last.Ready {
		// Only a good answer is kept, and the first check (is the process serving at all?) is asked always.
		if r.checks[0].ask(ctx) == nil {
			return r.last
		}
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	answer := ready{Waiting: failing(ctx, r.checks)}
	answer.Ready = answer.Waiting == nil
	answer.Without = failing(ctx, r.aids)
	r.asked, r.last = time.Now(), answer
	return answer
}

// opsHandler serves the second listener: health, readiness, metrics and profiles. It is for the operator's network only.
func opsHandler(r *readiness, metrics http.Handler) http.Handler {
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
