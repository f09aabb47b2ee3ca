package order

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/crashpoint"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// ErrUndecided says that the outcome of a submitted draft was not known in time. It is not a failure: ask by the order's id.
var ErrUndecided = errors.New("the outcome is not known yet")

var _ Intake = (*Committer)(nil)

// BatchObserver is told of every commit: how many drafts, how long it took, and its error.
type BatchObserver func(drafts int, took time.Duration, err error)

// Committer is the direct intake: group commit. Whatever has queued while the last commit ran is the next batch; there
// is no timer. It is safe for concurrent use: as many loops as the database bears commits at once may drive Step.
type Committer struct {
	store   Store
	gate    inventory.Gate
	mint    *id.Mint
	config  Config
	observe BatchObserver

	mu       sync.Mutex
	queue    []*ticket
	inflight map[id.Order]*ticket
	unknown  []*ticket // their transaction ended without an answer
	closed   bool
	wake     chan struct{}

	commits int       // under way
	batches []*batch  // taken from the queue and not settled
	failing time.Time // since when commits fail

	resolving sync.Mutex // held by the one who asks after what is unknown
}

// batch is what was taken from the queue together.
type batch struct {
	since time.Time // when the first of it was submitted
	left  int       // drafts that are not settled
}

// besideOrdersMin is how many drafts have to wait before they are committed beside a commit that is under way. A commit has a
// price whatever its size: fewer are cheaper together with those who come meanwhile.
const besideOrdersMin = 48

// ticket is a draft and those who wait for it.
type ticket struct {
	draft   *Draft
	batch   *batch // nil while it waits
	since   time.Time
	outcome Outcome
	done    chan struct{} // closed when outcome is set
}

// NewCommitter returns a committer that nobody drives yet: see Step and Wake.
func NewCommitter(s Store, g inventory.Gate, m *id.Mint, c Config, o BatchObserver) *Committer {
	return &Committer{store: s, gate: g, mint: m, config: c, observe: o, inflight: map[id.Order]*ticket{}, wake: make(chan struct{}, 1)}
}

// Wake is signalled when there is something for Step to do.
func (c *Committer) Wake() <-chan struct{} { return c.wake }

// Submit implements Intake. It returns fault.Overloaded where the queue is full and fault.ShuttingDown after Close; the
// reservation has been given back then.
func (c *Committer) Submit(ctx context.Context, d *Draft) (Outcome, error) {
	t := &ticket{draft: d, since: time.Now(), done: make(chan struct{})}
	crashpoint.Pass(crashpoint.AppendBefore)
	if err := c.enqueue(t); err != nil {
		return Outcome{}, errors.Join(err, c.gate.Settle(ctx, &d.Claim, false))
	}
	crashpoint.Pass(crashpoint.AppendAfter)
	return t.wait(ctx)
}

func (c *Committer) enqueue(t *ticket) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return fault.New(fault.ShuttingDown, "This process is stopping; try again.").After(time.Second)
	case len(c.queue) >= c.config.QueueOrdersMax:
		return fault.New(fault.Overloaded, "Too many orders are waiting; try again.").After(time.Second)
	}
	c.push(t)
	if c.commits == 0 || len(c.queue) >= c.besideMin() {
		c.signal() // else whoever ends the commit that is under way looks
	}
	return nil
}

// push adds a draft to the queue; the caller holds c.mu.
func (c *Committer) push(t *ticket) {
	c.queue = append(c.queue, t)
	c.inflight[t.draft.Order.ID] = t
}

func (c *Committer) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (t *ticket) wait(ctx context.Context) (Outcome, error) {
	select {
	case <-t.done:
		return t.outcome, t.outcome.Err
	case <-ctx.Done():
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

// Queues implements Intake: a draft is committed before its shopper is answered.
func (c *Committer) Queues() bool { return false }

// Queued implements Intake.
func (c *Committer) Queued(id.Order, id.Customer) bool { return false }

// Decided implements Intake: there is nobody to say so, so whoever asks looks now and then.
func (c *Committer) Decided(ctx context.Context, _ id.Order) {
	timer := time.NewTimer(pollMax)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// Settle commits drafts that were queued, and returns what became of each: an error in its outcome says that nothing is
// decided yet, and it is to be settled again. It returns ErrUndecided where ctx ends first, and fault.ShuttingDown after
// Close. A draft that is under way already is waited for, not taken twice.
func (c *Committer) Settle(ctx context.Context, drafts []*Draft) ([]Outcome, error) {
	tickets, now := make([]*ticket, len(drafts)), time.Now()
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
		tickets[i] = &ticket{draft: d, since: now, done: make(chan struct{})}
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

// Waited returns for how long the oldest draft has waited for its commit, or is in it, or for how long commits have failed
// where that is longer; zero where none waits and none fails.
func (c *Committer) Waited() (longest time.Duration) {
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

// Depth returns how many drafts wait or are under way.
func (c *Committer) Depth() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.inflight)
}

// Close refuses further drafts. What was taken is still to be driven: Step until Depth is zero.
func (c *Committer) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.signal()
}

// Step commits one batch and returns how many drafts it decided. First it asks after the drafts whose commit was never
// answered: while that cannot be told, nothing is decided and the error is returned. A batch that was refused as a whole
// is decided, and no error of Step.
func (c *Committer) Step(ctx context.Context) (int, error) {
	asked, err := c.resolve(ctx)
	if err != nil {
		return asked, err
	}
	// Whoever can run now may still join: under a crowd the batch grows until the processors have nothing else to do, and a
	// lone order waits for nobody. It is a turn given away, not a timer.
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
	c.ended(err)
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
	// What refused the batch is told to everyone in it, and logged where they are answered: the loop goes on at once, so that
	// a full disk answers 503 in milliseconds and is found empty again by the next batch.
	return asked + len(taken), c.settle(ctx, taken)
}

// ended notes that a commit has ended, and how.
func (c *Committer) ended(err error) {
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

// commit commits drafts. A panic leaves their outcome unknown, so that they are asked after like any other, and neither
// lost nor given back.
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

// besideMin is besideOrdersMin, or a whole batch where that is less.
func (c *Committer) besideMin() int { return min(besideOrdersMin, c.config.BatchOrdersMax) }

// take removes the next batch from the queue, and says that there is more. Beside a commit that is under way it takes nothing
// where few wait.
func (c *Committer) take() []*ticket {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := min(len(c.queue), c.config.BatchOrdersMax)
	if n == 0 || c.commits > 0 && n < c.besideMin() {
		return nil
	}
	taken := c.queue[:n:n]
	c.queue = c.queue[n:]
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

// settle tells the gate and those who wait. Only a batch's outcome gives a reservation back, never a client that left.
func (c *Committer) settle(ctx context.Context, tickets []*ticket) error {
	var errs []error
	crashpoint.Pass(crashpoint.ConfirmBefore)
	for _, t := range tickets {
		kept, decided := t.verdict()
		if !decided {
			continue
		}
		if err := c.gate.Settle(ctx, &t.draft.Claim, kept); err != nil {
			errs = append(errs, err)
		}
	}
	crashpoint.Pass(crashpoint.ConfirmAfter)
	c.mu.Lock()
	for _, t := range tickets {
		delete(c.inflight, t.draft.Order.ID)
		t.batch.left--
	}
	c.batches = slices.DeleteFunc(c.batches, settled)
	c.mu.Unlock()
	for _, t := range tickets {
		crashpoint.Pass(crashpoint.AcknowledgeBefore)
		close(t.done)
	}
	crashpoint.Pass(crashpoint.AcknowledgeAfter)
	return errors.Join(errs...)
}

func settled(b *batch) bool { return b.left == 0 }

// verdict reports whether the draft's units are its order's, and whether its outcome decides that: only settling a queued
// intent decides its reservation, so a batch that failed, and terms that have to be asked about, leave it as it is.
func (t *ticket) verdict() (kept, decided bool) {
	d, out := t.draft, &t.outcome
	if !d.Claim.Queued {
		return out.Err == nil && out.Result == Accepted, true
	}
	switch {
	case out.Err != nil, out.Result == SaleClosed, out.Result == SaleChanged:
		return false, false
	case out.Result == Accepted:
		// One that was committed before has its units already: those that were taken to settle it again go back.
		return !d.Late || !out.Again, true
	}
	return false, true
}

// fateOf asks the database what became of a draft: by its id, and where that is not there by its key, which an earlier order
// may have. Only an error says that nobody knows.
func (c *Committer) fateOf(ctx context.Context, d *Draft) (Outcome, error) {
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
		return Outcome{Result: OtherBody}, nil
	}
	return Outcome{Result: Replayed, Existing: &existing}, nil
}

// resolve asks the database, by id, after the drafts whose commit was never answered.
func (c *Committer) resolve(ctx context.Context) (int, error) {
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
		if t.outcome, err = c.fateOf(ctx, t.draft); err != nil {
			c.signal()
			return 0, err
		}
	}
	c.mu.Lock()
	c.unknown = c.unknown[len(unknown):] // another commit may have added its own
	c.mu.Unlock()
	return len(unknown), c.settle(ctx, unknown)
}
