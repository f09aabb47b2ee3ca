package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/lease"
)

var _ lease.Store = (*Store)(nil)

// AcquireLease implements lease.Store. If another process holds the lease, it only reads.
func (s *Store) AcquireLease(ctx context.Context, name, holder string, ttl time.Duration) (lease.Lease, bool, error) {
	var other lease.Lease
	var until int64
	err := s.queryRow(ctx, `
		SELECT name, holder, fence, "until"
		FROM lease
		WHERE name = ?
		  AND holder <> ?
		  AND "until" > `+s.sql(clockMillis), []any{name, holder}, &other.Name, &other.Holder, &other.Fence, &until)
	if !errors.Is(err, sql.ErrNoRows) {
		other.Until = fromMillis(until)
		return other, false, err
	}
	var after lease.Lease
	err = s.write(ctx, jobs, func(tx *Tx) error {
		_, err := tx.Exec(`
			INSERT INTO lease (name, holder, fence, "until")
			VALUES (?, '', 0, 0)`+tx.orNothing("lease", "name"), name)
		if err != nil {
			return err
		}
		// Set the fence first: an engine that assigns from left to right must compare the old values of the row.
		now := tx.sql(clockMillis)
		_, err = tx.Exec(`
			UPDATE lease
			SET fence = fence + CASE WHEN holder = ? AND "until" > `+now+` THEN 0 ELSE 1 END,
			    holder = ?,
			    "until" = `+now+` + ?
			WHERE name = ?
			  AND (holder = ? OR "until" <= `+now+`)`, holder, holder, ttl.Milliseconds(), name, holder)
		if err != nil {
			return err
		}
		after, err = tx.lease(name)
		return err
	})
	return after, err == nil && after.Holder == holder, err
}

// RenewLease implements lease.Store.
func (s *Store) RenewLease(ctx context.Context, l lease.Lease, ttl time.Duration) (lease.Lease, bool, error) {
	var after lease.Lease
	renewed := false
	err := s.write(ctx, jobs, func(tx *Tx) error {
		n, err := tx.Exec(`
			UPDATE lease
			SET "until" = `+tx.sql(clockMillis)+` + ?
			WHERE name = ?
			  AND holder = ?
			  AND fence = ?
			  AND "until" > `+tx.sql(clockMillis), ttl.Milliseconds(), l.Name, l.Holder, l.Fence)
		if err != nil {
			return err
		}
		renewed = n == 1
		after, err = tx.lease(l.Name)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return err
	})
	return after, renewed && err == nil, err
}

// ReleaseLease implements lease.Store.
func (s *Store) ReleaseLease(ctx context.Context, l lease.Lease) error {
	return s.write(ctx, jobs, func(tx *Tx) error {
		_, err := tx.Exec(`
			UPDATE lease
			SET "until" = 0
			WHERE name = ?
			  AND holder = ?
			  AND fence = ?`, l.Name, l.Holder, l.Fence)
		return err
	})
}

func (tx *Tx) lease(name string) (l lease.Lease, err error) {
	var until int64
	err = tx.QueryRow(`
		SELECT name, holder, fence, "until"
		FROM lease
		WHERE name = ?`, []any{name}, &l.Name, &l.Holder, &l.Fence, &until)
	l.Until = fromMillis(until)
	return l, err
}
