package gate

import (
	"context"
	"sync/atomic"
	"time"
)

// uncertainty tracks whether a trusted gate may miss keys. Orders that bypassed the gate, or were committed during a
// rebuild, reach the gate through the outbox, shortly after their shoppers were answered. Until the outbox is applied
// up to that time, the database is asked for the key before a shopper is refused in a sale.
type uncertainty struct {
	settled atomic.Pointer[epoch] // an epoch that is known to be complete

	// The fields below belong to the loop that calls Step.
	of    *epoch
	since time.Time // when this process first saw the epoch
	// reach is the position that must be applied. It is unknown until uncertainLeast has passed and no earlier event
	// waits for its position.
	reach int64
}

const (
	// uncertainLeast is the minimum duration of uncertainty: an event without a position is reported only when it is a
	// second old.
	uncertainLeast = 1200 * time.Millisecond

	unknown = -1
)

// uncertain reports whether the gate may miss keys or may be closed. A gate without an epoch knows no keys.
func (f *FallbackGate) uncertain() bool {
	t := f.epoch.Load()
	return t == nil || f.uncertainty.settled.Load() != t || !f.fresh(t)
}

// uncertaintyStep ends the uncertainty once the gate has every order that was committed before the epoch was opened. No
// order of an earlier epoch is committed after that.
func (f *FallbackGate) uncertaintyStep(ctx context.Context) error {
	t := f.epoch.Load()
	d := &f.uncertainty
	if t == nil || d.settled.Load() == t {
		return nil
	}
	if d.of != t {
		d.of, d.since, d.reach = t, time.Now(), unknown
	}
	if time.Since(d.since) < uncertainLeast {
		return nil
	}
	if d.reach == unknown {
		if waits, err := f.store.Unstamped(ctx); err != nil || waits {
			return err
		}
		reach, err := f.store.NewestEvent(ctx)
		if err != nil {
			return err
		}
		d.reach = reach
	}
	done, err := f.streamPosition(ctx, t, "placed")
	if err == nil && done >= d.reach {
		d.settled.Store(t)
	}
	return ignoreOvertaken(err)
}
