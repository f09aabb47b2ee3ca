package postgres

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/tidegate/tidegate/internal/store/engine"
)

// Tx is a transaction. It implements engine.Transaction. Its BEGIN travels with its first statement.
type Tx struct {
	engine.Fate
	of   *engine.Server
	conn *sql.Conn
	// ahead holds statements that travel with the next one: see Ahead.
	ahead []Statement
	// begun says that the server has begun the transaction.
	begun bool
}

// Statement is one of several statements that are sent together.
type Statement struct {
	Text string
	Args []any
	// Count, unless nil, receives the number of changed or returned rows.
	Count *int64
	// Add, unless nil, is increased by that number.
	Add *int64
	// Row, unless nil, is called for each row.
	Row func(scan func(into ...any) error) error
}

// Ahead queues a statement to travel with the next one, which saves a round trip. Its error is returned by the next
// statement; the server runs nothing after a failed statement. Do not use it for a statement that may have to be undone
// separately, nor for a witness: see Mark.
func (tx *Tx) Ahead(text string, args ...any) {
	tx.Writes()
	tx.ahead = append(tx.ahead, Statement{Text: text, Args: args})
}

// Send sends the queued statements and these together and waits once for all replies.
func (tx *Tx) Send(all ...Statement) error {
	tx.Writes()
	return tx.send(all)
}

func (tx *Tx) send(all []Statement) error {
	batch := &pgx.Batch{}
	if !tx.begun {
		batch.Queue("BEGIN")
	}
	all = append(tx.ahead, all...)
	for i := range all {
		batch.Queue(tx.of.Statements().Of(all[i].Text), values(all[i].Args)...)
	}
	begins := !tx.begun
	tx.begun, tx.ahead = true, nil
	return tx.Note(tx.raw(func(conn *pgx.Conn) error {
		results := conn.SendBatch(context.Background(), batch)
		err := answers(results, begins, all)
		return errors.Join(err, results.Close())
	}))
}

func answers(results pgx.BatchResults, begins bool, all []Statement) error {
	if begins {
		if _, err := results.Exec(); err != nil {
			return err
		}
	}
	for i := range all {
		if err := answer(results, &all[i]); err != nil {
			return err
		}
	}
	return nil
}

func answer(results pgx.BatchResults, s *Statement) error {
	var tag pgconn.CommandTag
	var err error
	if s.Row == nil {
		tag, err = results.Exec()
	} else {
		var rows pgx.Rows
		if rows, err = results.Query(); err != nil {
			return err
		}
		for rows.Next() {
			if err := s.Row(rows.Scan); err != nil {
				rows.Close()
				return err
			}
		}
		rows.Close()
		tag, err = rows.CommandTag(), rows.Err()
	}
	if s.Count != nil {
		*s.Count = tag.RowsAffected()
	}
	if s.Add != nil {
		*s.Add += tag.RowsAffected()
	}
	return err
}

// raw runs fn on the driver's connection. If fn's error closes the connection, the error has the kind Gone.
func (tx *Tx) raw(fn func(*pgx.Conn) error) error {
	var failed error
	err := tx.conn.Raw(func(c any) error {
		conn := c.(*stdlib.Conn).Conn()
		failed = fn(conn)
		if failed != nil && conn.IsClosed() && KindOf(failed) == engine.Other {
			failed = errors.Join(driver.ErrBadConn, failed)
		}
		return nil
	})
	return errors.Join(failed, err)
}

// values converts values to types that the driver accepts for columns of integers, texts and bytes.
func values(all []any) []any {
	converted := make([]any, len(all))
	for i, v := range all {
		converted[i] = value(v)
	}
	return converted
}

func value(v any) any {
	switch v := v.(type) {
	case nil, int64, string, []byte, []int64, [][]byte, []string:
		return v
	case bool:
		if v {
			return int64(1)
		}
		return int64(0)
	}
	plain, err := driver.DefaultParameterConverter.ConvertValue(v)
	if err != nil {
		return v // the driver reports the error
	}
	if b, is := plain.(bool); is {
		return value(b)
	}
	return plain
}

// Exec implements engine.Tx.
func (tx *Tx) Exec(text string, args ...any) (n int64, err error) {
	err = tx.Send(Statement{Text: text, Args: args, Count: &n})
	return n, err
}

// reach sends BEGIN and the queued statements, if any.
func (tx *Tx) reach() error {
	if tx.begun && len(tx.ahead) == 0 {
		return nil
	}
	return tx.send(nil)
}

// Query implements engine.Tx.
func (tx *Tx) Query(text string, args ...any) (*sql.Rows, error) {
	if err := tx.reach(); err != nil {
		return nil, err
	}
	rows, err := tx.conn.QueryContext(context.Background(), tx.of.Statements().Of(text), values(args)...)
	return rows, tx.Note(err)
}

// Row implements engine.Tx.
func (tx *Tx) Row(text string, args ...any) engine.Row {
	if err := tx.reach(); err != nil {
		return engine.FailedRow{Err: err}
	}
	return tx.Noted(tx.conn.QueryRowContext(context.Background(), tx.of.Statements().Of(text), values(args)...))
}

// Restart implements engine.Tx.
func (tx *Tx) Restart() error {
	tx.Anew()
	tx.ahead = nil
	if !tx.begun {
		return nil
	}
	tx.begun = false
	_, err := tx.conn.ExecContext(context.Background(), "ROLLBACK")
	return tx.Note(err)
}

// Mark implements engine.Transaction.
func (tx *Tx) Mark() (engine.Witness, error) { return tx.Witness(&tx.of.Writers().IDs, tx.Exec) }

// Commit implements engine.Transaction. The queued statements travel with it. After an unnoticed error the server
// answers the COMMIT with a ROLLBACK.
func (tx *Tx) Commit() error {
	all := tx.ahead
	tx.ahead = nil
	return tx.raw(func(conn *pgx.Conn) error {
		batch := &pgx.Batch{}
		for i := range all {
			batch.Queue(tx.of.Statements().Of(all[i].Text), values(all[i].Args)...)
		}
		batch.Queue("COMMIT")
		results := conn.SendBatch(context.Background(), batch)
		err := answers(results, false, all)
		if err == nil {
			var tag pgconn.CommandTag
			if tag, err = results.Exec(); err == nil && tag.String() != "COMMIT" {
				err = fmt.Errorf("the server answered COMMIT with %s: a statement before it had failed", tag)
			}
		}
		return errors.Join(err, results.Close())
	})
}

// End implements engine.Transaction.
func (tx *Tx) End() { _ = tx.conn.Close() }

// Rollback implements engine.Transaction.
func (tx *Tx) Rollback() {
	if !tx.begun {
		_ = tx.conn.Close()
		return
	}
	if KindOf(tx.Failed()) == engine.Gone {
		_ = tx.Discard()
		return
	}
	if _, err := tx.conn.ExecContext(context.Background(), "ROLLBACK"); err != nil {
		_ = tx.Discard()
		return
	}
	_ = tx.conn.Close()
}

// Discard implements engine.Transaction.
func (tx *Tx) Discard() error { return engine.DiscardConn(tx.conn) }
