package catalog

import (
	"context"
	"crypto/rand"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/id"
)

// Bounds of what is told to other processes.
const (
	// untoldMax bounds the keys that wait to be told again, some 10 MiB. Past it the oldest are given up: their values end by
	// themselves.
	untoldMax = 100_000
	// generationLifetime is how long a name for lists is used where nothing changes.
	generationLifetime = time.Hour
	// hotMax bounds how many of the most read products are put back in memory at once.
	hotMax = 50
)

// telling is what the Reader has to tell, and to do, after changes.
type telling struct {
	mu     sync.Mutex
	untold []string
	wake   chan struct{}
	// refill says that the filter may lack what others have added; epoch grows with each such doubt.
	refill atomic.Bool
	epoch  atomic.Uint64
}

func newTelling() telling { return telling{wake: make(chan struct{}, 1)} }

// again has the next step done at once.
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

// forget drops, here and in every process, everything that a committed change has made old. A product's keys before and after
// are both given. What cannot be told now is told by a later TellStep.
func (r *Reader) forget(ctx context.Context, all ...Keys) {
	for _, k := range all {
		r.drop(k)
	}
	r.generation.Add(1)
	r.tell(ctx, forgottenKeys(all))
}

// tell tells the other processes.
func (r *Reader) tell(ctx context.Context, keys []string) {
	if r.shared == nil {
		return
	}
	// The change is committed: it is told also where whoever made it has left.
	if !r.shared.Live() || r.shared.Forget(context.WithoutCancel(ctx), keys) != nil {
		r.told.add(keys)
	}
}

// TellStep tells again what could not be told, fills the filter anew where it may lack something, and puts the most read
// products back in memory where a change has taken them from it. Run it at least once a second, and at each TellWake. It
// returns how much it told, and the errors of Shared and of the store.
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
		// Once more, for what was being loaded when the first drop came.
		r.dropAll()
		if err := r.fillFilter(ctx); err != nil {
			return did, err
		}
	}
	return did, r.keepHot(ctx)
}

// TellWake has a signal when TellStep should not wait for its time.
func (r *Reader) TellWake() <-chan struct{} { return r.told.wake }

// Hears says that changes are heard of from now on: what is in memory may be older, so it is dropped. It implements the
// listener of a shared cache, as Deaf and Forgotten do.
func (r *Reader) Hears() {
	r.doubt()
	r.dropAll()
	r.told.again()
}

// Deaf says that changes are not heard of from now on. Pages stay until their end; prices, which orders are taken at, are
// asked for anew and kept for seconds only, as is everything that is loaded now. What exists is no longer known.
func (r *Reader) Deaf() {
	r.doubt()
	r.sellables.dropAll()
	r.addresses.dropAll()
}

// doubt lets every key pass the filter until it has been filled again.
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

// fillFilter makes everything known that exists. Products written meanwhile add themselves.
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

// keepHot puts the most read products back in memory.
func (r *Reader) keepHot(ctx context.Context) error {
	hot := r.most.hottest(min(hotMax, r.mostMax))
	products := make([]id.Product, len(hot))
	for i, h := range hot {
		products[i] = h.Product
	}
	return r.Warm(ctx, products)
}

// Hottest returns the n products that this process reads most, the most read first.
func (r *Reader) Hottest(n int) []HotProduct { return r.most.hottest(n) }

// forgetShelf drops the categories and brands, here and in every process, after one was added. What is in memory of products
// stays right: a category or brand never changes.
func (r *Reader) forgetShelf(ctx context.Context) {
	r.dropShelf()
	r.tell(ctx, []string{sharedShelf})
}

func (r *Reader) dropShelf() {
	r.shelfEpoch.Add(1)
	r.shelfNow.Store(nil)
}
