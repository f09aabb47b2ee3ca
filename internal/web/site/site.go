// Package site is what every page of the shop stands on: the frame around it, who is looking at it and in which language, its
// headers, its errors. The pages are elsewhere: storefront holds the storefront's, console the operator's.
//
// How a page is made. A page is a file of Go and a template of the same name beside it. The Go file registers its routes with
// Site.Handle, reads what the page needs from the same services as the API, and hands it to Visit.Show; a handler that returns
// an error shows the page of that fault. The template defines "main" (and "head" where it wants more in there), is read by
// Site.Template, and gets a View: {{.Data}} is what the handler gave it, {{.T "key" "n" 3}} the words of the language,
// {{.Money .Data.Price}}, {{.Moment .Data.At}} and {{.Asset "shop.css"}} what they say. Words live in lang/files, styles and
// scripts in assets/files. No rule lives in a page, no style and no script stands in its HTML: the Content-Security-Policy
// forbids both.
//
// A page that is the same for many is rendered once: see Visit.Keep.
package site

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/tidegate/tidegate/internal/account"
	"github.com/tidegate/tidegate/internal/admission"
	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/telemetry"
	"github.com/tidegate/tidegate/internal/web/assets"
	"github.com/tidegate/tidegate/internal/web/lang"
	"github.com/tidegate/tidegate/internal/web/picture"
	"github.com/tidegate/tidegate/internal/wire"
)

// Accounts signs shoppers in and out: see account.Service.
type Accounts interface {
	// AuthenticateAt checks an access token, without I/O. It returns fault.Unauthenticated.
	AuthenticateAt(token string, now time.Time) (account.Principal, error)
	Refresh(ctx context.Context, token string) (account.Grant, error)
}

// Recorder is told of every answered request of one route. It is safe for concurrent use.
type Recorder interface {
	Done(ctx context.Context, status int, took time.Duration)
}

// Parts is what a Site is made of.
type Parts struct {
	Accounts Accounts
	// Admission decides who may come in; nil: everyone.
	Admission *admission.Control
	Clock     clock.Clock
	Log       *slog.Logger
	Config    Config
	// Record returns what is told of the requests of a route: its method and its pattern.
	Record func(method, pattern string) Recorder
	// Client returns whom a request comes from.
	Client func(*http.Request) netip.Addr
	// RequestTimeout bounds the work on one request that does not stream.
	RequestTimeout time.Duration
	// FormTargets are origins besides the shop's own that a form may lead to: a payment provider's cashier.
	FormTargets []string
	// Payments is the provider that takes the money of orders; empty where nobody does.
	Payments string
}

// Site serves pages. Safe for concurrent use once every route is registered.
type Site struct {
	Parts
	Assets *assets.Set
	Langs  *lang.Set

	mux       *http.ServeMux
	hot       []hotRoute
	unknown   Recorder
	faults    *telemetry.FaultLog
	origin    *http.CrossOriginProtection
	frame     frame
	closing   chan struct{}
	closeOnce sync.Once
	cookies   cookieNames
	cache     *cache
	policy    []string
	zone      *time.Location
}

// New returns a Site without pages. It returns an error where an embedded file cannot be read, and fault.Invalid for an
// address in the configuration that is none.
func New(p Parts) (*Site, error) {
	s := &Site{
		Parts: p, mux: http.NewServeMux(), unknown: p.Record(telemetry.OtherMethod, ""), faults: telemetry.NewFaultLog(p.Log),
		origin: http.NewCrossOriginProtection(), closing: make(chan struct{}), cookies: namesOf(p.Config.HTTPS),
	}
	var err error
	if s.Assets, err = assets.Load(); err != nil {
		return nil, err
	}
	if s.Langs, err = lang.Load(); err != nil {
		return nil, err
	}
	if p.Config.PublicURL != "" {
		if err := s.origin.AddTrustedOrigin(p.Config.PublicURL); err != nil {
			return nil, fault.Bad("public_url", "%s", err)
		}
	}
	if s.zone, err = p.Config.zone(); err != nil {
		return nil, err
	}
	s.cache, s.policy = newCache(p.Config.PagesMaxMiB), policyOf(p.FormTargets)
	s.mux.Handle("GET "+assets.Prefix, s.Assets)
	if s.frame, err = newFrame(); err != nil {
		return nil, err
	}
	s.Handle("POST /language", s.chooseLanguage)
	s.Handle("GET "+picture.Path+"{name}", s.draw)
	return s, nil
}

// Close ends the answers that stream. Call it when the listener stops taking requests.
func (s *Site) Close() { s.closeOnce.Do(func() { close(s.closing) }) }

// Closing is closed when the answers that stream must end.
func (s *Site) Closing() <-chan struct{} { return s.closing }

// Handle registers a page under a pattern of http.ServeMux. An error of the handler becomes an error page with the status of the fault.
func (s *Site) Handle(pattern string, handler func(*Visit) error) {
	s.handle(pattern, admission.Request, true, handler)
}

// HandleOrder is Handle for a form that places an order. The handler hands Visit.Refusal to the order.
func (s *Site) HandleOrder(pattern string, handler func(*Visit) error) {
	s.handle(pattern, admission.Order, true, handler)
}

// Stream registers a page that answers until the shopper leaves: RequestTimeout does not apply.
func (s *Site) Stream(pattern string, handler func(*Visit) error) {
	s.handle(pattern, admission.Request, false, handler)
}

// HandleHot is Handle for frequent pages directly below a path, such as GET /sales/{id}. Their requests skip the mux, which costs as much
// as the rest of a cached page. Register no other page directly below the path.
func (s *Site) HandleHot(path, name string, handler func(*Visit) error) {
	s.hot = append(s.hot, hotRoute{path, s.handle("GET "+path+"{"+name+"}", admission.Request, true, handler)})
}

// hotRoute is a route of HandleHot and the path above its pages.
type hotRoute struct {
	path string
	*route
}

// route serves the requests of one pattern.
type route struct {
	recorder Recorder
	purpose  admission.Purpose
	bounded  bool
	handler  func(*Visit) error
}

func (s *Site) handle(pattern string, purpose admission.Purpose, bounded bool, handler func(*Visit) error) *route {
	method, path, _ := strings.Cut(pattern, " ")
	rt := &route{s.Record(method, path), purpose, bounded, handler}
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		v := w.(*Visit)
		v.Request = r
		rt.serve(v)
	})
	return rt
}

func (rt *route) serve(v *Visit) {
	v.recorder = rt.recorder
	if rt.bounded && v.Request.Method != http.MethodGet {
		// Reads have limits of their own; writes wait for a commit.
		ctx, cancel := context.WithTimeout(v.Request.Context(), v.site.RequestTimeout)
		defer cancel()
		v.Request = v.Request.WithContext(ctx)
		if err := v.site.Admission.Enter(rt.purpose, v); err != nil {
			v.fail(err)
			return
		}
	}
	if err := rt.handler(v); err != nil {
		v.fail(err)
	}
}

// find returns the route of a page of HandleHot and the name in its path, or nil if the mux has to decide.
func (s *Site) find(r *http.Request) (*route, string) {
	if r.Method != http.MethodGet {
		return nil, ""
	}
	for i := range s.hot {
		name, below := strings.CutPrefix(r.URL.Path, s.hot[i].path)
		if below && name != "" && name != "." && name != ".." && strings.IndexByte(name, '/') < 0 {
			return s.hot[i].route, name
		}
	}
	return nil, ""
}

// ServeHTTP implements http.Handler.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v := s.newVisit(w, r)
	defer s.finish(v)
	if !strings.HasPrefix(r.URL.Path, assets.Prefix) && !strings.HasPrefix(r.URL.Path, picture.Path) { // a page has a dozen, and browsers keep them
		if err := s.Admission.Arrive(admission.Request, v); err != nil {
			v.fail(err)
			return
		}
	}
	if err := s.origin.Check(r); err != nil {
		v.fail(fault.Wrap(fault.Forbidden, err, "The request came from a page of another site."))
		return
	}
	rt, name := s.find(r)
	if rt == nil {
		s.mux.ServeHTTP(v, v.Request)
		return
	}
	v.name = name
	rt.serve(v)
}

// finish records the answer, and makes one of a panic.
func (s *Site) finish(v *Visit) {
	if p := recover(); p != nil {
		if p == http.ErrAbortHandler {
			panic(p)
		}
		v.fail(fault.Wrap(fault.Internal, fmt.Errorf("panic: %v\n%s", p, debug.Stack()), ""))
	}
	// The shop's clock is the machine's, but for tests, in which nobody looks at how long this took.
	v.recorder.Done(v.Request.Context(), v.answered(), time.Since(v.at))
	*v = Visit{} // nothing of one shopper's is left for the next
	visits.Put(v)
}

// fail shows the page of a fault. What somebody is to look at is logged with its cause, once, here.
func (v *Visit) fail(err error) {
	e := wire.AsFault(err, v.Request.Context().Err() != nil)
	v.site.faults.Failed(v.id(), v.Request.Method, v.Request.URL.Path, e, err)
	if v.status != 0 {
		return // the answer has begun; all that is left is to end it
	}
	if errors.Is(e, fault.Unauthenticated) && v.Request.Method == http.MethodGet {
		v.SignIn()
		return
	}
	if after := wire.RetryAfterSeconds(e); after > 0 {
		v.Header().Set("Retry-After", fmt.Sprint(after))
	}
	if shown := v.Show(e.Code.Row().Status, v.site.frame.problem, "", e); shown != nil {
		v.site.Log.ErrorContext(v.Request.Context(), "the page of a fault cannot be shown", "error", shown)
	}
}
