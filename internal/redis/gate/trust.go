package gate

import (
	"context"
	"errors"
	"time"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/crashpoint"
)

// All processes use the gate, or none does. While one process bypasses the gate, another's refusals by the gate would
// be wrong for keys of bypassing orders. So orders bypass the gate only after every process has stopped trusting its
// refusals. The database says which epoch is ready, and a process trusts refusals for trustFor after it has read that.
// A process that cannot reach Redis first closes the epoch, then waits: docs/adr/0040.
const (
	// trustFor is how long refusals are trusted, counted from the start of the query that found the epoch ready. When
	// Redis is lost, a shopper waits for at most this long after the loss is noticed. EpochEvery is several times
	// shorter.
	trustFor = 1500 * time.Millisecond
	// bypassAfter is how long the epoch must be closed before orders bypass the gate: a tenth longer than trustFor,
	// because clocks do not run evenly.
	bypassAfter = trustFor + trustFor/10
)

// EpochEvery is the interval at which to call EpochStep.
const EpochEvery = 250 * time.Millisecond

// seenEpoch is the epoch as last read from the database. Times are monotonic.
type seenEpoch struct {
	inventory.Epoch
	// since is the start of the query for a ready epoch; for a closed one, when it was first seen closed.
	since time.Time
}

// readEpoch reads the epoch and stores it.
func (g *Gate) readEpoch(ctx context.Context) (inventory.Epoch, error) {
	asked := time.Now()
	e, err := g.store.GateEpoch(ctx)
	if err == nil {
		g.noteEpoch(e, asked)
	}
	return e, err
}

// noteEpoch stores an epoch that this process has read or written. Of two concurrent results it may keep either: an
// older one is trusted for less time, and a later closing only lengthens the wait.
func (g *Gate) noteEpoch(e inventory.Epoch, asked time.Time) {
	now := &seenEpoch{e, asked}
	if !e.Ready {
		now.since = time.Now()
		if was := g.seen.Load(); was != nil && !was.Ready && was.Opened == e.Opened {
			now.since = was.since // no epoch was ready meanwhile
		}
	}
	g.seen.Store(now)
}

// fresh reports whether refusals of the epoch may still be trusted.
func (g *Gate) fresh(t *epoch) bool {
	s := g.seen.Load()
	return s != nil && s.Ready && s.Number == t.number && time.Since(s.since) < trustFor
}

// mayBypass returns the last open epoch and the time until orders may bypass the gate; zero means now.
func (g *Gate) mayBypass() (opened int64, wait time.Duration) {
	s := g.seen.Load()
	if s == nil || s.Ready {
		return 0, bypassAfter
	}
	return s.Opened, max(0, bypassAfter-time.Since(s.since))
}

// EpochStep reads from the database which epoch is ready. If this process cannot reach Redis, it closes the epoch for
// all, unless another process holds the maintenance lease: that one can reach Redis, or closes the epoch itself. So a
// process that alone has lost Redis disturbs the others at most once. EpochStep returns 1 if it has closed the epoch.
func (g *Gate) EpochStep(ctx context.Context) (int, error) {
	e, err := g.readEpoch(ctx)
	if err != nil || !e.Ready || !g.cutOff.Load() || g.Trusted() {
		return 0, err
	}
	if _, err := g.keeper.Step(ctx); err != nil {
		return 0, err
	}
	if _, held := g.keeper.Held(); !held {
		return 0, nil
	}
	n, err := g.closeEpoch(ctx, e)
	return n, errors.Join(err, g.keeper.Release(ctx)) // a process that can reach Redis takes the lease
}

// closeEpoch ends an epoch for every process. Its reservations can still be committed until the next epoch is opened.
func (g *Gate) closeEpoch(ctx context.Context, e inventory.Epoch) (int, error) {
	if err := crashpoint.Fail(crashpoint.SharedCloseBefore); err != nil {
		return 0, err
	}
	closed, err := g.store.CloseGateEpoch(ctx, e.Number)
	if err != nil || !closed {
		return 0, err
	}
	crashpoint.Pass(crashpoint.SharedCloseAfter)
	e.Ready = false
	g.noteEpoch(e, time.Now())
	g.closings.Add(1)
	g.log.Warn("the gate is closed for every process: orders go on without it, after a wait, until it is rebuilt", "epoch", e.Number, "wait", bypassAfter.String())
	return 1, nil
}

// Closings returns how often this process has closed the epoch for all.
func (g *Gate) Closings() int64 { return g.closings.Load() }

// EpochWake is signalled when EpochStep has work to do.
func (g *Gate) EpochWake() <-chan struct{} { return g.epochWake }

// signalEpoch wakes EpochStep.
func (g *Gate) signalEpoch() {
	select {
	case g.epochWake <- struct{}{}:
	default:
	}
}

// Reachable returns an error while this process alone takes no orders: it cannot reach Redis and the other processes
// trust the gate. It returns nil if Redis is reachable or orders bypass the gate.
func (g *Gate) Reachable() error {
	if s := g.seen.Load(); s != nil && s.Ready && g.cutOff.Load() && !g.Trusted() {
		return errors.New("this process cannot reach Redis, and others can: it takes no orders")
	}
	return nil
}
