package app

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/redis/gate"
	"github.com/tidegate/tidegate/internal/sale"
)

// levels tells what is left in sales where the gate is in Redis: what the gate last said while it is trusted, what the database
// last said while it is not. What neither has said is not known. It is safe for concurrent use; one loop drives step.
type levels struct {
	gate  *gate.FallbackGate
	sales *sale.Service
	store interface {
		SaleStock(ctx context.Context, s id.Sale) ([]inventory.Stock, error)
	}
	stock atomic.Pointer[map[inventory.Pool]int64] // by the database; nil while the gate is trusted
}

// gateStockEvery is how often the database is asked while the gate is not trusted: once by each process, however many look.
const gateStockEvery = time.Second

// newLevels returns what tells what is left: the gate itself where it is in memory.
func (a *App) newLevels() sale.Availability {
	if a.front == nil {
		return a.gate
	}
	return &levels{gate: a.front, sales: a.sales, store: a.store}
}

// Available implements sale.Availability.
func (l *levels) Available(p inventory.Pool) (int64, bool) {
	if units, known := l.gate.Available(p); known {
		return units, true
	}
	stock := l.stock.Load()
	if stock == nil {
		return 0, false
	}
	units, known := (*stock)[p]
	return units, known
}

// step reads what the database has of the open sales while the gate is not trusted. Where the database does not answer either,
// nothing is known.
func (l *levels) step(ctx context.Context) (int, error) {
	if l.gate.Trusted() {
		l.stock.Store(nil)
		return 0, nil
	}
	found := map[inventory.Pool]int64{}
	for _, s := range slices.Concat(l.sales.Open(), l.sales.Rehearsals()) {
		pools, err := l.store.SaleStock(ctx, s.ID)
		if err != nil {
			l.stock.Store(nil)
			return 0, err
		}
		for _, p := range pools {
			found[p.Pool] = p.Available()
		}
	}
	l.stock.Store(&found)
	return 0, nil
}
