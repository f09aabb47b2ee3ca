package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/payment"
	"github.com/tidegate/tidegate/internal/store/engine"
)

var _ payment.Store = (*Store)(nil)

// paymentActor is the actor of stock movements caused by a payment or its absence.
const paymentActor = "payment"

const attemptColumns = `id, order_id, provider, status, amount, currency, reference, pay_url, pays, created_at, expires_at, look_at, settled_at`

func scanAttempt(row scanner, more ...any) (a payment.Attempt, err error) {
	var created, expires, look, settled int64
	into := append([]any{&a.ID, &a.Order, &a.Provider, &a.Status, &a.Amount.Minor, &a.Amount.Currency, &a.Reference, &a.PayURL, &a.Pays, &created, &expires, &look, &settled}, more...)
	err = row.Scan(into...)
	a.CreatedAt, a.ExpiresAt, a.LookAt, a.SettledAt = fromMillis(created), fromMillis(expires), fromMillis(look), fromMillis(settled)
	return a, err
}

func scanAttempts(rows *sql.Rows) (payment.Attempt, error) { return scanAttempt(rows) }

const (
	selectAttempt = "SELECT " + attemptColumns + `
		FROM payment_attempt
		WHERE id = ?`
	selectLive = "SELECT " + attemptColumns + `
		FROM payment_attempt
		WHERE order_id = ?
		  AND status IN ('starting', 'open')`
)

// Attempt implements payment.Store.
func (s *Store) Attempt(ctx context.Context, a id.Attempt) (payment.Attempt, error) {
	found, err := scanAttempt(s.row(ctx, selectAttempt, a))
	return found, notFound(readError(err), "payment attempt", a)
}

// LiveAttempt implements payment.Store.
func (s *Store) LiveAttempt(ctx context.Context, o id.Order) (payment.Attempt, error) {
	found, err := scanAttempt(s.row(ctx, selectLive, o))
	return found, notFound(readError(err), "live payment attempt of order", o)
}

// Attempts implements payment.Store.
func (s *Store) Attempts(ctx context.Context, o id.Order) ([]payment.Attempt, error) {
	rows, err := s.query(ctx, "SELECT "+attemptColumns+`
		FROM payment_attempt
		WHERE order_id = ?
		ORDER BY id DESC
		LIMIT ?`, o, payment.AttemptsMax)
	return collect(rows, err, scanAttempts)
}

var holdAttempt = eachIn(func(d engine.Dialect) string { return selectAttempt + forUpdate.in(d) })

func (tx *Tx) attempt(a id.Attempt) (payment.Attempt, error) {
	found, err := scanAttempt(tx.row(tx.sql(holdAttempt), a))
	return found, notFound(err, "payment attempt", a)
}

// liveAttempt returns the live attempt of the order. It returns fault.NotFound if there is none.
func (tx *Tx) liveAttempt(o id.Order) (payment.Attempt, error) {
	found, err := scanAttempt(tx.row(selectLive, o))
	return found, notFound(err, "live payment attempt of order", o)
}

// hasLive reports whether the order has a live attempt. Such an order is not closed, because a payment may be under
// way.
func (tx *Tx) hasLive(o id.Order) (bool, error) {
	_, err := tx.liveAttempt(o)
	if errors.Is(err, fault.NotFound) {
		return false, nil
	}
	return err == nil, err
}

// BeginAttempt implements payment.Store.
func (s *Store) BeginAttempt(ctx context.Context, a payment.Attempt) (live payment.Attempt, created bool, err error) {
	err = s.write(ctx, jobs, func(tx *Tx) error {
		live, created = payment.Attempt{}, false
		o, err := tx.order(a.Order)
		if err != nil {
			return err
		}
		if o.Status != order.Pending || !a.CreatedAt.Before(o.ExpiresAt) {
			return fault.New(fault.OrderClosed, "The order is %s and takes no payment.", overdue(&o))
		}
		if live, err = tx.liveAttempt(a.Order); !errors.Is(err, fault.NotFound) {
			return err
		}
		if err := tx.roomForAttempt(a.Order); err != nil {
			return err
		}
		live, created = a, true
		return tx.insertAttempt(&a)
	})
	return live, created, err
}

// PayFree implements payment.Store. A second call returns the result of the first.
func (s *Store) PayFree(ctx context.Context, a payment.Attempt, mint *id.Mint) (paid payment.Attempt, err error) {
	err = s.write(ctx, jobs, func(tx *Tx) error {
		if err := tx.lockTrade([]id.Order{a.Order}, nil); err != nil {
			return err
		}
		o, err := tx.order(a.Order)
		if err != nil {
			return err
		}
		switch {
		case o.Status == order.Paid || o.Status == order.Fulfilled:
			paid, err = tx.paying(o.ID)
			return err
		case o.Status != order.Pending || !a.CreatedAt.Before(o.ExpiresAt):
			return fault.New(fault.OrderClosed, "The order is %s and takes no payment.", overdue(&o))
		case o.Total.Minor != 0:
			return fault.New(fault.AmountMismatch, "The order costs %s: it is paid at a provider.", o.Total)
		}
		paid = a
		if err := tx.pay(&o, a.SettledAt, mint); err != nil {
			return err
		}
		if err := tx.insertAttempt(&a); err != nil {
			return err
		}
		return tx.announce(payment.EventOf(a.Status), int64(a.ID), a.Event(a.SettledAt, o.OfRehearsal()), a.SettledAt)
	})
	return paid, err
}

// paying returns the attempt that paid an order.
func (tx *Tx) paying(o id.Order) (payment.Attempt, error) {
	a, err := scanAttempt(tx.row("SELECT "+attemptColumns+" FROM payment_attempt WHERE order_id = ? AND pays = 1", o))
	if err != nil {
		return a, fmt.Errorf("order %s is paid, and the attempt that paid it cannot be read: %w", o, err)
	}
	return a, nil
}

// overdue returns the order's status for messages. An order past its payment deadline counts as expired.
func overdue(o *order.Order) order.Status {
	if o.Status == order.Pending {
		return order.Expired
	}
	return o.Status
}

func (tx *Tx) roomForAttempt(o id.Order) error {
	var had int
	if err := tx.QueryRow("SELECT COUNT(*) FROM payment_attempt WHERE order_id = ?", []any{o}, &had); err != nil {
		return err
	}
	if had >= payment.AttemptsMax {
		return fault.New(fault.PaymentRefused, "The order has had %d payment attempts, which is the most.", had)
	}
	return nil
}

func (tx *Tx) insertAttempt(a *payment.Attempt) error {
	_, err := tx.Exec("INSERT INTO payment_attempt ("+attemptColumns+`)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		a.ID, a.Order, a.Provider, string(a.Status), a.Amount.Minor, string(a.Amount.Currency), a.Reference, a.PayURL, a.Pays,
		millis(a.CreatedAt), millis(a.ExpiresAt), millis(a.LookAt), millis(a.SettledAt))
	return err
}

// RecordReports implements payment.Store.
func (s *Store) RecordReports(ctx context.Context, reports []payment.ReportEntry) ([]payment.RecordedReport, error) {
	var out []payment.RecordedReport
	err := s.write(ctx, jobs, func(tx *Tx) error {
		out = make([]payment.RecordedReport, len(reports))
		if err := tx.lockReported(reports); err != nil {
			return err
		}
		for i := range reports {
			failed, err := tx.apart(func() (err error) {
				out[i], err = tx.settle(&reports[i])
				return err
			})
			if err != nil {
				return err
			}
			if failed != nil {
				out[i] = payment.RecordedReport{Err: failed}
			}
		}
		return nil
	})
	return out, err
}

// lockReported locks the rows that the reports change.
func (tx *Tx) lockReported(reports []payment.ReportEntry) error {
	orders, attempts := make([]id.Order, len(reports)), make([]id.Attempt, len(reports))
	for i := range reports {
		orders[i], attempts[i] = reports[i].Report.Order, reports[i].Report.Attempt
	}
	return tx.lockTrade(orders, attempts)
}

// settle applies a report. The compare-and-set on the attempt makes it idempotent: a second identical report changes
// nothing.
func (tx *Tx) settle(s *payment.ReportEntry) (out payment.RecordedReport, err error) {
	if out.Attempt, err = tx.attempt(s.Report.Attempt); err != nil {
		return out, err
	}
	a := &out.Attempt
	if err := a.Check(s.Report); err != nil {
		return out, err
	}
	to, moves := a.StatusAfter(s.Report.State)
	if !moves {
		return out, nil
	}
	out.Changed = true
	if to != payment.Succeeded {
		return out, tx.moveAttempt(a, to, s)
	}
	return out, tx.receive(a, s)
}

// moveAttempt changes the attempt's state along a legal edge and announces it.
func (tx *Tx) moveAttempt(a *payment.Attempt, to payment.Status, s *payment.ReportEntry) error {
	was := a.Status
	a.Status = to
	if a.Reference == "" {
		a.Reference = s.Report.Reference
	}
	if to == payment.Open {
		a.PayURL = s.Report.PayURL
	} else {
		a.SettledAt = s.At.Truncate(time.Millisecond)
	}
	n, err := tx.Exec(`
		UPDATE payment_attempt
		SET status = ?,
		    reference = ?,
		    pay_url = ?,
		    pays = ?,
		    settled_at = ?
		WHERE id = ?
		  AND status = ?`, string(to), a.Reference, a.PayURL, a.Pays, millis(a.SettledAt), a.ID, string(was))
	if err != nil {
		return err
	}
	if n != 1 {
		return fmt.Errorf("payment attempt %s is not %s any more inside its own transaction", a.ID, was)
	}
	rehearsal, err := tx.ofRehearsal(a.Order)
	if err != nil {
		return err
	}
	return tx.announce(payment.EventOf(to), int64(a.ID), a.Event(s.At, rehearsal), s.At)
}

// ofRehearsal reports whether an order belongs to a rehearsal. It locks nothing, because an order's customer never
// changes.
func (tx *Tx) ofRehearsal(o id.Order) (bool, error) {
	var c id.Customer
	err := tx.QueryRow("SELECT customer_id FROM orders WHERE id = ?", []any{o}, &c)
	return id.OfRehearsal(c), err
}

// receive handles a received payment: the order becomes paid and its units sold, or the money is refunded.
func (tx *Tx) receive(a *payment.Attempt, s *payment.ReportEntry) error {
	o, err := tx.order(a.Order)
	if err != nil {
		return err
	}
	effect := payment.EffectOf(o.Status)
	if effect == payment.Honour {
		held, err := tx.holdAgain(&o, paymentActor, s.At, s.Mint)
		if err != nil {
			return err
		}
		if !held {
			effect = payment.RefundPayment
		}
	}
	a.Pays = effect != payment.RefundPayment
	if err := tx.moveAttempt(a, payment.Succeeded, s); err != nil {
		return err
	}
	if effect == payment.RefundPayment {
		return tx.requestSurplus(a, &o, s)
	}
	return tx.pay(&o, s.At, s.Mint)
}

// pay moves an order to paid, sells its units and closes any other live attempt.
func (tx *Tx) pay(o *order.Order, at time.Time, mint *id.Mint) error {
	won, err := tx.setStatus(o, order.Paid, at)
	if err != nil {
		return err
	}
	if !won {
		return fmt.Errorf("order %s is %s and cannot be paid inside its own transaction", o.ID, o.Status)
	}
	if err := tx.sell(o, paymentActor, at, mint); err != nil {
		return err
	}
	return tx.lookNow(o.ID, at)
}

// lookNow makes the order's other live attempt due, so that it is closed.
func (tx *Tx) lookNow(o id.Order, at time.Time) error {
	_, err := tx.Exec(`
		UPDATE payment_attempt
		SET look_at = ?
		WHERE order_id = ?
		  AND status IN ('starting', 'open')`, millis(at), o)
	return err
}

// ClaimAttempts implements payment.Store.
func (s *Store) ClaimAttempts(ctx context.Context, now time.Time, limit int, next func(*payment.Attempt, bool) time.Time) ([]payment.DueAttempt, error) {
	var due bool
	err := s.queryRow(ctx, `
		SELECT EXISTS (
			SELECT 1
			FROM payment_attempt
			WHERE status IN ('starting', 'open')
			  AND look_at <= ?
		)`, []any{millis(now)}, &due)
	if err != nil || !due {
		return nil, err
	}
	var claimed []payment.DueAttempt
	err = s.write(ctx, jobs, func(tx *Tx) error {
		claimed = nil
		due, err := tx.attemptsDue(now, limit)
		if err != nil {
			return err
		}
		slices.SortFunc(due, func(x, y payment.DueAttempt) int { return cmp.Compare(x.Attempt.ID, y.Attempt.ID) })
		for _, c := range due {
			was := c.Attempt.LookAt
			c.Attempt.LookAt = next(&c.Attempt, c.Pending)
			// Of two concurrent claims one wins.
			n, err := tx.Exec("UPDATE payment_attempt SET look_at = ? WHERE id = ? AND look_at = ?", millis(c.Attempt.LookAt), c.Attempt.ID, millis(was))
			if err != nil {
				return err
			}
			if n == 1 {
				claimed = append(claimed, c)
			}
		}
		return nil
	})
	return claimed, err
}

func (tx *Tx) attemptsDue(now time.Time, limit int) ([]payment.DueAttempt, error) {
	rows, err := tx.Query("SELECT "+prefixed("a", attemptColumns)+`, o.status = 'pending'
		FROM payment_attempt AS a
		JOIN orders AS o
		  ON o.id = a.order_id
		WHERE a.status IN ('starting', 'open')
		  AND a.look_at <= ?
		ORDER BY a.look_at
		LIMIT ?`, millis(now), limit)
	return collect(rows, err, func(rows *sql.Rows) (c payment.DueAttempt, err error) {
		c.Attempt, err = scanAttempt(rows, &c.Pending)
		return c, err
	})
}
