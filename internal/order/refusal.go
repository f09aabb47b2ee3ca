package order

import (
	"time"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// Refusal is the stored rejection of a queued order. Its idempotency key stays free.
type Refusal struct {
	Order    id.Order
	Sale     id.Sale
	Customer id.Customer
	Code     fault.Code // the reason
	SKU      id.SKU     // for SoldOut and NotInSale
	Instead  id.Order   // for KeyReused: the order of the key, if its content is the same
	At       time.Time
}

// Reason returns the refusal as the error of a direct order.
func (r *Refusal) Reason() *fault.Error {
	switch r.Code {
	case fault.SoldOut:
		return soldOut(r.SKU)
	case fault.NotInSale:
		return notSold(r.SKU)
	case fault.LimitReached:
		return limitReached()
	case fault.TooManyUnpaid:
		return fault.New(fault.TooManyUnpaid, "When it was the order's turn you held as much from general stock unpaid as one customer may; pay or cancel an order first, and then order again.")
	case fault.KeyReused:
		return keyReused()
	case fault.SaleEnded:
		return fault.New(fault.SaleEnded, "The sale ended before it was the order's turn.")
	case fault.SalePaused:
		return fault.New(fault.SalePaused, "The sale was paused when it was the order's turn; try again soon.")
	case fault.SaleLocked:
		return fault.New(fault.SaleLocked, "The sale's terms changed before it was the order's turn; order again at what they are now.")
	case fault.OrderClosed:
		return fault.New(fault.OrderClosed, "The order was not made; order again.")
	}
	return fault.New(r.Code, "The order could not be made when it was its turn; order again.")
}

// RefusalOf returns the refusal to store for a queued draft. It returns false if the outcome is not a final refusal:
// the draft was accepted, or its sale closed or changed and its terms must be checked first.
func RefusalOf(d *Draft, out Outcome, at time.Time) (Refusal, bool) {
	r := Refusal{Order: d.Order.ID, Sale: d.Order.Sale, Customer: d.Order.Customer, At: at}
	switch {
	case out.Result == Accepted:
		return Refusal{}, false
	case d.Refusal != fault.Internal:
		r.Code = d.Refusal
	case out.Result == SoldOut:
		r.Code, r.SKU = fault.SoldOut, out.SKU
	case out.Result == NotSold:
		r.Code, r.SKU = fault.NotInSale, out.SKU
	case out.Result == LimitReached:
		r.Code = fault.LimitReached
	case out.Result == TooManyUnpaid:
		r.Code = fault.TooManyUnpaid
	case out.Result == KeyReused:
		r.Code = fault.KeyReused
	case out.Result == Replayed:
		r.Code, r.Instead = fault.KeyReused, out.Existing.ID
	case out.Result == Collision:
		r.Code = fault.Conflict
	case out.Result == Fenced:
		r.Code = fault.OrderClosed
	default:
		return Refusal{}, false
	}
	return r, true
}
