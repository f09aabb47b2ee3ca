package express

import (
	"bytes"

	"github.com/tidegate/tidegate/internal/kernel/fault"
)

// checkFraming refuses a request of which two readers could think that it ends at different places: a length beside chunks,
// either of them twice, a blank before a colon, a header that goes on in the next line. A proxy that reads such a request
// otherwise than this lane would let one request hide in another (RFC 9112, sections 5.1, 5.2 and 6.3); fasthttp takes them
// all. It returns fault.BadRequest; the caller closes the connection.
func checkFraming(headers []byte) error {
	lengths, encodings := 0, 0
	for len(headers) > 0 {
		line := headers
		if end := bytes.IndexByte(headers, '\n'); end >= 0 {
			line, headers = headers[:end], headers[end+1:]
		} else {
			headers = nil
		}
		if line = bytes.TrimSuffix(line, carriageReturn); len(line) == 0 {
			continue
		}
		colon := bytes.IndexByte(line, ':')
		if colon < 1 || isBlank(line[0]) || isBlank(line[colon-1]) {
			return badFraming()
		}
		switch colon {
		case len(nameLength):
			if bytes.EqualFold(line[:colon], nameLength) {
				lengths++
			}
		case len(nameEncoding):
			if bytes.EqualFold(line[:colon], nameEncoding) {
				encodings++
			}
		}
	}
	if lengths+encodings > 1 {
		return badFraming()
	}
	return nil
}

var (
	carriageReturn = []byte{'\r'}
	nameLength     = []byte("Content-Length")
	nameEncoding   = []byte("Transfer-Encoding")
)

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

func badFraming() error {
	return fault.New(fault.BadRequest, "The headers do not say in one way where the request ends.")
}
