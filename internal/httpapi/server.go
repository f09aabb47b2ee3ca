// Package httpapi serves the public HTTP contract, api/openapi.yaml: a file for each module. It holds no rule of the shop;
// it authenticates, decodes, calls a module and encodes.
package httpapi

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/tidegate/tidegate/api"
	"github.com/tidegate/tidegate/internal/admission"
	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/sale"
	"github.com/tidegate/tidegate/internal/telemetry"
	"github.com/tidegate/tidegate/internal/wire"
)

// Parts is what a Server is made of.
type Parts struct {
	Callers     Callers
	Accounts    Accounts
	Orders      Orders
	Closer      Closer
	Payments    Payments
	Sales       Sales
	Products    Products
	Catalogue   Catalogue
	Stock       Stock
	Rehearsals  Rehearsals
	DeadLetters DeadLetters
	Webhooks    Webhooks
	Points      Points
	Settings    Settings
	Levels      sale.Availability
	Auditor     Auditor
	Admission   *admission.Control // nil: everyone who is authenticated may come in
	Streams     Streams            // nil: streams are not bounded

	// PaymentWindow returns how long an order of a sale that says nothing of it is held for payment.
	PaymentWindow func() time.Duration

	// Stopping, where set, reports that the process is about to end: what streams without an end of its own stops then.
	Stopping func() bool

	Clock  clock.Clock
	Log    *slog.Logger
	Config Config
	// Record returns what is told of the requests of a route: its method and its pattern.
	Record func(method, pattern string) Recorder
	// Mounted are handlers of others below this listener, such as a payment provider's own pages, by their patterns as of
	// http.ServeMux. They authenticate for themselves.
	Mounted map[string]http.Handler
}

// Server answers the contract. Safe for concurrent use.
type Server struct {
	Parts
	mux     *http.ServeMux
	hot     hotRoutes
	unknown Recorder // requests that fit no route
	faults  *telemetry.FaultLog
	proxies wire.Proxies
}

// New returns a server over its parts. It returns an error where the contract cannot be read.
func New(p Parts) (*Server, error) {
	s := &Server{Parts: p, mux: http.NewServeMux(), unknown: p.Record(telemetry.OtherMethod, ""), faults: telemetry.NewFaultLog(p.Log)}
	var err error
	if s.proxies, err = wire.ParseProxies(p.Config.TrustedProxies); err != nil {
		return nil, fmt.Errorf("http.trusted_proxies: %w", err)
	}
	needs, err := securityOfContract()
	if err != nil {
		return nil, err
	}
	r := &registrar{server: s, needs: needs, routes: map[string]*route{}}
	api.HandlerWithOptions(s, api.StdHTTPServerOptions{BaseRouter: r, ErrorHandlerFunc: s.badParameter})
	if r.err != nil {
		return nil, r.err
	}
	if s.hot, err = newHotRoutes(s, r.routes); err != nil {
		return nil, err
	}
	if err := s.mountDocs(r); err != nil {
		return nil, err
	}
	for pattern, handler := range p.Mounted {
		method, path, ok := strings.Cut(pattern, " ")
		if !ok {
			method, path = "", pattern
		}
		r.handle(pattern, &route{recorder: p.Record(method, path)}, handler.ServeHTTP)
	}
	return s, nil
}

// route is what is known of a route before a request comes.
type route struct {
	need     need
	recorder Recorder
	// patient routes stream, or look at everything: they have no time limit but the client's patience.
	patient bool
}

// patientRoutes work as long as there is data.
var patientRoutes = map[string]bool{
	"GET /v1/orders/{id}/events":           true,
	"POST /v1/admin/products/import":       true,
	"GET /v1/admin/products/export":        true,
	"POST /v1/admin/rehearsals":            true,
	"GET /v1/admin/rehearsals/{id}/orders": true,
	"POST /v1/admin/audit":                 true,
	"POST /v1/admin/reconcile":             true,
}

// registrar is the mux as the generated code sees it. It puts what the contract asks of a route before its handler.
type registrar struct {
	server *Server
	needs  map[string]need
	routes map[string]*route
	err    error
}

// HandleFunc implements api.ServeMux.
func (r *registrar) HandleFunc(pattern string, handler func(http.ResponseWriter, *http.Request)) {
	need, ok := r.needs[pattern]
	if !ok {
		r.err = fmt.Errorf("the contract that is served does not know %s: generate the code again", pattern)
		return
	}
	method, path, _ := strings.Cut(pattern, " ")
	rt := &route{need: need, recorder: r.server.Record(method, path), patient: patientRoutes[pattern]}
	r.routes[pattern] = rt
	r.handle(pattern, rt, handler)
}

// ServeHTTP implements api.ServeMux.
func (r *registrar) ServeHTTP(w http.ResponseWriter, req *http.Request) { r.server.ServeHTTP(w, req) }

func (r *registrar) handle(pattern string, rt *route, handler http.HandlerFunc) {
	s := r.server
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, req *http.Request) {
		x := w.(*exchange)
		x.route = rt
		x.request = req
		if err := s.Admission.Enter(x.purpose, x); err != nil {
			s.fail(x, req, err)
			return
		}
		// A provider may add parameters to its notifications, and what is mounted is not the contract's.
		if rt.need.operation != "" && x.purpose != admission.Notification {
			if err := wire.CheckQuery(req.URL.RawQuery, rt.need.query); err != nil {
				s.fail(x, req, err)
				return
			}
		}
		acting, err := s.acting(x, req)
		if err != nil {
			s.fail(x, req, err)
			return
		}
		req = acting
		if rt.patient {
			x.patient()
			if rt.need.customer || rt.need.role != "" {
				watched, stop := s.watch(x, req, s.still(req, rt.need))
				defer stop()
				req = watched
			}
			handler(x, req)
			return
		}
		ctx, cancel := context.WithTimeout(req.Context(), s.Config.RequestTimeout)
		defer cancel()
		handler(x, req.WithContext(ctx))
	})
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := newExchange(w, r)
	x.server, x.purpose = s, purposeOf(r)
	defer s.finish(x, r)
	if len(r.TransferEncoding) > 0 {
		// net/http drops a length that came beside the chunks, so it cannot be told here whether a proxy may think that the
		// request ends elsewhere: what follows on the connection is not read (RFC 9112, section 6.3).
		x.Header().Set("Connection", "close")
	}
	if err := s.Admission.Arrive(x.purpose, x); err != nil {
		s.fail(x, r, err)
		return
	}
	if s.hot.serve(s, x, r) {
		return
	}
	s.mux.ServeHTTP(x, r.WithContext(x.context(r.Context())))
}

// finish records the answer, and makes one of a panic.
func (s *Server) finish(x *exchange, r *http.Request) {
	if p := recover(); p != nil {
		if p == http.ErrAbortHandler {
			panic(p)
		}
		s.panicked(x, r, p)
	}
	recorder := s.unknown
	if x.route != nil {
		recorder = x.route.recorder
	}
	recorder.Done(r.Context(), x.answered(), time.Since(x.began))
	x.free()
}
