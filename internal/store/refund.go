package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/payment"
)

const refundColumns = `id, order_id, attempt_id, provider, kind, status, amount, currency, restock, reason, actor, round, refusal, created_at, look_at, settled_at`

func scanRefund(row scanner) (r payment.Refund, err error) {
	var created, look, settled int64
	err = row.Scan(&r.ID, &r.Order, &r.Attempt, &r.Provider, &r.Kind, &r.Status, &r.Amount.Minor, &r.Amount.Currency, &r.Restock,
		&r.Reason, &r.Actor, &r.Round, &r.Refusal, &created, &look, &settled)
	r.CreatedAt, r.LookAt, r.SettledAt = fromMillis(created), fromMillis(look), fromMillis(settled)
	return r, err
}

func scanRefunds(rows *sql.Rows) (payment.Refund, error) { return scanRefund(rows) }

func (tx *Tx) refund(r id.Refund) (payment.Refund, error) {
	found, err := scanRefund(tx.row("SELECT "+refundColumns+" FROM refund WHERE id = ?"+tx.sql(forUpdate), r))
	return found, notFound(err, "refund", r)
}

func (tx *Tx) insertRefund(r *payment.Refund) error {
	tx.wrote(refundsTopic)
	_, err := tx.Exec("INSERT INTO refund ("+refundColumns+`)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		r.ID, r.Order, r.Attempt, r.Provider, string(r.Kind), string(r.Status), r.Amount.Minor, string(r.Amount.Currency), r.Restock,
		r.Reason, r.Actor, r.Round, r.Refusal, millis(r.CreatedAt), millis(r.LookAt), millis(r.SettledAt))
	if err != nil {
		return err
	}
	return tx.announceRefund(r, r.CreatedAt)
}

// announceRefund writes an event with the refund's current state.
func (tx *Tx) announceRefund(r *payment.Refund, at time.Time) error {
	rehearsal, err := tx.ofRehearsal(r.Order)
	if err != nil {
		return err
	}
	return tx.announce(payment.RefundEventOf(r.Status), int64(r.ID), r.Event(at, rehearsal), at)
}

// newRefund returns a refund of an attempt.
func newRefund(r id.Refund, a *payment.Attempt, kind payment.RefundKind, reason, actor string, at time.Time) payment.Refund {
	return payment.Refund{
		ID: r, Order: a.Order, Attempt: a.ID, Provider: a.Provider, Kind: kind, Status: payment.Requested, Amount: a.Amount,
		Reason: reason, Actor: actor, Round: 1, CreatedAt: at.Truncate(time.Millisecond), LookAt: at.Truncate(time.Millisecond),
	}
}

// requestSurplus requests a refund of a payment that its order cannot use.
func (tx *Tx) requestSurplus(a *payment.Attempt, o *order.Order, s *payment.ReportEntry) error {
	r := newRefund(s.Refund, a, payment.OfSurplus, "paid when the order was "+string(o.Status), paymentActor, s.At)
	return tx.insertRefund(&r)
}

// RequestRefund implements payment.Store.
func (s *Store) RequestRefund(ctx context.Context, req payment.RefundRequest) (payment.Refund, error) {
	var out payment.Refund
	err := s.write(ctx, jobs, func(tx *Tx) error {
		o, err := tx.order(req.Order)
		if err != nil {
			return err
		}
		known, err := tx.refundsOf(req.Order)
		if err != nil {
			return err
		}
		for i := range known {
			if err := tx.requestAgain(&known[i], &req); err != nil {
				return err
			}
		}
		if out, err = refundOf(known, o.Status); err == nil {
			return nil
		}
		if o.Status != order.Paid && o.Status != order.Fulfilled {
			return err
		}
		out, err = tx.refundOrder(&o, &req)
		return err
	})
	return out, err
}

// refundOf picks the refund that answers the request: the order's own or, for an order that was never paid, the newest
// refund of a late payment. It returns fault.BadTransition if there is none.
func refundOf(known []payment.Refund, s order.Status) (payment.Refund, error) {
	for _, r := range known {
		if r.Kind == payment.OfOrder {
			return r, nil
		}
	}
	if len(known) > 0 && s != order.Paid && s != order.Fulfilled {
		return known[0], nil
	}
	return payment.Refund{}, fault.New(fault.BadTransition, "An order that is %s has nothing to refund.", s)
}

// refundOrder records the refund of the attempt that paid the order.
func (tx *Tx) refundOrder(o *order.Order, req *payment.RefundRequest) (payment.Refund, error) {
	a, err := tx.paying(o.ID)
	if err != nil {
		return payment.Refund{}, err
	}
	r := newRefund(req.Refund, &a, payment.OfOrder, req.Reason, req.Actor, req.At)
	r.Restock = req.Restock
	if r.Amount.Minor > 0 {
		return r, tx.insertRefund(&r)
	}
	r.Status, r.SettledAt = payment.Refunded, r.CreatedAt // nothing to pay back, so no provider is asked
	if err := tx.insertRefund(&r); err != nil {
		return r, err
	}
	return r, tx.orderRefunded(&r, req.At, req.Mint)
}

// requestAgain retries a failed refund under a new key, because the provider has refused the old one permanently.
func (tx *Tx) requestAgain(r *payment.Refund, req *payment.RefundRequest) error {
	if !r.Status.CanBecome(payment.Requested) {
		return nil
	}
	r.Status, r.Round, r.Refusal, r.LookAt, r.SettledAt = payment.Requested, r.Round+1, "", req.At.Truncate(time.Millisecond), time.Time{}
	if r.Kind == payment.OfOrder {
		r.Restock, r.Reason, r.Actor = req.Restock, req.Reason, req.Actor
	}
	tx.wrote(refundsTopic)
	_, err := tx.Exec(`
		UPDATE refund
		SET status = ?,
		    round = ?,
		    restock = ?,
		    reason = ?,
		    actor = ?,
		    refusal = '',
		    look_at = ?,
		    settled_at = 0
		WHERE id = ?
		  AND status = 'failed'`, string(r.Status), r.Round, r.Restock, r.Reason, r.Actor, millis(r.LookAt), r.ID)
	if err != nil {
		return err
	}
	return tx.announceRefund(r, req.At)
}

// refundsOf returns an order's refunds, newest first. There are at most as many as attempts.
func (tx *Tx) refundsOf(o id.Order) ([]payment.Refund, error) {
	rows, err := tx.Query("SELECT "+refundColumns+`
		FROM refund
		WHERE order_id = ?
		ORDER BY id DESC`, o)
	return collect(rows, err, scanRefunds)
}

// beingRefunded reports whether the order's own refund is pending. Such an order cannot be fulfilled.
func (tx *Tx) beingRefunded(o id.Order) (bool, error) {
	var under bool
	err := tx.QueryRow(`
		SELECT EXISTS (
			SELECT 1
			FROM refund
			WHERE order_id = ?
			  AND kind = 'order'
			  AND status = 'requested'
		)`, []any{o}, &under)
	return under, err
}

// ClaimRefunds implements payment.Store.
func (s *Store) ClaimRefunds(ctx context.Context, now time.Time, limit int, next func(*payment.Refund) time.Time) ([]payment.DueRefund, error) {
	var due bool
	err := s.queryRow(ctx, `
		SELECT EXISTS (
			SELECT 1
			FROM refund
			WHERE status = 'requested'
			  AND look_at <= ?
		)`, []any{millis(now)}, &due)
	if err != nil || !due {
		return nil, err
	}
	var claimed []payment.DueRefund
	err = s.write(ctx, jobs, func(tx *Tx) error {
		rows, err := tx.Query("SELECT "+refundColumns+`
			FROM refund
			WHERE status = 'requested'
			  AND look_at <= ?
			ORDER BY look_at
			LIMIT ?`, millis(now), limit)
		refunds, err := collect(rows, err, scanRefunds)
		if err != nil {
			return err
		}
		claimed = nil
		slices.SortFunc(refunds, func(x, y payment.Refund) int { return cmp.Compare(x.ID, y.ID) })
		for _, r := range refunds {
			was := r.LookAt
			r.LookAt = next(&r)
			// Of two concurrent claims one wins.
			n, err := tx.Exec("UPDATE refund SET look_at = ? WHERE id = ? AND look_at = ?", millis(r.LookAt), r.ID, millis(was))
			if err != nil {
				return err
			}
			if n == 0 {
				continue
			}
			a, err := tx.attempt(r.Attempt)
			if err != nil {
				return err
			}
			claimed = append(claimed, payment.DueRefund{Refund: r, Attempt: a})
		}
		return nil
	})
	return claimed, err
}

// RecordRefund implements payment.Store.
func (s *Store) RecordRefund(ctx context.Context, r id.Refund, to payment.RefundStatus, refusal string, at time.Time, mint *id.Mint) (payment.Refund, error) {
	var out payment.Refund
	err := s.write(ctx, jobs, func(tx *Tx) error {
		if err := tx.lockRefunded(r); err != nil {
			return err
		}
		current, err := tx.refund(r)
		out = current
		if err != nil || !current.Status.CanBecome(to) {
			return err
		}
		current.Status, current.Refusal, current.SettledAt = to, refusal, at.Truncate(time.Millisecond)
		tx.wrote(refundsTopic)
		_, err = tx.Exec(`
			UPDATE refund
			SET status = ?,
			    refusal = ?,
			    settled_at = ?
			WHERE id = ?
			  AND status = 'requested'`, string(to), refusal, millis(current.SettledAt), r)
		if err != nil {
			return err
		}
		if err := tx.announceRefund(&current, at); err != nil {
			return err
		}
		out = current
		if to != payment.Refunded || current.Kind != payment.OfOrder {
			return nil
		}
		return tx.orderRefunded(&current, at, mint)
	})
	return out, err
}

// lockRefunded locks the order of a refund, before the refund.
func (tx *Tx) lockRefunded(r id.Refund) error {
	if !tx.s.Shared() {
		return nil
	}
	var o id.Order
	err := tx.QueryRow("SELECT order_id FROM refund WHERE id = ?", []any{r}, &o)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	return tx.lockOrder(o)
}

// orderRefunded moves the order to refunded and returns its units if the refund says so.
func (tx *Tx) orderRefunded(r *payment.Refund, at time.Time, mint *id.Mint) error {
	o, err := tx.order(r.Order)
	if err != nil {
		return err
	}
	won, err := tx.setStatus(&o, order.Refunded, at)
	if err != nil {
		return err
	}
	if !won {
		return fmt.Errorf("order %s is %s and its refund %s is confirmed", o.ID, o.Status, r.ID)
	}
	if !r.Restock {
		return nil
	}
	return tx.bringBack(&o, r.Actor, at, mint)
}

// Refunds implements payment.Store. Without an order it reads the table backwards.
func (s *Store) Refunds(ctx context.Context, f payment.RefundFilter) ([]payment.Refund, error) {
	if f.Before == 0 {
		f.Before = 1<<63 - 1
	}
	where, args := []string{"id < ?"}, []any{f.Before}
	if f.Order != 0 {
		where, args = append(where, "order_id = ?"), append(args, f.Order)
	} else { // refunds of rehearsals are listed only for their order
		where = append(where, "NOT EXISTS (SELECT 1 FROM orders AS o WHERE o.id = refund.order_id AND "+rehearses("o.customer_id")+")")
		args = append(args, id.NeverMintedFirst, id.NeverMintedEnd)
	}
	if f.Status != "" {
		where, args = append(where, "status = ?"), append(args, string(f.Status))
	}
	return list(ctx, s, refundsTopic, scanRefunds, "SELECT "+refundColumns+`
		FROM refund
		WHERE `+strings.Join(where, " AND ")+`
		ORDER BY id DESC
		LIMIT ?`, append(args, f.Limit)...)
}
