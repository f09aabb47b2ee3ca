package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/points"
)

// AddPoints implements points.Store.
func (s *Store) AddPoints(ctx context.Context, entries []points.Entry) error {
	return s.write(ctx, jobs, func(tx *Tx) error {
		for _, e := range entries {
			if e.Kind == points.TakenBack {
				// Take back what the order earned: the rate may have changed since.
				err := tx.QueryRow("SELECT -points FROM points_entry WHERE order_id = ? AND kind = 'earned'", []any{e.Order}, &e.Points)
				if err != nil && !errors.Is(err, sql.ErrNoRows) {
					return err
				}
			}
			_, err := tx.Exec(`
				INSERT INTO points_entry (order_id, kind, customer_id, points, at)
				VALUES (?, ?, ?, ?, ?)`+tx.orNothing("points_entry", "order_id, kind"), e.Order, string(e.Kind), e.Customer, e.Points, millis(e.At))
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Points implements points.Store.
func (s *Store) Points(ctx context.Context, c id.Customer, before id.Order, limit int) (b points.Balance, err error) {
	if before == 0 {
		before = 1<<63 - 1
	}
	err = s.snapshot(ctx, func(now view) error {
		err := now.row(ctx, "SELECT COALESCE(SUM(points), 0) FROM points_entry WHERE customer_id = ?", c).Scan(&b.Points)
		if err != nil {
			return err
		}
		rows, err := now.query(ctx, `
			SELECT order_id,
			       SUM(CASE WHEN kind = 'earned' THEN points ELSE 0 END),
			       SUM(CASE WHEN kind = 'earned' THEN 0 ELSE -points END),
			       MIN(at)
			FROM points_entry
			WHERE customer_id = ?
			  AND order_id < ?
			GROUP BY order_id
			ORDER BY order_id DESC
			LIMIT ?`, c, before, limit)
		b.Orders, err = collect(rows, err, func(rows *sql.Rows) (o points.OrderPoints, err error) {
			var at int64
			err = rows.Scan(&o.Order, &o.Earned, &o.TakenBack, &at)
			o.At = fromMillis(at)
			return o, err
		})
		return err
	})
	return b, err
}
