// Package lease keeps two processes from doing the same work. A lease is a row with an expiry by the database's clock,
// and a fence: a number that grows with each new holder.
//
// A lease alone guarantees nothing: a process can be paused beyond its expiry and continue afterwards. The guarded work
// must compare the fence, or use compare-and-set.
package lease

import (
	"context"
	"sync"
	"time"
)

// Lease is a current or former lease.
type Lease struct {
	Name, Holder string
	// Fence is larger than the fences of all earlier holders of the name.
	Fence int64
	// Until is the expiry by the database's clock.
	Until time.Time
}

// Store keeps leases. It is safe for concurrent use. Its errors are the database's.
type Store interface {
	// AcquireLease takes a free or expired lease, or prolongs the holder's own, which keeps its fence. If another
	// process holds it, AcquireLease returns that lease and false.
	AcquireLease(ctx context.Context, name, holder string, ttl time.Duration) (Lease, bool, error)
	// RenewLease prolongs a lease. It returns false if the lease has expired or another process holds it.
	RenewLease(ctx context.Context, l Lease, ttl time.Duration) (Lease, bool, error)
	// ReleaseLease frees a lease, unless it is lost already. The next holder's fence is larger nevertheless.
	ReleaseLease(ctx context.Context, l Lease) error
}

// Keeper keeps one lease as long as its process lives: Step takes or prolongs it, and Held says whether it is held. It
// is safe for concurrent use. One loop calls Step, or any number of loops call Acquire.
type Keeper struct {
	store        Store
	name, holder string
	ttl          time.Duration

	mu    sync.Mutex
	held  bool
	lease Lease
	until time.Time // by this process's monotonic clock
	asked time.Time
	busy  bool // a goroutine is in Acquire's Step
}

// NewKeeper returns a keeper that holds nothing yet. holder identifies this process uniquely. ttl is how long the lease
// outlives a dead process.
func NewKeeper(s Store, name, holder string, ttl time.Duration) *Keeper {
	return &Keeper{store: s, name: name, holder: holder, ttl: ttl}
}

// Acquire calls Step if it is due and no other goroutine is calling it. So loops that run more often, or share the
// lease, do not query the database more often.
func (k *Keeper) Acquire(ctx context.Context) error {
	k.mu.Lock()
	due := !k.busy && time.Since(k.asked) >= k.RenewEvery()
	k.busy = k.busy || due
	k.mu.Unlock()
	if !due {
		return nil
	}
	defer func() {
		k.mu.Lock()
		k.busy = false
		k.mu.Unlock()
	}()
	_, err := k.Step(ctx)
	return err
}

// RenewEvery returns how often to call Step: the lease survives two failed calls.
func (k *Keeper) RenewEvery() time.Duration { return k.ttl / 3 }

// Step takes or prolongs the lease. It returns 1 if the lease is new to this process, otherwise 0.
func (k *Keeper) Step(ctx context.Context) (int, error) {
	// Count the expiry from before the query, so that this process gives up before the database does.
	asked := time.Now()
	got, ok, err := k.store.AcquireLease(ctx, k.name, k.holder, k.ttl)
	if err != nil {
		return 0, err // a held lease stays held until it expires
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	fresh := ok && (!k.held || got.Fence != k.lease.Fence)
	k.held, k.lease, k.until, k.asked = ok, got, asked.Add(k.ttl), asked
	if fresh {
		return 1, nil
	}
	return 0, nil
}

// Held returns the lease if this process holds it and it has not expired.
func (k *Keeper) Held() (Lease, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.held || !time.Now().Before(k.until) {
		return Lease{}, false
	}
	return k.lease, true
}

// HoldDuring prolongs a held lease until release is called, which frees it: for work of unknown length. A failed
// renewal is retried. The guarded work must check itself whether the lease was lost.
func (k *Keeper) HoldDuring() (release func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(k.RenewEvery())
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				_, _ = k.Step(ctx)
			case <-ctx.Done():
				return
			}
		}
	}()
	return func(ctx context.Context) error {
		cancel()
		<-done
		return k.Release(ctx)
	}
}

// Release frees the lease, so that the next process need not wait for its expiry.
func (k *Keeper) Release(ctx context.Context) error {
	k.mu.Lock()
	held, l := k.held, k.lease
	k.held = false
	k.mu.Unlock()
	if !held {
		return nil
	}
	return k.store.ReleaseLease(ctx, l)
}
