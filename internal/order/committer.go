package order

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/crashpoint"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// ErrUndecided says that the outcome of a submitted draft is not known yet. It is not a failure: read the order by its
// id later.
var ErrUndecided = errors.New("the outcome is not known yet")

var _ Intake = (*Committer)(nil)

// BatchObserver is called after every commit with the number of drafts, the duration and the error.
type BatchObserver func(drafts int, took time.Duration, err error)

// Committer implements Intake by group commit. Drafts that arrive while a commit runs form the next batch; there is no
// timer. It is safe for concurrent use. Several loops may call Step: run as many as the database can serve commits in
// parallel.
type Committer struct {
	store   Store
	gate    inventory.Gate
	mint    *id.Mint
	config  Limits
	observe BatchObserver

	mu       sync.Mutex
	queue    []*pendingDraft
	inflight map[id.Order]*pendingDraft
	unknown  []*pendingDraft // the commit ended without an answer
	closed   bool
	full     atomic.Bool // set when a draft is refused, cleared when a batch is taken
	wake     chan struct{}

	commits int       // running now
	batches []*batch  // taken from the queue, not decided yet
	failing time.Time // time of the first failure in a row; zero when commits succeed

	resolving sync.Mutex // held while unknown drafts are looked up
}

// batch is a group of drafts that were taken from the queue together.
type batch struct {
	since time.Time // when its first draft was submitted
	left  int       // drafts without an outcome
}

// concurrentOrdersMin is the least number of waiting drafts that starts a second commit while one runs. Each commit has
// a fixed cost, so a smaller batch is cheaper when it waits and grows.
const concurrentOrdersMin = 48

// pendingDraft is a draft whose outcome its callers await.
type pendingDraft struct {
	draft   *Draft
	batch   *batch // nil while the draft is queued
	since   time.Time
	outcome Outcome
	done    chan struct{} // closed when outcome is set
	left    atomic.Bool   // the shopper was answered before the outcome was known
}

// NewCommitter returns an idle Committer. Its owner calls Step whenever Wake is signalled.
func NewCommitter(s Store, g inventory.Gate, m *id.Mint, c Config, o BatchObserver) *Committer {
	committer := &Committer{store: s, gate: g, mint: m, observe: o, inflight: map[id.Order]*pendingDraft{}, wake: make(chan struct{}, 1)}
	committer.config.Set(c)
	return committer
}

// SetLimits has the committer go by the live settings of to: see Limits.
func (c *Committer) SetLimits(to Config) { c.config.Set(to) }

// Limits returns what the committer goes by at the moment.
func (c *Committer) Limits() Config { return *c.config.Now() }

// Wake is signalled when Step has work to do.
func (c *Committer) Wake() <-chan struct{} { return c.wake }

// Submit implements Intake. It returns fault.Overloaded when the queue is full and fault.ShuttingDown after Close. In
// both cases it has released the reservation.
func (c *Committer) Submit(ctx context.Context, d *Draft) (Outcome, error) {
	t := &pendingDraft{draft: d, since: time.Now(), done: make(chan struct{})}
	crashpoint.Pass(crashpoint.AppendBefore)
	if err := c.enqueue(t); err != nil {
		return Outcome{}, errors.Join(err, c.gate.Release(ctx, &d.Claim))
	}
	crashpoint.Pass(crashpoint.AppendAfter)
	return t.wait(ctx)
}

func (c *Committer) enqueue(t *pendingDraft) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return fault.New(fault.ShuttingDown, "This process is stopping; try again.").After(time.Second)
	case len(c.queue) >= c.config.Now().QueueOrdersMax:
		c.full.Store(true)
		return tooManyWaiting()
	}
	c.push(t)
	if c.commits == 0 || len(c.queue) >= c.concurrentMin() {
		c.signal() // otherwise the commit that ends next takes the draft
	}
	return nil
}

func tooManyWaiting() error {
	return fault.New(fault.Overloaded, "Too many orders are waiting; try again.").After(time.Second)
}

// Able returns fault.Overloaded while the queue is full. It takes no lock, so Submit may still refuse a request that
// passed.
func (c *Committer) Able() error {
	if c.full.Load() {
		return tooManyWaiting()
	}
	return nil
}

// push adds a draft to the queue; the caller holds c.mu.
func (c *Committer) push(t *pendingDraft) {
	c.queue = append(c.queue, t)
	c.inflight[t.draft.Order.ID] = t
}

func (c *Committer) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (t *pendingDraft) wait(ctx context.Context) (Outcome, error) {
	select {
	case <-t.done:
		return t.outcome, t.outcome.Err
	case <-ctx.Done():
		t.left.Store(true)
		return Outcome{}, ErrUndecided
	}
}

// Wait implements Intake.
func (c *Committer) Wait(ctx context.Context, o id.Order, who id.Customer) (Outcome, bool, error) {
	c.mu.Lock()
	t := c.inflight[o]
	c.mu.Unlock()
	if t == nil || t.draft.Order.Customer != who {
		return Outcome{}, false, nil
	}
	out, err := t.wait(ctx)
	return out, true, err
}

// Claim implements Intake.
func (c *Committer) Claim(o id.Order, who id.Customer) *inventory.Claim {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t := c.inflight[o]; t != nil && t.draft.Order.Customer == who {
		return &t.draft.Claim
	}
	return nil
}

// Queues implements Intake: a draft is committed before its shopper is answered.
func (c *Committer) Queues() bool { return false }

// Queued implements Intake.
func (c *Committer) Queued(id.Order, id.Customer) bool { return false }

// lookPause is the interval between polls for an order that another process is committing.
const lookPause = 200 * time.Millisecond

// AwaitDecision implements Intake by polling: no other process reports its decisions to this one.
func (c *Committer) AwaitDecision(ctx context.Context, _ id.Order) {
	timer := time.NewTimer(lookPause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// CommitQueued commits queued drafts and returns an outcome for each. An outcome with an error is undecided: settle
// that draft again. CommitQueued returns ErrUndecided when ctx ends first, and fault.ShuttingDown after Close. It waits
// for a draft that is already being committed and does not take it twice.
func (c *Committer) CommitQueued(ctx context.Context, drafts []*Draft) ([]Outcome, error) {
	tickets, now := make([]*pendingDraft, len(drafts)), time.Now()
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil, fault.New(fault.ShuttingDown, "This process is stopping; try again.").After(time.Second)
	}
	for i, d := range drafts {
		if under := c.inflight[d.Order.ID]; under != nil {
			tickets[i] = under
			continue
		}
		tickets[i] = &pendingDraft{draft: d, since: now, done: make(chan struct{})}
		c.push(tickets[i])
	}
	c.signal()
	c.mu.Unlock()
	outcomes := make([]Outcome, len(drafts))
	for i, t := range tickets {
		out, err := t.wait(ctx)
		if errors.Is(err, ErrUndecided) {
			return nil, err
		}
		outcomes[i] = out
	}
	return outcomes, nil
}

// OldestWait returns how long the oldest undecided draft has waited, or how long commits have failed, whichever is
// longer. It returns zero when no draft waits and no commit fails.
func (c *Committer) OldestWait() (longest time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.queue) > 0 {
		longest = time.Since(c.queue[0].since)
	}
	for _, b := range c.batches {
		longest = max(longest, time.Since(b.since))
	}
	if !c.failing.IsZero() {
		longest = max(longest, time.Since(c.failing))
	}
	return longest
}

// Depth returns the number of drafts that wait or are being committed.
func (c *Committer) Depth() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.inflight)
}

// Close refuses new drafts. Call Step until Depth is zero to commit the drafts that were already accepted.
func (c *Committer) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.signal()
}

// Step commits one batch and returns the number of drafts it decided. It first looks up drafts whose commit ended
// without an answer. If that lookup fails, Step decides nothing and returns the error. A batch that the database
// refused counts as decided and is not an error.
func (c *Committer) Step(ctx context.Context) (int, error) {
	asked, err := c.resolveUnknown(ctx)
	if err != nil {
		return asked, err
	}
	// Yield once, so that goroutines that can run now may join the batch. Under load the batch grows until the
	// processors are idle; a single order does not wait. This is not a timer.
	runtime.Gosched()
	taken := c.take()
	if len(taken) == 0 {
		return asked, nil
	}
	drafts := make([]*Draft, len(taken))
	for i, t := range taken {
		drafts[i] = t.draft
	}
	began := time.Now()
	outcomes, err := c.commit(ctx, drafts)
	c.observe(len(drafts), time.Since(began), err)
	c.commitEnded(err)
	if errors.Is(err, fault.OutcomeUnknown) {
		c.mu.Lock()
		c.unknown = append(c.unknown, taken...)
		c.mu.Unlock()
		return asked, err
	}
	for i, t := range taken {
		if err != nil {
			t.outcome = Outcome{Err: err}
		} else {
			t.outcome = outcomes[i]
		}
	}
	// Each caller receives the batch's error and logs it. The loop continues immediately: a full disk is answered with
	// 503 within milliseconds, and the next batch finds out when there is space again.
	return asked + len(taken), c.finish(ctx, taken)
}

// commitEnded records the end of a commit and its error.
func (c *Committer) commitEnded(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.commits--; len(c.queue) > 0 {
		c.signal()
	}
	switch {
	case err == nil:
		c.failing = time.Time{}
	case c.failing.IsZero():
		c.failing = time.Now()
	}
}

// commit commits drafts. After a panic their outcome is unknown: Step looks them up later, so none is lost and no
// reservation is released wrongly.
func (c *Committer) commit(ctx context.Context, drafts []*Draft) (outcomes []Outcome, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fault.Wrap(fault.OutcomeUnknown, fmt.Errorf("panic in a commit: %v\n%s", p, debug.Stack()), "The outcome is not known yet.")
		}
	}()
	if err := crashpoint.Fail(crashpoint.CommitBefore); err != nil {
		return nil, err
	}
	if err := c.mint.Check(); err != nil {
		return nil, err
	}
	outcomes, err = c.store.CommitOrders(ctx, drafts, c.mint)
	if lost := crashpoint.Fail(crashpoint.CommitAfter); lost != nil {
		return nil, fault.Wrap(fault.OutcomeUnknown, lost, "The outcome is not known yet.")
	}
	return outcomes, err
}

// concurrentMin returns concurrentOrdersMin, or the batch size if that is smaller.
func (c *Committer) concurrentMin() int {
	return min(concurrentOrdersMin, c.config.Now().BatchOrdersMax)
}

// take removes the next batch from the queue and signals if drafts remain. While another commit runs, it takes nothing
// unless enough drafts wait.
func (c *Committer) take() []*pendingDraft {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := min(len(c.queue), c.config.Now().BatchOrdersMax)
	if n == 0 || c.commits > 0 && n < c.concurrentMin() {
		return nil
	}
	taken := c.queue[:n:n]
	c.queue = c.queue[n:]
	c.full.Store(false)
	if len(c.queue) == 0 {
		c.queue = nil
	} else {
		c.signal()
	}
	c.commits++
	b := &batch{since: taken[0].since, left: n}
	for _, t := range taken {
		t.batch = b
	}
	c.batches = append(c.batches, b)
	return taken
}

// finish reports the outcomes to the gate and to the waiting callers. Only an outcome releases a reservation; a client
// that disconnects does not.
func (c *Committer) finish(ctx context.Context, tickets []*pendingDraft) error {
	var errs []error
	crashpoint.Pass(crashpoint.ConfirmBefore)
	for _, t := range tickets {
		kept, decided := t.reservation()
		if !decided {
			continue
		}
		decide := c.gate.Release
		if kept {
			decide = c.gate.Confirm
		}
		errs = append(errs, decide(ctx, &t.draft.Claim))
	}
	crashpoint.Pass(crashpoint.ConfirmAfter)
	c.mu.Lock()
	for _, t := range tickets {
		delete(c.inflight, t.draft.Order.ID)
		t.batch.left--
	}
	c.batches = slices.DeleteFunc(c.batches, batchDone)
	c.mu.Unlock()
	for _, t := range tickets {
		crashpoint.Pass(crashpoint.AcknowledgeBefore)
		close(t.done)
	}
	crashpoint.Pass(crashpoint.AcknowledgeAfter)
	return errors.Join(append(errs, c.recordRefusals(ctx, tickets))...)
}

// recordRefusalsMax bounds the refusals that are written after one batch. The remaining orders count as refused when
// their deadline passes.
const recordRefusalsMax = 100

// recordRefusals writes the refusals of drafts whose shoppers were answered before the outcome was known. Those
// shoppers poll with their ticket, possibly at another process.
func (c *Committer) recordRefusals(ctx context.Context, tickets []*pendingDraft) error {
	var refused []Refusal
	for _, t := range tickets {
		d, out := t.draft, t.outcome
		if !t.left.Load() || d.Claim.Queued || out.Err == nil && out.Result == Accepted || len(refused) == recordRefusalsMax {
			continue
		}
		r, final := RefusalOf(d, out, d.Order.CreatedAt)
		if !final || out.Err != nil {
			r = Refusal{Order: d.Order.ID, Sale: d.Order.Sale, Customer: d.Order.Customer, Code: fault.OrderClosed, At: d.Order.CreatedAt}
		}
		refused = append(refused, r)
	}
	if len(refused) == 0 {
		return nil
	}
	_, err := c.store.Refuse(ctx, refused)
	return err
}

func batchDone(b *batch) bool { return b.left == 0 }

// reservation reports whether the order keeps its reservation, and whether the outcome decides that. A queued draft
// stays undecided after a failed batch or a change of its sale's terms: only its settlement releases the reservation.
func (t *pendingDraft) reservation() (kept, decided bool) {
	d, out := t.draft, &t.outcome
	if !d.Claim.Queued {
		return out.Err == nil && out.Result == Accepted, true
	}
	switch {
	case out.Err != nil, out.Result == SaleClosed, out.Result == SaleChanged:
		return false, false
	case out.Result == Accepted:
		// A draft that was committed before already has its stock. A reservation made again to settle it is released.
		return !d.ReservedAgain || !out.Again, true
	}
	return false, true
}

// outcomeOf looks a draft up in the database: by its id, then by its key, which an earlier order may have used. An
// error means that the outcome is still unknown.
func (c *Committer) outcomeOf(ctx context.Context, d *Draft) (Outcome, error) {
	if _, err := c.store.Order(ctx, d.Order.ID); err == nil {
		return Outcome{Result: Accepted}, nil
	} else if !errors.Is(err, fault.NotFound) {
		return Outcome{}, err
	}
	existing, body, err := c.store.OrderByKey(ctx, d.Claim.Sale, d.Claim.Customer, d.Claim.Key)
	switch {
	case errors.Is(err, fault.NotFound):
		return Outcome{Err: fault.New(fault.StoreUnavailable, "The order was not taken; try again with the same key.").After(time.Second)}, nil
	case err != nil:
		return Outcome{}, err
	case body != d.Claim.Body:
		return Outcome{Result: KeyReused}, nil
	}
	return Outcome{Result: Replayed, Existing: &existing}, nil
}

// resolveUnknown looks up, by id, the drafts whose commit ended without an answer.
func (c *Committer) resolveUnknown(ctx context.Context) (int, error) {
	c.resolving.Lock()
	defer c.resolving.Unlock()
	c.mu.Lock()
	unknown := c.unknown
	c.mu.Unlock()
	if len(unknown) == 0 {
		return 0, nil
	}
	for _, t := range unknown {
		var err error
		if t.outcome, err = c.outcomeOf(ctx, t.draft); err != nil {
			c.signal()
			return 0, err
		}
	}
	c.mu.Lock()
	c.unknown = c.unknown[len(unknown):] // another commit may have appended its own meanwhile
	c.mu.Unlock()
	return len(unknown), c.finish(ctx, unknown)
}
