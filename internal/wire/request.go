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

// Header values that every lane answers with.
const (
	// Challenge is the WWW-Authenticate of a 401 (RFC 6750).
	Challenge = `Bearer realm="tidegate"`
	// NoSniff is the X-Content-Type-Options of every answer.
	NoSniff = "nosniff"
	// NoStore is the Cache-Control of what is one shopper's, or changes with every order.
	NoStore = "no-store"
	// MustRevalidate lets others keep an answer and ask every time whether it still holds: a price is never an old one.
	MustRevalidate = "no-cache"
	// Replayed is the Idempotent-Replayed of an order that its key had made before.
	Replayed = "true"
)

// Hot is one of the routes that a sale night consists of.
type Hot int

// The hot routes. They are matched by hand, because a mux and a generated binding cost more than what they lead to.
const (
	HotNone         Hot = iota
	HotOrder            // /v1/orders
	HotSaleOrder        // /v1/sales/{id}/orders
	HotSale             // /v1/sales/{id}
	HotProduct          // /v1/products/{id}
	hotSalesPath    = "/v1/sales/"
	hotProductsPath = "/v1/products/"
)

// HotRoute returns which hot route a path is, and the text of its id. The method is the caller's to check.
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

// NothingHere is the fault of an address that no route has.
func NothingHere() *fault.Error {
	return fault.New(fault.NotFound, "There is nothing at this address; /docs lists what there is.")
}

// MethodNotAllowed is the fault of a method that a route does not have; allow lists those that it has.
func MethodNotAllowed(allow, method string) *fault.Error {
	return fault.New(fault.MethodNotAllowed, "This address takes %s, not %.20s.", allow, method)
}

// Bearer returns the token of an Authorization header (RFC 6750), of which there were given. It returns
// fault.Unauthenticated. The token shares the header's memory.
func Bearer(header string, given int) (string, error) {
	const scheme = "bearer "
	if given != 1 || len(header) <= len(scheme) || !strings.EqualFold(header[:len(scheme)], scheme) {
		return "", fault.New(fault.Unauthenticated, "Send the header Authorization: Bearer TOKEN.")
	}
	return header[len(scheme):], nil
}

// CheckKeyGiven returns fault.BadRequest for an Idempotency-Key header that was given more than once. None is for the order's
// own rules to refuse.
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

// PlacedStatus returns the status of the answer to an order: 201 where it is made, 202 where its outcome is not known yet.
func PlacedStatus(undecided bool) int {
	if undecided {
		return statusAccepted
	}
	return statusCreated
}

// Holds reports whether an If-None-Match header names the entity tag, weakly compared: RFC 9110, section 13.1.2.
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
	requestIDBytes    = 8 // of the ones we make, before they are written in hexadecimal
)

// AppendRequestID appends the id of a request: the one that a proxy has given it, where that is one of 1 to 64 letters,
// digits, hyphens, underscores and dots, else a new one.
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

// Unread is the fault of a body that could not be read to its end.
func Unread(err error) error {
	if t, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err); ok && t.Timeout() {
		return fault.Wrap(fault.TimedOut, err, "The body did not arrive in time.").After(time.Second)
	}
	return fault.Wrap(fault.BadRequest, err, "The body did not arrive whole.")
}

// AsFault returns err as a fault. A request whose time is up, or whose client has left, is no fault of the shop.
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
