package queue

import (
	"context"
	"errors"
	"time"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/crashpoint"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
)

// Worker settles what is in the log: it commits each intent or writes its refusal, gives back the reservation of one that
// is refused, and only then lets the message be acknowledged. An intent may come three times, out of order, and again the
// next day: its order's id decides that it is settled once. Safe for concurrent use.
type Worker struct {
	committer Committer
	gate      inventory.Gate
	sales     order.Sales
	clock     clock.Clock
	intake    *Intake
	observe   Observer
}

// NewWorker returns a worker that tells the intake of its process what was decided.
func NewWorker(q *Intake, sales order.Sales) *Worker {
	return &Worker{committer: q.committer, gate: q.gate, sales: sales, clock: q.clock, intake: q, observe: q.observe}
}

// How long a worker waits before it tries again what a database that is away has not taken.
const (
	retryMin = 50 * time.Millisecond
	retryMax = 2 * time.Second
)

// Settle settles the intents of messages, in whatever order they can be. It returns when all are decided. A database that is
// away is waited for until ctx ends, and then any error but ErrMalformed says that the messages are to be delivered again.
// It returns ErrMalformed, wrapped, for a message that cannot be read; call it with that message alone to tell which.
func (w *Worker) Settle(ctx context.Context, messages [][]byte) error {
	crashpoint.Pass(crashpoint.QueueReceiveAfter)
	var open []*order.Draft
	for _, m := range messages {
		drafts, err := decodeIntents(m)
		if err != nil {
			return err
		}
		open = append(open, drafts...)
	}
	for _, d := range open {
		w.prepare(ctx, d)
	}
	for pause := retryMin; ; pause = min(2*pause, retryMax) {
		left, err := w.round(ctx, open)
		if err == nil && len(left) == 0 {
			crashpoint.Pass(crashpoint.QueueAcknowledgeBefore)
			return nil
		}
		if err == nil {
			open = left
		}
		if !rest(ctx, pause) {
			return errors.Join(err, ctx.Err())
		}
	}
}

// prepare makes a decoded draft what it was when it was accepted. Its hold lasts from now on as long as it was to last from
// then: nobody can pay while it is queued.
func (w *Worker) prepare(ctx context.Context, d *order.Draft) {
	now := w.clock.Now().Truncate(time.Millisecond)
	if waited := now.Sub(d.Order.CreatedAt); waited > 0 {
		d.Order.ExpiresAt = d.Order.ExpiresAt.Add(waited)
	}
	d.SettledAt = now
	d.Encode()
	if w.intake.knows(d.Order.ID) {
		return
	}
	// Another process, or an earlier life of this one, has reserved it. A gate that is in memory, and was rebuilt since, does
	// not know the reservation; then it is made again, so that the gate's count is right once the order is committed. A gate that
	// cannot be asked holds nothing up: the database's guard decides, and the gate hears of it.
	found, err := w.gate.Find(ctx, &d.Claim)
	if err != nil || found.Verdict == inventory.Same || found.Verdict == inventory.OtherBody {
		return
	}
	taken, err := w.gate.Reserve(ctx, &d.Claim)
	d.Late = err == nil && taken.Verdict == inventory.Reserved
}

// round commits what is open once and returns what is not decided yet.
func (w *Worker) round(ctx context.Context, open []*order.Draft) ([]*order.Draft, error) {
	outcomes, err := w.committer.Settle(ctx, open)
	if err != nil {
		return nil, err
	}
	var left []*order.Draft
	var accepted, refused int
	for i, d := range open {
		switch out := outcomes[i]; {
		case out.Err != nil:
			left = append(left, d)
		case out.Result == order.SaleClosed || out.Result == order.SaleChanged:
			if err := w.askTerms(ctx, d, out.Result); err != nil {
				return nil, err
			}
			left = append(left, d)
		case out.Result == order.Accepted:
			accepted++
			w.intake.decided(d.Order.ID, out)
		default:
			refused++
			w.intake.decided(d.Order.ID, order.Outcome{Result: order.Declined})
		}
	}
	w.intake.drained.add(accepted + refused)
	w.observe.Settled(accepted, refused)
	return left, nil
}

// askTerms looks what the sale of a draft has become. Terms that ask the same price for it are taken for those that it was
// accepted under; for others, and for a sale that is over, the draft is refused. The database may have heard of a change
// before the book: then the draft is tried again and meets the same guard.
func (w *Worker) askTerms(ctx context.Context, d *order.Draft, r order.Result) error {
	sl, err := w.sales.Sale(ctx, d.Order.Sale)
	if errors.Is(err, fault.NotFound) {
		d.Refusal = fault.SaleEnded
		return nil
	}
	if err != nil {
		return err
	}
	if refusal := sl.Refusal(w.clock.Now()); refusal != nil {
		d.Refusal = refusal.Code
		return nil
	}
	if r == order.SaleClosed || sl.Version == d.SaleVersion {
		return nil // the book has not heard of it yet
	}
	for _, l := range d.Order.Lines {
		item := sl.Item(l.SKU)
		if item == nil || item.Price.Minor != l.UnitPrice || item.Price.Currency != d.Order.Total.Currency {
			d.Refusal = fault.SaleLocked
			return nil
		}
	}
	d.SaleVersion = sl.Version
	return nil
}

// rest waits, and reports whether ctx lets it go on.
func rest(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// knows reports whether the intent was queued in this process and is not decided: then its reservation is known to the gate.
func (q *Intake) knows(o id.Order) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.open[o] != nil
}

// decided tells those who wait for an order that it is decided.
func (q *Intake) decided(o id.Order, out order.Outcome) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if e := q.open[o]; e != nil {
		delete(q.open, o)
		e.outcome = out
		close(e.decided)
	}
	if w := q.watched[o]; w != nil {
		delete(q.watched, o)
		close(w.decided)
	}
}
