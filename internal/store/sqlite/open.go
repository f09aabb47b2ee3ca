// Package sqlite implements the embedded engine: SQLite in WAL mode with synchronous=FULL, so a committed transaction
// is on disk. There is one writer (see writer.go) and a pool of readers, which never wait for it.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"strconv"
	"sync"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // registers the driver "sqlite"

	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/store/engine"
)

// Config configures the database file and its use of the machine.
type Config struct {
	// Path is the path of the file.
	Path string
	// ReadersMax bounds concurrent reading connections.
	ReadersMax int
	// CacheMiB is the page cache of the writing connection.
	CacheMiB int
	// CheckpointMiB is the size at which the write-ahead log is copied into the file.
	CheckpointMiB int
}

// busyMilliseconds is how long SQLite waits for the lock of another process, such as a backup tool or the sqlite3
// shell.
const busyMilliseconds = 5000

// Engine is an open database file. It implements engine.Engine.
type Engine struct {
	config  Config
	texts   engine.Texts
	writer  *writer
	readers engine.Pool // query_only
	// reads are the readers' prepared statements, by their text.
	reads sync.Map
}

var _ engine.Engine = (*Engine)(nil)

// Open opens the database file and creates it if missing. It refuses settings that could lose a commit, and returns
// ErrInUse if another process has the file open.
func Open(ctx context.Context, c Config) (*Engine, error) {
	e := &Engine{config: c}
	e.texts.As = func(written string) string { return written }
	var err error
	if e.writer, err = openWriter(ctx, c, &e.texts); err != nil {
		return nil, err
	}
	c.Path = e.writer.lock.path
	e.config = c
	db, err := sql.Open("sqlite", dsn(c.Path, "query_only(1)"))
	if err != nil {
		return nil, errors.Join(err, e.writer.close())
	}
	db.SetMaxOpenConns(c.ReadersMax)
	db.SetMaxIdleConns(c.ReadersMax)
	if err := errors.Join(openReaders(ctx, db, c.ReadersMax), e.writer.lock.remember()); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot read the database %s: %w", c.Path, err), db.Close(), e.writer.close())
	}
	_ = e.writer.makeRoom() // a full disk still allows reading
	e.readers = engine.Pool{DB: db, Texts: &e.texts}
	return e, nil
}

// openReaders opens all readers immediately and keeps them open. So the first crowd does not wait for them, and a
// process without free file descriptors can still read.
func openReaders(ctx context.Context, db *sql.DB, n int) error {
	var errs []error
	conns := make([]*sql.Conn, 0, n)
	for range n {
		conn, err := db.Conn(ctx)
		if err != nil {
			errs = append(errs, err)
			break
		}
		conns = append(conns, conn)
		var objects int // SQLite opens the write-ahead log and its index at the first read
		errs = append(errs, conn.QueryRowContext(ctx, "SELECT COUNT(*) FROM sqlite_schema").Scan(&objects))
	}
	for _, conn := range conns {
		errs = append(errs, conn.Close()) // returns it to the pool
	}
	return errors.Join(errs...)
}

// Close waits for the running transaction and closes every connection.
func (e *Engine) Close() error {
	e.reads.Range(func(_, st any) bool {
		_ = st.(*sql.Stmt).Close()
		return true
	})
	return errors.Join(e.readers.DB.Close(), e.writer.close())
}

func dsn(path string, pragmas ...string) string {
	q := url.Values{}
	for _, p := range append([]string{"busy_timeout(" + strconv.Itoa(busyMilliseconds) + ")", "foreign_keys(0)", "temp_store(MEMORY)"}, pragmas...) {
		q.Add("_pragma", p)
	}
	return "file:" + path + "?" + q.Encode()
}

// Dialect implements engine.Engine.
func (e *Engine) Dialect() engine.Dialect { return engine.SQLite }

// String implements engine.Engine.
func (e *Engine) String() string { return "SQLite, " + e.config.Path }

// Warnings implements engine.Engine. It returns none: Open refuses unsafe settings.
func (e *Engine) Warnings() []string { return nil }

// SeveralWriters implements engine.Engine.
func (e *Engine) SeveralWriters() bool { return false }

// Replicas implements engine.Engine.
func (e *Engine) Replicas() *engine.Replicas { return nil }

// AwaitOutcome implements engine.Engine. It has nothing to await: a COMMIT either succeeds or is rolled back.
func (e *Engine) AwaitOutcome(context.Context, id.Order) error { return nil }

// Conflicts implements engine.Engine. A single writer has none.
func (e *Engine) Conflicts() int64 { return 0 }

// Texts returns every statement used so far.
func (e *Engine) Texts() []string { return e.texts.All() }

// Query implements engine.Engine.
func (e *Engine) Query(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	st, err := e.prepared(ctx, text)
	if err != nil {
		return nil, err
	}
	return st.QueryContext(ctx, args...)
}

// Row implements engine.Engine.
func (e *Engine) Row(ctx context.Context, text string, args ...any) engine.Row {
	st, err := e.prepared(ctx, text)
	if err != nil {
		return engine.FailedRow{Err: err}
	}
	return st.QueryRowContext(ctx, args...)
}

// prepared returns the prepared statement of a SELECT.
func (e *Engine) prepared(ctx context.Context, text string) (*sql.Stmt, error) {
	if st, ok := e.reads.Load(text); ok {
		return st.(*sql.Stmt), nil
	}
	st, err := e.readers.DB.PrepareContext(ctx, e.texts.Of(text))
	if err != nil {
		return nil, err
	}
	if other, loaded := e.reads.LoadOrStore(text, st); loaded {
		_ = st.Close()
		return other.(*sql.Stmt), nil
	}
	return st, nil
}

// Snapshot implements engine.Engine.
func (e *Engine) Snapshot(ctx context.Context, fn func(engine.View) error) error {
	return e.readers.Snapshot(ctx, fn)
}

// Migrations implements engine.Engine. It uses its own connection while the writer waits. Each migration is one
// transaction.
func (e *Engine) Migrations(ctx context.Context, all fs.FS, fn func(*goose.Provider) error) error {
	if err := e.writer.turn.enter(ctx, engine.Jobs); err != nil {
		return err
	}
	defer e.writer.turn.leave()
	db, err := sql.Open("sqlite", dsn(e.config.Path, "synchronous(FULL)"))
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	return engine.Goose(goose.DialectSQLite3, db, all, "migrations/sqlite", fn)
}

// Probe implements engine.Engine.
func (e *Engine) Probe(ctx context.Context) error {
	return e.Write(ctx, engine.Jobs, func(tx engine.Tx) error {
		// Nothing else uses the header's user version. Setting it writes a page even if the value is unchanged.
		_, err := tx.Exec("PRAGMA user_version = 1")
		return err
	})
}
