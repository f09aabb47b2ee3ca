package security

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/await"
	"github.com/tidegate/tidegate/test/blackbox"
)

// from opens a connection to a listener from an address of this machine.
func from(t *testing.T, address, base string) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}, Timeout: await.Max}
	c, err := d.Dial("tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// status is what a request over the connection is answered; zero where the connection was closed without an answer.
func status(t *testing.T, c net.Conn, path string) int {
	t.Helper()
	_ = c.SetDeadline(time.Now().Add(await.Max))
	_, _ = fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: shop\r\n\r\n", path) // a refusal may come first
	a, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0
	}
	_, _ = io.Copy(io.Discard, a.Body)
	if a.StatusCode == http.StatusTooManyRequests && a.Header.Get("Retry-After") == "" {
		t.Error("a refusal without Retry-After")
	}
	return a.StatusCode
}

// TestOneAddressHoldsNotEveryConnection: whoever opens as many connections as the shop takes, on each listener, keeps nobody else
// out; and who closes some may open others.
func TestOneAddressHoldsNotEveryConnection(t *testing.T) {
	t.Parallel()
	const each, all = 8, 24
	shop := blackbox.New(t, "TIDEGATE_EXPRESS_ADDRESS=127.0.0.1:0", fmt.Sprint("TIDEGATE_HTTP_CLIENT_CONNECTIONS_MAX=", each),
		fmt.Sprint("TIDEGATE_HTTP_CONNECTIONS_MAX=", all), fmt.Sprint("TIDEGATE_EXPRESS_CONNECTIONS_MAX=", all))
	shop.Start()
	at := shop.Running()
	for name, c := range map[string]struct {
		base, path   string
		each, opened int
		greedy, meek string
	}{
		"the main lane":    {at.Public, "/v1/sales", each, 3 * all, "127.0.0.11", "127.0.0.12"},
		"the express lane": {at.Express, "/v1/products/1", each, 3 * all, "127.0.0.21", "127.0.0.22"},
		"ops":              {at.Ops, "/healthz", 50, 120, "127.0.0.31", "127.0.0.32"},
	} {
		var held []net.Conn
		for range c.opened {
			held = append(held, from(t, c.greedy, c.base))
		}
		if got := status(t, from(t, c.meek, c.base), c.path); got != 200 && got != 404 {
			t.Errorf("%s: somebody else is answered %d", name, got)
		}
		served := 0
		for _, one := range held {
			switch got := status(t, one, c.path); got {
			case 200, 404:
				served++
			case 429, 0:
			default:
				t.Errorf("%s: one connection too many is answered %d", name, got)
			}
		}
		if served != c.each {
			t.Errorf("%s: one address has %d connections, want %d", name, served, c.each)
		}
		for _, one := range held {
			_ = one.Close()
		}
		await.Until(t, name+": who closes connections may open others", func() bool {
			got := status(t, from(t, c.greedy, c.base), c.path)
			return got == 200 || got == 404
		})
	}
}
