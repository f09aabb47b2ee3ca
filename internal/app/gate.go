package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tidegate/tidegate/internal/app/loop"
	"github.com/tidegate/tidegate/internal/audit"
	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/redis/gate"
)

// gateway is the gate as the shop keeps it: in this process's memory, or in Redis for all processes.
type gateway interface {
	inventory.Gate
	// Sales returns the sales that are loaded, in no order.
	Sales(ctx context.Context) ([]id.Sale, error)
	// Drop forgets a sale.
	Drop(ctx context.Context, s id.Sale) error
}

// openGate makes the gate: in Redis where there is one.
func (a *App) openGate(context.Context) error {
	if a.redis == nil {
		a.gate = inventory.NewMemoryGate()
		return nil
	}
	tracking, err := a.redis.Tracking()
	if err != nil {
		return err
	}
	a.tracking = tracking
	parts := gate.Parts{
		Client: a.redis, Tracking: tracking, Store: a.store, Log: a.log, Config: a.config.Gate,
		Prefix: a.redis.Key("gate"), Holder: a.holder(), Cluster: a.config.Redis.Cluster,
	}
	if a.hasQueue() { // else a rebuild has no queue to wait for
		parts.Drained, parts.RefuseOrphans = a.quietQueue, a.refuseLost
	}
	a.front = gate.NewFallbackGate(gate.New(parts))
	a.gate = a.front
	return nil
}

// How often the steps of a gate in Redis look when they have found nothing to do.
const (
	// gateLookEvery bounds how long a gate that was lost without an error is believed: a server that was emptied, or promoted.
	gateLookEvery = 500 * time.Millisecond
	// gateConfirmEvery is how long a reservation may stay one though its order is committed; nobody waits for it.
	gateConfirmEvery = 100 * time.Millisecond
	// gateBackEvery only matters where a wake was lost.
	gateBackEvery  = time.Second
	gateSweepEvery = 5 * time.Second
	// gateRetryMax keeps the time short in which orders go on without a gate that is there again.
	gateRetryMax = time.Second
)

// gateLoops drive a gate in Redis; none where it is in memory.
func (a *App) gateLoops() []loop.Loop {
	if a.front == nil {
		return nil
	}
	return []loop.Loop{
		{Name: "refusal_fence", Every: gateLookEvery, Step: a.orders.FenceStep},
		{Name: "gate_epoch", Every: gate.EpochEvery, Wake: a.front.EpochWake(), RetryMax: gate.EpochEvery, Step: a.front.EpochStep},
		{Name: "gate_look", Every: gateLookEvery, Wake: a.front.Wake(), RetryMax: gateRetryMax, Step: a.front.Step},
		{Name: "gate_release", Every: gateBackEvery, Wake: a.front.ReleaseWake(), RetryMax: gateRetryMax, Step: a.front.ReleaseStep},
		{Name: "gate_stock", Every: gateStockEvery, RetryMax: gateStockEvery, Step: a.left.(*levels).step},
		{Name: "gate_keep", Every: gate.LeaseRenewEvery, Step: a.front.LeaseStep},
		{Name: "gate_confirm", Every: gateConfirmEvery, RetryMax: gateRetryMax, Step: a.front.ConfirmStep},
		{Name: "gate_sweep", Every: gateSweepEvery, Step: a.front.SweepStep},
	}
}

// observeGate gives the metrics how a gate in Redis stands.
func (a *App) observeGate() error {
	if a.front == nil {
		return nil
	}
	trusted := func() int64 {
		if a.front.Trusted() {
			return 1
		}
		return 0
	}
	return errors.Join(
		a.metrics.ObserveCount("tidegate.gate.trusted", "1 while the gate in Redis is in use, 0 while orders bypass it.", trusted),
		a.metrics.ObserveCount("tidegate.gate.bypassing.orders", "Pending orders that bypass the gate: only the database decides them.",
			func() int64 { return int64(a.front.BypassingOrders()) }),
		a.metrics.ObserveCount("tidegate.gate.closings", "How often this process has closed the gate for all processes because it could not reach Redis.", a.front.Closings),
	)
}

// loadGate reads the gate into memory; one in Redis is taken up as it is, or rebuilt where it cannot be trusted.
func (s *shop) loadGate(ctx context.Context) error {
	if s.front == nil {
		return s.follower.Load(ctx)
	}
	position, err := s.front.AwaitTrusted(ctx)
	if err != nil {
		return fmt.Errorf("the gate in Redis cannot be loaded: %w", err)
	}
	s.follower.StartAt(position)
	return nil
}

// gateCheck returns what compares and rebuilds the gate for the audit.
func (a *App) gateCheck() audit.Gate {
	if a.front == nil {
		return gateCheck{a.follower, a, a.orders}
	}
	return sharedCheck{a.front, a}
}

// sharedCheck compares a gate in Redis with the database.
type sharedCheck struct {
	*gate.FallbackGate
	app *App
}

// Load implements audit.Gate. It rebuilds the gate in a new epoch, beside orders that are under way in any process.
func (g sharedCheck) Load(ctx context.Context) error { return g.Rebuild(ctx) }

// Compare implements audit.Gate.
func (g sharedCheck) Compare(ctx context.Context) ([]inventory.Difference, bool, error) {
	if g.app.underWay() > 0 || !g.app.quietQueue(ctx) {
		return nil, false, nil
	}
	return g.Gate.Compare(ctx)
}

// gateCheck compares the gate with the database when no order is under way.
type gateCheck struct {
	*inventory.Follower
	app    *App
	orders *order.Service
}

// How often a rebuild of the gate looks for a moment without an order under way, and how long it waits in between.
const (
	loadTries = 400
	loadPause = 5 * time.Millisecond
)

// Load implements audit.Gate. It rebuilds the gate while no reservation is under way, and none can be made: one that was
// made before and committed after the rebuild has read the database would be missing from the gate for good, and its key
// with it. It returns fault.Overloaded where orders were under way all the time.
func (g gateCheck) Load(ctx context.Context) error {
	for range loadTries {
		var err error
		done := g.orders.WithPlacementPaused(func() bool {
			if g.app.underWay() > 0 || !g.app.quietQueue(ctx) {
				return false
			}
			err = g.Follower.Load(ctx)
			return true
		})
		if done {
			return err
		}
		if loop.Rest(ctx, loadPause, nil); ctx.Err() != nil {
			break
		}
	}
	return fault.New(fault.Overloaded, "Orders were under way all the time, so the gate was not rebuilt: try again, or pause the sale first.").After(time.Second)
}

// Compare implements audit.Gate.
func (g gateCheck) Compare(ctx context.Context) ([]inventory.Difference, bool, error) {
	if g.app.underWay() > 0 || !g.app.quietQueue(ctx) {
		return nil, false, nil
	}
	found, quiet, err := g.Follower.Compare(ctx)
	return found, quiet && g.app.underWay() == 0, err
}
