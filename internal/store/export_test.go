package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	driver "github.com/go-sql-driver/mysql"

	"github.com/tidegate/tidegate/internal/store/engine"
	"github.com/tidegate/tidegate/internal/store/mysql"
)

// AskFor bounds how long s investigates an unanswered COMMIT.
func (s *Store) AskFor(d time.Duration) { s.writers().AskMax = d }

// Deadlocks returns the number of transactions of s that the server rolled back because of a deadlock.
func (s *Store) Deadlocks() int64 { return s.writers().Deadlocks.Load() }

// ConflictFor bounds how long s repeats a transaction after conflicts.
func (s *Store) ConflictFor(d time.Duration) { s.writers().ConflictMax = d }

// Changed runs a transaction without writes that fails with a changed decision that many times.
func (s *Store) Changed(ctx context.Context, times int) error {
	return s.write(ctx, jobs, func(*Tx) error {
		if times--; times >= 0 {
			return engine.ErrRetry
		}
		return nil
	})
}

// Twice rolls every transaction of s back once and repeats it, as after a deadlock.
func (s *Store) Twice() { s.writers().Twice = true }

func (s *Store) writers() *engine.Writers {
	return s.engine.(interface{ Writers() *engine.Writers }).Writers()
}

// Deadlocked runs a transaction without writes that fails with a deadlock that many times.
func (s *Store) Deadlocked(ctx context.Context, times int) error {
	return s.write(ctx, jobs, func(*Tx) error {
		if times--; times >= 0 {
			return &driver.MySQLError{Number: 1213, Message: "Deadlock found when trying to get lock; try restarting transaction"}
		}
		return nil
	})
}

// Dialect returns the engine's SQL dialect.
func (s *Store) Dialect() engine.Dialect { return s.dialect }

// Texts returns every statement used so far, as it was written.
func (s *Store) Texts() []string {
	return s.engine.(interface{ Texts() []string }).Texts()
}

// Do runs a statement.
func (s *Store) Do(ctx context.Context, text string) error {
	return s.write(ctx, jobs, func(tx *Tx) error {
		_, err := tx.Exec(text)
		return err
	})
}

// DoOrNothing runs an INSERT that keeps an existing row.
func (s *Store) DoOrNothing(ctx context.Context, text, table, key string) error {
	return s.write(ctx, jobs, func(tx *Tx) error {
		_, err := tx.Exec(text + tx.orNothing(table, key))
		return err
	})
}

// DoAhead runs statements in one transaction. All but the last are queued ahead of it, each with the same values.
func (s *Store) DoAhead(ctx context.Context, ahead []string, values []any, last string) error {
	return s.write(ctx, orders, func(tx *Tx) error {
		for _, text := range ahead {
			tx.Tx.(*mysql.Tx).Ahead(text, values...)
		}
		if last == "" {
			return nil
		}
		_, err := tx.Exec(last)
		return err
	})
}

// Plan returns the query plan of a statement, one line for each table. fill replaces the placeholders by values.
func (s *Store) Plan(ctx context.Context, text string, fill func(string) string) (plan []string, err error) {
	explain := sqls{sqlite: "EXPLAIN QUERY PLAN ", mysql: "EXPLAIN ", postgres: "EXPLAIN "}
	var rows *sql.Rows
	err = s.engine.Snapshot(ctx, func(v engine.View) (err error) {
		if s.dialect == engine.PostgreSQL { // otherwise it may read a small table completely
			if rows, err = v.Query(ctx, "SET LOCAL enable_seqscan = off"); err != nil {
				return err
			}
			_ = rows.Close()
		}
		rows, err = v.Query(ctx, s.sql(explain)+strings.TrimSpace(fill(text)))
		if err != nil {
			return err
		}
		plan, err = planOf(rows)
		return err
	})
	return plan, err
}

func planOf(rows *sql.Rows) (plan []string, err error) {
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		values, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		var line []string
		for i, v := range values {
			if b, ok := v.([]byte); ok {
				v = string(b)
			}
			line = append(line, fmt.Sprintf("%s=%v", columns[i], v))
		}
		plan = append(plan, strings.Join(line, "|"))
	}
	return plan, rows.Err()
}
