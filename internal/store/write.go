package store

import (
	"context"
	"strings"

	"github.com/tidegate/tidegate/internal/store/engine"
)

// The priorities of writes.
const (
	orders = engine.Orders
	jobs   = engine.Jobs
)

// Tx is a write transaction. It is not safe for concurrent use and ends when the function that received it returns.
type Tx struct {
	engine.Tx
	s *Store
	// announced says that an event awaits its position.
	announced bool
	// forGate says that the gate follows one of the announced events.
	forGate bool
	// changed says that a statement matched rows.
	changed bool
}

// Exec implements engine.Tx.
func (tx *Tx) Exec(text string, args ...any) (int64, error) {
	n, err := tx.Tx.Exec(text, args...)
	if n > 0 && changesRows(text) {
		tx.changed = true
	}
	return n, err
}

// changesRows reports whether a statement changes rows. The number that SQLite returns for any other statement, such as SAVEPOINT, is that of
// an earlier one.
func changesRows(text string) bool {
	word, _, _ := strings.Cut(strings.TrimSpace(text), " ")
	return word == "INSERT" || word == "UPDATE" || word == "DELETE" || word == "WITH"
}

// write runs fn in a transaction and commits it. With several writers fn may run again, so it must reset its results.
// After an error nothing is in the database, unless the error is fault.OutcomeUnknown. The context bounds the wait for
// the writer but not the transaction, so a caller who leaves cannot cut a batch in half. fn must not wait for another
// write.
//
// Errors: those of fn; fault.StoreFull and fault.StoreUnavailable; fault.TimedOut if the write waited too long for its
// turn.
func (s *Store) write(ctx context.Context, p engine.Priority, fn func(tx *Tx) error) error {
	fn = enter(ctx, fn)
	var done Tx
	err := s.engine.Write(ctx, p, func(tx engine.Tx) error {
		done = Tx{Tx: tx, s: s}
		return fn(&done)
	})
	if err != nil {
		return err
	}
	if done.forGate && !s.Shared() { // otherwise StampStep signals, once the event has its position
		wake(s.gateWake)
	}
	if done.announced && s.Shared() {
		wake(s.stampWake)
	}
	return nil
}

func wake(signal chan<- struct{}) {
	select {
	case signal <- struct{}{}:
	default: // already signalled
	}
}

// GateWake is signalled after each commit that the gate must follow.
func (s *Store) GateWake() <-chan struct{} { return s.gateWake }

// StampWake is signalled after each commit that wrote an event without a position.
func (s *Store) StampWake() <-chan struct{} { return s.stampWake }

// QueryRow runs a SELECT of one row in the transaction and scans it. It returns sql.ErrNoRows if there is none.
func (tx *Tx) QueryRow(text string, args []any, into ...any) error {
	return tx.row(text, args...).Scan(into...)
}

// row runs a SELECT of one row in the transaction. Scan returns the error: sql.ErrNoRows if there is none.
func (tx *Tx) row(text string, args ...any) scanner { return tx.Row(text, args...) }

// refusedBy reports whether a constraint of the given kind refused a row.
func (tx *Tx) refusedBy(kind engine.Kind, err error) bool {
	return err != nil && tx.s.engine.KindOf(err) == kind
}

// apart runs fn and undoes only fn's changes if it fails; failed is fn's error. err is not nil if the whole transaction
// is lost.
func (tx *Tx) apart(fn func() error) (failed, err error) { return engine.Apart(tx, fn) }

// rowsAtOnce is the number of rows in one INSERT of insertRows. With few values a row, that is four times as fast as
// single rows.
const rowsAtOnce = 32

// insertRows inserts n rows, several with each statement. text contains the word ROWS in place of the rows'
// placeholders.
func (tx *Tx) insertRows(text string, n int, row func(i int) []any) error {
	var args []any
	for from := 0; from < n; {
		rows := 1
		if n-from >= rowsAtOnce {
			rows = rowsAtOnce
		}
		args = args[:0]
		for i := range rows {
			args = append(args, row(from+i)...)
		}
		one := "(" + placeholders(len(args)/rows) + ")"
		if _, err := tx.Exec(strings.Replace(text, "ROWS", strings.Repeat(one+", ", rows-1)+one, 1), args...); err != nil {
			return err
		}
		from += rows
	}
	return nil
}
