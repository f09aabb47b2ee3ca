package inventory

import (
	"context"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/id"
)

// Store is the database as inventory needs it. It is safe for concurrent use.
type Store interface {
	// AdjustStock applies an adjustment to a general pool, once for its key. It returns fault.OutOfStock or fault.KeyReused.
	AdjustStock(ctx context.Context, a Adjustment, movement id.Movement, at time.Time) (Stock, error)
	// AdjustStocks applies several adjustments in one transaction, all or nothing, each once for its key. movements
	// holds their ids. It returns the same errors as AdjustStock.
	AdjustStocks(ctx context.Context, all []Adjustment, movements []id.Movement, at time.Time) error
	// Pools returns every pool of a SKU, the general one first.
	Pools(ctx context.Context, sku id.SKU) ([]Stock, error)
	// Movements lists movements of a SKU that no order caused, newest first. If before is not zero, it lists only older
	// ones.
	Movements(ctx context.Context, sku id.SKU, before id.Movement, limit int) ([]Movement, error)
	// GateChanges returns up to limit changes after an outbox position, in the order of commits.
	GateChanges(ctx context.Context, after int64, limit int) ([]Change, error)
	// GateSnapshot reads the content of a gate from one snapshot of the database.
	GateSnapshot(ctx context.Context) (Snapshot, error)
}

// Catalogue checks that a SKU exists. It returns fault.NotFound if it does not.
type Catalogue interface {
	KnowsSKU(ctx context.Context, sku id.SKU) error
}
