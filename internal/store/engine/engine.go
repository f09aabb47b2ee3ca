// Package engine defines what the store needs of a database engine: reads, write transactions, error classification and
// migrations. Each engine is a subfolder of store. The package also has the parts that several engines share: reader
// pools, concurrent writers, replicas.
package engine

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"time"

	"github.com/pressly/goose/v3"

	"github.com/tidegate/tidegate/internal/kernel/crashpoint"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// Engine is an open database. It is safe for concurrent use.
type Engine interface {
	// Dialect returns the SQL dialect of the engine's statements.
	Dialect() Dialect
	// String returns the product, its version and its location.
	String() string
	// Warnings returns, one clause each, unsafe server settings that the configuration allows.
	Warnings() []string
	// SeveralWriters reports whether transactions run concurrently, in this process and in others. A transaction must
	// then lock the rows it decides by, and an event has no position until it is stamped. Otherwise one transaction
	// runs at a time.
	SeveralWriters() bool
	// Query and Row run a SELECT on a reader. They return the driver's errors.
	Query(ctx context.Context, text string, args ...any) (*sql.Rows, error)
	Row(ctx context.Context, text string, args ...any) Row
	// Snapshot runs fn in a read transaction. All its queries see the same moment, and it delays no writer.
	Snapshot(ctx context.Context, fn func(View) error) error
	// Write runs fn in a transaction and commits it. With several writers fn may run again, so it must reset its
	// results. After an error nothing is in the database, unless the error is fault.OutcomeUnknown. The context bounds
	// the wait for the transaction's turn, not the transaction.
	//
	// Errors: those of fn; fault.StoreFull and fault.StoreUnavailable; fault.TimedOut if the turn did not come.
	Write(ctx context.Context, p Priority, fn func(Tx) error) error
	// KindOf classifies an error of the driver. OnPrimary reports whether a unique violation is one of the primary key.
	KindOf(err error) Kind
	OnPrimary(err error) bool
	// AwaitOutcome waits until it is decided whether the batch of an order was committed, after its COMMIT got no
	// answer.
	AwaitOutcome(ctx context.Context, o id.Order) error
	// Conflicts returns the number of transactions that the server rolled back and that were repeated.
	Conflicts() int64
	// Probe commits a small write that changes nothing.
	Probe(ctx context.Context) error
	// Checkpoint shortens the engine's log, if the engine leaves that to the shop, and returns how often it did.
	Checkpoint(ctx context.Context) (int, error)
	// RewriteRows overwrites every row of a table, so that old contents do not remain in the files, if the files are
	// the shop's own.
	RewriteRows(tx Tx, table string) error
	// ForgetOverwritten removes old contents of rows from the engine's log, if the log is the shop's own.
	ForgetOverwritten(ctx context.Context) error
	// LookAtFiles verifies that the files this process has open are still in their place. While they are not, nothing
	// is written and it returns a fault.StoreUnavailable. It does nothing for a server.
	LookAtFiles(ctx context.Context) (int, error)
	// Migrations calls fn with goose over the engine's migrations. No other process migrates meanwhile.
	Migrations(ctx context.Context, all fs.FS, fn func(*goose.Provider) error) error
	// Replicas returns the servers that answer lists, or nil.
	Replicas() *Replicas
	Close() error
}

// Tx is an open write transaction. It is not safe for concurrent use.
type Tx interface {
	// Exec runs a statement and returns the number of matched rows, including those it did not have to change.
	Exec(text string, args ...any) (int64, error)
	Query(text string, args ...any) (*sql.Rows, error)
	Row(text string, args ...any) Row
	// Restart rolls back the whole transaction and begins it again.
	Restart() error
	// Broken returns an error if err has ended the transaction, so that not even a savepoint can continue it: it was
	// rolled back, or its reads are outdated.
	Broken(err error) error
}

// View is an open snapshot.
type View interface {
	Query(ctx context.Context, text string, args ...any) (*sql.Rows, error)
	Row(ctx context.Context, text string, args ...any) Row
}

// Row is a row or the current row of several. Scan returns sql.ErrNoRows if there is none.
type Row interface{ Scan(into ...any) error }

// FailedRow is a Row whose query failed.
type FailedRow struct{ Err error }

// Scan implements Row.
func (r FailedRow) Scan(...any) error { return r.Err }

// Dialect is an SQL dialect.
type Dialect int

// The dialects.
const (
	SQLite Dialect = iota
	MySQL
	PostgreSQL
)

// Priority orders waiting writes.
type Priority int

const (
	// Orders is for writes that a shopper waits for. They precede all waiting jobs.
	Orders Priority = iota
	// Jobs is for all other writes, in short bounded transactions.
	Jobs
)

// Crossing names the crash points of a transaction.
type Crossing struct{ BeginBefore, BeginAfter, CommitBefore, CommitAfter crashpoint.Point }

// Crossings maps each priority to its crash points.
var Crossings = [...]Crossing{
	Orders: {crashpoint.OrdersBeginBefore, crashpoint.OrdersBeginAfter, crashpoint.OrdersCommitBefore, crashpoint.OrdersCommitAfter},
	Jobs:   {crashpoint.JobsBeginBefore, crashpoint.JobsBeginAfter, crashpoint.JobsCommitBefore, crashpoint.JobsCommitAfter},
}

// Kind classifies a database error.
type Kind int

// The kinds. After Again, Deadlock and Gone the transaction was rolled back and may be repeated. The exception is Gone
// as the answer to a COMMIT, whose outcome is unknown.
const (
	Other  Kind = iota
	Unique      // unique violation
	NotNull
	Check
	Again    // lock timeout or write conflict; rolled back
	Deadlock // deadlock; rolled back
	Gone     // the connection or server is gone, or the server became a replica
	Full     // disk full
	Invalid  // text that the engine cannot store
)

// ErrRetry tells Write to run the transaction again, because the facts it decided by have changed. fn returns it
// wrapped.
var ErrRetry = errors.New("something changed meanwhile")

// Busy returns the error of a write whose turn did not come.
func Busy(err error) error {
	return fault.Wrap(fault.TimedOut, err, "The database is busy; nothing was changed. Try again.").After(time.Second)
}

// WriteError gives a failed write its fault code. The transaction was rolled back, or the error is
// fault.OutcomeUnknown.
func WriteError(kind Kind, err error) error {
	switch {
	case err == nil, errors.Is(err, fault.OutcomeUnknown):
		return err
	case kind == Full:
		return fault.Wrap(fault.StoreFull, err, "The disk is full; nothing was changed. Try again.").After(5 * time.Second)
	case kind == Again, kind == Deadlock, kind == Gone, errors.Is(err, ErrRetry):
		return fault.Wrap(fault.StoreUnavailable, err, "The database cannot be written at the moment; nothing was changed. Try again.").After(2 * time.Second)
	case kind == Invalid:
		return fault.Wrap(fault.Invalid, err, "A text holds a character that cannot be stored, such as a zero byte: leave it out.")
	}
	return err
}

// Apart runs fn and undoes only fn's changes if it fails; failed is fn's error. err is not nil if the whole transaction
// is lost.
func Apart(tx Tx, fn func() error) (failed, err error) {
	if _, err := tx.Exec("SAVEPOINT apart"); err != nil {
		return nil, err
	}
	if failed = fn(); failed != nil {
		if broken := tx.Broken(failed); broken != nil {
			return failed, broken
		}
		if _, err := tx.Exec("ROLLBACK TO apart"); err != nil {
			return failed, errors.Join(failed, err)
		}
	}
	_, err = tx.Exec("RELEASE SAVEPOINT apart")
	return failed, err
}

// Goose calls fn with goose over a folder of migrations.
func Goose(d goose.Dialect, db *sql.DB, all fs.FS, folder string, fn func(*goose.Provider) error, options ...goose.ProviderOption) error {
	files, err := fs.Sub(all, folder)
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(d, db, files, options...)
	if err != nil {
		return err
	}
	return fn(p)
}
