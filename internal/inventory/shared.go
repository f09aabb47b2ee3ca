package inventory

import (
	"context"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/id"
)

// Epoch is one life of a gate that several processes share: from one rebuild to the next. The database holds the only true
// one. A process that holds another is refused by the gate.
type Epoch struct {
	Number int64 // grows with each rebuild; zero: there was none yet
	Ready  bool  // the rebuild has ended, and the gate may be asked
	// Position is that of the snapshot from which the gate was rebuilt.
	Position int64
	// Engine names the servers that hold the gate, by ids that change when one loses what it held: a gate on others is not this
	// one.
	Engine string
}

// Placed is an order that was committed, as the outbox tells it in the order of commits: where its commit was of one sale, that
// sale, and what FillPlaced reads of the order itself. Without lines it is not filled.
type Placed struct {
	Position int64
	Order    id.Order
	Sale     id.Sale // zero: general, or not known before it is filled
	Customer id.Customer
	Key      string
	Body     Digest
	Lines    []Line // sorted by SKU
}

// Lost is a reservation of a queued order that is old and not decided, while nothing is queued.
type Lost struct {
	Order    id.Order
	Sale     id.Sale
	Customer id.Customer
}

// SharedStore is what a gate that several processes share needs of the database. Safe for concurrent use.
type SharedStore interface {
	// GateSnapshot reads what a gate must hold, from one moment.
	GateSnapshot(ctx context.Context) (Snapshot, error)
	// GateEpoch reads the epoch.
	GateEpoch(ctx context.Context) (Epoch, error)
	// BeginGateEpoch replaces the epoch of the given number by the next one, which is not ready. It returns false where
	// another process was faster.
	BeginGateEpoch(ctx context.Context, after int64) (bool, error)
	// OpenGateEpoch says that the epoch is ready. It returns false where it is no longer the newest.
	OpenGateEpoch(ctx context.Context, e Epoch) (bool, error)
	// GateChanges reads, in the order of commits, up to limit changes after a position of the outbox.
	GateChanges(ctx context.Context, after int64, limit int) ([]Change, error)
	// GatePlaced reads the orders that were placed after a position, in the order of commits, from rows of the outbox
	// that stand for about limit events, a row as a whole. They are not filled. reached is the position of the last row read, of
	// any type; after itself where there was none.
	GatePlaced(ctx context.Context, after int64, limit int) (placed []Placed, reached int64, err error)
	// FillPlaced reads the orders themselves.
	FillPlaced(ctx context.Context, placed []*Placed) error
	// NewestEvent reads the position of the newest event of the outbox; zero where there is none.
	NewestEvent(ctx context.Context) (int64, error)
	// Unstamped reports whether an event of more than a second ago has no position yet.
	Unstamped(ctx context.Context) (bool, error)
	// KnownOrders returns which of the orders are in the database.
	KnownOrders(ctx context.Context, orders []id.Order) (map[id.Order]bool, error)
	// Now reads the database's clock.
	Now(ctx context.Context) (time.Time, error)
}
