package queue

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"time"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/crashpoint"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
)

var _ order.Intake = (*Intake)(nil)

// mode is a way for new orders: direct or through the queue.
type mode string

// The modes of orders.intake.
const (
	direct mode = order.IntakeDirect
	queued mode = order.IntakeQueue
	auto   mode = order.IntakeAuto
)

// Intake appends intents of orders to a log, many in one message. Intents that arrive while an append runs share the
// next message, as in group commit. It is safe for concurrent use.
type Intake struct {
	log       Log
	committer Committer
	gate      inventory.Gate
	store     Store
	clock     clock.Clock
	mint      *id.Mint
	config    order.Limits
	observe   Observer

	switching modeSwitch
	drained   drainRate

	mu      sync.Mutex
	pending []*entry
	again   []*group // the append ended without an answer
	// appending is the number of intents in running appends.
	appending int
	open      map[id.Order]*entry
	watched   map[id.Order]*watch
	closed    bool
	wake      chan struct{}
}

// entry is an intent of this process that has no outcome yet.
type entry struct {
	draft    *order.Draft // nil once appended
	customer id.Customer
	order    id.Order
	since    time.Time
	kept     bool
	appended chan struct{} // closed when kept or err is set
	err      error
	decided  chan struct{} // closed when outcome is set
	outcome  order.Outcome
}

// group is one message of intents.
type group struct {
	number  int64
	at      time.Time
	body    []byte
	entries []*entry
	tried   bool // an earlier append may have succeeded
}

// Parts holds the dependencies of an Intake.
type Parts struct {
	Log       Log
	Committer Committer
	Gate      inventory.Gate
	Store     Store
	Clock     clock.Clock
	Mint      *id.Mint
	Config    order.Config
	Observer  Observer
}

// New returns an idle intake. Its owner calls AppendStep, PollStep and SwitchStep.
func New(p Parts) *Intake {
	q := &Intake{
		log: p.Log, committer: p.Committer, gate: p.Gate, store: p.Store, clock: p.Clock, mint: p.Mint, observe: p.Observer,
		switching: modeSwitch{mode: mode(p.Config.Intake), slow: p.Config.QueueAfter},
		open:      map[id.Order]*entry{}, watched: map[id.Order]*watch{}, wake: make(chan struct{}, 1),
	}
	q.config.Set(p.Config)
	return q
}

// SetLimits has the intake, and the worker over it, go by the live settings of c: see order.Limits.
func (q *Intake) SetLimits(c order.Config) { q.config.Set(c) }

// Wake is signalled when AppendStep has work to do.
func (q *Intake) Wake() <-chan struct{} { return q.wake }

// Queues implements order.Intake.
func (q *Intake) Queues() bool { return q.switching.queues() }

// Submit implements order.Intake. It queues a draft whose claim says so and commits any other directly. It returns
// Enqueued when the intent is durable. It returns fault.Overloaded when the backlog is full or the log is unreachable,
// and fault.ShuttingDown after Close. In both cases it has released the reservation.
func (q *Intake) Submit(ctx context.Context, d *order.Draft) (order.Outcome, error) {
	if !d.Claim.Queued {
		return q.committer.Submit(ctx, d)
	}
	e := &entry{
		draft: d, customer: d.Order.Customer, order: d.Order.ID, since: time.Now(),
		appended: make(chan struct{}), decided: make(chan struct{}),
	}
	if err := q.enqueue(e); err != nil {
		return order.Outcome{}, errors.Join(err, q.gate.Release(ctx, &d.Claim))
	}
	select {
	case <-e.appended:
		if e.err != nil {
			return order.Outcome{}, e.err
		}
		return order.Outcome{Result: order.Enqueued}, nil
	case <-ctx.Done():
		return order.Outcome{}, order.ErrUndecided
	}
}

func (q *Intake) enqueue(e *entry) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
		return fault.New(fault.ShuttingDown, "This process is stopping; try again.").After(time.Second)
	case len(q.open) >= q.config.Now().BacklogOrdersMax:
		return fault.New(fault.Overloaded, "Too many orders wait for their turn; try again.").After(q.drained.wait(len(q.open)))
	case len(q.pending) >= q.config.Now().QueueOrdersMax:
		return fault.New(fault.Overloaded, "Too many orders are waiting; try again.").After(time.Second)
	}
	q.pending = append(q.pending, e)
	q.open[e.order] = e
	q.signal()
	return nil
}

func (q *Intake) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// Wait implements order.Intake.
func (q *Intake) Wait(ctx context.Context, o id.Order, c id.Customer) (order.Outcome, bool, error) {
	q.mu.Lock()
	e := q.open[o]
	q.mu.Unlock()
	if e == nil || e.customer != c {
		return q.committer.Wait(ctx, o, c)
	}
	select {
	case <-e.decided:
		return e.outcome, true, nil
	case <-ctx.Done():
		return order.Outcome{}, true, order.ErrUndecided
	}
}

// Claim implements order.Intake.
func (q *Intake) Claim(o id.Order, c id.Customer) *inventory.Claim {
	q.mu.Lock()
	e := q.open[o]
	q.mu.Unlock()
	switch {
	case e == nil:
		return q.committer.Claim(o, c)
	case e.customer != c:
		return nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if e.draft == nil {
		return nil
	}
	return &e.draft.Claim
}

// Queued implements order.Intake.
func (q *Intake) Queued(o id.Order, c id.Customer) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	e := q.open[o]
	return e != nil && e.customer == c && e.kept
}

// Depth returns the number of undecided orders of this process: queued, or waiting for a commit.
func (q *Intake) Depth() int { return q.Backlog() + q.committer.Depth() }

// Backlog returns the number of undecided intents of this process.
func (q *Intake) Backlog() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.open)
}

// Unappended returns the number of this process's intents whose append is not confirmed.
func (q *Intake) Unappended() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := len(q.pending) + q.appending
	for _, g := range q.again {
		n += len(g.entries)
	}
	return n
}

// Close refuses new intents. Call AppendStep until Unappended is zero to append the intents that were already accepted.
func (q *Intake) Close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.signal()
}

// messageBytesMax bounds a message of intents. Every supported broker accepts this size with its default settings.
const messageBytesMax = 400 << 10

// AppendStep appends one message and returns the number of intents that became durable. Several loops may call it, one
// for each parallel append. A message whose append ended without an answer is retried first, under its old number,
// until the log confirms it.
func (q *Intake) AppendStep(ctx context.Context) (int, error) {
	runtime.Gosched() // lets goroutines that can run join: see order.Committer.Step
	g := q.take()
	if g == nil {
		return 0, nil
	}
	began := time.Now()
	bounded, cancel := context.WithTimeout(ctx, q.config.Now().AnswerWithin)
	crashpoint.Pass(crashpoint.QueueAppendBefore)
	err := q.log.Append(bounded, g.number, g.body, g.at)
	crashpoint.Pass(crashpoint.QueueAppendAfter)
	cancel()
	q.observe.Appended(len(g.entries), time.Since(began), err)
	kept, again := 0, false
	switch {
	case err == nil:
		q.appended(g)
		kept = len(g.entries)
	case errors.Is(err, ErrNotAppended) && !g.tried:
		err = errors.Join(err, q.discard(ctx, g))
	default:
		g.tried, again = true, true
	}
	q.mu.Lock()
	q.appending -= len(g.entries)
	if again {
		q.again = append(q.again, g)
	}
	q.mu.Unlock()
	return kept, err
}

// take removes the next message from the waiting intents and signals if more remain.
func (q *Intake) take() *group {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.again) > 0 {
		g := q.again[0]
		q.again = q.again[1:]
		q.appending += len(g.entries)
		return g
	}
	if len(q.pending) == 0 {
		return nil
	}
	g := &group{number: q.mint.Next(), at: q.clock.Now().Truncate(time.Millisecond)}
	for len(g.entries) < len(q.pending) && len(g.entries) < q.config.Now().BatchOrdersMax && len(g.body) < messageBytesMax {
		e := q.pending[len(g.entries)]
		g.body = appendIntent(g.body, e.draft)
		g.entries = q.pending[:len(g.entries)+1]
	}
	g.entries = append([]*entry(nil), g.entries...)
	q.appending += len(g.entries)
	if q.pending = q.pending[len(g.entries):]; len(q.pending) == 0 {
		q.pending = nil
	} else {
		q.signal()
	}
	return g
}

// appended records that the log has a message.
func (q *Intake) appended(g *group) {
	q.mu.Lock()
	for _, e := range g.entries {
		e.kept, e.draft = true, nil // the log has it; dropping the draft keeps a backlog of 100,000 to a few megabytes
	}
	q.mu.Unlock()
	for _, e := range g.entries {
		close(e.appended)
	}
}

// discard releases the reservations of a message that the log has refused.
func (q *Intake) discard(ctx context.Context, g *group) error {
	var errs []error
	for _, e := range g.entries {
		errs = append(errs, q.gate.Release(ctx, &e.draft.Claim))
	}
	q.mu.Lock()
	for _, e := range g.entries {
		delete(q.open, e.order)
	}
	q.mu.Unlock()
	for _, e := range g.entries {
		e.err = fault.New(fault.Overloaded, "Orders cannot be queued at the moment; try again.").After(2 * time.Second)
		e.outcome = order.Outcome{Result: order.Declined}
		close(e.appended)
		close(e.decided)
	}
	return errors.Join(errs...)
}
