// Package lease keeps two processes from doing the same work. A lease is a row with an end by the database's clock, and a
// fence: a number that grows with each new holder.
//
// A lease alone makes nothing correct: a process can be paused past its end and go on afterwards. What it guards compares
// the fence, or is done by compare-and-set.
package lease

import (
	"context"
	"sync"
	"time"
)

// Lease is a lease that somebody has, or had.
type Lease struct {
	Name, Holder string
	// Fence is larger than that of every earlier holder of the name.
	Fence int64
	// Until is the end by the database's clock.
	Until time.Time
}

// Store is where leases are. Its methods are safe for concurrent use; their errors are the database's.
type Store interface {
	// AcquireLease takes a lease that is free or whose time is over, and prolongs the holder's own, which keeps its fence.
	// It reports false, and who has it, where somebody else does.
	AcquireLease(ctx context.Context, name, holder string, ttl time.Duration) (Lease, bool, error)
	// RenewLease prolongs a lease. It reports false where its time is over or somebody else has it.
	RenewLease(ctx context.Context, l Lease, ttl time.Duration) (Lease, bool, error)
	// ReleaseLease gives a lease free, unless it is lost already. The next holder's fence is larger all the same.
	ReleaseLease(ctx context.Context, l Lease) error
}

// Keeper keeps one lease for as long as its process lives: Step takes or prolongs it, and Held says whether it is held.
// Its methods are safe for concurrent use. One loop drives Step, or any number of them Keep.
type Keeper struct {
	store        Store
	name, holder string
	ttl          time.Duration

	mu    sync.Mutex
	held  bool
	lease Lease
	until time.Time // by this process's monotonic clock
	asked time.Time
	busy  bool // somebody is in Keep's Step
}

// NewKeeper returns a keeper that holds nothing yet. holder names this process and no other; ttl is how long the lease
// outlives a process that has died.
func NewKeeper(s Store, name, holder string, ttl time.Duration) *Keeper {
	return &Keeper{store: s, name: name, holder: holder, ttl: ttl}
}

// Acquire calls Step where it is time to and nobody else is at it: loops that run more often than that, or share the lease, ask the
// database no more often.
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

// RenewEvery is how often Step should be called: two calls can be lost before the lease is.
func (k *Keeper) RenewEvery() time.Duration { return k.ttl / 3 }

// Step takes or prolongs the lease. It returns 1 where the lease is new to this process, else 0.
func (k *Keeper) Step(ctx context.Context) (int, error) {
	// The end is counted from before the question, so that this process gives up before the database does.
	asked := time.Now()
	got, ok, err := k.store.AcquireLease(ctx, k.name, k.holder, k.ttl)
	if err != nil {
		return 0, err // what is held is held until its time is over
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

// Held returns the lease where this process has it and its time is not over.
func (k *Keeper) Held() (Lease, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.held || !time.Now().Before(k.until) {
		return Lease{}, false
	}
	return k.lease, true
}

// HoldDuring prolongs a lease that is held until release is called, which gives it free: for work that takes as long as it takes.
// A renewal that fails is tried again; what the lease guards says itself where it was lost meanwhile.
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

// Release gives the lease free, so that the next process need not wait for its end.
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
