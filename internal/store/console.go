package store

import (
	"context"
	"database/sql"
	"math"
	"time"

	"github.com/tidegate/tidegate/internal/account"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// InsertConsole implements account.ConsoleStore.
func (s *Store) InsertConsole(ctx context.Context, c account.Console, openMax int) error {
	return s.write(ctx, jobs, func(tx *Tx) error {
		_, err := tx.Exec(`
			INSERT INTO console_session (id, key_id, expires_at)
			VALUES (?, ?, ?)`,
			c.ID, c.Key, millis(c.ExpiresAt))
		if err != nil {
			return err
		}
		rows, err := tx.Query(`
			SELECT id
			FROM console_session
			WHERE key_id = ?
			ORDER BY id DESC
			LIMIT ? OFFSET ?`,
			c.Key, int64(math.MaxInt64), openMax)
		oldest, err := collect(rows, err, func(r *sql.Rows) (open id.Session, err error) { return open, r.Scan(&open) })
		if err != nil {
			return err
		}
		for _, open := range oldest {
			if _, err := tx.Exec("DELETE FROM console_session WHERE id = ?", open); err != nil {
				return err
			}
		}
		return nil
	})
}

// Console implements account.ConsoleStore.
func (s *Store) Console(ctx context.Context, session id.Session) (c account.Console, err error) {
	var expires int64
	err = s.queryRow(ctx, `
		SELECT id, key_id, expires_at
		FROM console_session
		WHERE id = ?`,
		[]any{session}, &c.ID, &c.Key, &expires)
	c.ExpiresAt = fromMillis(expires)
	return c, notFound(err, "sign-in to the console", session)
}

// DeleteConsole implements account.ConsoleStore.
func (s *Store) DeleteConsole(ctx context.Context, session id.Session) error {
	return s.write(ctx, jobs, func(tx *Tx) error {
		_, err := tx.Exec("DELETE FROM console_session WHERE id = ?", session)
		return err
	})
}

var deleteConsoles = sqls{
	sqlite: `
			DELETE FROM console_session
			WHERE id IN (SELECT id FROM console_session WHERE expires_at <= ? LIMIT ?)`,
	mysql: `
			DELETE FROM console_session
			WHERE expires_at <= ?
			ORDER BY expires_at
			LIMIT ?`,
	postgres: `
			DELETE FROM console_session
			WHERE id IN (SELECT id FROM console_session WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)`,
}

// DeleteEndedConsoles implements account.ConsoleStore.
func (s *Store) DeleteEndedConsoles(ctx context.Context, now time.Time, limit int) (deleted int, err error) {
	var found bool
	err = s.queryRow(ctx, "SELECT EXISTS (SELECT 1 FROM console_session WHERE expires_at <= ?)", []any{millis(now)}, &found)
	if err != nil || !found {
		return 0, err
	}
	err = s.write(ctx, jobs, func(tx *Tx) error {
		n, err := tx.Exec(tx.sql(deleteConsoles), millis(now), limit)
		deleted = int(n)
		return err
	})
	if err != nil {
		return 0, err
	}
	return deleted, nil
}
