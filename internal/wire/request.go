package wire

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/fault"
)

// Header values that all listeners use.
const (
	// Challenge is the WWW-Authenticate header of a 401 (RFC 6750).
	Challenge = `Bearer realm="tidegate"`
	// NoSniff is the X-Content-Type-Options header of every answer.
	NoSniff = "nosniff"
	// NoStore is the Cache-Control header of answers that belong to one shopper or change with every order.
	NoStore = "no-store"
	// MustRevalidate lets caches keep an answer but revalidate it before each use, so that no price is outdated.
	MustRevalidate = "no-cache"
	// Replayed is the Idempotent-Replayed header of a replayed order.
	Replayed = "true"
)

// Hot is one of the routes that carry the traffic of a live sale.
type Hot int

// The hot routes. They are matched by hand, because a mux and generated bindings cost more than their handlers.
const (
	HotNone         Hot = iota
	HotOrder            // /v1/orders
	HotSaleOrder        // /v1/sales/{id}/orders
	HotSale             // /v1/sales/{id}
	HotProduct          // /v1/products/{id}
	hotSalesPath    = "/v1/sales/"
	hotProductsPath = "/v1/products/"
)

// HotRoute returns the hot route of a path and the text of its id. The caller checks the method.
func HotRoute(path string) (Hot, string) {
	if path == "/v1/orders" {
		return HotOrder, ""
	}
	if rest, ok := strings.CutPrefix(path, hotProductsPath); ok {
		return oneSegment(HotProduct, rest)
	}
	rest, ok := strings.CutPrefix(path, hotSalesPath)
	if !ok {
		return HotNone, ""
	}
	if sale, ok := strings.CutSuffix(rest, "/orders"); ok {
		return oneSegment(HotSaleOrder, sale)
	}
	return oneSegment(HotSale, rest)
}

func oneSegment(route Hot, text string) (Hot, string) {
	if text == "" || strings.IndexByte(text, '/') >= 0 {
		return HotNone, ""
	}
	return route, text
}

// NothingHere returns the fault of an address without a route.
func NothingHere() *fault.Error {
	return fault.New(fault.NotFound, "There is nothing at this address; /docs lists what there is.")
}

// MethodNotAllowed returns the fault of a method that the route does not have. allow lists the methods that it has.
func MethodNotAllowed(allow, method string) *fault.Error {
	return fault.New(fault.MethodNotAllowed, "This address takes %s, not %.20s.", allow, method)
}

// Bearer returns the token of an Authorization header (RFC 6750). given is the number of such headers. It returns
// fault.Unauthenticated. The token shares the header's memory.
func Bearer(header string, given int) (string, error) {
	const scheme = "bearer "
	if given != 1 || len(header) <= len(scheme) || !strings.EqualFold(header[:len(scheme)], scheme) {
		return "", fault.New(fault.Unauthenticated, "Send the header Authorization: Bearer TOKEN.")
	}
	return header[len(scheme):], nil
}

// CheckKeyGiven returns fault.BadRequest if a request has more than one Idempotency-Key header. Package order rejects a
// missing key.
func CheckKeyGiven(given int) error {
	if given < 2 {
		return nil
	}
	e := fault.New(fault.BadRequest, "Send it once.")
	e.Field = "Idempotency-Key"
	return e
}

// The statuses of the answer to an order.
const (
	statusCreated  = 201
	statusAccepted = 202
)

// PlacedStatus returns the status of the answer to an order: 201 if it was created, 202 if its outcome is not known
// yet.
func PlacedStatus(undecided bool) int {
	if undecided {
		return statusAccepted
	}
	return statusCreated
}

// Holds reports whether an If-None-Match header names the entity tag, by weak comparison (RFC 9110, section 13.1.2).
func Holds(header, tag string) bool {
	for header != "" {
		var one string
		one, header, _ = strings.Cut(header, ",")
		one = strings.TrimPrefix(strings.Trim(one, " \t"), "W/")
		if one == tag || one == "*" {
			return true
		}
	}
	return false
}

const (
	requestIDBytesMax = 64
	requestIDBytes    = 8 // of generated ids, before hexadecimal encoding
)

// AppendRequestID appends a request's id: the given one if it is 1 to 64 letters, digits, hyphens, underscores and
// dots, otherwise a new one. A proxy may have given it.
func AppendRequestID[T ~string | ~[]byte](b []byte, given T) []byte {
	if isRequestID(given) {
		return append(b, given...)
	}
	var raw [requestIDBytes]byte
	binary.BigEndian.PutUint64(raw[:], rand.Uint64())
	return hex.AppendEncode(b, raw[:])
}

func isRequestID[T ~string | ~[]byte](s T) bool {
	if len(s) == 0 || len(s) > requestIDBytesMax {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '-' || c == '_' || c == '.') {
			return false
		}
	}
	return true
}

// Unread returns the fault of a body that was not read completely: fault.TimedOut after a timeout, otherwise
// fault.BadRequest.
func Unread(err error) error {
	if t, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err); ok && t.Timeout() {
		return fault.Wrap(fault.TimedOut, err, "The body did not arrive in time.").After(time.Second)
	}
	return fault.Wrap(fault.BadRequest, err, "The body did not arrive whole.")
}

// AsFault returns err as a fault. A request that ran out of time or whose client left is not an internal error.
func AsFault(err error, left bool) *fault.Error {
	e := fault.As(err)
	if e.Code != fault.Internal {
		return e
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fault.Wrap(fault.TimedOut, err, "The shop did not get to it in time.").After(time.Second)
	case left && errors.Is(err, context.Canceled):
		return fault.Wrap(fault.ShuttingDown, err, "The request was broken off.").After(time.Second)
	}
	return e
}
