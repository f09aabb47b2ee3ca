package order

import (
	"context"
	"sync/atomic"
	"time"
)

// deadlineStep is the precision of request deadlines. Requests whose deadlines fall in the same step share one timer;
// otherwise tens of thousands of orders a second would each start and stop a timer.
const deadlineStep = 50 * time.Millisecond

// sharedDeadlines makes contexts that share timers.
type sharedDeadlines struct {
	current atomic.Pointer[sharedDeadline]
}

// sharedDeadline is one deadline, shared by the requests of one step.
type sharedDeadline struct {
	context.Context
	until time.Time
	end   context.CancelFunc // called by the timer alone: the last waiter is not known
}

// with returns ctx with a deadline between until and until + deadlineStep. If ctx can be cancelled itself, the deadline
// is exact and not shared. Call the returned function when nothing waits on the context any more.
func (b *sharedDeadlines) with(ctx context.Context, until time.Time) (context.Context, func()) {
	if ctx.Done() != nil {
		return context.WithDeadline(ctx, until)
	}
	shared := b.current.Load()
	if shared == nil || until.After(shared.until) || shared.until.Sub(until) > deadlineStep {
		shared = &sharedDeadline{until: until.Add(deadlineStep)}
		shared.Context, shared.end = context.WithDeadline(context.Background(), shared.until)
		b.current.Store(shared)
	}
	if ctx == context.Background() {
		return shared, func() {}
	}
	return boundedContext{shared, ctx}, func() {}
}

// boundedContext takes its deadline from one context and its values from another.
type boundedContext struct {
	context.Context
	values context.Context
}

// Value implements context.Context.
func (b boundedContext) Value(key any) any { return b.values.Value(key) }
