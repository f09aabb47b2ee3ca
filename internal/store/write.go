package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/crashpoint"
	"github.com/tidegate/tidegate/internal/kernel/fault"
)

// priority orders those who wait for the writer.
type priority int

const (
	// orders is for what a shopper waits for. It goes before every job that waits.
	orders priority = iota
	// jobs is for everything else, in short bounded transactions.
	jobs
)

// String returns the priority's name.
func (p priority) String() string { return [...]string{"orders", "jobs"}[p] }

// writer is SQLite's one writing connection and the queue before it.
type writer struct {
	dialect *dialect
	db      *sql.DB
	conn    *sql.Conn
	stmts   map[string]*sql.Stmt
	hot     *hotConn
	// stockRows are the numbers of pools' rows, as far as orders have asked for them.
	stockRows map[inventory.Pool]int64
	turn      turnstile
	line      jobLine
	closed    bool
}

func openWriter(ctx context.Context, c Config) (*writer, error) {
	if err := os.MkdirAll(filepath.Dir(c.Path), 0o700); err != nil {
		return nil, fmt.Errorf("cannot create the folder of the database: %w", err)
	}
	if err := createPrivate(c.Path); err != nil {
		return nil, fmt.Errorf("cannot create the database: %w", err)
	}
	db, err := sql.Open("sqlite", dsn(c.Path,
		"journal_mode(WAL)",
		"synchronous(FULL)",
		"cache_size(-"+strconv.Itoa(c.CacheMiB*1024)+")",
		"wal_autocheckpoint("+strconv.Itoa(c.CheckpointMiB*1024*1024/4096)+")",
	))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cannot open the database %s: %w", c.Path, err), db.Close())
	}
	w := &writer{dialect: sqliteDialect(), db: db, conn: conn, stmts: map[string]*sql.Stmt{}, stockRows: map[inventory.Pool]int64{}}
	if err := w.checkDurable(ctx); err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

// createPrivate creates the database file, where it is missing, for its owner alone: it holds addresses and the hashes of
// passwords. SQLite gives the files beside it the same mode.
func createPrivate(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// checkDurable refuses settings with which a commit could be lost. See https://www.sqlite.org/pragma.html#pragma_synchronous.
func (w *writer) checkDurable(ctx context.Context) error {
	var mode string
	var sync int
	if err := w.conn.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode); err != nil {
		return err
	}
	if err := w.conn.QueryRowContext(ctx, "PRAGMA synchronous").Scan(&sync); err != nil {
		return err
	}
	if mode != "wal" || sync < 2 {
		return fmt.Errorf("the database is in journal_mode=%s, synchronous=%d, which could lose orders: it must be wal and 2 (its file system must support shared memory; a network share does not)", mode, sync)
	}
	return nil
}

func (w *writer) close() error {
	_ = w.turn.enter(context.Background(), orders)
	defer w.turn.leave()
	if w.closed {
		return nil
	}
	w.closed = true
	for _, st := range w.stmts {
		_ = st.Close()
	}
	if w.hot != nil {
		w.hot.close()
	}
	return errors.Join(w.conn.Close(), w.db.Close())
}

// Tx is a write transaction; on SQLite the only one. It is not safe for concurrent use and ends with the function it was
// given to.
type Tx struct {
	w  *writer  // SQLite's; nil on MySQL
	my *mysqlTx // MySQL's; nil on SQLite
	// announced says that an event waits for its position.
	announced bool
	// forGate says that an event was announced that the gate follows.
	forGate bool
}

// write runs fn in a transaction and commits it. On SQLite it is the one writer's, which jobs may share (see job); on MySQL
// there are several at once (see mysqlWriter.write), and fn may be run again: it sets all that it sets anew. Where write
// returns an error, nothing of it is in the database, unless the error is fault.OutcomeUnknown: SQLite's COMMIT either
// succeeds or leaves the transaction to be rolled back, and MySQL is asked. The context bounds the wait for the writer, not
// the transaction: a caller who goes away cannot leave half a batch. fn must not wait for anybody else's write.
//
// Errors: what fn returned; fault.StoreFull and fault.StoreUnavailable; fault.TimedOut where the turn did not come.
func (s *Store) write(ctx context.Context, p priority, fn func(tx *Tx) error) error {
	fn = enter(ctx, fn)
	if s.my != nil {
		return s.my.write(ctx, p, fn)
	}
	if p == jobs {
		return s.job(ctx, fn)
	}
	w := s.writer
	if err := w.turn.enter(ctx, p); err != nil {
		return busy(err)
	}
	defer w.turn.leave()
	return s.transaction(p, fn)
}

// transaction runs fn in a transaction and commits it. The caller has the turn.
func (s *Store) transaction(p priority, fn func(tx *Tx) error) error {
	w := s.writer
	if w.closed {
		return fault.New(fault.ShuttingDown, "The database is closed.")
	}
	at := crossings[p]
	if err := crashpoint.Fail(at.beginBefore); err != nil {
		return err
	}
	tx := &Tx{w: w}
	if _, err := tx.Exec("BEGIN IMMEDIATE"); err != nil {
		return writeError(err)
	}
	done := false
	defer func() {
		if !done { // an error, or a panic in fn
			// SQLite has rolled back by itself after some errors; then this says that no transaction is active.
			_, _ = tx.Exec("ROLLBACK")
		}
	}()
	if err := crashpoint.Fail(at.beginAfter); err != nil {
		return err
	}
	if err := fn(tx); err != nil {
		return writeError(err)
	}
	if err := crashpoint.Fail(at.commitBefore); err != nil {
		return err
	}
	if _, err := tx.Exec("COMMIT"); err != nil {
		return writeError(err)
	}
	done = true
	crashpoint.Pass(at.commitAfter)
	if tx.forGate {
		s.wakeGate()
	}
	return nil
}

func (s *Store) wakeGate() {
	select {
	case s.gateWake <- struct{}{}:
	default: // it is awake already
	}
}

// crossings are the points that a transaction of each priority passes.
var crossings = [...]struct{ beginBefore, beginAfter, commitBefore, commitAfter crashpoint.Point }{
	orders: {crashpoint.OrdersBeginBefore, crashpoint.OrdersBeginAfter, crashpoint.OrdersCommitBefore, crashpoint.OrdersCommitAfter},
	jobs:   {crashpoint.JobsBeginBefore, crashpoint.JobsBeginAfter, crashpoint.JobsCommitBefore, crashpoint.JobsCommitAfter},
}

// GateWake is signalled after each commit that the gate has to follow.
func (s *Store) GateWake() <-chan struct{} { return s.gateWake }

// restart undoes everything since the transaction began, without giving up the turn. A savepoint would do the same, but
// SQLite copies every page that is changed under one.
func (tx *Tx) restart() error {
	if tx.my != nil {
		return tx.my.restart()
	}
	if _, err := tx.Exec("ROLLBACK"); err != nil {
		return err
	}
	_, err := tx.Exec("BEGIN IMMEDIATE")
	return err
}

// dialect returns the engine's.
func (tx *Tx) dialect() *dialect {
	if tx.my != nil {
		return tx.my.w.dialect
	}
	return tx.w.dialect
}

// Exec runs a statement and returns the number of rows it changed, or found to be so already. SQLite's is prepared once for
// the life of the store.
func (tx *Tx) Exec(text string, args ...any) (int64, error) {
	if tx.my != nil {
		return tx.my.exec(text, args)
	}
	st, err := tx.prepared(text)
	if err != nil {
		return 0, err
	}
	r, err := st.ExecContext(context.Background(), args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// many runs one statement for each of many rows, on SQLite itself: see hotConn. bytes says how long the texts of row i are
// together, or, where it is negative, that the row is passed over; bind binds the row's values; done is told how many rows
// of the table it changed, or the error. None of them may use the transaction: it is taken meanwhile.
func (tx *Tx) many(text string, n int, bytes func(i int) int, bind func(i int, r *row), done func(i int, changed int64, err error) error) error {
	var panicked error
	err := tx.w.conn.Raw(func(c any) error {
		// database/sql gives up a connection under which something has panicked, and this is the only one that writes.
		defer func() {
			if p := recover(); p != nil {
				panicked = caught(p)
			}
		}()
		hot, err := tx.w.hotConn(c)
		if err != nil {
			return err
		}
		st, err := hot.prepare(tx.w.dialect.text(text))
		if err != nil {
			return err
		}
		for i := range n {
			length := bytes(i)
			if length < 0 {
				continue
			}
			if err := hot.room(length); err != nil {
				return err
			}
			r := row{hot: hot, stmt: st}
			bind(i, &r)
			var changed int64
			if err = r.err; err == nil {
				changed, err = hot.run(st)
			}
			if err := done(i, changed, err); err != nil {
				return err
			}
		}
		return nil
	})
	if panicked != nil {
		panic(panicked)
	}
	return err
}

func (w *writer) hotConn(driverConn any) (*hotConn, error) {
	if w.hot != nil {
		return w.hot, nil
	}
	var err error
	w.hot, err = newHotConn(driverConn)
	return w.hot, err
}

// rowsAtOnce is how many rows one statement of insertRows inserts: with few values a row, four times as fast as one by one.
const rowsAtOnce = 32

// insertRows inserts n rows, many with one statement. text holds the word ROWS where the placeholders of the rows belong.
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
		one := "(" + marks(len(args)/rows) + ")"
		if _, err := tx.Exec(strings.Replace(text, "ROWS", strings.Repeat(one+", ", rows-1)+one, 1), args...); err != nil {
			return err
		}
		from += rows
	}
	return nil
}

// Query runs a SELECT inside the transaction.
func (tx *Tx) Query(text string, args ...any) (*sql.Rows, error) {
	if tx.my != nil {
		return tx.my.query(text, args)
	}
	st, err := tx.prepared(text)
	if err != nil {
		return nil, err
	}
	return st.QueryContext(context.Background(), args...)
}

// QueryRow runs a SELECT of one row inside the transaction and scans it. It returns sql.ErrNoRows where there is none.
func (tx *Tx) QueryRow(text string, args []any, into ...any) error {
	return tx.row(text, args...).Scan(into...)
}

// row runs a SELECT of one row inside the transaction. Its error is Scan's: sql.ErrNoRows where there is none.
func (tx *Tx) row(text string, args ...any) scanner {
	if tx.my != nil {
		return tx.my.row(text, args)
	}
	st, err := tx.prepared(text)
	if err != nil {
		return failedRow{err}
	}
	return st.QueryRowContext(context.Background(), args...)
}

func (tx *Tx) prepared(text string) (*sql.Stmt, error) {
	if st, ok := tx.w.stmts[text]; ok {
		return st, nil
	}
	st, err := tx.w.conn.PrepareContext(context.Background(), tx.w.dialect.text(text))
	if err != nil {
		return nil, fmt.Errorf("prepare %q: %w", text, err)
	}
	tx.w.stmts[text] = st
	return st, nil
}

// turnstile lets one in at a time, those with orders first.
type turnstile struct {
	mu    sync.Mutex
	busy  bool
	lines [2][]chan struct{}
}

// enter waits for a turn. It returns the context's error where that ends first.
func (t *turnstile) enter(ctx context.Context, p priority) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	t.mu.Lock()
	if !t.busy {
		t.busy = true
		t.mu.Unlock()
		return nil
	}
	mine := make(chan struct{})
	t.lines[p] = append(t.lines[p], mine)
	t.mu.Unlock()
	select {
	case <-mine:
		return nil
	case <-ctx.Done():
	}
	t.mu.Lock()
	for i, c := range t.lines[p] {
		if c == mine {
			t.lines[p] = append(t.lines[p][:i], t.lines[p][i+1:]...)
			t.mu.Unlock()
			return ctx.Err()
		}
	}
	t.mu.Unlock()
	t.leave() // the turn came in the same moment: pass it on
	return ctx.Err()
}

// leave passes the turn to the next who waits.
func (t *turnstile) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for p := range t.lines {
		if len(t.lines[p]) > 0 {
			next := t.lines[p][0]
			t.lines[p] = t.lines[p][1:]
			close(next)
			return
		}
	}
	t.busy = false
}
