package app

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/fault"
)

// loop repeats a step in the background: one bounded piece of work that says how many things it did.
type loop struct {
	name string
	// every is the pause after a step that found nothing to do; wake, where there is one, ends the pause early.
	every time.Duration
	wake  <-chan struct{}
	step  func(ctx context.Context) (did int, err error)
	// retryMax bounds the pause after an error; backoffMax where zero.
	retryMax time.Duration
}

// The pause after an error doubles from backoffMin to backoffMax, so that a database that is back is used again within
// seconds and one that stays away is not hammered.
const (
	backoffMin = 100 * time.Millisecond
	backoffMax = 10 * time.Second
)

// loops runs loops until its context ends.
type loops struct {
	log     *slog.Logger
	observe func(name string, did int, took time.Duration, err error)
	running sync.WaitGroup
}

// start runs one loop in a goroutine of its own. A step that did something is followed by the next at once; an error or
// a panic is logged, and the loop goes on after a growing pause.
func (l *loops) start(ctx context.Context, one loop) {
	l.running.Go(func() {
		failures := 0
		for ctx.Err() == nil {
			started := time.Now()
			did, err := safely(ctx, one.step)
			if ctx.Err() != nil {
				return // what a step says of being stopped is no failure
			}
			l.observe(one.name, did, time.Since(started), err)
			switch {
			case err != nil:
				failures++
				pause := backoff(failures, one.retryMax)
				if failures&(failures-1) == 0 { // the 1st, 2nd, 4th, 8th, ...: a trouble that stays is told, not shouted
					l.log.ErrorContext(ctx, "background step failed", "loop", one.name, "failures", failures, "retry_in", pause.String(), "error", err)
				}
				rest(ctx, pause, nil)
			case did > 0:
				failures = 0
			default:
				failures = 0
				rest(ctx, one.every, one.wake)
			}
		}
	})
}

// wait returns when every loop has ended.
func (l *loops) wait() { l.running.Wait() }

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

func rest(ctx context.Context, pause time.Duration, wake <-chan struct{}) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-wake: // a nil channel never wakes
	}
}
