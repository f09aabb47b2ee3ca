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

// Worker settles the intents in the log. It commits each intent or writes its refusal, releases the reservation of a
// refused one, and only then allows the message to be acknowledged. A broker may deliver an intent several times, out
// of order and days later; the order's id makes the settlement idempotent. It is safe for concurrent use.
type Worker struct {
	committer Committer
	gate      inventory.Gate
	sales     order.Sales
	clock     clock.Clock
	intake    *Intake
	observe   Observer
}

// NewWorker returns a worker that reports decisions to the intake of its process.
func NewWorker(q *Intake, sales order.Sales) *Worker {
	return &Worker{committer: q.committer, gate: q.gate, sales: sales, clock: q.clock, intake: q, observe: q.observe}
}

// The bounds of the pause before a worker retries after a database failure.
const (
	retryMin = 50 * time.Millisecond
	retryMax = 2 * time.Second
)

// Process settles the intents of messages, in any order, and returns when all are decided. It retries while the
// database is unavailable, until ctx ends; any error except ErrMalformed means that the messages must be delivered
// again. It returns a wrapped ErrMalformed for an unreadable message; call it with single messages to find which one.
func (w *Worker) Process(ctx context.Context, messages [][]byte) error {
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
		if !sleep(ctx, pause) {
			return errors.Join(err, ctx.Err())
		}
	}
}

// prepare completes a decoded draft. The payment deadline starts now and keeps its original length, because nobody can
// pay while an order is queued.
func (w *Worker) prepare(ctx context.Context, d *order.Draft) {
	now := w.clock.Now().Truncate(time.Millisecond)
	if waited := now.Sub(d.Order.CreatedAt); waited > 0 {
		d.Order.ExpiresAt = d.Order.ExpiresAt.Add(waited)
	}
	d.SettledAt = now
	if d.Claim.Sale == 0 {
		d.UnpaidMax = w.intake.config.Now().UnpaidMax()
	}
	d.Encode()
	if w.intake.knows(d.Order.ID) {
		return
	}
	// Another process, or this one before a restart, made the reservation. A gate in memory that was rebuilt since does
	// not know it; it is then made again, so that the gate's count stays right after the commit. If the gate is
	// unreachable the draft continues: the database's guard decides, and the gate learns of the commit later.
	found, err := w.gate.Find(ctx, &d.Claim)
	if err != nil || found.Verdict == inventory.Replay || found.Verdict == inventory.KeyReused {
		return
	}
	epoch := d.Claim.Epoch
	taken, err := w.gate.Reserve(ctx, &d.Claim)
	d.Claim.Epoch = epoch // the epoch in which the shopper was told that it is queued
	d.ReservedAgain = err == nil && taken.Verdict == inventory.Reserved
}

// round commits the open drafts once and returns those without an outcome.
func (w *Worker) round(ctx context.Context, open []*order.Draft) ([]*order.Draft, error) {
	outcomes, err := w.committer.CommitQueued(ctx, open)
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
			if err := w.checkTerms(ctx, d, out.Result); err != nil {
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

// checkTerms compares the draft with its sale's current terms. If the price is unchanged, the draft moves to the new
// version; if the price changed or the sale is over, the draft is refused. If the cache of sales has not seen the
// change yet, the draft is tried again and meets the same guard.
func (w *Worker) checkTerms(ctx context.Context, d *order.Draft, r order.Result) error {
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
		return nil // the cache of sales has not seen the change yet
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

// sleep waits for pause and reports whether ctx is still alive.
func sleep(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// knows reports whether this process queued the intent and has no outcome for it. The gate then knows its reservation.
func (q *Intake) knows(o id.Order) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.open[o] != nil
}

// decided wakes the callers that await an order.
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
