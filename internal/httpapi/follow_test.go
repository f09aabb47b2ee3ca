package httpapi_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/httpapi"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
)

// waiting is an order path with one queued order, 77, that is decided at the third look.
type waiting struct {
	httpapi.Orders
	fate  order.Placed
	err   error
	looks *atomic.Int64
}

func (w waiting) Ticket(text string) (order.Ticket, error) {
	if text != "good" {
		return order.Ticket{}, fault.Bad("ticket", "It is not a ticket of this shop's.")
	}
	return order.Ticket{Order: 77, Customer: id.Customer(1001), Queued: true}, nil
}

func (waiting) Bind(ticket string, _ id.Session) string { return ticket }

func (w waiting) Follow(context.Context, order.Ticket, time.Duration) (order.Placed, error) {
	if w.looks.Add(1) < 3 {
		return order.Placed{Order: order.Order{ID: 77, Status: order.Queued}, Undecided: true, Ticket: "good"}, nil
	}
	return w.fate, w.err
}

func TestFollowAQueuedOrder(t *testing.T) {
	made := order.Placed{Order: order.Order{ID: 77, Customer: 1001, Status: order.Pending, Lines: []order.Line{{SKU: mug, Units: 1, UnitPrice: 5}}, Units: 1}}
	made.Order.Total.Currency = "GBP"
	for _, c := range []struct {
		name, last string
		fate       order.Placed
		err        error
	}{
		{"an order", `"id":"77","status":"pending"`, made, nil},
		{"a refusal", `"code":"sold_out"`, order.Placed{}, fault.New(fault.SoldOut, "There is not enough left.")},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newShop(t, func(p *httpapi.Parts) { p.Orders = waiting{fate: c.fate, err: c.err, looks: new(atomic.Int64)} })
			a := s.do(t, call{do: "GET /v1/orders/77/events?ticket=good"}) // nobody has signed in
			events := strings.Split(strings.TrimSpace(string(a.body)), "\n\n")
			if a.status != 200 || a.header.Get("Content-Type") != "text/event-stream" || len(events) < 2 {
				t.Fatalf("%d %s %s", a.status, a.header, a.body)
			}
			if !strings.Contains(events[0], "event: queued\ndata: {\"id\":\"77\",\"status\":\"queued\",\"ticket\":\"good\"}") {
				t.Errorf("first %q", events[0])
			}
			last := events[len(events)-1]
			want := "event: decided\n"
			if c.err != nil {
				want = "event: refused\n"
			}
			if !strings.Contains(last, want) || !strings.Contains(last, c.last) {
				t.Errorf("last %q", last)
			}
		})
	}
}

func TestATicketIsForOneOrderAndItsShopper(t *testing.T) {
	s := newShop(t, func(p *httpapi.Parts) { p.Orders = waiting{looks: new(atomic.Int64)} })
	for _, c := range []call{
		{do: "GET /v1/orders/77/events?ticket=bad"},
		{do: "GET /v1/orders/78/events?ticket=good"},
		{as: "ada", do: "GET /v1/orders/77?ticket=bad"},
		{as: "ada", do: "GET /v1/orders/78?ticket=good"},
		{as: "bob", do: "GET /v1/orders/77?ticket=good"},
	} {
		s.do(t, c).is(422, fault.Invalid, "ticket")
	}
	var ticket struct{ ID, Status, Ticket string }
	s.do(t, call{as: "ada", do: "GET /v1/orders/77?ticket=good&wait=5s"}).is(202, 0, "").in(&ticket)
	if ticket.Status != "queued" || ticket.Ticket != "good" {
		t.Errorf("%+v", ticket)
	}
	s.do(t, call{do: "GET /v1/orders/77?ticket=good"}).is(401, fault.Unauthenticated, "")
}
