package mysql

import (
	"context"
	"database/sql"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/tidegate/tidegate/internal/store/engine"
)

// Tx is a transaction. It implements engine.Transaction.
type Tx struct {
	engine.Fate
	of   *engine.Server
	conn *sql.Conn
	// ahead holds statements that travel in the packet of the next one: see Ahead.
	ahead []byte
	// sent says that the server has begun the transaction.
	sent bool
}

// Ahead queues a statement to travel with the next one in one packet, which saves a round trip. Its row count is lost,
// and its error is returned by the next statement; the server runs nothing after a failed statement. Use it for the
// bounded writes of a batch of orders. Do not use it for a statement that may have to be undone separately, nor for a
// witness: see Mark.
func (tx *Tx) Ahead(text string, args ...any) {
	tx.Writes()
	tx.ahead = append(appendStatement(tx.ahead, tx.of.Statements().Of(text), args), "; "...)
}

// AheadText is Ahead for a statement in MySQL's own form, without question marks.
func (tx *Tx) AheadText(text []byte) {
	tx.Writes()
	tx.ahead = append(append(tx.ahead, text...), "; "...)
}

// appendStatement appends a statement with its values: integers, NULL, and texts and bytes as hexadecimal. The result
// has no question mark, which the driver would take for a placeholder.
func appendStatement(b []byte, text string, args []any) []byte {
	for _, a := range args {
		before, after, _ := strings.Cut(text, "?")
		b, text = append(b, before...), after
		switch v := a.(type) {
		case nil:
			b = append(b, "NULL"...)
		case string:
			b = append(hex.AppendEncode(append(b, "x'"...), []byte(v)), '\'')
		case []byte:
			b = append(hex.AppendEncode(append(b, "x'"...), v), '\'')
		case int64:
			b = strconv.AppendInt(b, v, 10)
		default:
			panic(fmt.Sprintf("a value of type %T cannot be sent ahead", a))
		}
	}
	return append(b, text...)
}

// packet returns the statement preceded by those queued with Ahead.
func (tx *Tx) packet(text string) string {
	tx.sent = true
	if len(tx.ahead) > 0 {
		text = string(append(tx.ahead, text...))
		tx.ahead = tx.ahead[:0]
	}
	return text
}

// Exec implements engine.Tx.
func (tx *Tx) Exec(text string, args ...any) (int64, error) {
	tx.Writes()
	r, err := tx.conn.ExecContext(context.Background(), tx.packet(tx.of.Statements().Of(text)), args...)
	if err != nil {
		return 0, tx.Note(err)
	}
	return r.RowsAffected()
}

// ExecText runs a statement in MySQL's own form and does not cache it.
func (tx *Tx) ExecText(text string) (int64, error) {
	tx.Writes()
	r, err := tx.conn.ExecContext(context.Background(), tx.packet(text))
	if err != nil {
		return 0, tx.Note(err)
	}
	return r.RowsAffected() // of the last statement
}

// Query implements engine.Tx.
func (tx *Tx) Query(text string, args ...any) (*sql.Rows, error) {
	rows, err := tx.conn.QueryContext(context.Background(), tx.packet(tx.of.Statements().Of(text)), args...)
	return rows, tx.Note(err)
}

// Row implements engine.Tx.
func (tx *Tx) Row(text string, args ...any) engine.Row {
	return tx.Noted(tx.conn.QueryRowContext(context.Background(), tx.packet(tx.of.Statements().Of(text)), args...))
}

// begin begins the transaction, in the packet of its first statement.
func (tx *Tx) begin() {
	tx.Anew()
	tx.ahead = append(tx.ahead[:0], "START TRANSACTION; "...)
}

// Restart implements engine.Tx.
func (tx *Tx) Restart() error {
	tx.ahead = tx.ahead[:0]
	if tx.sent {
		if _, err := tx.conn.ExecContext(context.Background(), "ROLLBACK"); err != nil {
			return tx.Note(err)
		}
	}
	tx.begin()
	return nil
}

// Mark implements engine.Transaction.
func (tx *Tx) Mark() (engine.Witness, error) { return tx.Witness(&tx.of.Writers().IDs, tx.Exec) }

// Commit implements engine.Transaction. The queued statements travel with it.
func (tx *Tx) Commit() error {
	_, err := tx.conn.ExecContext(context.Background(), tx.packet("COMMIT"))
	return err
}

// End implements engine.Transaction.
func (tx *Tx) End() { _ = tx.conn.Close() }

// Rollback implements engine.Transaction.
func (tx *Tx) Rollback() {
	if !tx.sent {
		_ = tx.conn.Close()
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
