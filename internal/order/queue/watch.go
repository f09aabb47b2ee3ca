package queue

import (
	"context"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
)

// watch is an order whose fate somebody waits for.
type watch struct {
	waiting int
	decided chan struct{}
}

// Decided implements order.Intake: it is woken by the worker of this process, and by LookStep for what another one has
// decided. However many wait, and for however many orders, the database is asked once for hundreds of them.
func (q *Intake) Decided(ctx context.Context, o id.Order) {
	q.mu.Lock()
	w := q.watched[o]
	if w == nil {
		w = &watch{decided: make(chan struct{})}
		q.watched[o] = w
	}
	w.waiting++
	q.mu.Unlock()
	select {
	case <-w.decided:
	case <-ctx.Done():
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if w.waiting--; w.waiting == 0 && q.watched[o] == w {
		delete(q.watched, o)
	}
}

// settledElsewhere is how old an intent of this process must be before the database is asked whether another process has
// decided it: the worker of this one says so itself, and mostly much sooner.
const settledElsewhere = 2 * time.Second

// looksMax bounds the orders that one LookStep asks for.
const looksMax = 10_000

// LookStep asks the database after the orders that are waited for, and after old intents of this process, and wakes whoever
// waits for those that are decided. It returns how many were.
func (q *Intake) LookStep(ctx context.Context) (int, error) {
	wanted := q.wanted(time.Now().Add(-settledElsewhere))
	found := 0
	for len(wanted) > 0 {
		n := min(len(wanted), FatesMax)
		decided, err := q.store.Fates(ctx, wanted[:n])
		if err != nil {
			return found, err
		}
		for _, o := range decided {
			// Which it was is read by whoever waits: an outcome without a result says only that there is one.
			q.decided(o, order.Outcome{Result: order.Enqueued})
		}
		found += len(decided)
		wanted = wanted[n:]
	}
	return 0, nil
}

func (q *Intake) wanted(before time.Time) []id.Order {
	q.mu.Lock()
	defer q.mu.Unlock()
	var all []id.Order
	for o := range q.watched {
		if len(all) >= looksMax {
			return all
		}
		all = append(all, o)
	}
	for o, e := range q.open {
		if len(all) >= looksMax {
			return all
		}
		if e.since.Before(before) && q.watched[o] == nil {
			all = append(all, o)
		}
	}
	return all
}
