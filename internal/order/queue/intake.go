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

// Mode says which way an order goes.
type mode string

// The modes of orders.intake.
const (
	direct mode = order.IntakeDirect
	queued mode = order.IntakeQueue
	auto   mode = order.IntakeAuto
)

// Intake appends the intents of orders to a log, many in one message, as the group commit takes many orders in one
// transaction: whatever has come while the last append was under way goes with the next. It is safe for concurrent use.
type Intake struct {
	log       Log
	committer Committer
	gate      inventory.Gate
	store     Store
	clock     clock.Clock
	mint      *id.Mint
	config    order.Config
	observe   Observer

	switching switching
	drained   drainRate

	mu      sync.Mutex
	pending []*entry
	again   []*group // their append ended without an answer
	// appending is how many intents are in appends that are under way.
	appending int
	open      map[id.Order]*entry
	watched   map[id.Order]*watch
	closed    bool
	wake      chan struct{}
}

// entry is an intent of this process that is not decided.
type entry struct {
	draft    *order.Draft // until it is appended
	customer id.Customer
	order    id.Order
	since    time.Time
	kept     bool
	appended chan struct{} // closed when kept, or err, is set
	err      error
	decided  chan struct{} // closed when outcome is set
	outcome  order.Outcome
}

// group is a message of intents.
type group struct {
	number  int64
	at      time.Time
	body    []byte
	entries []*entry
	tried   bool // it may have been appended
}

// Parts is what an Intake is made of.
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

// New returns an intake that nobody drives yet: see AppendStep and LookStep.
func New(p Parts) *Intake {
	return &Intake{
		log: p.Log, committer: p.Committer, gate: p.Gate, store: p.Store, clock: p.Clock, mint: p.Mint, config: p.Config, observe: p.Observer,
		switching: switching{mode: mode(p.Config.Intake), slow: p.Config.QueueAfter},
		open:      map[id.Order]*entry{}, watched: map[id.Order]*watch{}, wake: make(chan struct{}, 1),
	}
}

// Wake is signalled when there is something to append.
func (q *Intake) Wake() <-chan struct{} { return q.wake }

// Queues implements order.Intake.
func (q *Intake) Queues() bool { return q.switching.queues() }

// Submit implements order.Intake: a draft whose claim says so is queued, any other is committed at once. It returns Enqueued
// when the intent is durable. fault.Overloaded says that the backlog is full, or that the log cannot be reached;
// fault.ShuttingDown comes after Close. The reservation has been given back then.
func (q *Intake) Submit(ctx context.Context, d *order.Draft) (order.Outcome, error) {
	if !d.Claim.Queued {
		return q.committer.Submit(ctx, d)
	}
	e := &entry{
		draft: d, customer: d.Order.Customer, order: d.Order.ID, since: time.Now(),
		appended: make(chan struct{}), decided: make(chan struct{}),
	}
	if err := q.enqueue(e); err != nil {
		return order.Outcome{}, errors.Join(err, q.gate.Settle(ctx, &d.Claim, false))
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
	case len(q.open) >= q.config.BacklogOrdersMax:
		return fault.New(fault.Overloaded, "Too many orders wait for their turn; try again.").After(q.drained.wait(len(q.open)))
	case len(q.pending) >= q.config.QueueOrdersMax:
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

// Queued implements order.Intake.
func (q *Intake) Queued(o id.Order, c id.Customer) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	e := q.open[o]
	return e != nil && e.customer == c && e.kept
}

// Depth returns how many orders of this process are not decided: those that are queued, and those that wait for a commit.
func (q *Intake) Depth() int { return q.Backlog() + q.committer.Depth() }

// Backlog returns how many intents of this process are not decided.
func (q *Intake) Backlog() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.open)
}

// Unkept returns how many intents of this process are not in the log yet, as far as it knows.
func (q *Intake) Unkept() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := len(q.pending) + q.appending
	for _, g := range q.again {
		n += len(g.entries)
	}
	return n
}

// Close refuses further intents. What was taken is still to be appended: AppendStep until Unkept is zero.
func (q *Intake) Close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.signal()
}

// messageBytesMax bounds a message of intents: every broker takes a message of this size as it comes out of the box.
const messageBytesMax = 400 << 10

// AppendStep appends one message and returns how many intents it kept. Several loops may drive it: that many appends are
// under way at once. A message that was never answered goes first, again under its number: it is kept, and its shoppers
// learn that, as soon as the log says so.
func (q *Intake) AppendStep(ctx context.Context) (int, error) {
	runtime.Gosched() // whoever can run now may still join: see order.Committer.Step
	g := q.take()
	if g == nil {
		return 0, nil
	}
	began := time.Now()
	bounded, cancel := context.WithTimeout(ctx, q.config.AnswerWithin)
	crashpoint.Pass(crashpoint.QueueAppendBefore)
	err := q.log.Append(bounded, g.number, g.body, g.at)
	crashpoint.Pass(crashpoint.QueueAppendAfter)
	cancel()
	q.observe.Appended(len(g.entries), time.Since(began), err)
	kept, again := 0, false
	switch {
	case err == nil:
		q.keep(g)
		kept = len(g.entries)
	case errors.Is(err, ErrNotAppended) && !g.tried:
		err = errors.Join(err, q.drop(ctx, g))
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

// take removes the next message from what waits, and says that there is more.
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
	for len(g.entries) < len(q.pending) && len(g.entries) < q.config.BatchOrdersMax && len(g.body) < messageBytesMax {
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

// keep notes that a message is in the log.
func (q *Intake) keep(g *group) {
	q.mu.Lock()
	for _, e := range g.entries {
		e.kept, e.draft = true, nil // the log has it; a backlog of 100,000 is then a few megabytes here
	}
	q.mu.Unlock()
	for _, e := range g.entries {
		close(e.appended)
	}
}

// drop gives back what the log has not taken, and will not.
func (q *Intake) drop(ctx context.Context, g *group) error {
	var errs []error
	for _, e := range g.entries {
		errs = append(errs, q.gate.Settle(ctx, &e.draft.Claim, false))
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
