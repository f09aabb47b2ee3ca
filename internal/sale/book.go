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

// Book holds the sales that matter in memory, so that an order reads its terms without the database. It is refreshed by
// the events of the outbox. Safe for concurrent use.
type Book struct {
	store Store
	clock clock.Clock
	mu    sync.Mutex // held by writers
	sales atomic.Pointer[map[id.Sale]entry]
}

type entry struct {
	sale *Sale // nil: there is none
	read time.Time
}

// Limits of the book. What is not open is remembered for a while, and forgotten when there are too many: every entry is
// copied when one is added, and whoever asks for sales at random adds one at every request.
const (
	keepClosed  = time.Minute
	keepMissing = 2 * time.Second
	entriesMax  = 256
)

// NewBook returns an empty book; Load fills it.
func NewBook(s Store, c clock.Clock) *Book {
	b := &Book{store: s, clock: c}
	b.sales.Store(&map[id.Sale]entry{})
	return b
}

// Load reads every open sale. It returns the store's errors.
func (b *Book) Load(ctx context.Context) error {
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

// Sale returns a sale's terms. Those of an open sale come from memory. It returns fault.NotFound.
func (b *Book) Sale(ctx context.Context, s id.Sale) (*Sale, error) {
	if e, ok := b.known(s); ok {
		return e.answer(s)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if e, ok := b.known(s); ok { // a crowd that asks for one sale reads it once
		return e.answer(s)
	}
	return b.read(ctx, s)
}

// known returns what the book may still say of a sale.
func (b *Book) known(s id.Sale) (entry, bool) {
	e, ok := (*b.sales.Load())[s]
	return e, ok && e.fresh(b.clock)
}

func (e entry) answer(s id.Sale) (*Sale, error) {
	if e.sale == nil {
		return nil, missing(s)
	}
	return e.sale, nil
}

// fresh asks for the time only where it matters: a sale that is open is asked for by a crowd.
func (e entry) fresh(c clock.Clock) bool {
	switch {
	case e.sale == nil:
		return c.Now().Sub(e.read) < keepMissing
	case e.sale.Status == Draft || e.sale.Status == Ended:
		return c.Now().Sub(e.read) < keepClosed
	}
	return true
}

// Refresh reads a sale anew: after each event that changed it. It returns fault.NotFound.
func (b *Book) Refresh(ctx context.Context, s id.Sale) (*Sale, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.read(ctx, s)
}

// read reads a sale and notes it; the caller holds b.mu, so that what was read first is not noted last.
func (b *Book) read(ctx context.Context, s id.Sale) (*Sale, error) {
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

// Open returns the sales that are scheduled, live or paused, in no order.
func (b *Book) Open() []*Sale {
	var open []*Sale
	for _, e := range onlyOpen(*b.sales.Load()) {
		open = append(open, e.sale)
	}
	return open
}

func missing(s id.Sale) *fault.Error { return fault.New(fault.NotFound, "There is no sale %s.", s) }
