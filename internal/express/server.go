// Package express is the fast lane: a second public listener, on fasthttp, for the few routes that a sale night consists of.
// It answers as the main lane does, byte for byte in status and body, from the same modules; everything else is not found.
//
// fasthttp uses the memory of a request again as soon as its handler has returned. What a module may keep for longer (an
// order's key and its lines) is therefore copied before it is handed on.
package express

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/tidegate/tidegate/internal/account"
	"github.com/tidegate/tidegate/internal/admission"
	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/sale"
	"github.com/tidegate/tidegate/internal/telemetry"
	"github.com/tidegate/tidegate/internal/wire"
)

// Callers says who is asking.
type Callers interface {
	// Authenticate checks a customer's access token, without I/O, and does not keep the text. It returns
	// fault.Unauthenticated.
	Authenticate(token string) (account.Principal, error)
}

// Orders takes orders: see order.Service.
type Orders interface {
	Place(ctx context.Context, r order.Request) (order.Placed, error)
	// Bind returns a ticket that ends with the session.
	Bind(ticket string, session id.Session) string
}

// Sales shows sales: see sale.Service.
type Sales interface {
	Published(ctx context.Context, s id.Sale) (*sale.Sale, error)
}

// Products shows products: see catalog.Reader.
type Products interface {
	Product(ctx context.Context, product id.Product) (*catalog.Page, error)
}

// Recorder is told of every answered request of one route. It is safe for concurrent use.
type Recorder interface {
	Done(ctx context.Context, status int, took time.Duration)
}

// Parts is what a Server is made of.
type Parts struct {
	Callers  Callers
	Orders   Orders
	Sales    Sales
	Products Products
	Levels   sale.Availability
	Clock    clock.Clock
	Log      *slog.Logger
	Config   Config
	Limits   Limits
	// Admission decides who may come in; nil: everyone who is authenticated.
	Admission *admission.Control
	// Proxies are believed to say who the client is.
	Proxies wire.Proxies
	// Origins are the origins whose scripts may use this lane.
	Origins wire.Origins
	// Record returns what is told of the requests of a route: its method and its pattern.
	Record func(method, pattern string) Recorder
}

// Server serves the lane. Safe for concurrent use.
type Server struct {
	Parts
	http       *fasthttp.Server
	faults     *telemetry.FaultLog
	saleOrder  Recorder
	sale       Recorder
	product    Recorder
	unknown    Recorder
	overloaded []byte // the whole answer to one connection too many
}

// New returns a server over its parts. It is not listening yet.
func New(p Parts) *Server {
	s := &Server{
		Parts:      p,
		faults:     telemetry.NewFaultLog(p.Log),
		saleOrder:  p.Record("POST", "/v1/sales/{id}/orders"),
		sale:       p.Record("GET", "/v1/sales/{id}"),
		product:    p.Record("GET", "/v1/products/{id}"),
		unknown:    p.Record(telemetry.OtherMethod, ""),
		overloaded: overloaded(),
	}
	s.http = &fasthttp.Server{
		Handler:        withOrigins(p.Origins, s.handle),
		ErrorHandler:   s.unreadable,
		HeaderReceived: s.headerReceived,
		Logger:         discard{},

		// The read timeout is that of the headers; headerReceived grants a body its own.
		ReadTimeout:        p.Limits.HeaderTimeout,
		WriteTimeout:       p.Limits.WriteTimeout,
		IdleTimeout:        p.Limits.IdleTimeout,
		ReadBufferSize:     p.Limits.HeaderBytesMax,
		MaxRequestBodySize: wire.OrderBytesMax,
		// The listener turns away what is too much with a proper answer; this is only the size of the pool of workers.
		Concurrency: p.Config.ConnectionsMax + 1,

		CloseOnShutdown:              true,
		NoDefaultServerHeader:        true,
		NoDefaultContentType:         true,
		DisablePreParseMultipartForm: true,
		SecureErrorLogMessage:        true,
	}
	return s
}

// discard drops what fasthttp logs: clients that send nonsense, which they are told themselves. What stops the lane is
// returned by Serve.
type discard struct{}

// Printf implements fasthttp.Logger.
func (discard) Printf(string, ...any) {}

// Serve answers the connections of l until Shutdown, and returns nil then. Call it once.
func (s *Server) Serve(l net.Listener) error {
	return s.http.Serve(&turnstile{Listener: l, max: s.Config.ConnectionsMax, open: s.http.GetOpenConnectionsCount, refusal: s.overloaded})
}

// Shutdown takes no more connections, finishes the requests that are under way and closes what rests. It returns the
// context's error where that ended first.
func (s *Server) Shutdown(ctx context.Context) error { return s.http.ShutdownWithContext(ctx) }

// Close closes the listener and the connections that rest, and waits for nothing.
func (s *Server) Close() {
	now, cancel := context.WithCancel(background)
	cancel()
	_ = s.http.ShutdownWithContext(now) // it says that it did not wait
}

// headerReceived gives a request with a body the rest of its time.
func (s *Server) headerReceived(h *fasthttp.RequestHeader) fasthttp.RequestConfig {
	if h.ContentLength() == 0 || h.IsGet() || h.IsHead() {
		return fasthttp.RequestConfig{}
	}
	return fasthttp.RequestConfig{ReadTimeout: s.Limits.ReadTimeout}
}

// unreadable answers a request that fasthttp could not read. The connection is closed afterwards.
func (s *Server) unreadable(ctx *fasthttp.RequestCtx, err error) {
	if errors.Is(err, fasthttp.ErrBodyTooLarge) {
		err = wire.TooLarge(wire.OrderBytesMax)
		if len(ctx.Request.Header.RawHeaders()) > 0 {
			// The headers are there, and come first: whoever may not ask is told that.
			s.serve(ctx, time.Now(), err)
			return
		}
	}
	// What was read of the request is gone. It had a body, so it was an order, or nothing of ours.
	x := s.begin(ctx, time.Now())
	defer s.finish(x)
	ctx.Response.Header.SetCanonical(keyCache, noStore)
	s.fail(x, readFault(err))
}

func readFault(err error) error {
	if _, small := errors.AsType[*fasthttp.ErrSmallBuffer](err); small {
		return fault.New(fault.HeadersTooLarge, "The headers are too long.")
	}
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	if _, ok := errors.AsType[fasthttp.ErrBrokenChunk](err); ok {
		return wire.Unread(err)
	}
	if t, ok := errors.AsType[net.Error](err); ok && t.Timeout() {
		return wire.Unread(err)
	}
	return fault.Wrap(fault.BadRequest, err, "The request is not one of HTTP/1.1.")
}
