package queue

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// modeSwitch chooses the way of new orders. Mode auto has hysteresis: it starts to queue when an order has waited too
// long for its commit. It returns to direct commits only after the queue was empty and commits were fast for calmFor,
// so that a database near its limit does not cause flapping.
type modeSwitch struct {
	mode  mode
	slow  time.Duration
	queue atomic.Bool // mode auto only
	calm  time.Time   // when commits became fast; zero while they are slow; used by SwitchStep alone
}

func (s *modeSwitch) queues() bool { return s.mode == queued || s.mode == auto && s.queue.Load() }

const (
	// calmFor is how long the queue must be empty and commits fast before new orders are committed directly again.
	calmFor = 2 * time.Second
	// calmShare: a wait is fast if it is below the slow wait divided by calmShare.
	calmShare = 4
)

// SwitchStep measures the commits and, if orders.intake is auto, chooses the way of new orders. One loop calls it,
// several times within the slow wait.
func (q *Intake) SwitchStep(context.Context) (int, error) {
	s := &q.switching
	if s.mode != auto {
		return 0, nil
	}
	waited, now := q.committer.OldestWait(), time.Now()
	switch {
	case waited >= s.slow:
		s.queue.Store(true)
		s.calm = time.Time{}
	case waited >= s.slow/calmShare || q.Backlog() > 0:
		s.calm = time.Time{}
	case s.calm.IsZero():
		s.calm = now
	case now.Sub(s.calm) >= calmFor:
		s.queue.Store(false)
	}
	return 0, nil
}

// drainRate measures how many intents are settled a second.
type drainRate struct {
	mu     sync.Mutex
	since  time.Time
	count  int
	second float64 // intents a second, over the last one or two windows
}

// rateWindow is the window of the measurement. The weight of an older window halves with each new one.
const rateWindow = 500 * time.Millisecond

func (r *drainRate) add(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if r.since.IsZero() {
		r.since = now
	}
	r.count += n
	if passed := now.Sub(r.since); passed >= rateWindow {
		r.second = (r.second + float64(r.count)/passed.Seconds()) / 2
		r.since, r.count = now, 0
	}
}

// The bounds of Retry-After when the backlog is full.
const (
	waitMin = time.Second
	waitMax = time.Minute
)

// wait returns the time until a tenth of a full backlog is settled. By then there is space for the shoppers who were
// turned away meanwhile.
func (r *drainRate) wait(backlog int) time.Duration {
	r.mu.Lock()
	second := r.second
	if stale := time.Since(r.since); stale > 2*rateWindow {
		second = min(second, float64(r.count)/stale.Seconds()) // nothing was settled lately
	}
	r.mu.Unlock()
	if second < 1 {
		return waitMax / 4
	}
	return min(max(time.Duration(float64(backlog)/10/second*float64(time.Second)), waitMin), waitMax)
}
