package sale

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/clock"
)

// In a sale that hides its exact stock, returned units become visible after returnShownMin to twice that, at random. So
// a customer who cancels an order cannot see at which unit the band changes.
const returnShownMin = 15 * time.Second

// Delayed is the availability as shown to shoppers of sales that hide their exact stock: a decrease shows immediately,
// an increase only later. It is safe for concurrent use.
type Delayed struct {
	Availability
	clock clock.Clock

	mu    sync.Mutex
	pools map[inventory.Pool]*returned
}

// returned holds the shown availability of a pool and the time from which an increase may show.
type returned struct {
	told int64
	from time.Time // zero: nothing was returned
}

// NewDelayed returns a delayed view of the gate's availability.
func NewDelayed(l Availability, c clock.Clock) *Delayed {
	return &Delayed{Availability: l, clock: c, pools: map[inventory.Pool]*returned{}}
}

// poolsMax bounds the remembered pools: all items of several sales.
const poolsMax = 8 * ItemsMax

// settled returns the shown availability of a pool.
func (d *Delayed) settled(p inventory.Pool) (int64, bool) {
	level, known := d.Available(p)
	if !known {
		return 0, false
	}
	now := d.clock.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	r := d.pools[p]
	switch {
	case r == nil:
		if len(d.pools) >= poolsMax {
			clear(d.pools) // after this each pool shows its true availability once
		}
		d.pools[p] = &returned{told: level}
		return level, true
	case level <= r.told:
		r.told, r.from = level, time.Time{}
	case r.from.IsZero():
		r.from = now.Add(returnShownMin + rand.N(returnShownMin))
	case !now.Before(r.from):
		r.told, r.from = level, time.Time{}
	}
	return r.told, true
}

// Left returns the units of an item that shoppers are shown, and whether they are known. For a sale that hides its
// exact stock, this is the upper bound of the band, and returned units show later.
func (s *Sale) Left(it *Item, levels Availability) (left int64, known bool) {
	p := inventory.Pool{Sale: s.ID, SKU: it.SKU}
	if d, ok := levels.(*Delayed); ok && s.ShowsLeft == Coarse {
		left, known = d.settled(p)
	} else {
		left, known = levels.Available(p)
	}
	return s.Shown(it, left), known
}
