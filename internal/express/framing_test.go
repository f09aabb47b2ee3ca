package express

import (
	"errors"
	"testing"

	"github.com/tidegate/tidegate/internal/kernel/fault"
)

func TestCheckFraming(t *testing.T) {
	for _, c := range []struct {
		headers string
		refused bool
	}{
		{"Host: a\r\nContent-Length: 4\r\n\r\n", false},
		{"Host: a\r\nTransfer-Encoding: chunked\r\n\r\n", false},
		{"Host: a\nX-Any: a : b\n\n", false},
		{"", false},
		{"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n", true},
		{"transfer-encoding: chunked\r\nCONTENT-LENGTH: 4\r\n\r\n", true},
		{"Content-Length: 4\r\nContent-Length: 4\r\n\r\n", true},
		{"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n", true},
		{"Content-Length : 4\r\n\r\n", true},
		{"X-Folded: a\r\n b\r\n\r\n", true},
		{": a\r\n\r\n", true},
		{"no colon\r\n\r\n", true},
	} {
		if err := checkFraming([]byte(c.headers)); errors.Is(err, fault.BadRequest) != c.refused {
			t.Errorf("%q: %v", c.headers, err)
		}
	}
	headers := []byte("Host: shop\r\nAuthorization: Bearer " + string(make([]byte, 200)) + "\r\nIdempotency-Key: abc\r\nContent-Type: application/json\r\nContent-Length: 40\r\n\r\n")
	if n := testing.AllocsPerRun(100, func() { _ = checkFraming(headers) }); n != 0 {
		t.Errorf("it allocates %v times", n)
	}
}
