package gate

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/failsafe-go/failsafe-go/adaptivelimiter"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/redis/rueidis"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/crashpoint"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

var (
	_ inventory.Gate    = (*Front)(nil)
	_ inventory.Resumer = (*Front)(nil)
)

// Front is what orders ask: the gate, as long as it can be trusted and answers; without it they go on by the database's guard
// alone, as many at a time as the database can bear. It is safe for concurrent use.
type Front struct {
	*Gate
	breaker circuitbreaker.CircuitBreaker[any]
	limiter adaptivelimiter.AdaptiveLimiter[any]
	permits sync.Map // id.Order to adaptivelimiter.Permit: orders that go on without the gate

	doubt   doubt
	trouble error // of the last Step, which one loop drives

	unanswered atomic.Pointer[time.Time] // the last question of HasNothing without an answer

	mu   sync.Mutex
	back []*inventory.Claim // to be given back
	more chan struct{}
}

// The breaker opens when so many questions have failed within a time, whatever others have answered, and is tried again after
// a pause.
const (
	failuresMax    = 5
	failuresWithin = time.Second
	openFor        = time.Second
)

// How many orders may be under way without the gate: the limiter moves between these by how long they take. Each is at most
// one row of a batch, so even the least is a crowd that a database answers within its deadline.
const (
	unguardedLeast = 16
	unguardedFirst = 128
	unguardedMost  = 2000
)

// backMax is how many claims wait to be given back. What does not fit, the sweeper gives back after the deadline.
const backMax = 50_000

// NewFront returns the front of a gate. Step, GiveBackStep and the gate's own steps are to be driven.
func NewFront(g *Gate) *Front {
	f := &Front{Gate: g, more: make(chan struct{}, 1)}
	f.breaker = circuitbreaker.NewBuilder[any]().
		WithFailureThresholdPeriod(failuresMax, failuresWithin).
		WithSuccessThreshold(1).
		WithDelay(openFor).
		OnOpen(func(circuitbreaker.StateChangedEvent) { g.lose(g.term.Load(), "Redis is slow or gone") }).
		Build()
	f.limiter = adaptivelimiter.NewBuilder[any]().WithLimits(unguardedLeast, unguardedMost, unguardedFirst).Build()
	return f
}

// Step looks after the trust in the gate: see Gate.Step. While the breaker is open it rests, and then it is the one question
// that decides whether the breaker closes. One loop drives it.
func (f *Front) Step(ctx context.Context) (int, error) {
	if !f.breaker.TryAcquirePermit() {
		return 0, f.trouble // the same trouble still
	}
	n, err := f.Gate.Step(ctx)
	f.trouble = err
	switch {
	case err == nil && f.Trusted():
		f.breaker.RecordSuccess()
	case f.breaker.IsHalfOpen():
		f.breaker.RecordFailure()
	}
	if err == nil {
		err = f.doubtStep(ctx)
	}
	return n, err
}

// openMax bounds how long Open waits for the gate, but for the last look: another process may be rebuilding it, and Redis may be slow for
// a moment, which is no reason not to start. openPause is between two looks.
const (
	openMax   = 30 * time.Second
	openPause = 50 * time.Millisecond
)

// Open waits until the gate can be trusted, rebuilding it where nobody else does, and returns the position of the outbox up to
// which it is true. It returns the last look's error, or fault.Overloaded where there was none.
func (f *Front) Open(ctx context.Context) (position int64, err error) {
	for until := time.Now().Add(openMax); time.Now().Before(until); {
		_, err = f.Gate.Step(ctx)
		if t := f.term.Load(); t != nil {
			return t.position, nil
		}
		select {
		case <-time.After(openPause):
		case <-ctx.Done():
			return 0, errors.Join(ctx.Err(), err)
		}
	}
	if err != nil {
		return 0, err
	}
	return 0, fault.New(fault.Overloaded, "Another process rebuilds the gate and has not ended.").After(time.Second)
}

// Renew rebuilds the gate in a new epoch. Orders that are under way go on; those that come meanwhile go on by the database's
// guard alone. It returns what Open returns.
func (f *Front) Renew(ctx context.Context) error {
	f.lose(f.term.Load(), "an operator wants it rebuilt")
	_, err := f.Open(ctx)
	return err
}

// Reserve implements inventory.Gate. Where the gate cannot be asked the verdict is Unguarded, and at most fault.Overloaded:
// more orders than the database can bear are under way.
func (f *Front) Reserve(ctx context.Context, c *inventory.Claim) (inventory.Answer, error) {
	if !c.Queued {
		c.Deadline = f.Deadline()
	}
	if !f.Trusted() {
		return f.unguarded(c)
	}
	t, doubted := f.term.Load(), f.doubted() // before it is asked: the doubts may end before the answer is here
	a, err := f.Gate.Reserve(ctx, c)
	switch {
	case err == nil && a.Verdict == inventory.NotLoaded && (c.Sale != 0 || !f.Trusted()):
		return f.unguarded(c) // a sale that has not come to the gate yet, or a gate that was lost meanwhile
	case err == nil:
		a.Doubted = doubted || f.doubted() || f.term.Load() != t
		return a, nil
	case ctx.Err() != nil: // the shopper left
		f.giveBackLater(c)
		return inventory.Answer{}, fault.Wrap(fault.TimedOut, err, "The reservation was not answered in time; try again with the same key.").After(time.Second)
	case errors.Is(err, errNotAsked) && f.Trusted(): // a crowd, and no failure of Redis
		return inventory.Answer{}, fault.Wrap(fault.Overloaded, err, "Too many orders are under way; try again.").After(time.Second)
	case errors.Is(err, errNotAsked):
		return f.unguarded(c)
	}
	f.failed()
	if a, err = f.unguarded(c); err != nil {
		f.giveBackLater(c) // it may be reserved, and becomes no order
	}
	return a, err
}

// failed counts a question without an answer, and has Step look at once: behind a connection that broke there may be another
// server by now.
func (f *Front) failed() {
	f.breaker.RecordFailure()
	f.signal()
}

// Unguarded returns how many orders are under way by the database's guard alone.
func (f *Front) Unguarded() int { return f.limiter.Inflight() }

// unguarded lets an order go on by the database's guard alone, where there is room for one more.
//
// One that would go through a queue is told to come back: what is queued has to be decided before the gate can be rebuilt.
func (f *Front) unguarded(c *inventory.Claim) (inventory.Answer, error) {
	if c.Queued {
		return inventory.Answer{}, fault.New(fault.Overloaded, "The sale is being loaded; try again.").After(time.Second)
	}
	permit, ok := f.limiter.TryAcquirePermit()
	if !ok {
		return inventory.Answer{}, fault.New(fault.Overloaded, "Too many orders are under way; try again.").After(time.Second)
	}
	f.doubt.begin()
	f.permits.Store(c.Order, permit)
	return inventory.Answer{Verdict: inventory.Unguarded}, nil
}

// Find implements inventory.Gate. What cannot be asked is not known, and what is in doubt is not free: the database says it
// then.
func (f *Front) Find(ctx context.Context, c *inventory.Claim) (inventory.Answer, error) {
	t, doubted := f.term.Load(), f.doubted() // before it is asked: the doubts may end before the answer is here
	a, err := f.Gate.Find(ctx, c)
	switch {
	case err == nil && a.Verdict == inventory.Free && (doubted || f.doubted() || f.term.Load() != t):
		return inventory.Answer{}, nil
	case err == nil || ctx.Err() != nil:
		return a, err
	}
	f.failed()
	return inventory.Answer{}, nil
}

// HasNothing reports whether a customer has no order in a sale, and none on its way, in any process: one question, whose answer a
// reservation changes before its shopper hears of it. It is false where that is not known. An order that another process let go on
// without a reservation is known once its commit has been read from the outbox. A question without an answer costs the gate
// no trust, for pages can do without it: for openFor none is asked.
func (f *Front) HasNothing(ctx context.Context, s id.Sale, c id.Customer) bool {
	t, late := f.term.Load(), f.unanswered.Load()
	if t == nil || f.doubted() || late != nil && time.Since(*late) < openFor {
		return false
	}
	asked, cancel := context.WithTimeout(ctx, f.config.AskTimeout)
	defer cancel()
	nothing, err := f.hasNothing(asked, t, s, c)
	if err != nil && ctx.Err() == nil {
		now := time.Now()
		f.unanswered.Store(&now)
	}
	return nothing && err == nil && !f.doubted()
}

func (g *Gate) hasNothing(ctx context.Context, t *term, s id.Sale, c id.Customer) (bool, error) {
	r := t.sale(s)
	answers := g.client.DoMulti(ctx,
		g.client.B().Hexists().Key(r.customers).Field(c.String()).Build(),
		g.client.B().Hget().Key(r.head).Field("epoch").Build(), // afterwards: a room that is lost knows nobody
	)
	has, err := answers[0].AsBool()
	if err != nil {
		return false, err
	}
	epoch, err := answers[1].ToString()
	if rueidis.IsRedisNil(err) {
		return false, nil
	}
	return !has && epoch == t.epoch, err
}

// Settle implements inventory.Gate. That an order was committed the gate hears from the outbox; what is to be given back waits
// for GiveBackStep, so that a batch of orders waits for neither.
func (f *Front) Settle(_ context.Context, c *inventory.Claim, committed bool) error {
	if permit, ok := f.permits.LoadAndDelete(c.Order); ok {
		f.doubt.begin() // from its commit on, and before it is no longer counted
		permit.(adaptivelimiter.Permit).Record()
	}
	if !committed {
		f.giveBackLater(c)
		return nil
	}
	if _, held := f.keeper.Held(); held {
		f.committed.note(c)
	}
	return nil
}

func (f *Front) giveBackLater(c *inventory.Claim) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.back) < backMax && f.Trusted() {
		f.back = append(f.back, c)
	}
	select {
	case f.more <- struct{}{}:
	default:
	}
}

// GiveBackWake is signalled when GiveBackStep has something to do.
func (f *Front) GiveBackWake() <-chan struct{} { return f.more }

// giveBackPage is how many claims one GiveBackStep gives back.
const giveBackPage = 1000

// GiveBackStep gives back what was not committed, and returns how many claims. What a failure keeps from it, the sweeper
// finds after the deadline.
func (f *Front) GiveBackStep(ctx context.Context) (int, error) {
	f.mu.Lock()
	n := min(len(f.back), giveBackPage)
	page := f.back[:n:n]
	if f.back = f.back[n:]; len(f.back) == 0 {
		f.back = nil
	}
	f.mu.Unlock()
	t := f.term.Load()
	if t == nil || n == 0 {
		return n, nil
	}
	ctx, cancel := context.WithTimeout(ctx, keepTimeout)
	defer cancel()
	byRoom := map[*room][]id.Order{}
	for _, c := range page {
		for _, s := range t.shares(c.Sale, c.Lines) {
			byRoom[s.room] = append(byRoom[s.room], c.Order)
		}
	}
	var errs []error
	for r, orders := range byRoom {
		for len(orders) > 0 {
			part := orders[:min(len(orders), sweepPage)]
			orders = orders[len(part):]
			crashpoint.Pass(crashpoint.SharedReleaseBefore)
			done, err := f.giveBack(ctx, t, r, part...)
			if err == nil && done < 0 {
				err = f.absent(ctx, t, r, done)
			}
			crashpoint.Pass(crashpoint.SharedReleaseAfter)
			errs = append(errs, err)
		}
	}
	return n, errors.Join(errs...)
}

// Level implements inventory.Gate, from what Step saw last: half a second ago, and no question to Redis. It is for sales
// alone.
func (f *Front) Level(p inventory.Pool) (int64, bool) {
	levels := f.mirror.Load()
	if levels == nil {
		return 0, false
	}
	units, ok := (*levels)[p]
	return units, ok
}

// Levels implements inventory.Gate, as Level does.
func (f *Front) Levels(fn func(inventory.Pool, int64)) {
	if levels := f.mirror.Load(); levels != nil {
		for p, units := range *levels {
			fn(p, units)
		}
	}
}
