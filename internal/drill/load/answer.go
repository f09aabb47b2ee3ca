package load

import (
	"bytes"
	"errors"
)

// Answer is an HTTP/1.1 response, read no further than the drill needs. Body is valid during the call it is given to.
type Answer struct {
	Status   int
	Replayed bool // it carries Idempotent-Replayed: true
	Body     []byte
	// RetryAfterSeconds is what a 429 or 503 asks for; zero where it does not say.
	RetryAfterSeconds int
	closes            bool
}

// answerBytesMax bounds a response: what is larger is no page of a shop.
const answerBytesMax = 4 << 20

// ErrMalformed says that what came back is not an HTTP/1.1 response with a bounded body.
var ErrMalformed = errors.New("the answer is not HTTP/1.1")

var (
	endOfHeader = []byte("\r\n\r\n")
	endOfLine   = []byte("\r\n")
)

// parseAnswer reads one response from the front of b. It returns how many bytes it took: zero where b does not hold the
// whole of it yet. It returns ErrMalformed for what can never become a response. It does not allocate.
func parseAnswer(b []byte) (a Answer, took int, err error) {
	head := bytes.Index(b, endOfHeader)
	if head < 0 {
		if len(b) > 64<<10 || len(b) >= 5 && string(b[:5]) != "HTTP/" {
			return a, 0, ErrMalformed
		}
		return a, 0, nil
	}
	// "HTTP/1.1 201 Created"
	if head < 12 || string(b[:7]) != "HTTP/1." || b[8] != ' ' {
		return a, 0, ErrMalformed
	}
	for _, c := range b[9:12] {
		if c < '0' || c > '9' {
			return a, 0, ErrMalformed
		}
		a.Status = a.Status*10 + int(c-'0')
	}
	a.closes = b[7] == '0'
	length, chunked := -1, false
	for rest := b[12 : head+2]; len(rest) > 0; {
		end := bytes.IndexByte(rest, '\n')
		line := rest[:max(end-1, 0)]
		rest = rest[end+1:]
		switch {
		case has(line, "content-length:"):
			if length = number(value(line, "content-length:")); length < 0 || length > answerBytesMax {
				return a, 0, ErrMalformed
			}
		case has(line, "transfer-encoding:"):
			chunked = fold(value(line, "transfer-encoding:"), "chunked")
		case has(line, "connection:"):
			a.closes = a.closes || fold(value(line, "connection:"), "close")
		case has(line, "idempotent-replayed:"):
			a.Replayed = fold(value(line, "idempotent-replayed:"), "true")
		case has(line, "retry-after:"):
			a.RetryAfterSeconds = max(number(value(line, "retry-after:")), 0)
		}
	}
	body := b[head+4:]
	switch {
	case a.Status < 200 || a.Status == 204 || a.Status == 304:
		return a, head + 4, nil
	case chunked:
		n, err := a.chunks(body)
		if n == 0 || err != nil {
			return a, 0, err
		}
		return a, head + 4 + n, nil
	case length < 0:
		return a, 0, ErrMalformed // a body up to the end of the connection: no keep-alive server of ours says that
	case len(body) < length:
		return a, 0, nil
	}
	a.Body = body[:length]
	return a, head + 4 + length, nil
}

// chunks finds the end of a chunked body (RFC 9112 section 7.1) and keeps the first chunk, which holds what is looked at.
func (a *Answer) chunks(b []byte) (took int, err error) {
	for at := 0; ; {
		end := bytes.Index(b[at:], endOfLine)
		if end < 0 {
			if len(b)-at > 64 {
				return 0, ErrMalformed
			}
			return 0, nil
		}
		size := 0
		digits, _, _ := bytes.Cut(b[at:at+end], []byte{';'})
		if len(digits) == 0 || len(digits) > 6 {
			return 0, ErrMalformed
		}
		for _, c := range digits {
			switch {
			case c >= '0' && c <= '9':
				size = size<<4 | int(c-'0')
			case c|0x20 >= 'a' && c|0x20 <= 'f':
				size = size<<4 | int(c|0x20-'a'+10)
			default:
				return 0, ErrMalformed
			}
		}
		at += end + 2
		switch {
		case size > answerBytesMax:
			return 0, ErrMalformed
		case len(b) < at+size+2:
			return 0, nil
		case string(b[at+size:at+size+2]) != "\r\n":
			return 0, ErrMalformed // trailers are not looked for: nobody asked for them
		case size == 0:
			return at + 2, nil
		}
		if a.Body == nil {
			a.Body = b[at : at+size]
		}
		at += size + 2
	}
}

// has reports whether the header line begins with the name, which is in lower case and ends with a colon.
func has(line []byte, name string) bool {
	return len(line) >= len(name) && line[0]|0x20 == name[0] && fold(line[:len(name)], name)
}

func value(line []byte, name string) []byte { return bytes.TrimSpace(line[len(name):]) }

// fold compares with lower, which is in lower case, letters of either case being equal.
func fold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// number reads a decimal number; -1 if it is not one.
func number(b []byte) int {
	if len(b) == 0 || len(b) > 9 {
		return -1
	}
	n := 0
	for _, c := range b {
		if c < '0' || c > '9' {
			return -1
		}
		n = n*10 + int(c-'0')
	}
	return n
}
