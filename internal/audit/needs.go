package audit

import (
	"context"
	"time"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/payment"
	"github.com/tidegate/tidegate/internal/sale"
)

// Store is what the audit needs of the database. Safe for concurrent use.
type Store interface {
	// AuditSnapshot calls fn with the shop as it is at one moment. It delays no writer.
	AuditSnapshot(ctx context.Context, fn func(Snapshot) error) error
	// RepairStock adds the deltas to the rows of their pools, in short transactions, creating the rows that are missing. It
	// writes nothing to the ledger. A row and its ledger change together, so the deltas stay right while the shop
	// keeps selling. It returns fault.Conflict if a row would become invalid; it has repaired the rows before that one.
	RepairStock(ctx context.Context, repairs []Repair) error
}

// Snapshot reads the shop as it was at one moment, row by row: it holds no more than a row in memory. A row is only valid
// during the call that gets it, and an error of that call ends the reading. Not safe for concurrent use.
type Snapshot interface {
	// OrderCount returns the number of orders.
	OrderCount(ctx context.Context) (int64, error)
	// Orders reads up to limit orders in the order of their ids, those after the given one.
	Orders(ctx context.Context, after id.Order, limit int, fn func(*Order) error) error
	// Keys reads the key of every order, from the rows and not from an index.
	Keys(ctx context.Context, fn func(o id.Order, s id.Sale, c id.Customer, key string) error) error
	// Movements reads the movements of the orders after one and up to another, in the order of their ids. Those without an
	// order belong to order 0.
	Movements(ctx context.Context, after, upTo id.Order, fn func(*Movement) error) error
	// Events reads the events of the orders after one and up to another, in the order of commits.
	Events(ctx context.Context, after, upTo id.Order, fn func(*Event) error) error
	// FirstEvent returns the position of the oldest event that is kept: 1 if no event was ever trimmed, 0 if there is no event.
	FirstEvent(ctx context.Context) (int64, error)
	// Attempts reads the payment attempts for the orders after one and up to another, each with the refund of it.
	Attempts(ctx context.Context, after, upTo id.Order, fn func(*Attempt) error) error
	// LostRefunds reads the refunds whose attempt is not there.
	LostRefunds(ctx context.Context, fn func(*Refund) error) error
	// Pools reads every row of stock.
	Pools(ctx context.Context, fn func(inventory.Stock) error) error
	// Closed reads the closed pools, with the time of closing.
	Closed(ctx context.Context, fn func(inventory.Pool, time.Time) error) error
	// Contradictions reads the pools that contradict the catalogue: open pools of SKUs that are not sold, in general stock and in
	// scheduled, live or paused sales; and closed pools of general stock whose SKU is sold.
	Contradictions(ctx context.Context, fn func(p inventory.Pool, sold bool) error) error
	// Items reads every item of every sale.
	Items(ctx context.Context, fn func(*Item) error) error
	// OverLimit reads the customers whose orders in a sale, but for the expired and the cancelled, add up to more than its
	// limit today.
	OverLimit(ctx context.Context, fn func(Allowance) error) error
	// Buyers returns the number of pairs of customer and sale with a limit.
	Buyers(ctx context.Context) (int64, error)
	// Limits reads every change of the limit of a sale, in the order of commits.
	Limits(ctx context.Context, s id.Sale, fn func(Limit) error) error
	// OrdersOf reads the ids of a customer's orders in a sale, but for the expired and the cancelled.
	OrdersOf(ctx context.Context, s id.Sale, c id.Customer) ([]id.Order, error)
}

// Order is a row of orders, with its lines still encoded.
type Order struct {
	order.Order        // without Lines
	LinesJSON   []byte // valid during the call
	Key         string
}

// Movement is a row of the ledger.
type Movement struct {
	Pool  inventory.Pool
	Kind  inventory.Kind
	Units int64
	Order id.Order // zero if it belongs to no order
	// Unreadable, where it is not nil, is why the row's list of pools cannot be read: the movement has no pool then.
	Unreadable error
	Row        id.Movement // the row's id, where it is unreadable
}

// Event is an event of an order.
type Event struct {
	Position int64
	Order    id.Order
	Status   order.Status // that the event announces
	// Of order.placed.v1 alone: what the event says of the order. Payload, valid during the call, is of a row of its own;
	// Fingerprint, where Payload is nil, of a row that announces the orders of a commit.
	Payload     []byte
	Fingerprint uint64
}

// Attempt is a payment attempt and the refund of it.
type Attempt struct {
	ID      id.Attempt
	Order   id.Order
	Status  payment.Status
	Amount  money.Amount
	Pays    bool // it is the one that paid the order
	Settled bool // its settled_at is set
	Refund  *Refund
}

// Refund is a refund as the audit sees it.
type Refund struct {
	ID      id.Refund
	Order   id.Order
	Attempt id.Attempt
	Kind    payment.RefundKind
	Status  payment.RefundStatus
	Amount  money.Amount
	Settled bool // its settled_at is set
}

// Item is an item of a sale.
type Item struct {
	Sale       id.Sale
	SKU        id.SKU
	Status     sale.Status
	Allocation int64
}

// Allowance is how many units of a sale a customer has, and the sale's current limit.
type Allowance struct {
	Sale     id.Sale
	Customer id.Customer
	Units    int64
	Limit    int64
}

// Limit is a limit that came into force.
type Limit struct {
	Position int64
	Units    int64 // 0: none
}

// Repair is what must be added to a pool's row to make it the sum of its movements.
type Repair struct {
	Pool  inventory.Pool
	Delta inventory.Delta
}

// Gate is the gate of a running shop. Safe for concurrent use.
type Gate interface {
	// Compare returns how the gate differs from the database; quiet is false where orders or changes are under way, so that
	// a difference says nothing.
	Compare(ctx context.Context) (found []inventory.Difference, quiet bool, err error)
	// Load rebuilds the gate from the database.
	Load(ctx context.Context) error
}
