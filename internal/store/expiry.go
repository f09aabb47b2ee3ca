package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
)

// ExpireOrders implements payment.Store. It lists due orders outside the write transaction and checks each again inside
// it.
func (s *Store) ExpireOrders(ctx context.Context, now time.Time, mint *id.Mint) (ended int, stuck []error, err error) {
	due, err := s.ordersDue(ctx, now)
	if err != nil || len(due) == 0 {
		return 0, nil, err
	}
	err = s.write(ctx, jobs, func(tx *Tx) error {
		ended, stuck = 0, nil
		if err := tx.lockTrade(due, nil); err != nil {
			return err
		}
		for _, o := range due {
			won := false
			failed, err := tx.apart(func() (err error) {
				won, err = tx.expire(o, now, mint)
				return err
			})
			switch {
			case err != nil:
				return err
			case failed != nil:
				stuck = append(stuck, fmt.Errorf("expire order %s: %w", o, failed))
			case won:
				ended++
			}
		}
		return nil
	})
	if err != nil {
		return 0, nil, err
	}
	return ended, stuck, nil
}

// ordersDue returns pending orders that were due at now and have no live payment attempt, longest overdue first.
func (s *Store) ordersDue(ctx context.Context, now time.Time) ([]id.Order, error) {
	rows, err := s.query(ctx, `
		SELECT o.id
		FROM `+s.sql(ordersByDue)+`
		WHERE o.status = 'pending'
		  AND o.expires_at <= ?
		  AND NOT EXISTS (
			SELECT 1
			FROM payment_attempt AS a
			WHERE a.order_id = o.id
			  AND a.status IN ('starting', 'open')
		)
		ORDER BY o.expires_at
		LIMIT ?`, millis(now), s.config.JobOrdersMax)
	return collect(rows, err, func(rows *sql.Rows) (o id.Order, err error) { return o, rows.Scan(&o) })
}

// expire ends an order's hold, unless it was closed meanwhile or has a live payment attempt.
func (tx *Tx) expire(o id.Order, now time.Time, mint *id.Mint) (bool, error) {
	if err := tx.lockOrder(o); err != nil {
		return false, err
	}
	live, err := tx.hasLive(o)
	if err != nil || live {
		return false, err
	}
	_, won, err := tx.closeOrder(o, order.Expired, "expiry", now, mint)
	return won, err
}

// CancelOrder implements payment.Store.
func (s *Store) CancelOrder(ctx context.Context, o id.Order, actor string, now time.Time, mint *id.Mint) (after order.Order, live bool, err error) {
	err = s.write(ctx, jobs, func(tx *Tx) error {
		tx.wrote(ordersTopic)
		if err := tx.lockOrder(o); err != nil {
			return err
		}
		if live, err = tx.hasLive(o); err != nil {
			return err
		}
		if live {
			after, err = tx.order(o)
			return err
		}
		after, _, err = tx.closeOrder(o, order.Cancelled, actor, now, mint)
		return err
	})
	return after, live, err
}

// OldestDue implements payment.Store.
func (s *Store) OldestDue(ctx context.Context, now time.Time) (time.Time, error) {
	var oldest int64
	err := s.queryRow(ctx, `
		SELECT expires_at
		FROM `+s.sql(ordersByDue)+`
		WHERE status = 'pending'
		  AND expires_at <= ?
		ORDER BY expires_at
		LIMIT 1`, []any{millis(now)}, &oldest)
	if errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, nil
	}
	return fromMillis(oldest), err
}
