package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/webhook"
)

const endpointColumns = "id, url, description, types, secret, secret_before, secret_before_until, status, paused_reason, failing_since, last_error, delivered_at, created_at, rehearsals"

func (s *Store) scanEndpoint(rows *sql.Rows) (e webhook.Endpoint, err error) {
	var types, secret, before string
	var until, failing, delivered, created int64
	err = rows.Scan(&e.ID, &e.URL, &e.Description, &types, &secret, &before, &until, &e.Status, &e.PausedReason, &failing, &e.LastError,
		&delivered, &created, &e.Rehearsals, &e.Waiting)
	if err != nil {
		return e, err
	}
	if e.Secret, err = s.decryptEndpoint(e.ID, secret); err != nil {
		return e, err
	}
	e.SecretBefore, err = s.decryptEndpoint(e.ID, before)
	e.Types, e.SecretBeforeUntil = webhook.SplitTypes(types), fromMillis(until)
	e.FailingSince, e.DeliveredAt, e.CreatedAt = fromMillis(failing), fromMillis(delivered), fromMillis(created)
	return e, err
}

// waitingCount counts the waiting deliveries of an endpoint.
const waitingCount = "(SELECT COUNT(*) FROM webhook_delivery AS d WHERE d.endpoint_id = e.id AND d.state = 'waiting')"

// InsertEndpoint implements webhook.Store.
func (s *Store) InsertEndpoint(ctx context.Context, e webhook.Endpoint) error {
	secret, err := s.encryptEndpoint(e.ID, e.Secret)
	if err != nil {
		return err
	}
	before, err := s.encryptEndpoint(e.ID, e.SecretBefore)
	if err != nil {
		return err
	}
	return s.write(ctx, jobs, func(tx *Tx) error {
		_, err := tx.Exec("INSERT INTO webhook_endpoint ("+endpointColumns+`)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			e.ID, e.URL, e.Description, webhook.JoinTypes(e.Types), secret, before, millis(e.SecretBeforeUntil), string(e.Status), e.PausedReason,
			millis(e.FailingSince), e.LastError, millis(e.DeliveredAt), millis(e.CreatedAt), e.Rehearsals)
		return err
	})
}

// Endpoints implements webhook.Store.
func (s *Store) Endpoints(ctx context.Context, counted bool) ([]webhook.Endpoint, error) {
	count := "0"
	if counted {
		count = waitingCount
	}
	rows, err := s.query(ctx, "SELECT "+endpointColumns+", "+count+" FROM webhook_endpoint AS e ORDER BY id")
	return collect(rows, err, s.scanEndpoint)
}

// Endpoint implements webhook.Store.
func (s *Store) Endpoint(ctx context.Context, e id.Endpoint) (webhook.Endpoint, error) {
	rows, err := s.query(ctx, "SELECT "+endpointColumns+", "+waitingCount+" FROM webhook_endpoint AS e WHERE id = ?", e)
	found, err := collect(rows, err, s.scanEndpoint)
	if err != nil {
		return webhook.Endpoint{}, err
	}
	if len(found) == 0 {
		return webhook.Endpoint{}, noEndpoint(e)
	}
	return found[0], nil
}

func noEndpoint(e id.Endpoint) error {
	return fault.New(fault.NotFound, "There is no webhook endpoint %s.", e)
}

// DeleteEndpoint implements webhook.Store.
func (s *Store) DeleteEndpoint(ctx context.Context, e id.Endpoint) error {
	return s.write(ctx, jobs, func(tx *Tx) error {
		n, err := tx.Exec("DELETE FROM webhook_endpoint WHERE id = ?", e)
		if err != nil {
			return err
		}
		if n == 0 {
			return noEndpoint(e)
		}
		_, err = tx.Exec("DELETE FROM webhook_delivery WHERE endpoint_id = ?", e)
		return err
	})
}

// PauseEndpoint implements webhook.Store.
func (s *Store) PauseEndpoint(ctx context.Context, e id.Endpoint, why string) (webhook.Endpoint, error) {
	err := s.write(ctx, jobs, func(tx *Tx) error {
		n, err := tx.Exec(`
			UPDATE webhook_endpoint
			SET status = 'paused',
			    paused_reason = ?
			WHERE id = ?
			  AND status = 'active'`, why, e)
		if err != nil || n > 0 {
			return err
		}
		var one int
		err = tx.QueryRow("SELECT 1 FROM webhook_endpoint WHERE id = ?", []any{e}, &one)
		if errors.Is(err, sql.ErrNoRows) {
			return noEndpoint(e)
		}
		return err
	})
	if err != nil {
		return webhook.Endpoint{}, err
	}
	return s.Endpoint(ctx, e)
}

// ResumeEndpoint implements webhook.Store.
func (s *Store) ResumeEndpoint(ctx context.Context, e id.Endpoint, now time.Time) (webhook.Endpoint, error) {
	err := s.write(ctx, jobs, func(tx *Tx) error {
		n, err := tx.Exec(`
			UPDATE webhook_endpoint
			SET status = 'active',
			    paused_reason = '',
			    failing_since = 0
			WHERE id = ?`, e)
		if err != nil {
			return err
		}
		if n == 0 {
			return noEndpoint(e)
		}
		_, err = tx.Exec(`
			UPDATE webhook_delivery
			SET due_at = ?
			WHERE endpoint_id = ?
			  AND state = 'waiting'`, millis(now), e)
		return err
	})
	if err != nil {
		return webhook.Endpoint{}, err
	}
	return s.Endpoint(ctx, e)
}

// RotateEndpoint implements webhook.Store.
func (s *Store) RotateEndpoint(ctx context.Context, e id.Endpoint, secret string, until time.Time) (webhook.Endpoint, error) {
	secret, err := s.encryptEndpoint(e, secret)
	if err != nil {
		return webhook.Endpoint{}, err
	}
	err = s.write(ctx, jobs, func(tx *Tx) error {
		var was string // already encrypted for this row
		err := tx.QueryRow("SELECT secret FROM webhook_endpoint WHERE id = ?", []any{e}, &was)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return noEndpoint(e)
		case err != nil:
			return err
		}
		n, err := tx.Exec(`
			UPDATE webhook_endpoint
			SET secret = ?,
			    secret_before = ?,
			    secret_before_until = ?
			WHERE id = ?
			  AND secret = ?`, secret, was, millis(until), e, was)
		if err == nil && n == 0 {
			err = fault.New(fault.Conflict, "The secret of the webhook endpoint %s was changed at the same time.", e)
		}
		return err
	})
	if err != nil {
		return webhook.Endpoint{}, err
	}
	return s.Endpoint(ctx, e)
}

// AddDeliveries implements webhook.Store.
func (s *Store) AddDeliveries(ctx context.Context, all []webhook.Delivery) error {
	return s.write(ctx, jobs, func(tx *Tx) error {
		return tx.insertRows(`
			INSERT INTO webhook_delivery (endpoint_id, position, type, payload, at, state, tries, due_at, last_status, last_error, settled_at)
			VALUES ROWS`+tx.orNothing("webhook_delivery", "endpoint_id, position"), len(all), func(i int) []any {
			d := &all[i]
			return []any{d.Endpoint, d.Position, d.Type, d.Payload, millis(d.At), "waiting", 0, millis(d.DueAt), 0, "", 0}
		})
	})
}

// DueEndpoints implements webhook.Store.
func (s *Store) DueEndpoints(ctx context.Context, now time.Time) ([]webhook.Endpoint, error) {
	rows, err := s.query(ctx, "SELECT "+endpointColumns+`, 0
		FROM webhook_endpoint AS e
		WHERE status = 'active'
		  AND EXISTS (SELECT 1 FROM webhook_delivery AS d WHERE d.endpoint_id = e.id AND d.state = 'waiting' AND d.due_at <= ?)
		ORDER BY id`, millis(now))
	return collect(rows, err, s.scanEndpoint)
}

const deliveryColumns = "number, endpoint_id, position, type, payload, at, state, tries, due_at, last_status, last_error, settled_at"

func scanDelivery(rows *sql.Rows) (d webhook.Delivery, err error) {
	var at, due, settled int64
	err = rows.Scan(&d.Number, &d.Endpoint, &d.Position, &d.Type, &d.Payload, &at, &d.State, &d.Tries, &due, &d.LastStatus, &d.LastError, &settled)
	d.At, d.DueAt, d.SettledAt = fromMillis(at), fromMillis(due), fromMillis(settled)
	return d, err
}

// DueDeliveries implements webhook.Store.
func (s *Store) DueDeliveries(ctx context.Context, e id.Endpoint, now time.Time, limit int) ([]webhook.Delivery, error) {
	rows, err := s.query(ctx, "SELECT "+deliveryColumns+`
		FROM webhook_delivery
		WHERE endpoint_id = ?
		  AND state = 'waiting'
		  AND due_at <= ?
		ORDER BY due_at, number
		LIMIT ?`, e, millis(now), limit)
	return collect(rows, err, scanDelivery)
}

// SettleDeliveries implements webhook.Store.
func (s *Store) SettleDeliveries(ctx context.Context, e webhook.Endpoint, all []webhook.Delivery) error {
	return s.write(ctx, jobs, func(tx *Tx) error {
		for _, d := range all {
			_, err := tx.Exec(`
				UPDATE webhook_delivery
				SET state = ?,
				    tries = ?,
				    due_at = ?,
				    last_status = ?,
				    last_error = ?,
				    settled_at = ?
				WHERE number = ?
				  AND state = 'waiting'`,
				string(d.State), d.Tries, millis(d.DueAt), d.LastStatus, d.LastError, millis(d.SettledAt), d.Number)
			if err != nil {
				return err
			}
		}
		_, err := tx.Exec(`
			UPDATE webhook_endpoint
			SET status = ?,
			    paused_reason = ?,
			    failing_since = ?,
			    last_error = ?,
			    delivered_at = ?
			WHERE id = ?
			  AND status = 'active'`,
			string(e.Status), e.PausedReason, millis(e.FailingSince), e.LastError, millis(e.DeliveredAt), e.ID)
		return err
	})
}

// Deliveries implements webhook.Store.
func (s *Store) Deliveries(ctx context.Context, e id.Endpoint, state webhook.State, before int64, limit int) ([]webhook.Delivery, error) {
	if before == 0 {
		before = 1<<63 - 1
	}
	rows, err := s.query(ctx, "SELECT "+deliveryColumns+`
		FROM webhook_delivery
		WHERE endpoint_id = ?
		  AND (? = '' OR state = ?)
		  AND number < ?
		ORDER BY number DESC
		LIMIT ?`, e, string(state), string(state), before, limit)
	return collect(rows, err, scanDelivery)
}

// RetryDelivery implements webhook.Store.
func (s *Store) RetryDelivery(ctx context.Context, e id.Endpoint, number int64, now time.Time) error {
	return s.write(ctx, jobs, func(tx *Tx) error {
		n, err := tx.Exec(`
			UPDATE webhook_delivery
			SET state = 'waiting',
			    tries = 0,
			    due_at = ?,
			    settled_at = 0
			WHERE endpoint_id = ?
			  AND number = ?`, millis(now), e, number)
		if err == nil && n == 0 {
			err = fault.New(fault.NotFound, "There is no delivery %d to the endpoint %s.", number, e)
		}
		return err
	})
}

// CleanDeliveries implements webhook.Store.
func (s *Store) CleanDeliveries(ctx context.Context, before time.Time, limit int) (int, error) {
	// Read the oldest rows, in the order of their creation, which is roughly the order in which they are settled.
	rows, err := s.query(ctx, `
		SELECT number
		FROM (SELECT number, state, settled_at FROM webhook_delivery ORDER BY number LIMIT ?) AS oldest
		WHERE state <> 'waiting'
		  AND settled_at < ?`, limit, millis(before))
	numbers, err := collect(rows, err, func(rows *sql.Rows) (n int64, err error) { return n, rows.Scan(&n) })
	if err != nil || len(numbers) == 0 {
		return 0, err
	}
	return len(numbers), s.write(ctx, jobs, func(tx *Tx) error {
		for _, n := range numbers {
			if _, err := tx.Exec("DELETE FROM webhook_delivery WHERE number = ?", n); err != nil {
				return err
			}
		}
		return nil
	})
}
