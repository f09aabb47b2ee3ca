package httpapi

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/tidegate/tidegate/internal/account"
	"github.com/tidegate/tidegate/internal/admission"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/telemetry"
	"github.com/tidegate/tidegate/internal/wire"
)

// exchange is one request and its answer: the http.ResponseWriter that every handler gets, and what the server knows of the
// request. It carries the caller so that the hot routes need no copy of the request for its context.
type exchange struct {
	http.ResponseWriter
	server    *Server
	request   *http.Request
	purpose   admission.Purpose
	route     *route // nil while no route has taken the request
	requestID string
	began     time.Time
	status    int
	replaced  bool // the mux's own refusal was replaced by a problem
	customer  account.Principal
	admin     account.Admin
	buffer    []byte // for bodies, read or written
}

var exchanges = sync.Pool{New: func() any { return &exchange{buffer: make([]byte, 0, bufferBytes)} }}

const (
	// bufferBytes fits the order's body and its answer, mostly.
	bufferBytes = 2 << 10
	// bufferBytesMax is the largest buffer that is kept for the next request.
	bufferBytesMax = 64 << 10
)

// Header values that are the same for every answer. They are shared, and must not be changed.
var (
	noSniff = []string{wire.NoSniff}
	noStore = []string{wire.NoStore}
)

func newExchange(w http.ResponseWriter, r *http.Request) *exchange {
	x := exchanges.Get().(*exchange)
	x.ResponseWriter, x.request, x.began = w, r, time.Now()
	x.requestID = requestID(r)
	h := w.Header()
	h["Date"] = wire.Date(x.began)
	h["X-Request-Id"] = []string{x.requestID}
	h["X-Content-Type-Options"] = noSniff
	return x
}

// free gives the exchange back. Nobody may hold it afterwards.
func (x *exchange) free() {
	buffer := x.buffer[:0]
	if cap(buffer) > bufferBytesMax {
		buffer = make([]byte, 0, bufferBytes)
	}
	*x = exchange{buffer: buffer}
	exchanges.Put(x)
}

// requestID takes the id that a proxy has given the request, or makes one.
func requestID(r *http.Request) string {
	var given string
	if all := r.Header["X-Request-Id"]; len(all) == 1 {
		given = all[0]
	}
	var b [64]byte
	return string(wire.AppendRequestID(b[:0], given))
}

// context returns ctx with the request's id, for logs.
func (x *exchange) context(ctx context.Context) context.Context {
	return telemetry.WithRequestID(ctx, x.requestID)
}

// Unwrap lets http.ResponseController find the connection.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

// WriteHeader implements http.ResponseWriter. What the mux itself refuses, because no route fits, becomes a problem.
func (x *exchange) WriteHeader(status int) {
	if x.status != 0 || x.replaced {
		return
	}
	if x.route == nil && (status == http.StatusNotFound || status == http.StatusMethodNotAllowed) {
		x.replaced = true
		writeProblem(x, muxRefusal(x, status))
		return
	}
	if status >= http.StatusOK {
		x.status = status
	}
	x.ResponseWriter.WriteHeader(status)
}

func muxRefusal(x *exchange, status int) *fault.Error {
	if status == http.StatusMethodNotAllowed {
		return wire.MethodNotAllowed(x.Header().Get("Allow"), x.request.Method)
	}
	return wire.NothingHere()
}

// Write implements http.ResponseWriter.
func (x *exchange) Write(b []byte) (int, error) {
	if x.replaced {
		return len(b), nil
	}
	if x.status == 0 {
		x.status = http.StatusOK
	}
	return x.ResponseWriter.Write(b)
}

// answered returns the status that was answered.
func (x *exchange) answered() int {
	if x.status == 0 {
		return http.StatusOK
	}
	return x.status
}

// patienceMax bounds what has no other limit: a connection that says nothing for so long is dead.
const patienceMax = time.Hour

// patient lifts the server's time limits off this request.
func (x *exchange) patient() {
	c := http.NewResponseController(x.ResponseWriter)
	until := time.Now().Add(patienceMax)
	// A writer without deadlines, as in tests, has none to lift.
	_ = c.SetReadDeadline(until)
	_ = c.SetWriteDeadline(until)
}

// principal returns the customer who asks, on a route whose contract says customer.
func principal(w http.ResponseWriter) account.Principal { return w.(*exchange).customer }

// admin returns the operator who asks, on a route whose contract says admin.
func admin(w http.ResponseWriter) account.Admin { return w.(*exchange).admin }
