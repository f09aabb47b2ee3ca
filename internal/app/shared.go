package app

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/lease"
)

// What a process does where others may write the same database: see store.Store.Shared.
const (
	// stampEvery bounds how late an event that another process committed gets its position; this one's are stamped at once.
	stampEvery = 20 * time.Millisecond
	// stampRest is the least time between two stampings. One is a dozen round trips and a sync of the log, whatever it stamps: on
	// the night of a drop, with a commit every few milliseconds, it was a tenth of an order.
	stampRest = 20 * time.Millisecond
	// followSharedEvery bounds how late the gate hears of a change whose position another process has given.
	followSharedEvery = 50 * time.Millisecond
	// aloneLease is how long work stands still after the process that did it alone has died.
	aloneLease = 3 * time.Second
)

// newHolder returns a name for this process that no other has, for its leases.
func newHolder() string {
	name := make([]byte, 12)
	_, _ = rand.Read(name) // it never fails
	return hex.EncodeToString(name)
}

// sharedLoops lists what repeats where several processes share the database.
func (a *App) sharedLoops() []loop {
	if !a.store.Shared() {
		return nil
	}
	var node []loop
	if a.node != nil {
		node = []loop{{name: "node", every: nodeEvery, retryMax: time.Second, step: onceAndRest(a.node.step)}}
	}
	if a.cache == nil { // with Redis the catalogue hears of changes at once
		node = append(node, loop{name: "catalogue", every: changesEvery, step: a.changes.step})
	}
	return append(append(node, loop{name: "replicas", every: a.store.PulseEvery(), step: a.store.PulseStep}), a.alone(
		loop{name: "stamp", every: stampEvery, wake: a.store.StampWake(), step: a.stampStep},
		loop{name: "forget_markers", every: cleanEvery, step: a.store.ForgetStep},
	)...)
}

// stampStep gives positions to the events that wait for one, and rests where there were any.
func (a *App) stampStep(ctx context.Context) (int, error) {
	n, err := a.store.StampStep(ctx)
	if n > 0 && err == nil {
		rest(ctx, stampRest, nil)
	}
	return n, err
}

// alone has one process at a time run the steps of these loops, which every process has: the others would do the same work once
// more, without harm and without use. All of them go by one lease, whose renewal is a commit. It is no lock; what the steps change is
// guarded by itself.
func (a *App) alone(all ...loop) []loop { return a.together("background", all...) }

// together is alone by a lease of its own: for loops that not every process has, so that one without them does not keep them from
// the others, and for those whose work would be seen twice.
func (a *App) together(name string, all ...loop) []loop {
	if !a.store.Shared() {
		return all
	}
	k := a.leases[name]
	if k == nil {
		k = lease.NewKeeper(a.store, name, a.holder(), aloneLease)
		if a.leases == nil {
			a.leases = make(map[string]*lease.Keeper)
		}
		a.leases[name] = k
	}
	for i := range all {
		step := all[i].step
		all[i].step = func(ctx context.Context) (int, error) {
			if err := k.Keep(ctx); err != nil {
				return 0, err
			}
			if _, held := k.Held(); !held {
				return 0, nil
			}
			return step(ctx)
		}
	}
	return all
}

// releaseLeases gives this process's leases free, so that the next one need not wait for their end.
func (a *App) releaseLeases() error {
	ctx, cancel := context.WithTimeout(context.Background(), aloneLease)
	defer cancel()
	var errs []error
	for _, k := range a.leases {
		errs = append(errs, k.Release(ctx))
	}
	return errors.Join(errs...)
}
