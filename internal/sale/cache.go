package sale

import (
	"context"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// Cache holds open and recently read sales in memory, so that an order reads the terms of its sale without the database. Events from
// the outbox refresh it. Safe for concurrent use.
type Cache struct {
	store Store
	clock clock.Clock
	mu    sync.Mutex // held by writers
	sales atomic.Pointer[map[id.Sale]entry]
}

type entry struct {
	sale *Sale // nil: no such sale
	read time.Time
}

// Limits of the cache. Sales that are not open stay for a while, and leave when there are too many entries: each write copies the whole
// map, and requests for random ids write one entry each.
const (
	keepClosed  = time.Minute
	keepMissing = 2 * time.Second
	entriesMax  = 256
)

// NewCache returns an empty cache. Load fills it.
func NewCache(s Store, c clock.Clock) *Cache {
	b := &Cache{store: s, clock: c}
	b.sales.Store(&map[id.Sale]entry{})
	return b
}

// Load replaces the contents with all open sales. It returns the store's errors.
func (b *Cache) Load(ctx context.Context) error {
	open, err := b.store.SalesOpen(ctx)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.clock.Now()
	next := make(map[id.Sale]entry, len(open))
	for _, s := range open {
		next[s.ID] = entry{s, now}
	}
	b.sales.Store(&next)
	return nil
}

// Sale returns a sale. An open sale comes from memory. It returns fault.NotFound.
func (b *Cache) Sale(ctx context.Context, s id.Sale) (*Sale, error) {
	if e, ok := b.known(s); ok {
		return e.answer(s)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if e, ok := b.known(s); ok { // many concurrent misses read the sale once
		return e.answer(s)
	}
	return b.read(ctx, s)
}

// known returns the entry of a sale, and whether it is present and fresh.
func (b *Cache) known(s id.Sale) (entry, bool) {
	e, ok := (*b.sales.Load())[s]
	return e, ok && e.fresh(b.clock)
}

func (e entry) answer(s id.Sale) (*Sale, error) {
	if e.sale == nil {
		return nil, missing(s)
	}
	return e.sale, nil
}

// fresh reads the clock only for sales that are not open: reads of open sales are frequent, and their entries do not age.
func (e entry) fresh(c clock.Clock) bool {
	switch {
	case e.sale == nil:
		return within(c.Now().Sub(e.read), keepMissing)
	case e.sale.Status == Draft || e.sale.Status == Ended:
		return within(c.Now().Sub(e.read), keepClosed)
	}
	return true
}

// within reports whether age is from 0 to below most. A negative age means that the clock was set back.
func within(age, most time.Duration) bool { return age >= 0 && age < most }

// Refresh reads a sale from the store after it changed. It returns fault.NotFound.
func (b *Cache) Refresh(ctx context.Context, s id.Sale) (*Sale, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.read(ctx, s)
}

// read reads a sale from the store and stores its entry. The caller holds b.mu: an older read cannot overwrite a newer one.
func (b *Cache) read(ctx context.Context, s id.Sale) (*Sale, error) {
	found, err := b.store.Sale(ctx, s)
	if err != nil && fault.CodeOf(err) != fault.NotFound {
		return nil, err
	}
	old := *b.sales.Load()
	if len(old) >= entriesMax {
		old = onlyOpen(old)
	}
	next := maps.Clone(old)
	next[s] = entry{found, b.clock.Now()}
	b.sales.Store(&next)
	return found, err
}

func onlyOpen(all map[id.Sale]entry) map[id.Sale]entry {
	open := map[id.Sale]entry{}
	for k, e := range all {
		if e.sale != nil && e.sale.Status != Draft && e.sale.Status != Ended {
			open[k] = e
		}
	}
	return open
}

// Open returns the scheduled, live and paused sales, in no particular order.
func (b *Cache) Open() []*Sale {
	var open []*Sale
	for _, e := range onlyOpen(*b.sales.Load()) {
		open = append(open, e.sale)
	}
	return open
}

func missing(s id.Sale) *fault.Error { return fault.New(fault.NotFound, "There is no sale %s.", s) }
