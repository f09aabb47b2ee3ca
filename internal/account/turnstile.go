package account

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/fault"
)

// turnstile bounds how many passwords are hashed concurrently and how many callers wait for that. Each hash takes about
// 20 MiB and tens of milliseconds of a processor, and a storm of log-ins must not take these from the orders.
//
// No caller can use it up. Each waits in a line by name, and the lines take turns. If there is no space, the longest
// line loses its newest caller to a shorter one. Every other turn is for known devices, which also find space when
// others fill it.
type turnstile struct {
	waitingMax int
	wait       time.Duration

	mu            sync.Mutex
	free, waiting int
	turns         uint64
	known, others lines
}

// place says in which line a caller waits.
type place struct {
	name  string
	known bool // a device that signed in before
}

// lines take turns from the front. A line that had its turn goes to the back.
type lines []*line

type line struct {
	name    string
	waiters []*waiter
}

// waiter gets one message: true for its turn, false if it lost its place.
type waiter struct{ turn chan bool }

func newTurnstile(hashesMax, waitingMax int, wait time.Duration) *turnstile {
	return &turnstile{free: hashesMax, waitingMax: waitingMax, wait: wait}
}

// enter waits for a turn; the caller must then leave. It returns a TooManyRequests fault if too many wait already or
// the wait is over, and a TimedOut fault if ctx ends first.
func (t *turnstile) enter(ctx context.Context, p place) error {
	t.mu.Lock()
	if t.free > 0 {
		t.free--
		t.mu.Unlock()
		return nil
	}
	if t.waiting >= t.waitingMax && !t.makeRoom(p) {
		t.mu.Unlock()
		return t.refuse()
	}
	w := &waiter{make(chan bool, 1)}
	t.of(p).add(p.name, w)
	t.waiting++
	t.mu.Unlock()

	timer := time.NewTimer(t.wait)
	defer timer.Stop()
	select {
	case turn := <-w.turn:
		if turn {
			return nil
		}
		return t.refuse()
	case <-timer.C:
		t.giveUp(p, w)
		return t.refuse()
	case <-ctx.Done():
		t.giveUp(p, w)
		return fault.Wrap(fault.TimedOut, context.Cause(ctx), "The request ended before its password could be checked.")
	}
}

// leave passes the turn to the next caller in line.
func (t *turnstile) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.turns++
	first, second := &t.known, &t.others
	if t.turns%2 == 0 {
		first, second = second, first
	}
	next := first.next()
	if next == nil {
		next = second.next()
	}
	if next == nil {
		t.free++
		return
	}
	t.waiting--
	next.turn <- true
}

// giveUp removes a waiter from its line. If it got its turn meanwhile, the turn passes on.
func (t *turnstile) giveUp(p place, w *waiter) {
	t.mu.Lock()
	waited := t.of(p).remove(p.name, w)
	if waited {
		t.waiting--
	}
	t.mu.Unlock()
	if !waited && <-w.turn {
		t.leave()
	}
}

// makeRoom removes the newest caller of the longest line for a caller of a shorter one, and a stranger for a known
// device. It reports whether it did. The caller holds the lock.
func (t *turnstile) makeRoom(p place) bool {
	from, unequal := t.of(p), false
	if p.known && len(t.others) > 0 {
		from, unequal = &t.others, true
	}
	loser := from.longest()
	if loser == nil || !unequal && len(loser.waiters) <= from.length(p.name)+1 {
		return false
	}
	last := loser.waiters[len(loser.waiters)-1]
	from.remove(loser.name, last)
	t.waiting--
	last.turn <- false
	return true
}

func (t *turnstile) of(p place) *lines {
	if p.known {
		return &t.known
	}
	return &t.others
}

func (t *turnstile) refuse() error {
	return fault.New(fault.TooManyRequests, "Too many people sign in at this moment; try again.").After(t.wait)
}

func (l *lines) find(name string) int {
	return slices.IndexFunc(*l, func(one *line) bool { return one.name == name })
}

func (l *lines) add(name string, w *waiter) {
	if i := l.find(name); i >= 0 {
		(*l)[i].waiters = append((*l)[i].waiters, w)
		return
	}
	*l = append(*l, &line{name, []*waiter{w}})
}

func (l *lines) remove(name string, w *waiter) bool {
	i := l.find(name)
	if i < 0 {
		return false
	}
	one := (*l)[i]
	j := slices.Index(one.waiters, w)
	if j < 0 {
		return false
	}
	if one.waiters = slices.Delete(one.waiters, j, j+1); len(one.waiters) == 0 {
		*l = slices.Delete(*l, i, i+1)
	}
	return true
}

// next removes and returns the waiter whose turn it is; nil if nobody waits.
func (l *lines) next() *waiter {
	if len(*l) == 0 {
		return nil
	}
	first := (*l)[0]
	w := first.waiters[0]
	first.waiters = first.waiters[1:]
	*l = slices.Delete(*l, 0, 1)
	if len(first.waiters) > 0 {
		*l = append(*l, first)
	}
	return w
}

func (l *lines) longest() (longest *line) {
	for _, one := range *l {
		if longest == nil || len(one.waiters) > len(longest.waiters) {
			longest = one
		}
	}
	return longest
}

func (l *lines) length(name string) int {
	if i := l.find(name); i >= 0 {
		return len((*l)[i].waiters)
	}
	return 0
}
