package inventory

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/tidegate/tidegate/internal/kernel/crashpoint"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// changesMax bounds one step of the follower.
const changesMax = 1000

// Follower keeps a gate true to the database: it carries out what the outbox says, in its order. Its steps are driven by
// one loop; Load may run beside it.
type Follower struct {
	store    Store
	gate     Gate
	onTerms  func(context.Context, id.Sale) error
	position atomic.Int64
	loaded   atomic.Bool
	moving   sync.Mutex // held by Load and Step: the gate's position and ours are set together
}

// NewFollower returns a follower. onTerms is called for each sale that changed, before the gate hears of it.
func NewFollower(s Store, g Gate, onTerms func(context.Context, id.Sale) error) *Follower {
	return &Follower{store: s, gate: g, onTerms: onTerms}
}

// Load rebuilds the gate from the database. No reservation may be under way. It returns the store's errors and the gate's.
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

// Resumer is a gate that other processes rebuild, too: it may have to be brought on from further back than its follower is.
type Resumer interface {
	// Resume returns where to go on, for a follower that is at a position: there, or further back.
	Resume(at int64) int64
}

// Follow begins at a position of the outbox, for a gate that was loaded elsewhere.
func (f *Follower) Follow(position int64) {
	f.moving.Lock()
	defer f.moving.Unlock()
	f.position.Store(position)
	f.loaded.Store(true)
}

// Loaded reports whether the gate has been rebuilt: before that the doors stay closed.
func (f *Follower) Loaded() bool { return f.loaded.Load() }

// Step carries out up to changesMax changes and returns how many. A change is applied once: after an error the same
// changes are read again, and the gate passes over those it has.
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
