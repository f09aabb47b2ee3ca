package httpapi

import (
	"errors"
	"io"
	"net/http"
	"strconv"

	"github.com/tidegate/tidegate/internal/kernel/cursor"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/wire"
)

var jsonType = []string{wire.TypeJSON}

// body reads a JSON body of at most limit bytes. The bytes belong to the exchange: they are good until the answer is
// written. It returns fault.UnsupportedMedia, fault.BodyTooLarge, fault.TimedOut or fault.BadRequest.
func (x *exchange) body(r *http.Request, limit int64) ([]byte, error) {
	if err := wire.CheckJSONType(contentType(r)); err != nil {
		return nil, err
	}
	return x.bytes(r, limit)
}

// contentType returns the header as Get does, without making the name canonical first.
func contentType(r *http.Request) string {
	if given := r.Header["Content-Type"]; len(given) > 0 {
		return given[0]
	}
	return ""
}

// bytes reads a body of any type, as body does.
func (x *exchange) bytes(r *http.Request, limit int64) ([]byte, error) {
	if r.ContentLength > limit {
		return nil, wire.TooLarge(limit)
	}
	b := x.buffer[:0]
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := r.Body.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		x.buffer = b
		if int64(len(b)) > limit {
			return nil, wire.TooLarge(limit)
		}
		switch {
		case errors.Is(err, io.EOF):
			return b, nil
		case err != nil:
			return nil, wire.Unread(err)
		}
	}
}

// read decodes a JSON body into v.
func (s *Server) read(w http.ResponseWriter, r *http.Request, v any) error {
	b, err := w.(*exchange).body(r, wire.BodyBytesMax)
	if err != nil {
		return err
	}
	return wire.Decode(b, v)
}

// answer writes v as JSON.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, status int, v any) {
	x := w.(*exchange)
	b, err := wire.Append(x.buffer[:0], v)
	if err != nil {
		s.fail(w, r, fault.Wrap(fault.Internal, err, ""))
		return
	}
	x.answerJSON(status, b)
}

// answerJSON writes bytes that are JSON, and keeps them as the buffer of the next request.
func (x *exchange) answerJSON(status int, b []byte) {
	x.buffer = b
	h := x.Header()
	h["Content-Type"] = jsonType
	x.WriteHeader(status)
	// A client that has left is not told.
	_, _ = x.Write(b)
}

// Limits of lists.
const (
	limitDefault = 50
	limitMax     = 200
)

// pageLimit returns how many items a list answers.
func pageLimit(r *http.Request, limit int) (int, error) {
	if limit == 0 && !r.URL.Query().Has("limit") {
		return limitDefault, nil
	}
	if limit < 1 || limit > limitMax {
		return 0, fault.Bad("limit", "It must be from 1 to %d.", limitMax)
	}
	return limit, nil
}

// listOf names the list that a request asks for: its path, its filters, and whose it is where it is a shopper's own.
func listOf(w http.ResponseWriter, r *http.Request) cursor.List {
	filters := r.URL.Query()
	filters.Del("cursor")
	filters.Del("limit")
	return cursor.Of(r.URL.Path, filters.Encode(), principal(w).Customer.String())
}

// pageOf reads what a list that goes by id is asked for: how many items, and after which one. A cursor that another list has given out
// is refused.
func pageOf[T ~int64](w http.ResponseWriter, r *http.Request, limit int, given string) (int, T, error) {
	n, err := pageLimit(r, limit)
	if err != nil || given == "" {
		return n, 0, err
	}
	after, err := listOf(w, r).Read(given)
	return n, T(after), err
}

// page cuts a list that was read with one item more than asked for, and returns the cursor of the next page: empty on the
// last one.
func page[E any, T ~int64](w http.ResponseWriter, r *http.Request, items []E, limit int, id func(*E) T) ([]E, string) {
	if len(items) <= limit {
		return items, ""
	}
	return items[:limit], listOf(w, r).After(int64(id(&items[limit-1])))
}

// versionTag returns the ETag of a version.
func versionTag(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }

// matchedVersion returns the version that an If-Match header names.
func matchedVersion(header string) (int64, error) {
	if len(header) > 2 && header[0] == '"' && header[len(header)-1] == '"' {
		if v, err := id.Parse[int64](header[1 : len(header)-1]); err == nil {
			return v, nil
		}
	}
	return 0, fault.Bad("If-Match", "Send the ETag of the version you have seen, such as %s.", `"3"`)
}
