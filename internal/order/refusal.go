package order

import (
	"time"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// Refusal is the row of a queued order that could not be had when its turn came. It binds no key.
type Refusal struct {
	Order    id.Order
	Sale     id.Sale
	Customer id.Customer
	Code     fault.Code // why
	SKU      id.SKU     // of SoldOut
	Instead  id.Order   // of KeyReused: the order that its key has, where that is of the same content
	At       time.Time
}

// Reason returns the refusal as a shopper who had waited for it would have been told.
func (r *Refusal) Reason() *fault.Error {
	switch r.Code {
	case fault.SoldOut:
		return soldOut(r.SKU)
	case fault.LimitReached:
		return limitReached()
	case fault.KeyReused:
		return keyReused()
	case fault.SaleEnded:
		return fault.New(fault.SaleEnded, "The sale ended before it was the order's turn.")
	case fault.SalePaused:
		return fault.New(fault.SalePaused, "The sale was paused when it was the order's turn; try again soon.")
	case fault.SaleLocked:
		return fault.New(fault.SaleLocked, "The sale's terms changed before it was the order's turn; order again at what they are now.")
	case fault.OrderClosed:
		return fault.New(fault.OrderClosed, "The order never reached the queue, so it was not made; order again.")
	}
	return fault.New(r.Code, "The order could not be made when it was its turn; order again.")
}

// RefusalOf returns what is written of a queued draft whose outcome is final and is no order. It reports false where the
// outcome decides nothing: the draft was accepted, or its sale closed or changed, which its terms have to be asked about.
func RefusalOf(d *Draft, out Outcome, at time.Time) (Refusal, bool) {
	r := Refusal{Order: d.Order.ID, Sale: d.Order.Sale, Customer: d.Order.Customer, At: at}
	switch {
	case out.Result == Accepted:
		return Refusal{}, false
	case d.Refusal != fault.Internal:
		r.Code = d.Refusal
	case out.Result == SoldOut:
		r.Code, r.SKU = fault.SoldOut, out.SKU
	case out.Result == LimitReached:
		r.Code = fault.LimitReached
	case out.Result == OtherBody:
		r.Code = fault.KeyReused
	case out.Result == Replayed:
		r.Code, r.Instead = fault.KeyReused, out.Existing.ID
	case out.Result == Collision:
		r.Code = fault.Conflict
	default:
		return Refusal{}, false
	}
	return r, true
}
