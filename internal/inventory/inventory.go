// Package inventory owns stock: pools, the ledger of movements, and the gate that keeps a crowd away from the database.
// It does not own orders, prices or the clock of a sale.
package inventory

import (
	"strings"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// UnitsMax bounds the units of one pool and of one movement: sums of a million of them still fit 63 bits.
const UnitsMax = 1_000_000_000

// Pool names the stock of one SKU for one purpose: a sale's allocation, or, where Sale is zero, the general pool.
type Pool struct {
	Sale id.Sale
	SKU  id.SKU
}

// Stock is a pool's row.
type Stock struct {
	Pool
	OnHand   int64
	Reserved int64
	Sold     int64
}

// Available is what can still be reserved.
func (s Stock) Available() int64 { return s.OnHand - s.Reserved }

// Kind is what a movement does.
type Kind string

// The kinds of movement.
const (
	Receive  Kind = "receive"  // goods came in
	Adjust   Kind = "adjust"   // a count was corrected, up or down
	Allocate Kind = "allocate" // between the general pool and a sale's: two movements, of opposite signs
	Reserve  Kind = "reserve"  // an order holds units
	Release  Kind = "release"  // an order let go of them
	Sell     Kind = "sell"     // an order was paid
	Return   Kind = "return"   // a refunded order's goods came back
)

// Movement is a row of the ledger. It is never changed or deleted.
type Movement struct {
	ID     id.Movement
	Pool   Pool
	Kind   Kind
	Units  int64
	Order  id.Order // zero where no order is behind it
	Actor  string   // who did it: an admin key's name, or the part of the shop
	Reason string
	At     time.Time
}

// Delta is what a movement adds to its pool's row.
type Delta struct{ OnHand, Reserved, Sold int64 }

// Delta returns what the movement adds to its pool's row. The sums of a pool's deltas are its stock row (invariant I4).
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

// Adjustment is an operator's correction of a general pool.
type Adjustment struct {
	SKU    id.SKU
	Kind   Kind // Receive or Adjust
	Units  int64
	Reason string
	Actor  string
	Key    string // idempotency key; the same key and content again is the same adjustment
}

// ReasonMax is the longest reason of an adjustment, in bytes.
const ReasonMax = 500

// Check returns a fault.Invalid that names the field, or nil.
func (a Adjustment) Check() error {
	switch {
	case a.Kind != Receive && a.Kind != Adjust:
		return fault.Bad("kind", "must be receive or adjust, not %q", a.Kind)
	case a.Kind == Receive && a.Units < 1:
		return fault.Bad("units", "must be at least 1; to take units away use kind adjust and a negative number")
	case a.Key == "" || len(a.Key) > 255:
		return fault.New(fault.MissingKey, "Send an Idempotency-Key of 1 to 255 characters.").In("Idempotency-Key")
	}
	return CheckMove(a.Units, a.Reason)
}

// CheckMove checks the units, which may be negative, and the reason of a movement made by hand. It returns fault.Invalid.
func CheckMove(units int64, reason string) error {
	switch {
	case units == 0:
		return fault.Bad("units", "must not be 0")
	case units > UnitsMax || units < -UnitsMax:
		return fault.Bad("units", "must be within ±%d", int64(UnitsMax))
	case strings.TrimSpace(reason) == "":
		return fault.Bad("reason", "say why, for the ledger")
	case len(reason) > ReasonMax:
		return fault.Bad("reason", "must be at most %d bytes", ReasonMax)
	}
	return nil
}
