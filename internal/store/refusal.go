package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/bits"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/store/engine"
)

// Refusal reads why a queued order was refused. It returns fault.NotFound.
func (s *Store) Refusal(ctx context.Context, o id.Order) (order.Refusal, error) {
	r := order.Refusal{Order: o}
	var code string
	var at int64
	err := s.queryRow(ctx, `
		SELECT sale_id, customer_id, code, sku_id, instead_id, at
		FROM refusal
		WHERE order_id = ?`, []any{o}, &r.Sale, &r.Customer, &code, &r.SKU, &r.Instead, &at)
	if err != nil {
		return r, notFound(readError(err), "refused order", o)
	}
	r.At = fromMillis(at)
	var known bool
	if r.Code, known = fault.Parse(code); !known {
		return r, fmt.Errorf("the refusal of order %s says %q, which is no code", o, code)
	}
	return r, nil
}

// Fates returns those of the orders that were committed or refused, in no order.
func (s *Store) Fates(ctx context.Context, wanted []id.Order) ([]id.Order, error) {
	if len(wanted) == 0 {
		return nil, nil
	}
	places, args := inListOfOrders(wanted)
	rows, err := s.query(ctx, `
		SELECT id
		FROM orders
		WHERE id IN (`+places+`)
		UNION
		SELECT order_id
		FROM refusal
		WHERE order_id IN (`+places+`)`, append(args, args...)...)
	return collect(rows, err, scanID)
}

func scanID(rows *sql.Rows) (o id.Order, err error) { return o, rows.Scan(&o) }

// inListOfOrders returns the placeholders and values of an IN list. It rounds the length up, so that few statements are
// prepared.
func inListOfOrders(wanted []id.Order) (places string, args []any) {
	n := 1 << bits.Len(uint(len(wanted)-1))
	args = make([]any, n)
	for i := range args {
		args[i] = wanted[min(i, len(wanted)-1)]
	}
	return placeholders(n), args
}

// declined marks queued drafts that were refused before; they are not tried again. It reports whether there is one, or
// a draft of which only a refusal is to be written.
func (b *batch) declined() (bool, error) {
	queued := b.queued(func(order.Outcome) bool { return true })
	if len(queued) == 0 {
		return false, nil
	}
	some := false
	known, err := b.refusedBefore(queued)
	if err != nil {
		return false, err
	}
	for i, d := range b.drafts {
		switch {
		case known[d.Order.ID]:
			b.outcomes[i].Result = order.Declined
			some = true
		case d.Refusal != fault.Internal:
			some = true
		}
	}
	return some, nil
}

// queued returns the queued drafts whose outcome satisfies which.
func (b *batch) queued(which func(order.Outcome) bool) []id.Order {
	var all []id.Order
	for i, d := range b.drafts {
		if d.Claim.Queued && which(b.outcomes[i]) {
			all = append(all, d.Order.ID)
		}
	}
	return all
}

func (b *batch) refusedBefore(wanted []id.Order) (map[id.Order]bool, error) {
	known := map[id.Order]bool{}
	if len(wanted) == 0 {
		return known, nil
	}
	places, args := inListOfOrders(wanted)
	rows, err := b.tx.Query(`
		SELECT order_id
		FROM refusal
		WHERE order_id IN (`+places+`)`+b.tx.sql(forUpdate), args...)
	found, err := collect(rows, err, scanID)
	for _, o := range found {
		known[o] = true
	}
	return known, err
}

// again decides a queued draft whose order was not inserted. If it was committed before, it is accepted again.
func (b *batch) again(i int) error {
	d, out := b.drafts[i], &b.outcomes[i]
	if !d.Claim.Queued {
		return nil
	}
	switch out.Result {
	case order.Replayed:
		if out.Existing.ID == d.Order.ID {
			*out = order.Outcome{Result: order.Accepted, Again: true}
		}
	case order.Collision:
		found, err := b.tx.order(d.Order.ID)
		if err != nil && !errors.Is(err, fault.NotFound) {
			return err
		}
		if err == nil && found.Customer == d.Order.Customer && found.Sale == d.Order.Sale && found.CreatedAt.Equal(d.Order.CreatedAt) {
			*out = order.Outcome{Result: order.Accepted, Again: true}
		}
	}
	return nil
}

// decline writes the refusals of queued drafts with a final outcome other than an order. It accepts again what was
// committed before.
func (b *batch) decline() error {
	for i, d := range b.drafts {
		if !d.Claim.Queued || b.outcomes[i].Result == order.Declined {
			continue
		}
		if err := b.again(i); err != nil {
			return err
		}
		refusal, final := order.RefusalOf(d, b.outcomes[i], d.SettledAt)
		if !final {
			continue
		}
		err := b.tx.insertRefusal(refusal)
		if err != nil {
			return err
		}
		b.outcomes[i].Result = order.Declined
	}
	return b.checkConcurrentDecision()
}

// errMeanwhile says that another process has decided an intent that was delivered to both. The batch is retried and
// then sees that decision.
var errMeanwhile = fmt.Errorf("an intent was decided meanwhile: %w", engine.ErrRetry)

// checkConcurrentDecision verifies that no other process has refused an order that this batch commits, or committed one
// that it refuses. Each side writes its own row before it looks for the other's, so at least one of them sees the
// conflict.
func (b *batch) checkConcurrentDecision() error {
	if !b.tx.s.Shared() {
		return nil // there is a single writer
	}
	made := b.queued(func(o order.Outcome) bool { return o.Result == order.Accepted && !o.Again })
	refused, err := b.refusedBefore(made)
	if err == nil && len(refused) > 0 {
		err = errMeanwhile
	}
	return err
}

// insertRefusal writes a refusal unless there is one. It returns errMeanwhile if the order exists.
func (tx *Tx) insertRefusal(refusal order.Refusal) error {
	_, err := tx.Exec(`
			INSERT INTO refusal (order_id, sale_id, customer_id, code, sku_id, instead_id, at)
			VALUES (?, ?, ?, ?, ?, ?, ?)`+tx.orNothing("refusal", "order_id"),
		refusal.Order, refusal.Sale, refusal.Customer, refusal.Code.String(), refusal.SKU, refusal.Instead, millis(refusal.At))
	if err != nil || !tx.s.Shared() {
		return err
	}
	made, err := tx.order(refusal.Order)
	switch {
	case errors.Is(err, fault.NotFound):
		return nil
	case err == nil && made.Customer == refusal.Customer:
		return errMeanwhile
	}
	return err
}

// Refuse refuses queued orders whose intents will not be settled. It returns the ids that are refused, now or earlier,
// and omits orders that were committed. If an intent turns up later, the row refuses it. Callers pass at most 500.
func (s *Store) Refuse(ctx context.Context, refusals []order.Refusal) (refused []id.Order, err error) {
	err = s.write(ctx, jobs, func(tx *Tx) error {
		refused = refused[:0]
		queued := make([]id.Order, len(refusals))
		for i := range refusals {
			queued[i] = refusals[i].Order
		}
		if err := tx.lockIntents(queued); err != nil {
			return err
		}
		for _, r := range refusals {
			_, err := tx.order(r.Order)
			if err == nil {
				continue
			}
			if !errors.Is(err, fault.NotFound) {
				return err
			}
			if err := tx.insertRefusal(r); err != nil {
				return err
			}
			refused = append(refused, r.Order)
		}
		return nil
	})
	return refused, err
}
