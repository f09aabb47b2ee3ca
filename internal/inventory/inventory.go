// Package inventory owns stock: pools, the ledger of movements, and the gate that protects the database from a crowd.
// Orders, prices and the times of a sale belong to other packages.
package inventory

import (
	"time"

	"github.com/tidegate/tidegate/internal/kernel/auditlog"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// UnitsMax bounds the units of one pool and of one movement. A sum of a million of them fits 63 bits.
const UnitsMax = 1_000_000_000

// Pool identifies the stock of one SKU for a sale or, if Sale is zero, general stock.
type Pool struct {
	Sale id.Sale
	SKU  id.SKU
}

// Stock is the row of a pool.
type Stock struct {
	Pool
	OnHand   int64
	Reserved int64
	Sold     int64
}

// Available returns the units that can still be reserved.
func (s Stock) Available() int64 { return s.OnHand - s.Reserved }

// Kind is the kind of a movement.
type Kind string

// The kinds of movement.
const (
	Receive  Kind = "receive"  // goods arrived
	Adjust   Kind = "adjust"   // a count was corrected, up or down
	Allocate Kind = "allocate" // between the general pool and a sale's pool: two movements of opposite sign
	Reserve  Kind = "reserve"  // an order reserved units
	Release  Kind = "release"  // an order released units
	Sell     Kind = "sell"     // an order was paid
	Return   Kind = "return"   // goods of a refunded order came back
)

// Movement is a row of the ledger. Rows are never changed or deleted.
type Movement struct {
	ID     id.Movement
	Pool   Pool
	Kind   Kind
	Units  int64
	Order  id.Order // zero if no order caused it
	Actor  string   // name of an admin key, or a component of the shop
	Reason string
	At     time.Time
}

// Delta is the change of a pool's row by a movement.
type Delta struct{ OnHand, Reserved, Sold int64 }

// Delta returns the change of the pool's row. The sum of a pool's deltas equals its row (invariant I4).
func (m Movement) Delta() Delta {
	switch m.Kind {
	case Receive, Adjust, Allocate, Return:
		return Delta{OnHand: m.Units}
	case Reserve:
		return Delta{Reserved: m.Units}
	case Release:
		return Delta{Reserved: -m.Units}
	case Sell:
		return Delta{OnHand: -m.Units, Reserved: -m.Units, Sold: m.Units}
	}
	return Delta{}
}

// Adjustment is an administrator's correction of a general pool.
type Adjustment struct {
	SKU    id.SKU
	Kind   Kind // Receive or Adjust
	Units  int64
	Reason string
	Actor  string
	Key    string // idempotency key: the same key and content is the same adjustment
}

// Check normalises the reason and validates every field. It returns fault.Invalid with the field.
func (a *Adjustment) Check() error {
	switch {
	case a.Kind != Receive && a.Kind != Adjust:
		return fault.Bad("kind", "must be receive or adjust, not %q", a.Kind)
	case a.Kind == Receive && a.Units < 1:
		return fault.Bad("quantity", "must be at least 1; to take units away use kind adjust and a negative number")
	case a.Key == "" || len(a.Key) > 255:
		return fault.New(fault.MissingKey, "Send an Idempotency-Key of 1 to 255 characters.").In("Idempotency-Key")
	}
	return CheckMove(a.Units, &a.Reason)
}

// CheckMove validates the units, which may be negative, and normalises the reason of a manual movement. It returns
// fault.Invalid.
func CheckMove(units int64, reason *string) (err error) {
	switch {
	case units == 0:
		return fault.Bad("quantity", "must not be 0")
	case units > UnitsMax || units < -UnitsMax:
		return fault.Bad("quantity", "must be within ±%d", int64(UnitsMax))
	}
	*reason, err = auditlog.RequiredReason("reason", *reason)
	return err
}
