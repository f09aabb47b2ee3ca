package queue

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// switching decides which way new orders go. In between its mode is hysteresis: it queues once an order has waited too long
// for its commit, and is direct again only after the queue was empty and commits were fast for a while, so that a database
// at the edge does not make it flutter.
type switching struct {
	mode  mode
	slow  time.Duration
	queue atomic.Bool // auto only
	calm  time.Time   // since when commits are fast; zero: they are not. SwitchStep's own
}

func (s *switching) queues() bool { return s.mode == queued || s.mode == auto && s.queue.Load() }

const (
	// calmFor is how long commits must be fast, with nothing queued, before orders are answered directly again.
	calmFor = 2 * time.Second
	// calmShare is the part of the slow wait below which a wait counts as fast.
	calmShare = 4
)

// SwitchStep looks how commits are doing and changes the way of new orders where orders.intake is auto. One loop drives it,
// several times in the slow wait.
func (q *Intake) SwitchStep(context.Context) (int, error) {
	s := &q.switching
	if s.mode != auto {
		return 0, nil
	}
	waited, now := q.committer.Waited(), time.Now()
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

// drainRate measures how fast intents are settled.
type drainRate struct {
	mu     sync.Mutex
	since  time.Time
	count  int
	second float64 // intents a second, of the last whole window or two
}

// rateWindow is over how long a rate is taken; older ones count half as much with each window.
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

// The bounds of what a full backlog says in Retry-After.
const (
	waitMin = time.Second
	waitMax = time.Minute
)

// wait returns how long it takes until a tenth of a full backlog has been settled: by then there is room for whoever was
// turned away in the meantime.
func (r *drainRate) wait(backlog int) time.Duration {
	r.mu.Lock()
	second := r.second
	if stale := time.Since(r.since); stale > 2*rateWindow {
		second = min(second, float64(r.count)/stale.Seconds()) // it stands still
	}
	r.mu.Unlock()
	if second < 1 {
		return waitMax / 4
	}
	return min(max(time.Duration(float64(backlog)/10/second*float64(time.Second)), waitMin), waitMax)
}
