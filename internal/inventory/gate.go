package inventory

import (
	"cmp"
	"context"
	"encoding/json"

	"github.com/tidegate/tidegate/internal/kernel/id"
)

// Line is a SKU and its number of units.
type Line struct {
	SKU   id.SKU
	Units int64
}

// OrdersMax bounds the orders of one customer in one sale, including cancelled and expired ones. The gate keeps the
// keys of all of them, and the database's guard adds them all up for the next order. Without a bound, a customer who
// orders and cancels in a loop would slow down every order of the sale. The next order is refused with TooManyOrders.
const OrdersMax = 500

// Digest is a shortened SHA-256 of a request. It distinguishes requests without storing them.
type Digest [16]byte

// Claim is an order's request to the gate. Its lines are sorted by SKU, one for each SKU.
type Claim struct {
	Order    id.Order // also the id of the reservation
	Sale     id.Sale  // zero: general pools
	Customer id.Customer
	Key      string // idempotency key
	Body     Digest
	Lines    []Line
	// Queued says that the order goes through a queue. Only its settlement decides the reservation: it has no deadline,
	// and the gate is not rebuilt before the queue is empty.
	Queued bool
	// Deadline is the end of the reservation, in milliseconds since 1970 by the database's clock. The database's guard
	// commits nothing later, and the sweeper releases what was not committed. Zero, for a single process: no end.
	Deadline int64
	// Fence is the newest refusal of a key that the process knew when the order was requested. The guard does not
	// commit the order if its key was refused later (docs/adr/0037).
	Fence int64
	// Epoch is the epoch of the shared gate that holds the reservation or, for an order that bypassed the gate, the
	// last open epoch. The guard does not commit the order once a later epoch is open (docs/adr/0040). Zero: the gate
	// belongs to this process alone.
	Epoch int64
	// Bypassed says that no gate holds a reservation. The guard does not commit the order while an epoch is open.
	Bypassed bool
}

// Units returns the sum of the lines.
func (c *Claim) Units() int64 {
	var n int64
	for _, l := range c.Lines {
		n += l.Units
	}
	return n
}

// Verdict is the gate's answer to a Claim.
type Verdict uint8

// The verdicts. The zero value is NotLoaded: a gate without information never answers SoldOut.
const (
	NotLoaded     Verdict = iota // the gate does not hold the pool: ask the database
	Reserved                     // the units belong to the claim until its outcome
	Replay                       // the key already has the order Answer.Order
	KeyReused                    // the key belongs to another request
	SoldOut                      // too few units of Answer.SKU
	LimitReached                 // the customer's limit is reached
	Closed                       // the sale is not open
	GateBypassed                 // the gate cannot be asked; continue as if reserved: the database's guard decides
	KeyUnknown                   // for Find: no order of the sale has the key, and the gate knows every key
	TooManyOrders                // the customer has OrdersMax orders in the sale
)

// String returns the verdict's name.
func (v Verdict) String() string {
	return [...]string{"not_loaded", "reserved", "replay", "key_reused", "sold_out", "limit_reached", "closed", "gate_bypassed", "key_unknown", "too_many_orders"}[v]
}

// Answer is a verdict with its details.
type Answer struct {
	Verdict Verdict
	Order   id.Order // for Replay
	SKU     id.SKU   // for SoldOut and NotLoaded
	// Uncertain says that the gate may not know every key: another process may have a pending order under this one.
	// Record a refusal in the database before answering with it.
	Uncertain bool
	// Deadline, for Replay from Find, is the deadline of the order's reservation: NoDeadline if it is queued, zero if
	// unknown.
	Deadline int64
}

// NoDeadline is the deadline of a queued order's reservation, which only its settlement decides.
const NoDeadline = -1

// Gate keeps most of a crowd away from the database by reserving from its own count of available units. It may be lost
// or wrong: only its refusals are trusted, and the database's guard decides every order. It is safe for concurrent use.
//
// Every implementation must pass gatetest.
type Gate interface {
	// Reserve reserves the claim's units and stores its key, all or nothing. If the customer already has a reservation
	// or an order in the sale, the key is looked up before SoldOut or LimitReached is returned.
	Reserve(ctx context.Context, c *Claim) (Answer, error)
	// Find looks a key up. It returns Replay or KeyReused if an order has it, and KeyUnknown if no order of the sale
	// has it. It returns NotLoaded if the gate does not hold the sale or may not know all its keys, and for general
	// pools, whose keys it forgets.
	Find(ctx context.Context, c *Claim) (Answer, error)
	// Confirm records that the order of a reserved claim was committed.
	Confirm(ctx context.Context, c *Claim) error
	// Release returns the units of a reserved claim. Repeated calls have no effect.
	Release(ctx context.Context, c *Claim) error
	// Apply applies changes from the outbox in their order. It skips changes up to the position that the gate has
	// reached.
	Apply(ctx context.Context, changes []Change) error
	// Load replaces the gate's content with a snapshot of the database.
	Load(ctx context.Context, s Snapshot) error
	// Available returns the available units of a pool, or false if it is not loaded.
	Available(p Pool) (int64, bool)
	// Availability calls fn with every pool in the gate.
	Availability(fn func(Pool, int64))
}

// Change is an outbox event that the gate follows.
type Change struct {
	Position int64
	Moved    *Moved // a movement of stock
	Terms    *Terms // a sale changed
}

// Moved is the payload of stock.moved.v1: a movement that changes availability, or what a customer may still buy.
type Moved struct {
	Movement  id.Movement `json:"movement_id"`
	Sale      id.Sale     `json:"sale_id,omitzero"`
	SKU       id.SKU      `json:"sku_id"`
	Kind      Kind        `json:"kind"`
	Units     int64       `json:"quantity"`
	Order     id.Order    `json:"order_id,omitzero"`
	Customer  id.Customer `json:"customer_id,omitzero"`
	Available int64       `json:"available_delta"`
	Allowance int64       `json:"allowance_delta,omitzero"`
	Rehearsal bool        `json:"rehearsal,omitzero"` // the SKU was made for a rehearsal
}

// UnmarshalJSON also accepts events of earlier versions, which named the quantity units.
func (m *Moved) UnmarshalJSON(b []byte) error {
	type plain Moved
	in := struct {
		*plain
		Earlier int64 `json:"units"`
	}{plain: (*plain)(m)}
	if err := json.Unmarshal(b, &in); err != nil {
		return err
	}
	m.Units = cmp.Or(m.Units, in.Earlier)
	return nil
}

// Terms holds what a gate must know of a sale.
type Terms struct {
	Sale  id.Sale `json:"sale_id"`
	Limit int64   `json:"limit_per_customer"` // 0: no limit
	Open  bool    `json:"open"`               // scheduled or live, not paused or ended
	Ended bool    `json:"ended"`
	// Rehearsal marks the event. Gates ignore it.
	Rehearsal bool `json:"rehearsal,omitzero"`
}

// Snapshot is the content of a gate, read from the database at one moment.
type Snapshot struct {
	Position    int64 // of the newest event in the outbox
	Stock       []Stock
	Terms       []Terms
	KeyedOrders []KeyedOrder
	// Ahead lists orders that the snapshot contains although their order.placed.v1 comes after Position. With several
	// writers, an event gets its position shortly after its commit.
	Ahead []id.Order
}

// KeyedOrder is an order whose key the gate must know.
type KeyedOrder struct {
	Order    id.Order
	Sale     id.Sale
	Customer id.Customer
	Key      string
	Body     Digest
	Used     int64 // units of the customer's limit that the order uses: 0 if it expired or was cancelled
}
