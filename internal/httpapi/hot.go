package httpapi

import (
	"fmt"
	"net/http"

	"github.com/tidegate/tidegate/api"
	"github.com/tidegate/tidegate/internal/admission"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/wire"
)

// hotRoutes are the four routes that a sale night consists of. They are matched by prefix and bound by hand, before the
// mux and without the generated binding, which reflects; what they call is the same.
type hotRoutes struct {
	placeOrder, placeSaleOrder, getSale, getProduct *route
}

func newHotRoutes(s *Server, routes map[string]*route) (h hotRoutes, err error) {
	for pattern, field := range map[string]**route{
		"POST /v1/orders":            &h.placeOrder,
		"POST /v1/sales/{id}/orders": &h.placeSaleOrder,
		"GET /v1/sales/{id}":         &h.getSale,
		"GET /v1/products/{id}":      &h.getProduct,
	} {
		if *field = routes[pattern]; *field == nil {
			return h, fmt.Errorf("the contract has no %s", pattern)
		}
	}
	return h, nil
}

// serve answers a request of one of the hot routes; false: it is none.
func (h *hotRoutes) serve(s *Server, x *exchange, r *http.Request) bool {
	hot, text := wire.HotRoute(r.URL.Path)
	switch {
	case hot == wire.HotOrder && r.Method == http.MethodPost:
		if h.admit(s, x, r, h.placeOrder) {
			s.place(x, r, 0)
		}
	case hot == wire.HotSaleOrder && r.Method == http.MethodPost:
		if h.admit(s, x, r, h.placeSaleOrder) {
			if saleID, ok := pathID[id.Sale](s, x, r, text); ok {
				s.place(x, r, saleID)
			}
		}
	case hot == wire.HotSale && r.Method == http.MethodGet:
		if h.takes(s, x, r, h.getSale) {
			if saleID, ok := pathID[id.Sale](s, x, r, text); ok {
				s.GetSale(x, r, saleID)
			}
		}
	case hot == wire.HotProduct && r.Method == http.MethodGet:
		if !h.takes(s, x, r, h.getProduct) {
			return true
		}
		if productID, ok := pathID[id.Product](s, x, r, text); ok {
			s.GetProduct(x, r, productID, api.GetProductParams{IfNoneMatch: r.Header.Get("If-None-Match")})
		}
	default:
		return false
	}
	return true
}

func (h *hotRoutes) admit(s *Server, x *exchange, r *http.Request, rt *route) bool {
	x.route, x.purpose = rt, admission.Order
	if err := s.Admission.Enter(x.purpose, x); err != nil {
		s.fail(x, r, err)
		return false
	}
	return h.takes(s, x, r, rt)
}

// takes refuses parameters that the route does not have.
func (h *hotRoutes) takes(s *Server, x *exchange, r *http.Request, rt *route) bool {
	x.route = rt
	if err := wire.CheckQuery(r.URL.RawQuery, rt.need.query); err != nil {
		s.fail(x, r, err)
		return false
	}
	return true
}

func pathID[T ~int64](s *Server, x *exchange, r *http.Request, text string) (T, bool) {
	n, err := id.Parse[T](text)
	if err != nil {
		s.fail(x, r, wire.MalformedID("id"))
		return 0, false
	}
	return n, true
}
