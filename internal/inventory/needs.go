package inventory

import (
	"context"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/id"
)

// Store is what inventory needs of the database. Safe for concurrent use.
type Store interface {
	// AdjustStock applies an adjustment to a general pool, once for its key. It returns fault.OutOfStock or fault.KeyReused.
	AdjustStock(ctx context.Context, a Adjustment, movement id.Movement, at time.Time) (Stock, error)
	// AdjustStocks applies several adjustments in one transaction, all or nothing, each once for its key; movements are their
	// ids. It returns what AdjustStock returns.
	AdjustStocks(ctx context.Context, all []Adjustment, movements []id.Movement, at time.Time) error
	// Pools reads every pool of a SKU, the general one first.
	Pools(ctx context.Context, sku id.SKU) ([]Stock, error)
	// Movements lists the movements of a SKU that no order made, newest first, older than before where that is not zero.
	Movements(ctx context.Context, sku id.SKU, before id.Movement, limit int) ([]Movement, error)
	// GateChanges reads, in the order of commits, up to limit changes after a position of the outbox.
	GateChanges(ctx context.Context, after int64, limit int) ([]Change, error)
	// GateSnapshot reads what a gate must hold, from one moment.
	GateSnapshot(ctx context.Context) (Snapshot, error)
}

// Catalogue tells whether a SKU exists. It returns fault.NotFound where it does not.
type Catalogue interface {
	KnowsSKU(ctx context.Context, sku id.SKU) error
}
