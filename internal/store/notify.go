package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/notify"
)

// AddNotifications implements notify.Store.
func (s *Store) AddNotifications(ctx context.Context, all []notify.Notification) error {
	return s.write(ctx, jobs, func(tx *Tx) error {
		return tx.insertRows(`
			INSERT INTO notification (position, type, order_id, customer_id, payload, state, tries, due_at, last_error, settled_at)
			VALUES ROWS`+tx.orNothing("notification", "position"), len(all), func(i int) []any {
			n := &all[i]
			return []any{n.Position, n.Type, n.Order, n.Customer, n.Payload, string(n.State), 0, millis(n.DueAt), "", 0}
		})
	})
}

// DueNotifications implements notify.Store.
func (s *Store) DueNotifications(ctx context.Context, now time.Time, limit int) ([]notify.Notification, error) {
	rows, err := s.query(ctx, `
		SELECT n.position, n.type, n.order_id, n.customer_id, n.payload, n.state, n.tries, n.due_at, n.last_error, COALESCE(c.email, '')
		FROM notification AS n
		LEFT JOIN customer AS c ON c.id = n.customer_id
		WHERE n.state = 'waiting'
		  AND n.due_at <= ?
		ORDER BY n.due_at
		LIMIT ?`, millis(now), limit)
	return collect(rows, err, func(rows *sql.Rows) (n notify.Notification, err error) {
		var due int64
		err = rows.Scan(&n.Position, &n.Type, &n.Order, &n.Customer, &n.Payload, &n.State, &n.Tries, &due, &n.LastError, &n.Email)
		n.DueAt = fromMillis(due)
		return n, err
	})
}

// SettleNotifications implements notify.Store.
func (s *Store) SettleNotifications(ctx context.Context, all []notify.Notification) error {
	return s.write(ctx, jobs, func(tx *Tx) error {
		for _, n := range all {
			_, err := tx.Exec(`
				UPDATE notification
				SET state = ?,
				    tries = ?,
				    due_at = ?,
				    last_error = ?,
				    settled_at = ?
				WHERE position = ?
				  AND state = 'waiting'`,
				string(n.State), n.Tries, millis(n.DueAt), n.LastError, millis(n.SettledAt), n.Position)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// CleanNotifications implements notify.Store.
func (s *Store) CleanNotifications(ctx context.Context, before time.Time, limit int) (int, error) {
	// Read the oldest rows, in the order of their events, which is roughly the order in which they are settled.
	rows, err := s.query(ctx, `
		SELECT position
		FROM (SELECT position, state, settled_at FROM notification ORDER BY position LIMIT ?) AS oldest
		WHERE state <> 'waiting'
		  AND settled_at < ?`, limit, millis(before))
	positions, err := collect(rows, err, func(rows *sql.Rows) (n int64, err error) { return n, rows.Scan(&n) })
	if err != nil || len(positions) == 0 {
		return 0, err
	}
	return len(positions), s.write(ctx, jobs, func(tx *Tx) error {
		for _, p := range positions {
			if _, err := tx.Exec("DELETE FROM notification WHERE position = ?", p); err != nil {
				return err
			}
		}
		return nil
	})
}

// SKUTitles implements notify.Store. A title is the product's title and the code that distinguishes the variant.
func (s *Store) SKUTitles(ctx context.Context, skus []id.SKU) (map[id.SKU]string, error) {
	titles := make(map[id.SKU]string, len(skus))
	for _, sku := range skus {
		var title, code string
		err := s.queryRow(ctx, `
			SELECT p.title, s.code
			FROM sku AS s
			JOIN product AS p ON p.id = s.product_id
			WHERE s.id = ?`, []any{sku}, &title, &code)
		switch {
		case errors.Is(err, sql.ErrNoRows):
		case err != nil:
			return nil, err
		default:
			titles[sku] = title + " (" + code + ")"
		}
	}
	return titles, nil
}
