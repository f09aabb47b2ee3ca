package order

import (
	"strconv"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/money"
)

// The events that orders announce. Their payload is the order as AppendJSON writes it.
const (
	EventPlaced    = "order.placed.v1"
	EventPaid      = "order.paid.v1"
	EventExpired   = "order.expired.v1"
	EventCancelled = "order.cancelled.v1"
	EventFulfilled = "order.fulfilled.v1"
	EventRefunded  = "order.refunded.v1"
)

// EventOf returns the event that announces an order's new status.
func EventOf(s Status) string {
	if s == Pending {
		return EventPlaced
	}
	return "order." + string(s) + ".v1"
}

// timeLayout is RFC 3339 in UTC with milliseconds.
const timeLayout = "2006-01-02T15:04:05.000Z"

// AppendJSON appends the order as the world sees it: the body of an answer and the payload of an event. withCustomer adds
// whose it is, which a shopper knows and a consumer does not. It does not allocate beyond b.
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
		b = append(b, `","units":`...)
		b = strconv.AppendInt(b, l.Units, 10)
		b = append(b, `,"unit_price":`...)
		b = appendMoney(b, l.UnitPrice, o.Total.Currency)
		b = append(b, `,"total":`...)
		b = appendMoney(b, l.UnitPrice*l.Units, o.Total.Currency)
		b = append(b, '}')
	}
	b = append(b, `],"units":`...)
	b = strconv.AppendInt(b, o.Units, 10)
	b = append(b, `,"total":`...)
	b = appendMoney(b, o.Total.Minor, o.Total.Currency)
	b = appendTime(b, "created_at", o.CreatedAt)
	b = appendTime(b, "expires_at", o.ExpiresAt)
	b = appendTime(b, "paid_at", o.PaidAt)
	b = appendTime(b, "closed_at", o.ClosedAt)
	return append(b, '}')
}

func appendMoney(b []byte, minor int64, c money.Currency) []byte {
	b = append(b, `{"minor":`...)
	b = strconv.AppendInt(b, minor, 10)
	b = append(b, `,"currency":"`...)
	b = append(b, c...)
	return append(b, `"}`...)
}

func appendTime(b []byte, name string, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	b = append(b, `,"`...)
	b = append(b, name...)
	b = append(b, `":"`...)
	b = t.UTC().AppendFormat(b, timeLayout)
	return append(b, '"')
}

// LinesJSON returns the lines as they are stored: [[sku, units, unit price], ...].
func (o *Order) LinesJSON() []byte {
	b := make([]byte, 0, 8+len(o.Lines)*40)
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
