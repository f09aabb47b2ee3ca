package app

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"time"

	"github.com/tidegate/tidegate/internal/app/catalogue"
	"github.com/tidegate/tidegate/internal/app/loop"
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
)

// newHolder returns a name for this process that no other has, for its leases.
func newHolder() string {
	name := make([]byte, 12)
	_, _ = rand.Read(name) // it never fails
	return hex.EncodeToString(name)
}

// holder names this process to the leases. One process at a time has the folder and the file in it, so the next one goes on
// with its leases; a database that processes share knows them by names of their own.
func (a *App) holder() string {
	if a.store.Shared() {
		return a.process
	}
	return "folder"
}

// sharedLoops lists what repeats where several processes share the database.
func (a *App) sharedLoops() []loop.Loop {
	if !a.store.Shared() {
		return nil
	}
	all := a.node
	if a.cache == nil { // with Redis the catalogue hears of changes at once
		all = append(all, loop.Loop{Name: "catalogue", Every: catalogue.ChangesEvery, Step: a.changes.Step})
	}
	return append(append(all, loop.Loop{Name: "replicas", Every: a.store.PulseEvery(), Step: a.store.PulseStep}), a.leases.Singleton(
		loop.Loop{Name: "stamp", Every: stampEvery, Wake: a.store.StampWake(), Step: a.stampStep},
		loop.Loop{Name: "forget_markers", Every: cleanEvery, Ends: true, Step: a.store.ForgetStep},
	)...)
}

// stampStep gives positions to the events that wait for one, and rests where there were any.
func (a *App) stampStep(ctx context.Context) (int, error) {
	n, err := a.store.StampStep(ctx)
	if n > 0 && err == nil {
		loop.Rest(ctx, stampRest, nil)
	}
	return n, err
}
