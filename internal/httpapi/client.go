package httpapi

import (
	"net/http"
	"net/netip"
	"strings"

	"github.com/tidegate/tidegate/internal/admission"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
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

// notifications is the last part of the path that payment providers post to.
const notifications = "/notifications"

// purposeOf returns what a request is for, as far as its address says it before its route is known.
func purposeOf(r *http.Request) admission.Purpose {
	if r.Method == http.MethodPost && strings.HasPrefix(r.URL.Path, "/v1/payments/") && strings.HasSuffix(r.URL.Path, notifications) {
		return admission.Notification
	}
	return admission.Request
}

// Client implements admission.Visitor.
func (x *exchange) Client() netip.Addr { return x.server.clientAddress(x.request) }

// Customer implements admission.Visitor.
func (x *exchange) Customer() id.Customer { return x.customer.Customer }

// Authenticate implements admission.Visitor by what the contract asks of the route's caller.
func (x *exchange) Authenticate() (err error) {
	s, n := x.server, x.route.need
	if !n.customer && n.role == "" {
		return nil
	}
	x.Header()["Cache-Control"] = noStore
	token, err := bearer(x.request)
	if err != nil {
		return err
	}
	if n.customer {
		x.customer, err = s.Callers.Authenticate(token)
		return err
	}
	if x.admin, err = s.Callers.AuthenticateAdmin(x.request.Context(), token); err != nil {
		return err
	}
	if !x.admin.May(n.role) {
		return fault.New(fault.Forbidden, "This needs a key with the role %s.", n.role)
	}
	return nil
}
