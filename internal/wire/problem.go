package wire

import (
	"fmt"
	"strconv"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/fault"
)

func appendInt(b []byte, n int64) []byte { return strconv.AppendInt(b, n, 10) }

// AppendProblem appends a fault as problem+json (RFC 9457). Its type links to the API documentation, which explains the
// code. The cause is left out.
func AppendProblem(b []byte, e *fault.Error, requestID string) []byte {
	row := e.Code.Row()
	b = append(b, `{"type":"/docs#`...)
	b = append(b, row.Slug...)
	b = append(b, `","title":`...)
	b = AppendText(b, row.Title)
	b = append(b, `,"status":`...)
	b = appendInt(b, int64(row.Status))
	if e.Detail != "" {
		b = append(b, `,"detail":`...)
		b = AppendText(b, e.Detail)
	}
	b = append(b, `,"code":"`...)
	b = append(b, row.Slug...)
	b = append(b, `","number":`...)
	b = appendInt(b, int64(row.Number))
	if e.Field != "" {
		b = append(b, `,"field":`...)
		b = AppendText(b, e.Field)
	}
	if e.Available > 0 {
		b = appendInt(append(b, `,"available":`...), e.Available)
	}
	if len(e.Others) > 0 {
		b = appendErrors(b, e)
	}
	if requestID != "" {
		b = append(b, `,"request_id":`...)
		b = AppendText(b, requestID)
	}
	return append(b, '}')
}

// appendErrors appends every invalid input, including the first.
func appendErrors(b []byte, e *fault.Error) []byte {
	b = append(b, `,"errors":[`...)
	for i, one := range append([]*fault.Error{e}, e.Others...) {
		if i > 0 {
			b = append(b, ',')
		}
		b = AppendText(append(b, `{"field":`...), one.Field)
		b = AppendText(append(b, `,"detail":`...), one.Detail)
		b = append(b, '}')
	}
	return append(b, ']')
}

// Statuses whose answers always have a Retry-After header.
const (
	statusTooManyRequests = 429
	statusUnavailable     = 503
)

// RetryAfterSeconds returns the value of the Retry-After header for a fault; 0 means no header. It rounds the fault's
// time up.
func RetryAfterSeconds(e *fault.Error) int64 {
	if e.RetryAfter > 0 {
		return int64((e.RetryAfter + time.Second - 1) / time.Second)
	}
	if s := e.Code.Row().Status; s == statusTooManyRequests || s == statusUnavailable {
		return 1
	}
	return 0
}

// WholeProblem returns a complete HTTP/1.1 answer with the problem. status is the reason phrase. The connection is
// closed after it.
func WholeProblem(e *fault.Error, status string) []byte {
	body := AppendProblem(nil, e, "")
	b := fmt.Appendf(nil, "HTTP/1.1 %d %s\r\nConnection: close\r\nContent-Type: %s\r\nX-Content-Type-Options: %s\r\nRetry-After: %d\r\nContent-Length: %d\r\n\r\n",
		e.Code.Row().Status, status, TypeProblem, NoSniff, RetryAfterSeconds(e), len(body))
	return append(b, body...)
}
