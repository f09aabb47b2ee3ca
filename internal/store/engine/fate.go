package engine

import (
	"database/sql"

	"github.com/tidegate/tidegate/internal/kernel/id"
)

// Fate records the state of a server transaction: whether it can continue, and which row proves its commit. Server
// transactions embed it.
type Fate struct {
	// KindOf classifies an error.
	KindOf func(error) Kind
	// lost is the error that ended the transaction.
	lost error
	// wrote says that a statement may have changed something.
	wrote bool
	// batch is an inserted order that proves the commit; zero if there is none.
	batch id.Order
}

// Note returns err. It records it if the server has rolled the transaction back, or should.
func (f *Fate) Note(err error) error {
	switch f.KindOf(err) {
	case Again, Deadlock, Gone:
		if f.lost == nil {
			f.lost = err
		}
	}
	return err
}

// Broken implements Tx.
func (f *Fate) Broken(err error) error {
	switch {
	case f.lost != nil:
		return f.lost
	case f.KindOf(err) == Unique:
		return err
	}
	return nil
}

// Writes records that a statement may change something.
func (f *Fate) Writes() { f.wrote = true }

// Wrote implements Transaction.
func (f *Fate) Wrote() bool { return f.wrote }

// Anew records that the transaction starts again.
func (f *Fate) Anew() { f.wrote, f.batch = false, 0 }

// Failed implements Transaction.
func (f *Fate) Failed() error { return f.lost }

// Forget implements Transaction.
func (f *Fate) Forget() { f.lost = nil }

// AskByOrder makes an order that the transaction has inserted the proof of its commit. The server must have confirmed
// the insert.
func (f *Fate) AskByOrder(o id.Order) { f.batch = o }

// Witness implements Mark for a transaction that inserts its marker with exec.
//
// The witness must exist before the COMMIT is sent, because a later insert of the same row that succeeds proves that
// the COMMIT never arrived. So it must not travel in the COMMIT's packet.
func (f *Fate) Witness(ids *RowIDs, exec func(text string, args ...any) (int64, error)) (Witness, error) {
	if f.batch != 0 {
		return OrderWitness(f.batch), nil
	}
	marker := MarkerOf(ids.Next())
	_, err := exec(marker.Text, marker.Args...)
	return marker, err
}

// Noted returns a row whose error is recorded with Note.
func (f *Fate) Noted(row *sql.Row) Row { return notedRow{f, row} }

type notedRow struct {
	of  *Fate
	row *sql.Row
}

// Scan implements Row.
func (r notedRow) Scan(into ...any) error { return r.of.Note(r.row.Scan(into...)) }
