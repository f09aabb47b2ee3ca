package app

import (
	"context"
	"slices"
	"time"

	"github.com/tidegate/tidegate/internal/app/loop"
	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/sale"
	"github.com/tidegate/tidegate/internal/telemetry"
)

// How often the background steps look when they have found nothing to do.
const (
	// followEvery only matters where a wake was lost: the gate follows each commit at once.
	followEvery = 500 * time.Millisecond
	// saleClockEvery bounds how late a row says what the clock has decided; shoppers do not wait for the row.
	saleClockEvery = 200 * time.Millisecond
	// revocationEvery keeps "logged out is seen within a second" with room for the step itself.
	revocationEvery = 300 * time.Millisecond
	cleanEvery      = time.Minute
	mostReadEvery   = time.Minute
	warmEvery       = 5 * time.Second
	checkpointEvery = time.Second
	// placeEvery bounds how long orders go into a database that somebody has deleted or moved, and commands do not find the shop.
	placeEvery = 500 * time.Millisecond
	// commitEvery only matters where a wake was lost; commitRetryMax keeps a shopper's wait short while the disk is full.
	commitEvery    = time.Second
	commitRetryMax = 250 * time.Millisecond
)

// commitLoop drives the group commit, one of commitsAtOnce. It ends last, when what was accepted has been committed.
func (a *App) commitLoop() loop.Loop {
	return loop.Loop{Name: "commit", Every: commitEvery, Wake: a.intake.Wake(), RetryMax: commitRetryMax, Step: a.intake.Step}
}

// commitsAtOnce is how many group commits may be under way at once. SQLite has one writer. On MySQL one batch is inserted while
// another one's log is written; a third would wait for the same row.
func (a *App) commitsAtOnce() int {
	if a.store.Shared() {
		return 2
	}
	return 1
}

// followEvery is how often the gate looks for changes without being woken.
func (a *App) followEvery() time.Duration {
	if a.store.Shared() {
		return followSharedEvery
	}
	return followEvery
}

// refreshSale refreshes the cached sale after an event that changed it.
func (s *shop) refreshSale(ctx context.Context, changed id.Sale) error {
	_, err := s.saleCache.Refresh(ctx, changed)
	return err
}

// keysKept is how long after a sale's end the gate keeps its keys: most of those whose reply was lost ask again within
// minutes, and later ones are answered from the database.
const keysKept = 10 * time.Minute

// forgetSales lets the gate drop the sales that ended a while ago, and returns how many.
func (s *shop) forgetSales(ctx context.Context) (int, error) {
	dropped := 0
	sales, err := s.gate.Sales(ctx)
	if err != nil {
		return 0, err
	}
	for _, loaded := range sales {
		sl, err := s.saleCache.Sale(ctx, loaded)
		if err != nil {
			return dropped, err
		}
		if sl.Status == sale.Ended && s.clock.Now().Sub(sl.UpdatedAt) > keysKept {
			if err := s.gate.Drop(ctx, loaded); err != nil {
				return dropped, err
			}
			dropped++
		}
	}
	return dropped, nil
}

// warmAhead is how long before its opening a sale's products are put in memory.
const warmAhead = time.Minute

// warmer puts the products of sales that are open or about to open in memory, once for each version of their terms.
type warmer struct {
	saleCache *sale.Cache
	reader    *catalog.Reader
	clock     clock.Clock
	warmed    map[id.Sale]int64 // the version that was warmed
}

// step warms what is due. One loop drives it.
func (w *warmer) step(ctx context.Context) (int, error) {
	now := w.clock.Now()
	open := map[id.Sale]int64{}
	did := 0
	for _, s := range w.saleCache.Open() {
		if s.StartsAt.Sub(now) > warmAhead {
			continue
		}
		open[s.ID] = s.Version
		if w.warmed[s.ID] == s.Version {
			continue
		}
		products := make([]id.Product, len(s.Items))
		for i, item := range s.Items {
			products[i] = item.Product
		}
		slices.Sort(products)
		products = slices.Compact(products) // a product may have a hundred of the items, and is warmed with all its variants
		if err := w.reader.Warm(ctx, products); err != nil {
			return did, err
		}
		did++
	}
	w.warmed = open
	return did, nil
}

// observe gives the metrics what they read at every scrape.
func (a *App) observe(context.Context) error {
	s := &a.shop
	if err := a.metrics.ObserveCaches(s.cacheCounts); err != nil {
		return err
	}
	if err := a.observeCache(); err != nil {
		return err
	}
	if err := a.metrics.ObserveGate(s.saleLevels); err != nil {
		return err
	}
	if err := a.observeGate(); err != nil {
		return err
	}
	if err := a.metrics.ObserveExpiryLag(a.expiryLag); err != nil {
		return err
	}
	if err := a.events.Observe(a.metrics); err != nil {
		return err
	}
	if err := a.metrics.ObserveCount("tidegate.clock.apart", "1 while the machine's clock shows another time, which is not followed yet.", a.clockJumped); err != nil {
		return err
	}
	if err := a.metrics.ObserveCount("tidegate.store.conflicts", "Transactions that the database undid, and that were run again.", a.store.Conflicts); err != nil {
		return err
	}
	return a.metrics.ObserveCount("tidegate.commit.waiting.orders", "Orders that wait for their commit or are in it.",
		func() int64 { return int64(s.intake.Depth()) })
}

// cacheCounts gives the catalogue's counts as telemetry takes them.
func (s *shop) cacheCounts(yield func(telemetry.CacheCounts)) {
	for _, c := range s.reader.Stats() {
		yield(telemetry.CacheCounts(c))
	}
}

// saleLevels lists the levels of sales. General pools are left out: they are as many as the catalogue has SKUs.
func (s *shop) saleLevels(yield func(sale, sku string, available int64)) {
	s.gate.Availability(func(p inventory.Pool, available int64) {
		if !p.Sale.IsZero() {
			yield(p.Sale.String(), p.SKU.String(), available)
		}
	})
}
