package inventory

import (
	"context"

	"github.com/tidegate/tidegate/internal/kernel/id"
)

// Line is a SKU and how many units of it.
type Line struct {
	SKU   id.SKU
	Units int64
}

// OrdersMax bounds the orders of one customer in one sale, those that were cancelled or expired included: a gate keeps the
// keys of all, and the database's guard adds all up for the next. Whoever buys and cancels in a loop would slow down
// every order of the sale.
const OrdersMax = 500

// Digest is a shortened SHA-256 of what a shopper sent, to tell one request from another without keeping it.
type Digest [16]byte

// Claim is what an order asks of the gate. Its lines are sorted by SKU, each SKU once.
type Claim struct {
	Order    id.Order // the reservation's id
	Sale     id.Sale  // zero: general pools
	Customer id.Customer
	Key      string // idempotency key
	Body     Digest
	Lines    []Line
	// Queued says that the order goes through a queue. Only settling its intent decides such a reservation: it has no
	// deadline, and a gate is not rebuilt before the queue is empty.
	Queued bool
	// Deadline is when the reservation ends, in milliseconds since 1970 by the database's clock: the guard commits nothing
	// after it, and the sweeper gives back what was not committed. Zero: it never ends, where one process sells alone.
	Deadline int64
}

// Units returns the sum of the lines.
func (c *Claim) Units() int64 {
	var n int64
	for _, l := range c.Lines {
		n += l.Units
	}
	return n
}

// Verdict is the gate's answer to a claim.
type Verdict uint8

// The verdicts. NotLoaded is the zero value: a gate that does not know says so, and never "sold out".
const (
	NotLoaded    Verdict = iota // the gate does not hold the pool: ask the database
	Reserved                    // the units are the claim's until it is settled
	Same                        // the key's own order, see Answer.Order
	OtherBody                   // the key belongs to another request
	SoldOut                     // not enough of Answer.SKU
	LimitReached                // the customer has had their share, or has placed OrdersMax orders
	Closed                      // the sale takes no orders
	Unguarded                   // the gate cannot be asked, and the database's guard decides alone: go on as if it were reserved
	Free                        // of Find: nobody has the key in the sale, and the gate would know
)

// String returns the verdict's name.
func (v Verdict) String() string {
	return [...]string{"not_loaded", "reserved", "same", "other_body", "sold_out", "limit_reached", "closed", "unguarded", "free"}[v]
}

// Answer is a verdict and what belongs to it.
type Answer struct {
	Verdict Verdict
	Order   id.Order // of Same
	SKU     id.SKU   // of SoldOut and NotLoaded
	// Doubted says of a refusal in a sale that the gate may not know every key yet: ask the database for the key first.
	Doubted bool
}

// Gate keeps most of a crowd away from the database: it reserves from its own count of what is available. It may be lost
// or wrong, for the database's guard decides; it is never trusted for more than a refusal. Safe for concurrent use.
//
// An implementation must pass gatetest.
type Gate interface {
	// Reserve takes the claim's units and notes its key, all or nothing. Whoever holds a reservation or an order in the sale
	// is looked up by key before sold_out or limit_reached is said.
	Reserve(ctx context.Context, c *Claim) (Answer, error)
	// Find looks a key up: Same or OtherBody; Free where no order of the sale has it; NotLoaded where the gate cannot say, of a
	// sale that it does not hold, or whose keys it may not know all yet, and of the general pools, whose keys it forgets.
	Find(ctx context.Context, c *Claim) (Answer, error)
	// Settle tells the outcome of a reserved claim, once: committed, or to be given back.
	Settle(ctx context.Context, c *Claim, committed bool) error
	// Apply carries out what the database has decided, in the order of the outbox. Changes at or before the position that the
	// gate has reached are passed over.
	Apply(ctx context.Context, changes []Change) error
	// Load replaces everything by what the database held at one moment.
	Load(ctx context.Context, s Snapshot) error
	// Level returns the available units of a pool; false where it is not loaded.
	Level(p Pool) (int64, bool)
	// Levels calls fn with every pool it holds.
	Levels(fn func(Pool, int64))
}

// Change is something that the database decided and the gate follows: an event of the outbox.
type Change struct {
	Position int64
	Moved    *Moved // a movement of stock
	Terms    *Terms // a sale changed
}

// Moved is the event stock.moved.v1: a movement that changes what is available, or what a customer may still buy.
type Moved struct {
	Movement  id.Movement `json:"movement_id"`
	Sale      id.Sale     `json:"sale_id,omitzero"`
	SKU       id.SKU      `json:"sku_id"`
	Kind      Kind        `json:"kind"`
	Units     int64       `json:"units"`
	Order     id.Order    `json:"order_id,omitzero"`
	Customer  id.Customer `json:"customer_id,omitzero"`
	Available int64       `json:"available_delta"`
	Allowance int64       `json:"allowance_delta,omitzero"`
}

// Terms is what a gate must know of a sale.
type Terms struct {
	Sale  id.Sale `json:"sale_id"`
	Limit int64   `json:"limit_per_customer"` // 0: none
	Open  bool    `json:"open"`               // scheduled or live; not paused or ended
	Ended bool    `json:"ended"`
}

// Snapshot is what the database held at one moment.
type Snapshot struct {
	Position int64 // of the last event of the outbox
	Stock    []Stock
	Terms    []Terms
	Holders  []Holder
	// Ahead are the orders that the snapshot holds though order.placed.v1 will tell them after Position: where several processes
	// write, an event gets its position a moment after its commit.
	Ahead []id.Order
}

// Holder is an order whose key the gate must know.
type Holder struct {
	Order    id.Order
	Sale     id.Sale
	Customer id.Customer
	Key      string
	Body     Digest
	Used     int64 // units of the customer's allowance that the order uses: 0 where it expired or was cancelled
}
