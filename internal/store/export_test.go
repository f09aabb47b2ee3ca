package store

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// AskFor bounds how long s asks after a COMMIT that was not answered.
func (s *Store) AskFor(d time.Duration) { s.my.askMax = d }

// Twice has every transaction of s undone once and run again, as after a deadlock.
func (s *Store) Twice() { s.my.twice = true }

// Texts lists every text of SQL that s was asked for, as it was written.
func (s *Store) Texts() (all []string) {
	s.dialect.texts.Range(func(written, _ any) bool {
		all = append(all, written.(string))
		return true
	})
	return all
}

// Do carries out a statement.
func (s *Store) Do(ctx context.Context, text string) error {
	return s.write(ctx, jobs, func(tx *Tx) error {
		_, err := tx.Exec(text)
		return err
	})
}

// DoAhead carries out statements in one transaction: the first of them go ahead of the last, with the same values each.
func (s *Store) DoAhead(ctx context.Context, ahead []string, values []any, last string) error {
	return s.write(ctx, orders, func(tx *Tx) error {
		for _, text := range ahead {
			tx.my.later(text, values...)
		}
		if last == "" {
			return nil
		}
		_, err := tx.Exec(last)
		return err
	})
}

// Plan explains a text, whose places are filled with values: a line a table.
func (s *Store) Plan(ctx context.Context, text string, fill func(string) string) ([]string, error) {
	explain := "EXPLAIN QUERY PLAN "
	if s.my != nil {
		explain = "EXPLAIN "
	}
	rows, err := s.db.QueryContext(ctx, explain+strings.TrimSpace(fill(s.dialect.lower(text))))
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	var plan []string
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
