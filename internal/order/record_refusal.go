package order

import (
	"context"
	"sync"
	"time"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// refusalWriter records refusals of keys in batches: see Store.RefuseKeys. It is safe for concurrent use.
type refusalWriter struct {
	store Store
	saw   func(fence int64)

	mu      sync.Mutex
	waiting []*pendingRefusal
	running bool
}

// pendingRefusal is a refusal whose caller waits until it is recorded.
type pendingRefusal struct {
	claim *inventory.Claim
	out   Outcome
	err   error
	done  chan struct{}
}

const (
	// refusalBatchMax bounds the keys of one transaction. refusalQueueMax bounds the waiting refusals: one second's
	// worth.
	refusalBatchMax = 100
	refusalQueueMax = 5000
	// refusalTimeout bounds one transaction. Callers have shorter deadlines of their own.
	refusalTimeout = 10 * time.Second
)

// write waits until the refusal of a claim's key is recorded. It returns Declined, or the outcome that the key already
// has.
func (r *refusalWriter) write(ctx context.Context, c *inventory.Claim) (Outcome, error) {
	u := &pendingRefusal{claim: c, done: make(chan struct{})}
	r.mu.Lock()
	if len(r.waiting) >= refusalQueueMax {
		r.mu.Unlock()
		return Outcome{}, fault.New(fault.Overloaded, "Too many orders are under way; try again.").After(time.Second)
	}
	r.waiting = append(r.waiting, u)
	start := !r.running
	r.running = true
	r.mu.Unlock()
	if start {
		go r.run()
	}
	select {
	case <-u.done:
		return u.out, u.err
	case <-ctx.Done():
		return Outcome{}, fault.New(fault.TimedOut, "It is not certain yet what becomes of this key; try again with the same one.").After(time.Second)
	}
}

// run records refusals until none waits.
func (r *refusalWriter) run() {
	for {
		r.mu.Lock()
		n := min(len(r.waiting), refusalBatchMax)
		batch := r.waiting[:n:n]
		if r.waiting = r.waiting[n:]; n == 0 {
			r.waiting, r.running = nil, false
		}
		r.mu.Unlock()
		if n == 0 {
			return
		}
		claims := make([]*inventory.Claim, n)
		for i, u := range batch {
			claims[i] = u.claim
		}
		ctx, cancel := context.WithTimeout(context.Background(), refusalTimeout)
		fence, outcomes, err := r.store.RefuseKeys(ctx, claims)
		cancel()
		if err == nil {
			r.saw(fence)
		}
		for i, u := range batch {
			if u.err = err; err == nil {
				u.out = outcomes[i]
			}
			close(u.done)
		}
	}
}

// recordRefusal answers with a refusal after making sure that no process can still commit an earlier request under the
// same key. If the key already has an order, it answers with that order. It is needed only when the gate is unreachable
// or uncertain; otherwise the gate knows every key.
func (s *Service) recordRefusal(ctx context.Context, until time.Time, c *inventory.Claim, refusal error) (placed Placed, again bool, err error) {
	if fault.CodeOf(refusal).Row().Status >= 500 {
		return Placed{}, false, refusal // Overloaded refuses no order: the shopper retries
	}
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	if c.Order == 0 { // refused before it was priced
		own := *c
		own.Order = id.New[id.Order](s.mint)
		c = &own
	}
	out, err := s.refusals.write(ctx, c)
	switch {
	case err != nil:
		return Placed{}, false, err
	case out.Result == Declined:
		return Placed{}, false, refusal
	}
	return s.answer(c, nil, out)
}

// FenceStep reads the number of the newest refusal. A process with an outdated number stamps new requests as older than
// the refusal; the commit fences them and the shopper must retry.
func (s *Service) FenceStep(ctx context.Context) (int, error) {
	newest, err := s.store.RefusalFence(ctx)
	s.saw(newest)
	return 0, err
}

// saw records the number of a refusal.
func (s *Service) saw(fence int64) {
	for {
		known := s.fence.Load()
		if fence <= known || s.fence.CompareAndSwap(known, fence) {
			return
		}
	}
}
