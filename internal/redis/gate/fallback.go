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
	_ inventory.Gate    = (*FallbackGate)(nil)
	_ inventory.Resumer = (*FallbackGate)(nil)
)

// FallbackGate is the gate that orders use. It asks the Redis gate while that is trusted and answers. Otherwise orders
// bypass the gate and only the database's guard decides, with an adaptive limit on their number. It is safe for
// concurrent use.
type FallbackGate struct {
	*Gate
	breaker circuitbreaker.CircuitBreaker[any]
	limiter adaptivelimiter.AdaptiveLimiter[any]
	permits sync.Map // id.Order to adaptivelimiter.Permit, for orders that bypass the gate

	lostAt      atomic.Pointer[time.Time] // when the breaker last opened on a trusted gate
	restUntil   atomic.Pointer[time.Time] // Step does not try Redis before this time
	uncertainty uncertainty
	trouble     error // error of the last Step; used by its loop only

	unanswered atomic.Pointer[time.Time] // when HasNoOrder last got no answer

	mu          sync.Mutex
	toRelease   []*inventory.Claim // claims to release
	releaseWake chan struct{}
}

// The breaker opens after this many failures within this time, however many requests succeeded, and half-opens after a
// pause.
const (
	failuresMax    = 5
	failuresWithin = time.Second
	openFor        = time.Second
)

// The least and the most orders that may bypass the gate at a time. The limiter moves between them by the measured
// latency. Each order is at most one row of a batch, so the database answers even the least within its deadline.
const (
	bypassingMin     = 16
	bypassingInitial = 128
	bypassingMax     = 2000
)

// releaseQueueMax bounds the claims that wait for their release. The sweeper releases the others after their deadline.
const releaseQueueMax = 50_000

// NewFallbackGate returns a FallbackGate over g. Its owner calls Step and ReleaseStep, and g's own steps.
func NewFallbackGate(g *Gate) *FallbackGate {
	f := &FallbackGate{Gate: g, releaseWake: make(chan struct{}, 1)}
	f.breaker = circuitbreaker.NewBuilder[any]().
		WithFailureThresholdPeriod(failuresMax, failuresWithin).
		WithSuccessThreshold(1).
		WithDelay(openFor).
		OnOpen(func(circuitbreaker.StateChangedEvent) {
			g.cutOff.Store(true)
			if t := g.epoch.Load(); t != nil {
				f.lost(time.Now())
				g.distrust(t, "Redis is slow or gone")
			}
		}).
		Build()
	f.limiter = adaptivelimiter.NewBuilder[any]().WithLimits(bypassingMin, bypassingMax, bypassingInitial).Build()
	return f
}

// A Redis that fails repeatedly would cause endless closing and rebuilding, and each time orders would be told to
// retry. If the breaker opens twice within flappingWithin, this process does not try the gate for restFor, and orders
// bypass it.
const (
	flappingWithin = 30 * time.Second
	restFor        = 15 * time.Second
)

// lost records that the breaker opened on a trusted gate.
func (f *FallbackGate) lost(now time.Time) {
	if before := f.lostAt.Swap(&now); before != nil && now.Sub(*before) < flappingWithin {
		rest := now.Add(restFor)
		f.restUntil.Store(&rest)
	}
}

// Step checks the gate: see Gate.Step. While the breaker is open Step rests; then its single request decides whether
// the breaker closes. One loop calls it.
func (f *FallbackGate) Step(ctx context.Context) (int, error) {
	if rest := f.restUntil.Load(); rest != nil && time.Now().Before(*rest) || !f.breaker.TryAcquirePermit() {
		return 0, f.trouble // the same error still applies
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
		err = f.uncertaintyStep(ctx)
	}
	return n, err
}

// openMax bounds how long AwaitTrusted waits, apart from its last check. Another process may be rebuilding the gate, or
// Redis may be slow for a moment; neither is a reason not to start. openPause is the interval between checks.
const (
	openMax   = 30 * time.Second
	openPause = 50 * time.Millisecond
)

// AwaitTrusted waits until the gate is trusted and rebuilds it if no other process does. It returns the outbox position
// up to which the gate is current. It returns the error of the last check, or fault.Overloaded if that had none.
func (f *FallbackGate) AwaitTrusted(ctx context.Context) (position int64, err error) {
	for until := time.Now().Add(openMax); time.Now().Before(until); {
		_, err = f.Gate.Step(ctx)
		if t := f.epoch.Load(); t != nil {
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

// Rebuild rebuilds the gate in a new epoch. Pending orders continue; new ones bypass the gate meanwhile. It returns the
// errors of AwaitTrusted.
func (f *FallbackGate) Rebuild(ctx context.Context) error {
	f.distrust(f.epoch.Load(), "an operator wants it rebuilt")
	_, err := f.AwaitTrusted(ctx)
	return err
}

// Reserve implements inventory.Gate. If the gate cannot be asked, the verdict is GateBypassed, or Reserve returns
// fault.Overloaded when too many orders bypass the gate.
func (f *FallbackGate) Reserve(ctx context.Context, c *inventory.Claim) (inventory.Answer, error) {
	if !c.Queued {
		c.Deadline = f.Deadline()
	}
	if !f.Trusted() {
		return f.bypass(c)
	}
	t, doubted := f.epoch.Load(), f.uncertain() // read before the request: uncertainty may end before the reply
	a, err := f.Gate.Reserve(ctx, c)
	switch {
	case err == nil && a.Verdict == inventory.NotLoaded && !f.Trusted():
		return f.bypass(c) // the gate was lost meanwhile
	case err == nil:
		a.Uncertain = doubted || f.uncertain() || f.epoch.Load() != t
		return a, nil
	case ctx.Err() != nil: // the shopper left
		f.queueRelease(c)
		return inventory.Answer{}, fault.Wrap(fault.TimedOut, err, "The reservation was not answered in time; try again with the same key.").After(time.Second)
	case errors.Is(err, errQueueTimeout) && f.Trusted(): // caused by load, not by a failure of Redis
		return inventory.Answer{}, fault.Wrap(fault.Overloaded, err, "Too many orders are under way; try again.").After(time.Second)
	case errors.Is(err, errQueueTimeout):
		return f.bypass(c)
	}
	f.recordFailure()
	f.queueRelease(c) // it may be reserved and will not become an order
	return inventory.Answer{}, fault.Wrap(fault.Overloaded, err, "The gate did not answer in time; try again with the same key.").After(time.Second)
}

// recordFailure counts a request without an answer and wakes Step: after a broken connection another server may have
// taken over.
func (f *FallbackGate) recordFailure() {
	f.breaker.RecordFailure()
	f.signal()
}

// BypassingOrders returns the number of pending orders that bypassed the gate.
func (f *FallbackGate) BypassingOrders() int { return f.limiter.Inflight() }

// bypass lets an order continue without the gate if the limiter permits one more.
//
// An order for the queue is refused and must be retried: the queue must be empty before the gate can be rebuilt.
func (f *FallbackGate) bypass(c *inventory.Claim) (inventory.Answer, error) {
	if c.Queued {
		return inventory.Answer{}, fault.New(fault.Overloaded, "The sale is being loaded; try again.").After(time.Second)
	}
	opened, wait := f.mayBypass()
	if wait > 0 {
		return inventory.Answer{}, fault.New(fault.Overloaded, "The gate is not there at the moment; try again with the same key.").After(wait)
	}
	permit, ok := f.limiter.TryAcquirePermit()
	if !ok {
		return inventory.Answer{}, fault.New(fault.Overloaded, "Too many orders are under way; try again.").After(time.Second)
	}
	c.Epoch, c.Bypassed = opened, true
	f.permits.Store(c.Order, permit)
	return inventory.Answer{Verdict: inventory.GateBypassed, Uncertain: true}, nil
}

// Find implements inventory.Gate. If the gate cannot be asked or is uncertain, it answers that the key is unknown, not
// that it is free, and the database decides.
func (f *FallbackGate) Find(ctx context.Context, c *inventory.Claim) (inventory.Answer, error) {
	t, doubted := f.epoch.Load(), f.uncertain() // read before the request: uncertainty may end before the reply
	a, err := f.Gate.Find(ctx, c)
	switch {
	case err == nil && (a.Verdict == inventory.KeyUnknown || a.Verdict == inventory.NotLoaded):
		if doubted || f.uncertain() || f.epoch.Load() != t {
			return inventory.Answer{Uncertain: true}, nil
		}
		return a, nil
	case err == nil || ctx.Err() != nil:
		return a, err
	}
	f.recordFailure()
	return inventory.Answer{Uncertain: true}, nil
}

// HasNoOrder reports whether a customer has neither an order nor a reservation in a sale, in any process. It makes one
// request; a reservation shows in it before its shopper is answered. It returns false if that is unknown. An order that
// bypassed the gate elsewhere shows once its commit was read from the outbox. A failed request does not count against
// the gate, because pages can do without the answer; none is sent for openFor afterwards.
func (f *FallbackGate) HasNoOrder(ctx context.Context, s id.Sale, c id.Customer) bool {
	t, late := f.epoch.Load(), f.unanswered.Load()
	if t == nil || f.uncertain() || late != nil && time.Since(*late) < openFor {
		return false
	}
	asked, cancel := context.WithTimeout(ctx, f.config.AskTimeout)
	defer cancel()
	nothing, err := f.hasNoOrder(asked, t, s, c)
	if err != nil && ctx.Err() == nil {
		now := time.Now()
		f.unanswered.Store(&now)
	}
	return nothing && err == nil && !f.uncertain()
}

func (g *Gate) hasNoOrder(ctx context.Context, t *epoch, s id.Sale, c id.Customer) (bool, error) {
	r := t.sale(s)
	answers := g.client.DoMulti(ctx,
		g.client.B().Hexists().Key(r.customers).Field(c.String()).Build(),
		g.client.B().Hget().Key(r.head).Field("epoch").Build(), // read last: a lost partition would look like no order
	)
	has, err := answers[0].AsBool()
	if err != nil {
		return false, err
	}
	epoch, err := answers[1].ToString()
	if rueidis.IsRedisNil(err) {
		return false, nil
	}
	return !has && epoch == t.text, err
}

// Confirm implements inventory.Gate without a request to Redis: ConfirmStep reads committed orders from the outbox.
func (f *FallbackGate) Confirm(_ context.Context, c *inventory.Claim) error {
	f.returnPermit(c)
	if _, held := f.keeper.Held(); held {
		f.committed.note(c)
	}
	return nil
}

// Release implements inventory.Gate. ReleaseStep sends the request, so that a batch of orders does not wait for Redis.
func (f *FallbackGate) Release(_ context.Context, c *inventory.Claim) error {
	f.returnPermit(c)
	if c.Bypassed {
		f.signalEpoch() // another epoch may be open
		return nil
	}
	f.queueRelease(c)
	return nil
}

// returnPermit returns the limiter's permit of an order that bypassed the gate.
func (f *FallbackGate) returnPermit(c *inventory.Claim) {
	if permit, ok := f.permits.LoadAndDelete(c.Order); ok {
		permit.(adaptivelimiter.Permit).Record()
	}
}

func (f *FallbackGate) queueRelease(c *inventory.Claim) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.toRelease) < releaseQueueMax && f.Trusted() {
		f.toRelease = append(f.toRelease, c)
	}
	select {
	case f.releaseWake <- struct{}{}:
	default:
	}
}

// ReleaseWake is signalled when ReleaseStep has work to do.
func (f *FallbackGate) ReleaseWake() <-chan struct{} { return f.releaseWake }

// releasePage bounds the claims of one ReleaseStep.
const releasePage = 1000

// ReleaseStep releases the claims that were not committed and returns their number. After a failure the sweeper
// releases them when their deadline has passed.
func (f *FallbackGate) ReleaseStep(ctx context.Context) (int, error) {
	f.mu.Lock()
	n := min(len(f.toRelease), releasePage)
	page := f.toRelease[:n:n]
	if f.toRelease = f.toRelease[n:]; len(f.toRelease) == 0 {
		f.toRelease = nil
	}
	f.mu.Unlock()
	t := f.epoch.Load()
	if t == nil || n == 0 {
		return n, nil
	}
	ctx, cancel := context.WithTimeout(ctx, maintenanceTimeout)
	defer cancel()
	byRoom := map[*partition][]id.Order{}
	for _, c := range page {
		for _, s := range t.split(c.Sale, c.Lines) {
			byRoom[s.partition] = append(byRoom[s.partition], c.Order)
		}
	}
	var errs []error
	for r, orders := range byRoom {
		for len(orders) > 0 {
			chunk := orders[:min(len(orders), sweepPage)]
			orders = orders[len(chunk):]
			crashpoint.Pass(crashpoint.SharedReleaseBefore)
			done, err := f.release(ctx, t, r, chunk...)
			if err == nil && done < 0 {
				err = f.checkMissing(ctx, t, r, done)
			}
			crashpoint.Pass(crashpoint.SharedReleaseAfter)
			errs = append(errs, err)
		}
	}
	return n, errors.Join(errs...)
}

// Available implements inventory.Gate for sales, from the last Step: at most half a second old, without a request to
// Redis. Once the gate is lost, it returns false.
func (f *FallbackGate) Available(p inventory.Pool) (int64, bool) {
	levels := f.lastSeen.Load()
	if levels == nil || !f.Trusted() {
		return 0, false
	}
	units, ok := (*levels)[p]
	return units, ok
}

// Availability implements inventory.Gate, with the same limits as Available.
func (f *FallbackGate) Availability(fn func(inventory.Pool, int64)) {
	if levels := f.lastSeen.Load(); levels != nil && f.Trusted() {
		for p, units := range *levels {
			fn(p, units)
		}
	}
}
