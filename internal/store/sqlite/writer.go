package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/crashpoint"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/store/engine"
)

// writer is SQLite's only writing connection and its queue.
type writer struct {
	texts *engine.Texts
	db    *sql.DB
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
	hot   *hotConn
	// stockRows caches row numbers of pools.
	stockRows map[inventory.Pool]int64
	turn      turnstile
	line      jobLine
	closed    bool
	// lock marks the database as owned by this process.
	lock *fileLock
	// refusing is the reason why nothing is written; nil if there is none: see LookAtFiles.
	refusing atomic.Pointer[error]
	// full is the reason while the disk has no space for the ballast; otherwise nil.
	full            atomic.Pointer[error]
	ballast         *ballast
	checkpointBytes int64
	// cutNext is the earliest time of the next attempt to truncate the log, cutPause the pause after it: see cutLog.
	cutNext  time.Time
	cutPause time.Duration
}

// openWriter locks and opens the database file. It returns ErrInUse if another process has it open.
func openWriter(ctx context.Context, c Config, texts *engine.Texts) (*writer, error) {
	if err := os.MkdirAll(filepath.Dir(c.Path), 0o700); err != nil {
		return nil, fmt.Errorf("cannot create the folder of the database: %w", err)
	}
	lock, err := lockFile(c.Path)
	if err != nil {
		return nil, err
	}
	c.Path = lock.path
	room := &ballast{path: c.Path + "-ballast"}
	if err := room.drop(); err != nil { // opening needs disk space
		return nil, errors.Join(fmt.Errorf("cannot open the database %s: %w", c.Path, err), lock.close())
	}
	db, err := sql.Open("sqlite", dsn(c.Path,
		"journal_mode(WAL)",
		"synchronous(FULL)",
		"cache_size(-"+strconv.Itoa(c.CacheMiB*1024)+")",
		"wal_autocheckpoint("+strconv.Itoa(c.CheckpointMiB*1024*1024/4096)+")",
	))
	if err != nil {
		return nil, errors.Join(err, lock.close())
	}
	db.SetMaxOpenConns(1)
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cannot open the database %s: %w", c.Path, err), db.Close(), lock.close())
	}
	w := &writer{
		texts: texts, db: db, conn: conn, stmts: map[string]*sql.Stmt{}, stockRows: map[inventory.Pool]int64{},
		lock: lock, ballast: room, checkpointBytes: int64(c.CheckpointMiB) << 20,
	}
	if err := w.checkDurable(ctx); err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

// checkDurable refuses settings that could lose a commit. See https://www.sqlite.org/pragma.html#pragma_synchronous.
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
	_ = w.turn.enter(context.Background(), engine.Orders)
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
	// Closing copies the log into the database and deletes it. On a full disk it needs the ballast's space.
	_ = w.ballast.drop()
	err := errors.Join(w.conn.Close(), w.db.Close())
	w.lock.beside = nil // SQLite has deleted them
	if w.lock.inPlace() == nil {
		_ = w.ballast.hold(ballastMin) // for the next start
	}
	return errors.Join(err, w.lock.close())
}

// Tx is the only write transaction at a time. It implements engine.Tx.
type Tx struct{ w *writer }

// Write implements engine.Engine. Jobs may share the writer's turn (see job).
func (e *Engine) Write(ctx context.Context, p engine.Priority, fn func(tx engine.Tx) error) error {
	if p == engine.Jobs {
		return e.job(ctx, fn)
	}
	w := e.writer
	if err := w.turn.enter(ctx, p); err != nil {
		return engine.Busy(err)
	}
	defer w.turn.leave()
	return e.transaction(p, fn)
}

// transaction runs fn in a transaction and commits it. The caller has the turn.
func (e *Engine) transaction(p engine.Priority, fn func(tx engine.Tx) error) (err error) {
	w := e.writer
	if w.closed {
		return fault.New(fault.ShuttingDown, "The database is closed.")
	}
	if why := w.refusing.Load(); why != nil {
		return *why
	}
	if why := w.full.Load(); why != nil {
		return *why
	}
	at := &engine.Crossings[p]
	if err := crashpoint.Fail(at.BeginBefore); err != nil {
		return err
	}
	tx := &Tx{w}
	if _, err := tx.Exec("BEGIN IMMEDIATE"); err != nil {
		return writeError(err)
	}
	done := false
	defer func() {
		if !done { // an error, or a panic in fn
			// SQLite rolls back on its own after some errors. This then returns "no transaction is active".
			_, _ = tx.Exec("ROLLBACK")
			if err != nil && fault.CodeOf(err) == fault.StoreFull {
				_ = w.makeRoom() // a failure is reported to the next writer
			}
		}
	}()
	if err := crashpoint.Fail(at.BeginAfter); err != nil {
		return err
	}
	if err := fn(tx); err != nil {
		return writeError(err)
	}
	if err := crashpoint.Fail(at.CommitBefore); err != nil {
		return err
	}
	if _, err := tx.Exec("COMMIT"); err != nil {
		return writeError(err)
	}
	done = true
	crashpoint.Pass(at.CommitAfter)
	w.cutLogInTime()
	return nil
}

// Restart implements engine.Tx without giving up the turn. It avoids a savepoint, under which SQLite copies every page
// that is changed.
func (tx *Tx) Restart() error {
	if _, err := tx.Exec("ROLLBACK"); err != nil {
		return err
	}
	_, err := tx.Exec("BEGIN IMMEDIATE")
	return err
}

// Broken implements engine.Tx. It returns nil: no other transaction can interfere.
func (tx *Tx) Broken(error) error { return nil }

// Exec implements engine.Tx. It prepares each statement once for the life of the engine.
func (tx *Tx) Exec(text string, args ...any) (int64, error) {
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

// Many runs one statement for many rows directly in SQLite: see hotConn. bytes returns the total length of row i's
// texts; a negative length skips the row. bind binds the row's values. done receives the number of changed rows or the
// error. None of these functions may use the transaction.
func (tx *Tx) Many(text string, n int, bytes func(i int) int, bind func(i int, r *HotRow), done func(i int, changed int64, err error) error) error {
	var panicked error
	err := tx.w.conn.Raw(func(c any) error {
		// database/sql discards a connection when code panics on it, and this is the only writing connection.
		defer func() {
			if p := recover(); p != nil {
				panicked = caught(p)
			}
		}()
		hot, err := tx.w.hotConn(c)
		if err != nil {
			return err
		}
		st, err := hot.prepare(tx.w.texts.Of(text))
		if err != nil {
			return err
		}
		r := new(HotRow) // one for all rows: bind lets it escape
		for i := range n {
			length := bytes(i)
			if length < 0 {
				continue
			}
			if err := hot.room(length); err != nil {
				return err
			}
			*r = HotRow{hot: hot, stmt: st}
			bind(i, r)
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

// Query implements engine.Tx.
func (tx *Tx) Query(text string, args ...any) (*sql.Rows, error) {
	st, err := tx.prepared(text)
	if err != nil {
		return nil, err
	}
	return st.QueryContext(context.Background(), args...)
}

// Row implements engine.Tx.
func (tx *Tx) Row(text string, args ...any) engine.Row {
	st, err := tx.prepared(text)
	if err != nil {
		return engine.FailedRow{Err: err}
	}
	return st.QueryRowContext(context.Background(), args...)
}

func (tx *Tx) prepared(text string) (*sql.Stmt, error) {
	if st, ok := tx.w.stmts[text]; ok {
		return st, nil
	}
	st, err := tx.w.conn.PrepareContext(context.Background(), tx.w.texts.Of(text))
	if err != nil {
		return nil, fmt.Errorf("prepare %q: %w", text, err)
	}
	tx.w.stmts[text] = st
	return st, nil
}

// turnstile admits one holder at a time, orders before jobs.
type turnstile struct {
	mu    sync.Mutex
	busy  bool
	lines [2][]chan struct{}
}

// enter waits for a turn. It returns ctx's error if ctx ends first.
func (t *turnstile) enter(ctx context.Context, p engine.Priority) error {
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
	t.leave() // the turn came at the same moment: pass it on
	return ctx.Err()
}

// leave passes the turn to the next waiter.
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
