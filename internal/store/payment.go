package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/payment"
)

var _ payment.Store = (*Store)(nil)

// paymentActor is who moved stock because money came, or did not.
const paymentActor = "payment"

const attemptColumns = `id, order_id, provider, status, amount, currency, reference, pay_url, pays, created_at, expires_at, look_at, settled_at`

func scanAttempt(row scanner, more ...any) (a payment.Attempt, err error) {
	var created, expires, look, settled int64
	into := append([]any{&a.ID, &a.Order, &a.Provider, &a.Status, &a.Amount.Minor, &a.Amount.Currency, &a.Reference, &a.PayURL, &a.Pays, &created, &expires, &look, &settled}, more...)
	err = row.Scan(into...)
	a.CreatedAt, a.ExpiresAt, a.LookAt, a.SettledAt = moment(created), moment(expires), moment(look), moment(settled)
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
	return found, none(readError(err), "payment attempt", a)
}

// LiveAttempt implements payment.Store.
func (s *Store) LiveAttempt(ctx context.Context, o id.Order) (payment.Attempt, error) {
	found, err := scanAttempt(s.row(ctx, selectLive, o))
	return found, none(readError(err), "live payment attempt of order", o)
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

func (tx *Tx) attempt(a id.Attempt) (payment.Attempt, error) {
	found, err := scanAttempt(tx.row(selectAttempt+" FOR UPDATE", a))
	return found, none(err, "payment attempt", a)
}

// liveAttempt reads the order's live attempt. It returns fault.NotFound where there is none.
func (tx *Tx) liveAttempt(o id.Order) (payment.Attempt, error) {
	found, err := scanAttempt(tx.row(selectLive, o))
	return found, none(err, "live payment attempt of order", o)
}

// hasLive reports whether the order has a live attempt: then it is not closed, for money may be under way.
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

// overdue is the order's status in words: one whose time is over is as good as expired.
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

// Settle implements payment.Store.
func (s *Store) Settle(ctx context.Context, reports []payment.Settlement) ([]payment.Settled, error) {
	var out []payment.Settled
	err := s.write(ctx, jobs, func(tx *Tx) error {
		out = make([]payment.Settled, len(reports))
		for i := range reports {
			failed, err := tx.apart(func() (err error) {
				out[i], err = tx.settle(&reports[i])
				return err
			})
			if err != nil {
				return err
			}
			if failed != nil {
				out[i] = payment.Settled{Err: failed}
			}
		}
		return nil
	})
	return out, err
}

// apart runs fn so that what it did is undone where it fails, and nothing else: failed is its error. It returns an error
// where the transaction itself is lost.
func (tx *Tx) apart(fn func() error) (failed, err error) {
	if _, err := tx.Exec("SAVEPOINT apart"); err != nil {
		return nil, err
	}
	if failed = fn(); failed != nil {
		if lost := tx.lost(failed); lost != nil {
			return failed, lost
		}
		if _, err := tx.Exec("ROLLBACK TO apart"); err != nil {
			return failed, errors.Join(failed, err)
		}
	}
	_, err = tx.Exec("RELEASE SAVEPOINT apart")
	return failed, err
}

// settle records a report and what follows from it. The compare-and-set on the attempt decides: whoever comes second with
// the same word finds nothing to do.
func (tx *Tx) settle(s *payment.Settlement) (out payment.Settled, err error) {
	if out.Attempt, err = tx.attempt(s.Report.Attempt); err != nil {
		return out, err
	}
	a := &out.Attempt
	if err := a.Check(s.Report); err != nil {
		return out, err
	}
	to, moves := a.After(s.Report.State)
	if !moves {
		return out, nil
	}
	out.Changed = true
	if to != payment.Succeeded {
		return out, tx.moveAttempt(a, to, s)
	}
	return out, tx.receive(a, s)
}

// moveAttempt moves the attempt along an edge and announces it.
func (tx *Tx) moveAttempt(a *payment.Attempt, to payment.Status, s *payment.Settlement) error {
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
	return tx.announce(payment.EventOf(to), int64(a.ID), a.Event(s.At), s.At)
}

// receive records that an attempt's money has come: the order is paid and its units sold, or the money goes back.
func (tx *Tx) receive(a *payment.Attempt, s *payment.Settlement) error {
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
			effect = payment.GiveBack
		}
	}
	a.Pays = effect != payment.GiveBack
	if err := tx.moveAttempt(a, payment.Succeeded, s); err != nil {
		return err
	}
	if effect == payment.GiveBack {
		return tx.requestSurplus(a, &o, s)
	}
	won, err := tx.setStatus(&o, order.Paid, s.At)
	if err != nil {
		return err
	}
	if !won {
		return fmt.Errorf("order %s is %s and cannot be paid inside its own transaction", o.ID, o.Status)
	}
	if err := tx.sell(&o, paymentActor, s.At, s.Mint); err != nil {
		return err
	}
	return tx.lookNow(o.ID, s.At)
}

// lookNow makes the order's other live attempt, if any, due: it is to be closed.
func (tx *Tx) lookNow(o id.Order, at time.Time) error {
	_, err := tx.Exec(`
		UPDATE payment_attempt
		SET look_at = ?
		WHERE order_id = ?
		  AND status IN ('starting', 'open')`, millis(at), o)
	return err
}

// ClaimAttempts implements payment.Store.
func (s *Store) ClaimAttempts(ctx context.Context, now time.Time, limit int, next func(*payment.Attempt, bool) time.Time) ([]payment.Claimed, error) {
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
	var claimed []payment.Claimed
	err = s.write(ctx, jobs, func(tx *Tx) error {
		claimed = nil
		due, err := tx.attemptsDue(now, limit)
		if err != nil {
			return err
		}
		for _, c := range due {
			was := c.Attempt.LookAt
			c.Attempt.LookAt = next(&c.Attempt, c.Pending)
			// Of two who claim at once, one finds it as it was.
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

func (tx *Tx) attemptsDue(now time.Time, limit int) ([]payment.Claimed, error) {
	rows, err := tx.Query("SELECT "+prefixed("a", attemptColumns)+`, o.status = 'pending'
		FROM payment_attempt AS a
		JOIN orders AS o
		  ON o.id = a.order_id
		WHERE a.status IN ('starting', 'open')
		  AND a.look_at <= ?
		ORDER BY a.look_at
		LIMIT ?`, millis(now), limit)
	return collect(rows, err, func(rows *sql.Rows) (c payment.Claimed, err error) {
		c.Attempt, err = scanAttempt(rows, &c.Pending)
		return c, err
	})
}
