package queue

import (
	"context"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
)

// watch is an order whose outcome a caller awaits.
type watch struct {
	waiting int
	decided chan struct{}
}

// AwaitDecision implements order.Intake. The worker of this process and PollStep wake it. PollStep batches the queries:
// one query covers hundreds of orders, however many callers wait.
func (q *Intake) AwaitDecision(ctx context.Context, o id.Order) {
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

// settledElsewhere is the age at which PollStep asks the database whether another process decided an intent of this
// one. This process's own worker usually reports its decisions much sooner.
const settledElsewhere = 2 * time.Second

// looksMax bounds the orders of one PollStep.
const looksMax = 10_000

// PollStep asks the database for the outcomes of awaited orders and of this process's old intents. It wakes the callers
// whose order is decided and returns the number of decided orders.
func (q *Intake) PollStep(ctx context.Context) (int, error) {
	wanted := q.wanted(time.Now().Add(-settledElsewhere))
	found := 0
	for len(wanted) > 0 {
		n := min(len(wanted), FatesMax)
		decided, err := q.store.Fates(ctx, wanted[:n])
		if err != nil {
			return found, err
		}
		for _, o := range decided {
			// The caller reads the result itself. An outcome without a result only says that there is one.
			q.decided(o, order.Outcome{Result: order.Enqueued})
		}
		found += len(decided)
		wanted = wanted[n:]
	}
	return found, nil
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
