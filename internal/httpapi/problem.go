package httpapi

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/tidegate/tidegate/api"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/wire"
)

var (
	problemType = []string{wire.TypeProblem}
	challenge   = []string{wire.Challenge}
)

// fail answers with the problem that err is. What somebody is to look at is logged with its cause, once, here.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	x := w.(*exchange)
	if gone := lost(r.Context()); gone != nil {
		err = gone // whatever it broke off
		x.Header().Set("Connection", "close")
	}
	e := wire.AsFault(err, r.Context().Err() != nil)
	s.faults.Failed(x.requestID, r.Method, r.URL.Path, e, err)
	if x.status != 0 {
		return // the answer has begun; all that is left is to end it
	}
	writeProblem(x, e)
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
		h["Www-Authenticate"] = challenge
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
			return fault.New(fault.MissingKey, "Send an Idempotency-Key header, such as a UUID, and the same one when you repeat the request.").In(e.ParamName)
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
		return fault.Bad(e.ParamName, "It cannot be read: %s.", rightFor(e.ParamName))
	}
	return fault.Wrap(fault.BadRequest, err, "A parameter cannot be read.")
}

// rightFor says what a parameter would be read as, where its name does not say so by itself.
func rightFor(name string) string {
	switch name {
	case "limit":
		return "it is a whole number from 1 to 200, sent once"
	case "dry_run":
		return "it is true or false, sent once"
	}
	return "it does not have the form that the contract at /docs asks for"
}

// panicked answers a request whose handler panicked.
func (s *Server) panicked(x *exchange, r *http.Request, p any) {
	s.fail(x, r, fault.Recovered(p))
}
