package catalog

import (
	"context"
	"crypto/rand"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/id"
)

// Bounds of invalidations.
const (
	// untoldMax bounds the keys whose invalidation must be repeated, about 10 MiB. Beyond it the oldest are dropped;
	// their values expire.
	untoldMax = 100_000
	// generationLifetime is how long a name for lists is used if nothing changes.
	generationLifetime = time.Hour
	// hotMax bounds how many of the most read products are reloaded at a time.
	hotMax = 50
)

// telling holds the invalidations that the Reader still has to send and the reloads it has to do.
type telling struct {
	mu     sync.Mutex
	untold []string
	wake   chan struct{}
	// refill says that the filter may lack keys added by other processes; epoch counts such events.
	refill atomic.Bool
	epoch  atomic.Uint64
}

func newTelling() telling { return telling{wake: make(chan struct{}, 1)} }

// again makes the next step run immediately.
func (t *telling) again() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

func (t *telling) add(keys []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.untold = append(t.untold, keys...)
	if over := len(t.untold) - untoldMax; over > 0 {
		t.untold = t.untold[over:]
	}
}

func (t *telling) take() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	keys := t.untold
	t.untold = nil
	return keys
}

// newGeneration makes a name for lists that was never used.
func newGeneration(context.Context) ([]byte, time.Duration, error) {
	return []byte(rand.Text()), generationLifetime, nil
}

// forget drops, here and in every process, everything that a committed change has made outdated. Pass a product's keys
// from before and after the change. Invalidations that fail are repeated by TellStep.
func (r *Reader) forget(ctx context.Context, all ...Keys) {
	for _, k := range all {
		r.drop(k)
	}
	r.generation.Add(1)
	r.tell(ctx, forgottenKeys(all))
}

// tell sends invalidations to the other processes.
func (r *Reader) tell(ctx context.Context, keys []string) {
	if r.shared == nil {
		return
	}
	// The change is committed, so the invalidation is sent even if the caller has left.
	if !r.shared.Live() || r.shared.Forget(context.WithoutCancel(ctx), keys) != nil {
		r.told.add(keys)
	}
}

// TellStep repeats failed invalidations, refills the filter if it may lack keys, and reloads the most read products
// that a change has dropped. Call it at least once a second and at each TellWake. It returns how many keys it
// invalidated, and the errors of Shared and of the store.
func (r *Reader) TellStep(ctx context.Context) (did int, err error) {
	if r.shared == nil || !r.shared.Live() {
		return 0, nil
	}
	if untold := r.told.take(); len(untold) > 0 {
		if err := r.shared.Forget(ctx, untold); err != nil {
			r.told.add(untold)
			return 0, err
		}
		did = len(untold)
	}
	if r.told.refill.Load() {
		// Drop again, for loads that were running during the first drop.
		r.dropAll()
		if err := r.fillFilter(ctx); err != nil {
			return did, err
		}
	}
	return did, r.keepHot(ctx)
}

// TellWake is signalled when TellStep should run early.
func (r *Reader) TellWake() <-chan struct{} { return r.told.wake }

// OnConnect says that invalidations arrive from now on. Values in memory may be outdated, so it drops them. It
// implements the listener of a shared cache, as OnDisconnect and Forgotten do.
func (r *Reader) OnConnect() {
	r.doubt()
	r.dropAll()
	r.told.again()
}

// OnDisconnect says that invalidations no longer arrive. Pages stay until they expire. Prices, which orders are charged
// by, are dropped, and values loaded from now on are kept for seconds only. The filter lets every key pass.
func (r *Reader) OnDisconnect() {
	r.doubt()
	r.sellables.dropAll()
	r.addresses.dropAll()
}

// doubt lets every key pass the filter until it is refilled.
func (r *Reader) doubt() {
	r.told.epoch.Add(1)
	r.known.ready.Store(false)
	r.told.refill.Store(true)
}

func (r *Reader) dropAll() {
	r.products.dropAll()
	r.sellables.dropAll()
	r.addresses.dropAll()
	r.generation.Add(1)
	r.dropShelf()
}

// fillFilter adds every existing key. Products written meanwhile add their own.
func (r *Reader) fillFilter(ctx context.Context) error {
	epoch := r.told.epoch.Load()
	if err := r.store.CatalogKeys(ctx, r.known.addKeys); err != nil {
		return err
	}
	if r.shared != nil && !r.shared.Live() {
		return nil
	}
	r.told.refill.Store(false)
	r.known.ready.Store(true)
	if r.told.epoch.Load() != epoch {
		r.known.ready.Store(false)
		r.told.refill.Store(true)
	}
	return nil
}

// keepHot reloads the most read products into memory.
func (r *Reader) keepHot(ctx context.Context) error {
	hot := r.most.hottest(min(hotMax, r.mostMax))
	products := make([]id.Product, len(hot))
	for i, h := range hot {
		products[i] = h.Product
	}
	return r.Warm(ctx, products)
}

// Hottest returns the n most read products of this process, most read first.
func (r *Reader) Hottest(n int) []HotProduct { return r.most.hottest(n) }

// forgetShelf drops categories and brands, here and in every process, after one was added. Cached products stay valid,
// because existing categories and brands never change.
func (r *Reader) forgetShelf(ctx context.Context) {
	r.dropShelf()
	r.tell(ctx, []string{sharedShelf})
}

func (r *Reader) dropShelf() {
	r.shelfEpoch.Add(1)
	r.shelfNow.Store(nil)
}
