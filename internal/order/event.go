package order

import (
	"strconv"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/money"
)

// EventPlaced announces a new order. The payload of every event of an order is the order as AppendJSON writes it. An
// outbox row that announces all orders of a commit holds only their ids and fingerprints: see AppendPlaced.
const EventPlaced = "order.placed.v1"

// EventOf returns the event type that announces a status, such as order.paid.v1. Pending maps to order.placed.v1.
func EventOf(s Status) string {
	if s == Pending {
		return EventPlaced
	}
	return "order." + string(s) + ".v1"
}

// AppendJSON appends the order as clients see it: it is the body of an answer and the payload of an event. withCustomer
// adds the customer's id, for answers to shoppers but not for events; orders of a rehearsal are marked. It does not
// allocate beyond b.
func (o *Order) AppendJSON(b []byte, withCustomer bool) []byte {
	b = append(b, `{"id":"`...)
	b = o.ID.Append(b)
	if o.Sale != 0 {
		b = append(b, `","sale_id":"`...)
		b = o.Sale.Append(b)
	}
	if withCustomer {
		b = append(b, `","customer_id":"`...)
		b = o.Customer.Append(b)
	}
	b = append(b, `","status":"`...)
	b = append(b, o.Status...)
	b = append(b, `","lines":[`...)
	for i, l := range o.Lines {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"sku_id":"`...)
		b = l.SKU.Append(b)
		b = append(b, `","quantity":`...)
		b = strconv.AppendInt(b, l.Units, 10)
		b = append(b, `,"unit_price":`...)
		b = money.Of(l.UnitPrice, o.Total.Currency).AppendJSON(b)
		b = append(b, `,"total":`...)
		b = money.Of(l.UnitPrice*l.Units, o.Total.Currency).AppendJSON(b)
		b = append(b, '}')
	}
	b = append(b, `],"quantity":`...)
	b = strconv.AppendInt(b, o.Units, 10)
	b = append(b, `,"total":`...)
	b = o.Total.AppendJSON(b)
	b = appendTime(b, "created_at", o.CreatedAt)
	b = appendTime(b, "expires_at", o.ExpiresAt)
	b = appendTime(b, "paid_at", o.PaidAt)
	b = appendTime(b, "closed_at", o.ClosedAt)
	if withCustomer && o.OfRehearsal() {
		b = append(b, `,"rehearsal":true`...)
	}
	return append(b, '}')
}

func appendTime(b []byte, name string, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	b = append(b, `,"`...)
	b = append(b, name...)
	return clock.AppendJSON(append(b, `":`...), t)
}

// AppendJSON appends the answer to a shopper: the order, or its id, status and ticket while the outcome is unknown. It
// does not allocate beyond b.
func (p *Placed) AppendJSON(b []byte) []byte {
	if !p.Undecided {
		return p.Order.AppendJSON(b, false)
	}
	b = append(b, `{"id":"`...)
	b = p.Order.ID.Append(b)
	b = append(b, `","status":"`...)
	b = append(b, p.Order.Status...)
	if p.Ticket != "" {
		b = append(b, `","ticket":"`...)
		b = append(b, p.Ticket...)
	}
	return append(b, `"}`...)
}

// Encode prepares the columns that the writer inserts. Each request calls it in its own goroutine, so that the single
// writer does not have to.
func (d *Draft) Encode() {
	d.LinesJSON = d.Order.AppendLinesJSON(d.json[:0])
	d.Fingerprint = d.Order.Fingerprint(d.Claim.Key)
}

// lineJSONBytes is enough for most lines of AppendLinesJSON.
const lineJSONBytes = 40

// LinesJSON returns the lines as they are stored.
func (o *Order) LinesJSON() []byte {
	return o.AppendLinesJSON(make([]byte, 0, 8+len(o.Lines)*lineJSONBytes))
}

// AppendLinesJSON appends the lines as they are stored: [[sku, units, unit price], ...].
func (o *Order) AppendLinesJSON(b []byte) []byte {
	b = append(b, '[')
	for i, l := range o.Lines {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '[')
		b = l.SKU.Append(b)
		b = append(b, ',')
		b = strconv.AppendInt(b, l.Units, 10)
		b = append(b, ',')
		b = strconv.AppendInt(b, l.UnitPrice, 10)
		b = append(b, ']')
	}
	return append(b, ']')
}
