package inventory

import (
	"context"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/id"
)

// Epoch identifies one build of a shared gate, from one rebuild to the next. The database holds the current epoch; the
// gate refuses a process with another.
type Epoch struct {
	Number int64 // grows with each rebuild; zero: never built
	Ready  bool  // the rebuild is complete and the gate is in use
	// Opened is the last epoch that was ready. If it is unchanged and no epoch is ready, none was ready in between.
	Opened int64
	// Position is the outbox position of the snapshot from which the gate was built.
	Position int64
	// Engine identifies the servers that hold the gate, by ids that change when a server loses its data. The gate is
	// valid only on these.
	Engine string
}

// Placed is a committed order from the outbox, in the order of commits. It has its sale if the whole commit was of one
// sale; FillPlaced adds the rest from the order. Without lines it is not filled.
type Placed struct {
	Position int64
	Order    id.Order
	Sale     id.Sale // zero: general stock, or unknown before FillPlaced
	Customer id.Customer
	Key      string
	Body     Digest
	Lines    []Line // sorted by SKU
}

// OrphanedReservation is an old, undecided reservation of a queued order, found while the queue is empty.
type OrphanedReservation struct {
	Order    id.Order
	Sale     id.Sale
	Customer id.Customer
}

// SharedStore is the database as a shared gate needs it. It is safe for concurrent use.
type SharedStore interface {
	// GateSnapshot reads the content of a gate from one snapshot of the database.
	GateSnapshot(ctx context.Context) (Snapshot, error)
	// GateEpoch returns the current epoch.
	GateEpoch(ctx context.Context) (Epoch, error)
	// BeginGateEpoch begins the epoch after the given one; it is not ready yet. It returns false if another process was
	// faster.
	BeginGateEpoch(ctx context.Context, after int64) (bool, error)
	// OpenGateEpoch marks the epoch as ready. It returns false if it is not the newest or was ready before.
	OpenGateEpoch(ctx context.Context, e Epoch) (bool, error)
	// CloseGateEpoch marks the epoch as not ready, for all processes. It returns false if it was not ready or is not
	// the newest.
	CloseGateEpoch(ctx context.Context, number int64) (bool, error)
	// AwaitBatches waits for all batches of orders, in any process, that have read an earlier epoch than the newest.
	AwaitBatches(ctx context.Context) error
	// GateChanges returns up to limit changes after an outbox position, in the order of commits.
	GateChanges(ctx context.Context, after int64, limit int) ([]Change, error)
	// GatePlaced returns the orders placed after a position, in the order of commits. It reads whole outbox rows that
	// together hold about limit events. The orders are not filled. reached is the position of the last row read, of any
	// type, or after if there was none.
	GatePlaced(ctx context.Context, after int64, limit int) (placed []Placed, reached int64, err error)
	// FillPlaced adds customers, keys and lines to the orders.
	FillPlaced(ctx context.Context, placed []*Placed) error
	// NewestEvent returns the position of the newest event, or zero.
	NewestEvent(ctx context.Context) (int64, error)
	// Unstamped reports whether an event older than a second has no position.
	Unstamped(ctx context.Context) (bool, error)
	// KnownOrders returns those of the orders that exist.
	KnownOrders(ctx context.Context, orders []id.Order) (map[id.Order]bool, error)
	// Now returns the database's time.
	Now(ctx context.Context) (time.Time, error)
}
