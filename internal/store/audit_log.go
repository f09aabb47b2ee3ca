package store

import (
	"context"
	"database/sql"
	"math"

	"github.com/tidegate/tidegate/internal/kernel/auditlog"
)

// enter makes the writes of a context also insert its audit log entry. If several transactions belong to one action,
// the first that commits a change writes the entry. A transaction that changed nothing writes none: it found its work done.
func enter(ctx context.Context, fn func(tx *Tx) error) func(tx *Tx) error {
	e := auditlog.EntryFrom(ctx)
	if e == nil {
		return fn
	}
	return func(tx *Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		if !tx.changed {
			return nil
		}
		_, err := tx.Exec(`
			INSERT INTO audit_log (id, at, key_id, actor, verb, subject, reason)
			VALUES (?, ?, ?, ?, ?, ?, ?)`+tx.orNothing("audit_log", "id"),
			e.ID, millis(e.At), e.Key, e.Actor, e.Verb, e.Subject, e.Reason)
		return err
	}
}

// NoteDeed implements account.LogStore.
func (s *Store) NoteDeed(ctx context.Context) error {
	if auditlog.EntryFrom(ctx) == nil {
		return nil
	}
	return s.write(ctx, jobs, func(tx *Tx) error {
		tx.changed = true
		return nil
	})
}

// AuditLog implements account.LogStore.
func (s *Store) AuditLog(ctx context.Context, f auditlog.Filter) ([]auditlog.Entry, error) {
	const columns = `
		SELECT id, at, key_id, actor, verb, subject, reason
		FROM audit_log`
	const last = `
		ORDER BY id DESC
		LIMIT ?`
	before := int64(f.Before)
	if before == 0 {
		before = math.MaxInt64
	}
	var rows *sql.Rows
	var err error
	if f.Subject == "" {
		rows, err = s.query(ctx, columns+`
		WHERE id < ?`+last, before, f.Limit)
	} else {
		rows, err = s.query(ctx, columns+`
		WHERE subject = ?
		  AND subject <> ''
		  AND id < ?`+last, f.Subject, before, f.Limit)
	}
	return collect(rows, err, func(r *sql.Rows) (e auditlog.Entry, err error) {
		var at int64
		err = r.Scan(&e.ID, &at, &e.Key, &e.Actor, &e.Verb, &e.Subject, &e.Reason)
		e.At = fromMillis(at)
		return e, err
	})
}
