package httpapi

import (
	"net/http"
	"net/netip"
	"strings"

	"github.com/tidegate/tidegate/internal/wire"
)

// clientAddress returns whom a request comes from: see ClientAddress.
func (s *Server) clientAddress(r *http.Request) netip.Addr { return ClientAddress(s.proxies, r) }

// ClientAddress returns whom a request comes from, behind the proxies: see wire.Proxies.
func ClientAddress(proxies wire.Proxies, r *http.Request) netip.Addr {
	return proxies.ClientAddress(wire.ParseHop(r.RemoteAddr), func() string {
		return strings.Join(r.Header.Values("X-Forwarded-For"), ",")
	})
}

// limitClient counts a request of its client address. It returns fault.TooManyRequests.
func (s *Server) limitClient(r *http.Request) error {
	if s.Limits == nil || !s.Limits.LimitsClients() {
		return nil
	}
	return s.Limits.Client(s.clientAddress(r))
}

// limitCustomer counts a request of whoever has signed in. It returns fault.TooManyRequests.
func (s *Server) limitCustomer(x *exchange) error {
	if s.Limits == nil {
		return nil
	}
	return s.Limits.Customer(x.customer.Customer)
}
