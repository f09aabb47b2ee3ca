// Package loop runs the background steps of a process: each repeats until its context ends, and rests where there is nothing to do.
package loop

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/fault"
)

// Loop repeats a step in the background: one bounded piece of work that says how many things it did.
type Loop struct {
	Name string
	// Every is the pause after a step that found nothing to do. Wake, where there is one, ends the pause early.
	Every time.Duration
	Wake  <-chan struct{}
	Step  func(ctx context.Context) (did int, err error)
	// Ends says that the step ends what the clock has ended. It waits while the clock may be wrong: see clock.Steady.
	Ends bool
	// RetryMax bounds the pause after an error; backoffMax where zero.
	RetryMax time.Duration
}

// confirmEvery is how often a loop that ends things looks whether the clock is confirmed.
const confirmEvery = 500 * time.Millisecond

// The pause after an error doubles from backoffMin to backoffMax, so that a database that is back is used again within
// seconds and one that stays away is not hammered.
const (
	backoffMin = 100 * time.Millisecond
	backoffMax = 10 * time.Second
)

// Runner runs loops until their context ends. The zero value is not ready: every field must be set.
type Runner struct {
	Log *slog.Logger
	// Confirmed reports whether the clock may end things.
	Confirmed func() bool
	// Observe receives the outcome of every step.
	Observe func(name string, did int, took time.Duration, err error)
	running sync.WaitGroup
}

// Start runs one loop in a goroutine of its own. A step that did something is followed by the next at once. An error or a panic is
// logged, and the loop goes on after a growing pause.
func (l *Runner) Start(ctx context.Context, one Loop) {
	l.running.Go(func() {
		failures := 0
		for ctx.Err() == nil {
			if one.Ends && !l.Confirmed() {
				Rest(ctx, max(one.Every, confirmEvery), nil)
				continue
			}
			started := time.Now()
			did, err := safely(ctx, one.Step)
			if ctx.Err() != nil {
				return // what a step says of being stopped is no failure
			}
			l.Observe(one.Name, did, time.Since(started), err)
			switch {
			case err != nil:
				failures++
				pause := backoff(failures, one.RetryMax)
				if failures&(failures-1) == 0 { // the 1st, 2nd, 4th, 8th, ...: a trouble that stays is told, not shouted
					l.Log.ErrorContext(ctx, "background step failed", "loop", one.Name, "failures", failures, "retry_in", pause.String(), "error", err)
				}
				Rest(ctx, pause, nil)
			case did > 0:
				failures = 0
			default:
				failures = 0
				Rest(ctx, one.Every, one.Wake)
			}
		}
	})
}

// Wait returns when every loop has ended.
func (l *Runner) Wait() { l.running.Wait() }

// safely runs a step and turns a panic into an error: one bad row must not end the loop for all the others.
func safely(ctx context.Context, step func(context.Context) (int, error)) (did int, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fault.Recovered(p)
		}
	}()
	return step(ctx)
}

// backoff returns a pause between half and the whole of what the number of failures in a row asks for, at most longest;
// zero stands for backoffMax.
func backoff(failures int, longest time.Duration) time.Duration {
	if longest == 0 {
		longest = backoffMax
	}
	whole := longest
	if failures < 8 { // 100 ms doubled seven times is past ten seconds
		whole = min(longest, backoffMin<<(failures-1))
	}
	return whole/2 + rand.N(whole/2+1)
}

// Rest waits for the pause, the end of the context, or a wake; a nil channel never wakes.
func Rest(ctx context.Context, pause time.Duration, wake <-chan struct{}) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-wake:
	}
}

// OnceAndRest makes a step that always has something to do wait for its time.
func OnceAndRest(step func(context.Context) (int, error)) func(context.Context) (int, error) {
	return func(ctx context.Context) (int, error) {
		_, err := step(ctx)
		return 0, err
	}
}
