package httpapi

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/tidegate/tidegate/api"
	"github.com/tidegate/tidegate/internal/admission"
	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/wire"
)

var replayed = []string{wire.Replayed}

// PlaceSaleOrder implements api.ServerInterface.
func (s *Server) PlaceSaleOrder(w http.ResponseWriter, r *http.Request, saleID api.SalePath, _ api.PlaceSaleOrderParams) {
	s.place(w.(*exchange), r, saleID)
}

// PlaceOrder implements api.ServerInterface.
func (s *Server) PlaceOrder(w http.ResponseWriter, r *http.Request, _ api.PlaceOrderParams) {
	s.place(w.(*exchange), r, 0)
}

// place takes an order, of a sale or, where that is zero, from general stock.
func (s *Server) place(x *exchange, r *http.Request, saleID id.Sale) {
	req := order.Request{Customer: x.customer.Customer, Sale: saleID, Refusal: s.Admission.Hold(admission.Order, x)}
	var err error
	if req.Key, err = idempotencyKey(r); err != nil {
		s.fail(x, r, err)
		return
	}
	body, err := x.body(r, wire.OrderBytesMax)
	if err != nil {
		s.fail(x, r, err)
		return
	}
	// The order keeps its lines until it is committed, so they are its own and not the exchange's.
	if req.Lines, err = wire.DecodeOrder[inventory.Line](nil, body); err != nil {
		s.fail(x, r, err)
		return
	}
	// A client that leaves does not take its order along, and what an order waits for has a limit of its own.
	placed, err := s.Orders.Place(context.Background(), req)
	if err != nil {
		s.fail(x, r, err)
		return
	}
	if placed.Replayed {
		x.Header()["Idempotent-Replayed"] = replayed
	}
	if placed.Ticket != "" {
		placed.Ticket = s.Orders.Bind(placed.Ticket, x.customer.Session)
	}
	x.answerJSON(wire.PlacedStatus(placed.Undecided), placed.AppendJSON(x.buffer[:0]))
}

// idempotencyKey returns the request's key: empty where there is none, which the order's own rules refuse. It returns
// fault.BadRequest for two.
func idempotencyKey(r *http.Request) (string, error) {
	given := r.Header["Idempotency-Key"]
	if len(given) == 0 {
		return "", nil
	}
	return given[0], wire.CheckKeyGiven(len(given))
}

// GetOrder implements api.ServerInterface.
func (s *Server) GetOrder(w http.ResponseWriter, r *http.Request, o api.OrderPath, params api.GetOrderParams) {
	wait, err := waitFor(params.Wait)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	x := w.(*exchange)
	if wait > 0 {
		watched, stop := s.Callers.Watch(r.Context(), s.still(r, x.route.need))
		defer stop()
		r = r.WithContext(watched)
	}
	var found order.Placed
	if params.Ticket == "" {
		found, err = s.Orders.Get(r.Context(), principal(w).Customer, o, wait)
	} else {
		found, err = s.follow(r.Context(), params.Ticket, o, principal(w).Customer, wait)
	}
	if err == nil {
		err = lost(r.Context())
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if found.Undecided {
		if found.Ticket != "" {
			found.Ticket = s.Orders.Bind(found.Ticket, x.customer.Session)
		}
		x.answerJSON(http.StatusAccepted, found.AppendJSON(x.buffer[:0]))
		return
	}
	s.answerOrder(w, &found.Order, false)
}

func waitFor(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || d > order.WaitMax {
		return 0, fault.Bad("wait", "It must be a duration from 0s to %s, such as 5s.", order.WaitMax)
	}
	return d, nil
}

func (s *Server) answerOrder(w http.ResponseWriter, o *order.Order, withCustomer bool) {
	x := w.(*exchange)
	x.answerJSON(http.StatusOK, o.AppendJSON(x.buffer[:0], withCustomer))
}

// ListOrders implements api.ServerInterface.
func (s *Server) ListOrders(w http.ResponseWriter, r *http.Request, params api.ListOrdersParams) {
	limit, before, err := pageOf[id.Order](w, r, params.Limit, params.Cursor)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	found, err := s.Orders.List(r.Context(), principal(w).Customer, before, limit+1)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	answerOrders(w, r, found, limit, false)
}

// answerOrders answers a page of orders, of which one more than limit was read.
func answerOrders(w http.ResponseWriter, r *http.Request, found []order.Order, limit int, withCustomer bool) {
	items, next := page(w, r, found, limit, func(o *order.Order) id.Order { return o.ID })
	x := w.(*exchange)
	b := append(x.buffer[:0], `{"items":[`...)
	for i := range items {
		if i > 0 {
			b = append(b, ',')
		}
		b = items[i].AppendJSON(b, withCustomer)
	}
	b = append(b, ']')
	if next != "" {
		b = append(b, `,"next_cursor":"`+next+`"`...)
	}
	x.answerJSON(http.StatusOK, append(b, '}'))
}

// CancelOrder implements api.ServerInterface.
func (s *Server) CancelOrder(w http.ResponseWriter, r *http.Request, o api.OrderPath) {
	cancelled, err := s.Closer.Cancel(r.Context(), principal(w).Customer, o)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.answerOrder(w, &cancelled, false)
}

// AdminCancelOrder implements api.ServerInterface.
func (s *Server) AdminCancelOrder(w http.ResponseWriter, r *http.Request, o api.OrderPath) {
	cancelled, err := s.Closer.CancelAny(r.Context(), o, admin(w).Name)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.answerOrder(w, &cancelled, true)
}

// AdminListOrders implements api.ServerInterface.
func (s *Server) AdminListOrders(w http.ResponseWriter, r *http.Request, params api.AdminListOrdersParams) {
	limit, before, err := pageOf[id.Order](w, r, params.Limit, params.Cursor)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	f := order.Filter{Sale: params.SaleId, Customer: params.CustomerId, Status: order.Status(params.Status), From: params.From, To: params.To, Before: before, Limit: limit + 1}
	if f.Status != "" && !slices.Contains(order.Statuses(), f.Status) {
		s.fail(w, r, fault.Bad("status", "It must be one of %v.", order.Statuses()))
		return
	}
	found, err := s.Orders.Search(r.Context(), f)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	answerOrders(w, r, found, limit, true)
}

// AdminGetOrder implements api.ServerInterface.
func (s *Server) AdminGetOrder(w http.ResponseWriter, r *http.Request, o api.OrderPath) {
	found, err := s.Orders.Find(r.Context(), o)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.answerOrder(w, &found, true)
}

// FulfilOrder implements api.ServerInterface.
func (s *Server) FulfilOrder(w http.ResponseWriter, r *http.Request, o api.OrderPath) {
	fulfilled, err := s.Orders.Fulfil(r.Context(), o)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.answerOrder(w, &fulfilled, true)
}
