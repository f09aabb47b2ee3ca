package store

import (
	"context"
	"database/sql"
	"fmt"
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
	r.CreatedAt, r.LookAt, r.SettledAt = moment(created), moment(look), moment(settled)
	return r, err
}

func scanRefunds(rows *sql.Rows) (payment.Refund, error) { return scanRefund(rows) }

func (tx *Tx) refund(r id.Refund) (payment.Refund, error) {
	found, err := scanRefund(tx.row("SELECT "+refundColumns+" FROM refund WHERE id = ? FOR UPDATE", r))
	return found, none(err, "refund", r)
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
	return tx.announce(payment.RefundEventOf(r.Status), int64(r.ID), r.Event(r.CreatedAt), r.CreatedAt)
}

// newRefund is the duty to give an attempt's money back.
func newRefund(r id.Refund, a *payment.Attempt, kind payment.RefundKind, reason, actor string, at time.Time) payment.Refund {
	return payment.Refund{
		ID: r, Order: a.Order, Attempt: a.ID, Provider: a.Provider, Kind: kind, Status: payment.Requested, Amount: a.Amount,
		Reason: reason, Actor: actor, Round: 1, CreatedAt: at.Truncate(time.Millisecond), LookAt: at.Truncate(time.Millisecond),
	}
}

// requestSurplus records that the money of an attempt goes back, because its order has no use for it.
func (tx *Tx) requestSurplus(a *payment.Attempt, o *order.Order, s *payment.Settlement) error {
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
			if err := tx.requestAgain(&known[i], &o, &req); err != nil {
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

// refundOf picks the refund that answers the request: the order's own, or, of an order that no money has paid, the newest of
// what came too late. It returns fault.BadTransition where there is none.
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

// refundOrder records the refund of what paid the order.
func (tx *Tx) refundOrder(o *order.Order, req *payment.RefundRequest) (payment.Refund, error) {
	a, err := scanAttempt(tx.row("SELECT "+attemptColumns+" FROM payment_attempt WHERE order_id = ? AND pays = 1", o.ID))
	if err != nil {
		return payment.Refund{}, fmt.Errorf("order %s is %s and no attempt has paid it: %w", o.ID, o.Status, err)
	}
	r := newRefund(req.Refund, &a, payment.OfOrder, req.Reason, req.Actor, req.At)
	r.Restock = restock(o, req)
	return r, tx.insertRefund(&r)
}

// restock reports whether the units go back to general stock: as the request says, else unless they were sent.
func restock(o *order.Order, req *payment.RefundRequest) bool {
	if req.Restock != nil {
		return *req.Restock
	}
	return o.Status != order.Fulfilled
}

// requestAgain puts a failed refund back to work under a new key: the provider has refused the old one for good.
func (tx *Tx) requestAgain(r *payment.Refund, o *order.Order, req *payment.RefundRequest) error {
	if !r.Status.CanBecome(payment.Requested) {
		return nil
	}
	r.Status, r.Round, r.Refusal, r.LookAt, r.SettledAt = payment.Requested, r.Round+1, "", req.At.Truncate(time.Millisecond), time.Time{}
	if r.Kind == payment.OfOrder {
		r.Restock, r.Reason, r.Actor = restock(o, req), req.Reason, req.Actor
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
	return tx.announce(payment.RefundEventOf(r.Status), int64(r.ID), r.Event(req.At), req.At)
}

// refundsOf lists an order's refunds, newest first. There are at most as many as attempts.
func (tx *Tx) refundsOf(o id.Order) ([]payment.Refund, error) {
	rows, err := tx.Query("SELECT "+refundColumns+`
		FROM refund
		WHERE order_id = ?
		ORDER BY id DESC`, o)
	return collect(rows, err, scanRefunds)
}

// beingRefunded reports whether the order's own refund is under way: then it is not fulfilled any more.
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
func (s *Store) ClaimRefunds(ctx context.Context, now time.Time, limit int, next func(*payment.Refund) time.Time) ([]payment.ClaimedRefund, error) {
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
	var claimed []payment.ClaimedRefund
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
		for _, r := range refunds {
			was := r.LookAt
			r.LookAt = next(&r)
			// Of two who claim at once, one finds it as it was.
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
			claimed = append(claimed, payment.ClaimedRefund{Refund: r, Attempt: a})
		}
		return nil
	})
	return claimed, err
}

// SettleRefund implements payment.Store.
func (s *Store) SettleRefund(ctx context.Context, r id.Refund, to payment.RefundStatus, refusal string, at time.Time, mint *id.Mint) (payment.Refund, error) {
	var out payment.Refund
	err := s.write(ctx, jobs, func(tx *Tx) error {
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
		if err := tx.announce(payment.RefundEventOf(to), int64(r), current.Event(at), at); err != nil {
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

// orderRefunded moves the order on, and brings its units back where the refund says so.
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

// Refunds implements payment.Store. Without an order it reads the table backwards from the newest.
func (s *Store) Refunds(ctx context.Context, f payment.RefundFilter) ([]payment.Refund, error) {
	if f.Before == 0 {
		f.Before = 1<<63 - 1
	}
	where, args := []string{"id < ?"}, []any{f.Before}
	if f.Order != 0 {
		where, args = append(where, "order_id = ?"), append(args, f.Order)
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
