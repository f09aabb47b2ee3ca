package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
	"github.com/tidegate/tidegate/internal/payment"
	"github.com/tidegate/tidegate/internal/payment/sandbox"
)

var _ sandbox.Store = (*Store)(nil)

// This file stores the sandbox provider's data. It shares no row with the shop.

const sandboxColumns = `attempt_id, order_id, token, status, amount, currency, refunded, script, created_at, expires_at, settled_at`

func scanSandbox(row scanner) (p sandbox.Payment, err error) {
	var created, expires, settled int64
	err = row.Scan(&p.Attempt, &p.Order, &p.Token, &p.Status, &p.Amount.Minor, &p.Amount.Currency, &p.Refunded, &p.Script, &created, &expires, &settled)
	p.CreatedAt, p.ExpiresAt, p.SettledAt = fromMillis(created), fromMillis(expires), fromMillis(settled)
	return p, err
}

// SandboxOpen implements sandbox.Store.
func (s *Store) SandboxOpen(ctx context.Context, p sandbox.Payment) (sandbox.Payment, error) {
	known, err := s.SandboxPayment(ctx, p.Attempt)
	if !errors.Is(err, fault.NotFound) {
		return known, err
	}
	err = s.write(ctx, jobs, func(tx *Tx) error {
		_, err := tx.Exec("INSERT INTO sandbox_payment ("+sandboxColumns+`)
			VALUES (?, ?, ?, ?, ?, ?, 0, ?, ?, ?, 0)`+tx.orNothing("sandbox_payment", "attempt_id"),
			p.Attempt, p.Order, p.Token, string(p.Status), p.Amount.Minor, string(p.Amount.Currency), []byte{}, millis(p.CreatedAt), millis(p.ExpiresAt))
		if err != nil {
			return err
		}
		known, err = tx.sandbox(p.Attempt)
		return err
	})
	return known, err
}

const selectSandbox = "SELECT " + sandboxColumns + `
	FROM sandbox_payment
	WHERE attempt_id = ?`

func (tx *Tx) sandbox(a id.Attempt) (sandbox.Payment, error) {
	p, err := scanSandbox(tx.row(selectSandbox, a))
	return p, notFound(err, "sandbox payment of attempt", a)
}

// SandboxPayment implements sandbox.Store.
func (s *Store) SandboxPayment(ctx context.Context, a id.Attempt) (sandbox.Payment, error) {
	p, err := scanSandbox(s.row(ctx, selectSandbox, a))
	return p, notFound(readError(err), "sandbox payment of attempt", a)
}

// SandboxPaymentByToken implements sandbox.Store. The result omits the token.
func (s *Store) SandboxPaymentByToken(ctx context.Context, token string) (sandbox.Payment, error) {
	p, err := scanSandbox(s.row(ctx, "SELECT "+sandboxColumns+`
		FROM sandbox_payment
		WHERE token = ?`, token))
	return p, notFound(readError(err), "sandbox payment at this", "address")
}

// SandboxTransition implements sandbox.Store.
func (s *Store) SandboxTransition(ctx context.Context, m sandbox.Transition) (after sandbox.Payment, moved bool, err error) {
	err = s.write(ctx, jobs, func(tx *Tx) error {
		n, err := tx.Exec(`
			UPDATE sandbox_payment
			SET status = ?,
			    settled_at = ?
			WHERE attempt_id = ?
			  AND status = ?`, string(m.To), millis(m.At), m.Attempt, string(m.From))
		if err != nil {
			return err
		}
		if moved = n == 1; moved {
			if err := tx.sandboxQueue(m.Notes); err != nil {
				return err
			}
		}
		after, err = tx.sandbox(m.Attempt)
		return err
	})
	return after, moved, err
}

// SandboxScript implements sandbox.Store.
func (s *Store) SandboxScript(ctx context.Context, a id.Attempt, script []byte) error {
	return s.write(ctx, jobs, func(tx *Tx) error {
		_, err := tx.Exec("UPDATE sandbox_payment SET script = ? WHERE attempt_id = ?", script, a)
		return err
	})
}

// SandboxQueue implements sandbox.Store.
func (s *Store) SandboxQueue(ctx context.Context, all []sandbox.Notification) error {
	return s.write(ctx, jobs, func(tx *Tx) error { return tx.sandboxQueue(all) })
}

func (tx *Tx) sandboxQueue(all []sandbox.Notification) error {
	for _, n := range all {
		_, err := tx.Exec(`
			INSERT INTO sandbox_notification (id, attempt_id, body, forged, age_ms, tries, due_at, done_at, answer)
			VALUES (?, ?, ?, ?, ?, 0, ?, 0, '')`,
			n.ID, n.Attempt, n.Body, n.Forged, n.Age.Milliseconds(), millis(n.DueAt))
		if err != nil {
			return err
		}
	}
	return nil
}

// SandboxRefund implements sandbox.Store.
func (s *Store) SandboxRefund(ctx context.Context, key string, a id.Attempt, amount money.Amount, at time.Time) error {
	return s.write(ctx, jobs, func(tx *Tx) error {
		var known int
		switch err := tx.QueryRow("SELECT 1 FROM sandbox_refund WHERE idem_key = ?", []any{key}, &known); {
		case err == nil:
			return nil // the same key again: already refunded
		case !errors.Is(err, sql.ErrNoRows):
			return err
		}
		// Of two concurrent inserts the unique key refuses one; its retry finds the row.
		_, err := tx.Exec(`
			INSERT INTO sandbox_refund (idem_key, attempt_id, amount, currency, at)
			VALUES (?, ?, ?, ?, ?)`, key, a, amount.Minor, string(amount.Currency), millis(at))
		if err != nil {
			return err
		}
		n, err := tx.Exec(`
			UPDATE sandbox_payment
			SET refunded = refunded + ?
			WHERE attempt_id = ?
			  AND currency = ?
			  AND status = ?
			  AND refunded + ? <= amount`, amount.Minor, a, string(amount.Currency), string(payment.Paid), amount.Minor)
		if err != nil {
			return err
		}
		if n == 0 {
			return fault.New(fault.PaymentRefused, "The payment has not %s to give back.", amount)
		}
		return nil
	})
}

// SandboxDue implements sandbox.Store.
func (s *Store) SandboxDue(ctx context.Context, now time.Time, limit int) ([]sandbox.Notification, error) {
	rows, err := s.query(ctx, `
		SELECT id, attempt_id, body, forged, age_ms, tries, due_at, answer
		FROM sandbox_notification
		WHERE done_at = 0
		  AND due_at <= ?
		ORDER BY due_at
		LIMIT ?`, millis(now), limit)
	return collect(rows, err, func(rows *sql.Rows) (n sandbox.Notification, err error) {
		var age, due int64
		err = rows.Scan(&n.ID, &n.Attempt, &n.Body, &n.Forged, &age, &n.Tries, &due, &n.Answer)
		n.Age, n.DueAt = time.Duration(age)*time.Millisecond, fromMillis(due)
		return n, err
	})
}

// SandboxSent implements sandbox.Store.
func (s *Store) SandboxSent(ctx context.Context, n sandbox.Notification) error {
	return s.write(ctx, jobs, func(tx *Tx) error {
		_, err := tx.Exec(`
			UPDATE sandbox_notification
			SET tries = ?,
			    due_at = ?,
			    done_at = ?,
			    answer = ?
			WHERE id = ?`, n.Tries, millis(n.DueAt), millis(n.DoneAt), n.Answer, n.ID)
		return err
	})
}
