package httpapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"github.com/tidegate/tidegate/api"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/wire"
)

var problemType = []string{wire.TypeProblem}

// fail answers with the problem that err is. What somebody is to look at is logged with its cause, once, here.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	x := w.(*exchange)
	e := s.asFault(r, err)
	if row := e.Code.Row(); row.Grade != fault.None {
		s.logFault(x, r, e, err)
	}
	if x.status != 0 {
		return // the answer has begun; all that is left is to end it
	}
	writeProblem(x, e)
}

// asFault returns err as a fault. A request whose client has left, or whose time is up, is no fault of the shop.
func (s *Server) asFault(r *http.Request, err error) *fault.Error {
	e := fault.As(err)
	if e.Code != fault.Internal {
		return e
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fault.Wrap(fault.TimedOut, err, "The shop did not get to it in time.").After(time.Second)
	case errors.Is(err, context.Canceled) && r.Context().Err() != nil:
		return fault.Wrap(fault.ShuttingDown, err, "The request was broken off.").After(time.Second)
	}
	return e
}

func writeProblem(x *exchange, e *fault.Error) {
	status := e.Code.Row().Status
	h := x.Header()
	h["Content-Type"] = problemType
	delete(h, "Content-Length")
	delete(h, "Etag")
	if after := wire.RetryAfterSeconds(e); after > 0 {
		h["Retry-After"] = []string{strconv.FormatInt(after, 10)}
	}
	if status == http.StatusUnauthorized {
		h["Www-Authenticate"] = []string{`Bearer realm="tidegate"`}
	}
	x.status = status
	x.ResponseWriter.WriteHeader(status)
	x.buffer = wire.AppendProblem(x.buffer[:0], e, x.requestID)
	// A client that has left is not told.
	_, _ = x.ResponseWriter.Write(x.buffer)
}

// badParameter answers what the generated code could not bind.
func (s *Server) badParameter(w http.ResponseWriter, r *http.Request, err error) {
	s.fail(w, r, parameterFault(err))
}

func parameterFault(err error) error {
	if e, ok := errors.AsType[*api.RequiredHeaderError](err); ok {
		if e.ParamName == "Idempotency-Key" {
			return fault.New(fault.MissingKey, "Send an Idempotency-Key header, such as a UUID, and the same one when you repeat the request.")
		}
		return fault.Bad(e.ParamName, "This header is required.")
	}
	if e, ok := errors.AsType[*api.RequiredParamError](err); ok {
		return fault.Bad(e.ParamName, "It is required.")
	}
	if e, ok := errors.AsType[*api.TooManyValuesForParamError](err); ok {
		return fault.Bad(e.ParamName, "Send it once.")
	}
	if e, ok := errors.AsType[*api.InvalidParamFormatError](err); ok {
		if errors.Is(e.Err, id.ErrMalformed) {
			return wire.MalformedID(e.ParamName)
		}
		return fault.Bad(e.ParamName, "It cannot be read.")
	}
	return fault.Wrap(fault.BadRequest, err, "A parameter cannot be read.")
}

// panicked answers a request whose handler panicked.
func (s *Server) panicked(x *exchange, r *http.Request, p any) {
	err := fault.Wrap(fault.Internal, fmt.Errorf("panic: %v\n%s", p, debug.Stack()), "")
	s.fail(x, r, err)
}

// logFault writes one line for a fault of ours, unless there were too many of its kind in this second.
func (s *Server) logFault(x *exchange, r *http.Request, e *fault.Error, err error) {
	suppressed, ok := s.quiet.speak(e.Code, time.Now())
	if !ok {
		return
	}
	level := slog.LevelError
	if e.Code.Row().Grade == fault.P2 {
		level = slog.LevelWarn
	}
	attrs := []slog.Attr{
		slog.String("code", e.Code.String()),
		slog.String("grade", e.Code.Row().Grade.String()),
		slog.String("method", r.Method),
		slog.String("path", r.URL.Path),
		slog.String("cause", err.Error()),
	}
	if suppressed > 0 {
		attrs = append(attrs, slog.Int("not_logged", suppressed))
	}
	s.Log.LogAttrs(x.context(r.Context()), level, "a request failed", attrs...)
}

// linesASecondMax bounds the lines of one code: a full disk refuses forty thousand orders a second, and needs the log too.
const linesASecondMax = 10

// quieter keeps a storm of one fault from becoming a storm of lines. Safe for concurrent use.
type quieter struct {
	mu      sync.Mutex
	seconds map[fault.Code]*spoken
}

type spoken struct {
	second     int64
	lines      int
	suppressed int
}

// speak reports whether a line may be written, and how many were not since the last one.
func (q *quieter) speak(c fault.Code, now time.Time) (suppressed int, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.seconds == nil {
		q.seconds = map[fault.Code]*spoken{}
	}
	w := q.seconds[c]
	if w == nil {
		w = &spoken{}
		q.seconds[c] = w
	}
	if w.second != now.Unix() {
		w.second, w.lines = now.Unix(), 0
	}
	if w.lines++; w.lines > linesASecondMax {
		w.suppressed++
		return 0, false
	}
	suppressed, w.suppressed = w.suppressed, 0
	return suppressed, true
}
