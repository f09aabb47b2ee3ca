package app

import (
	"context"
	"errors"
	"time"

	"github.com/tidegate/tidegate/internal/app/loop"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// clockEvery is how often the machine's two clocks are compared: a jump is known before it could matter, since nothing reads the
// one that jumps.
const clockEvery = 500 * time.Millisecond

// errClockJumped is why /readyz says that the shop works without its machine's clock.
var errClockJumped = errors.New("the machine's clock shows another time, which is not followed yet; see the log")

// trustClock compares the machine's clock with the newest id, which says when the shop was seen last, and with the database's
// clock where that is another server.
func (a *App) trustClock(ctx context.Context) error {
	if a.steady == nil {
		return nil // a test's
	}
	a.steady.Tell = func(what string, by time.Duration) {
		a.log.WarnContext(ctx, what, "ahead_by", by.Round(time.Millisecond).String())
	}
	if a.store.Shared() {
		a.steady.Witness = a.store.Now
	}
	newest, err := a.store.NewestID(ctx)
	if err != nil {
		return err
	}
	var seen time.Time
	if newest > 0 {
		seen = id.MintedAt(id.Order(newest))
	}
	return a.steady.Begin(ctx, seen)
}

// timeIsConfirmed reports whether the time may end things.
func (a *App) timeIsConfirmed() bool { return a.steady == nil || a.steady.Confirmed() }

func (a *App) clockLoops() []loop.Loop {
	if a.steady == nil {
		return nil
	}
	return []loop.Loop{{Name: "clock", Every: clockEvery, Step: a.steady.Step}}
}

// checkClock is asked by /readyz.
func (a *App) checkClock(context.Context) error {
	if a.steady != nil && a.steady.Disputed() {
		return errClockJumped
	}
	return nil
}

// clockJumped is what the metrics read: 1 while the machine's clock is not followed.
func (a *App) clockJumped() int64 {
	if a.steady != nil && a.steady.Disputed() {
		return 1
	}
	return 0
}
