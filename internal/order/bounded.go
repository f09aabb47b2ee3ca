package order

import (
	"context"
	"sync/atomic"
	"time"
)

// boundStep is how far apart the ends are at which requests stop waiting: those that end in the same step share one timer,
// which tens of thousands of orders a second would otherwise set and stop each.
const boundStep = 50 * time.Millisecond

// bounds makes contexts with a deadline.
type bounds struct{ current atomic.Pointer[bound] }

// bound is the deadline that requests of the same time share.
type bound struct {
	context.Context
	until time.Time
	end   context.CancelFunc // left to the timer: nobody knows who waits last
}

// before returns ctx with a deadline: until, or up to boundStep later. Where ctx can end by itself the deadline is its own.
// Call the function when nothing waits on the context any more.
func (b *bounds) before(ctx context.Context, until time.Time) (context.Context, func()) {
	if ctx.Done() != nil {
		return context.WithDeadline(ctx, until)
	}
	shared := b.current.Load()
	if shared == nil || until.After(shared.until) || shared.until.Sub(until) > boundStep {
		shared = &bound{until: until.Add(boundStep)}
		shared.Context, shared.end = context.WithDeadline(context.Background(), shared.until)
		b.current.Store(shared)
	}
	if ctx == context.Background() {
		return shared, func() {}
	}
	return boundedContext{shared, ctx}, func() {}
}

// boundedContext has the end of one context and the values of another.
type boundedContext struct {
	context.Context
	values context.Context
}

// Value implements context.Context.
func (b boundedContext) Value(key any) any { return b.values.Value(key) }
