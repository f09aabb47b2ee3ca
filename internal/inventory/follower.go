package inventory

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/tidegate/tidegate/internal/kernel/crashpoint"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// changesMax bounds the changes of one step.
const changesMax = 1000

// Follower keeps a gate up to date: it applies the outbox's changes in order. One loop calls Step; Load may run
// concurrently.
type Follower struct {
	store    Store
	gate     Gate
	onTerms  func(context.Context, id.Sale) error
	position atomic.Int64
	loaded   atomic.Bool
	moving   sync.Mutex // held by Load and Step, which set both positions together
}

// NewFollower returns a follower. It calls onTerms for each changed sale before it updates the gate.
func NewFollower(s Store, g Gate, onTerms func(context.Context, id.Sale) error) *Follower {
	return &Follower{store: s, gate: g, onTerms: onTerms}
}

// Load rebuilds the gate from the database. No reservation may be pending. It returns errors of the store and of the
// gate.
func (f *Follower) Load(ctx context.Context) error {
	f.moving.Lock()
	defer f.moving.Unlock()
	if err := crashpoint.Fail(crashpoint.RebuildBefore); err != nil {
		return err
	}
	snap, err := f.store.GateSnapshot(ctx)
	if err != nil {
		return err
	}
	if err := crashpoint.Fail(crashpoint.RebuildLoaded); err != nil {
		return err
	}
	if err := f.gate.Load(ctx, snap); err != nil {
		return err
	}
	f.position.Store(snap.Position)
	f.loaded.Store(true)
	crashpoint.Pass(crashpoint.RebuildAfter)
	return nil
}

// Resumer is a gate that other processes may rebuild, so that its follower may have to continue from an earlier
// position.
type Resumer interface {
	// Resume returns the position from which to continue: position at, or an earlier one.
	Resume(at int64) int64
}

// StartAt starts the follower at an outbox position, for a gate that is already loaded.
func (f *Follower) StartAt(position int64) {
	f.moving.Lock()
	defer f.moving.Unlock()
	f.position.Store(position)
	f.loaded.Store(true)
}

// Loaded reports whether the gate has been built. Until then the shop takes no orders.
func (f *Follower) Loaded() bool { return f.loaded.Load() }

// Step applies up to changesMax changes and returns their number. After an error it reads the same changes again; the
// gate skips those it has applied.
func (f *Follower) Step(ctx context.Context) (int, error) {
	f.moving.Lock()
	defer f.moving.Unlock()
	if r, ok := f.gate.(Resumer); ok {
		f.position.Store(r.Resume(f.position.Load()))
	}
	changes, err := f.store.GateChanges(ctx, f.position.Load(), changesMax)
	if err != nil || len(changes) == 0 {
		return 0, err
	}
	for _, c := range changes {
		if c.Terms == nil {
			continue
		}
		if err := f.onTerms(ctx, c.Terms.Sale); err != nil {
			return 0, err
		}
	}
	if err := crashpoint.Fail(crashpoint.FollowBefore); err != nil {
		return 0, err
	}
	if err := f.gate.Apply(ctx, changes); err != nil {
		return 0, err
	}
	if err := crashpoint.Fail(crashpoint.FollowAfter); err != nil {
		return 0, err
	}
	f.position.Store(changes[len(changes)-1].Position)
	return len(changes), nil
}
