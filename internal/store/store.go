// Package store is all the SQL of the shop: one file a noun, one transaction an exported method.
//
// The embedded engine is SQLite in WAL mode with synchronous=FULL: a transaction that was committed is on disk. There is
// one writer (see write.go) and a pool of readers, which never wait for it.
//
// Errors: any method may return fault.StoreUnavailable and fault.TimedOut, one that writes fault.StoreFull besides; then
// nothing was changed. A method's comment names what else it returns.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/store/mysql"
)

// Config is the store's part of the configuration.
type Config struct {
	Path          string        `koanf:"path" help:"SQLite file; a relative path is inside the data folder"`
	ReadersMax    int           `koanf:"readers_max" help:"connections that read at the same time, 1 to 64"`
	CacheMiB      int           `koanf:"cache_mib" help:"page cache of the writing connection in MiB, 1 to 4096"`
	JobOrdersMax  int           `koanf:"job_orders_max" help:"orders that one background transaction may change, 1 to 5000; it bounds how long a shopper's order waits behind it"`
	Primary       string        `koanf:"primary" secret:"true" help:"MySQL instead of the SQLite file: user:password@tcp(host:3306)/database"`
	Replicas      []string      `koanf:"replicas" secret:"true" help:"MySQL servers that follow the primary and answer lists, each an address like the primary's"`
	ReplicaLagMax time.Duration `koanf:"replica_lag_max" help:"how far a replica may be behind and still answer lists, 500ms to 1m"`
	WritersMax    int           `koanf:"writers_max" help:"transactions that MySQL carries out at the same time beside the orders, 1 to 256"`
	AllowUnsafe   bool          `koanf:"allow_unsafe" help:"serve although MySQL's settings could lose a commit; say so in the log"`
	CheckpointMiB int           `koanf:"checkpoint_mib" help:"size in MiB at which the write-ahead log is copied into the database file, 1 to 1024"`
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{Path: "tidegate.db", ReadersMax: 4, CacheMiB: 32, ReplicaLagMax: time.Second, WritersMax: 16, JobOrdersMax: 500, CheckpointMiB: 32}
}

// Validate returns a fault.Invalid for the first value that is out of range.
func (c Config) Validate() error {
	switch {
	case c.Path == "" || strings.ContainsAny(c.Path, "?#%\x00"):
		return fault.Bad("path", "a file name without ?, # and %%, such as tidegate.db")
	case c.ReadersMax < 1 || c.ReadersMax > 64:
		return fault.Bad("readers_max", "a number from 1 to 64, not %d", c.ReadersMax)
	case c.CacheMiB < 1 || c.CacheMiB > 4096:
		return fault.Bad("cache_mib", "a number from 1 to 4096, not %d", c.CacheMiB)
	case c.WritersMax < 1 || c.WritersMax > 256:
		return fault.Bad("writers_max", "a number from 1 to 256, not %d", c.WritersMax)
	case c.ReplicaLagMax < 500*time.Millisecond || c.ReplicaLagMax > time.Minute:
		return fault.Bad("replica_lag_max", "a duration from 500ms to 1m, not %s", c.ReplicaLagMax)
	case len(c.Replicas) > 0 && c.Primary == "":
		return fault.Bad("replicas", "nothing, or the servers that follow a primary: store.primary names none")
	case c.JobOrdersMax < 1 || c.JobOrdersMax > 5000:
		return fault.Bad("job_orders_max", "a number from 1 to 5000, not %d", c.JobOrdersMax)
	case c.CheckpointMiB < 1 || c.CheckpointMiB > 1024:
		return fault.Bad("checkpoint_mib", "a number from 1 to 1024, not %d", c.CheckpointMiB)
	}
	return nil
}

// busyMilliseconds is how long SQLite waits for another process's lock (a backup tool, the sqlite3 shell) before it gives up.
const busyMilliseconds = 5000

// Store is an open database. Its methods are safe for concurrent use.
type Store struct {
	config  Config
	dialect *dialect
	writer  *writer      // SQLite's; nil on MySQL
	my      *mysqlWriter // MySQL's; nil on SQLite
	db      *sql.DB      // readers: query_only on SQLite
	reads   sync.Map
	// replicas answer lists; nil where there are none.
	replicas *mysql.Replicas
	// engine and warnings are for Engine and Warnings.
	engine   string
	warnings []string
	// gateWake holds one signal at most: see GateWake.
	gateWake chan struct{}
	// stampWake holds one signal at most: see StampWake.
	stampWake chan struct{}
}

// Open opens the database file, creating it where it is missing. It refuses a file whose settings could lose a commit.
// The schema is Migrate's matter.
func Open(ctx context.Context, c Config) (*Store, error) {
	if c.Primary != "" {
		return openMySQL(ctx, c)
	}
	w, err := openWriter(ctx, c)
	if err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", dsn(c.Path, "query_only(1)"))
	if err != nil {
		return nil, errors.Join(err, w.close())
	}
	db.SetMaxOpenConns(c.ReadersMax)
	db.SetMaxIdleConns(c.ReadersMax)
	if err := openReaders(ctx, db, c.ReadersMax); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot read the database %s: %w", c.Path, err), db.Close(), w.close())
	}
	return &Store{config: c, dialect: w.dialect, writer: w, db: db, engine: "SQLite, " + c.Path, gateWake: make(chan struct{}, 1)}, nil
}

// openReaders opens every reader at once. They stay open: the first crowd does not wait for them, and a process that has
// run out of files can still read what it has accepted.
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
		errs = append(errs, conn.Close()) // back to the pool
	}
	return errors.Join(errs...)
}

// Close waits for the transaction that is running and closes every connection.
func (s *Store) Close() error {
	s.reads.Range(func(_, st any) bool {
		_ = st.(*sql.Stmt).Close()
		return true
	})
	if s.my != nil {
		errs := []error{s.db.Close(), s.my.close()}
		if s.replicas != nil {
			errs = append(errs, s.replicas.Close())
		}
		return errors.Join(errs...)
	}
	return errors.Join(s.db.Close(), s.writer.close())
}

func dsn(path string, pragmas ...string) string {
	q := url.Values{}
	for _, p := range append([]string{"busy_timeout(" + strconv.Itoa(busyMilliseconds) + ")", "foreign_keys(0)", "temp_store(MEMORY)"}, pragmas...) {
		q.Add("_pragma", p)
	}
	return "file:" + path + "?" + q.Encode()
}

// query runs a SELECT on a reader.
func (s *Store) query(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	if s.my != nil {
		rows, err := s.db.QueryContext(ctx, s.dialect.text(text), args...)
		return rows, readError(err)
	}
	st, err := s.prepared(ctx, text)
	if err != nil {
		return nil, err
	}
	rows, err := st.QueryContext(ctx, args...)
	return rows, readError(err)
}

// queryRow runs a SELECT of one row on a reader and scans it. It returns sql.ErrNoRows where there is none.
func (s *Store) queryRow(ctx context.Context, text string, args []any, into ...any) error {
	return readError(s.row(ctx, text, args...).Scan(into...))
}

// row runs a SELECT of one row on a reader. Its error is Scan's: sql.ErrNoRows where there is none.
func (s *Store) row(ctx context.Context, text string, args ...any) scanner {
	if s.my != nil {
		return s.db.QueryRowContext(ctx, s.dialect.text(text), args...)
	}
	st, err := s.prepared(ctx, text)
	if err != nil {
		return failedRow{err}
	}
	return st.QueryRowContext(ctx, args...)
}

// scanner is a row or rows.
type scanner interface{ Scan(into ...any) error }

// failedRow is a row that could not be asked for.
type failedRow struct{ err error }

// Scan implements scanner.
func (r failedRow) Scan(...any) error { return r.err }

// prepared returns SQLite's statement of a SELECT, prepared once.
func (s *Store) prepared(ctx context.Context, text string) (*sql.Stmt, error) {
	if st, ok := s.reads.Load(text); ok {
		return st.(*sql.Stmt), nil
	}
	st, err := s.db.PrepareContext(ctx, s.dialect.text(text))
	if err != nil {
		return nil, readError(err)
	}
	if other, loaded := s.reads.LoadOrStore(text, st); loaded {
		_ = st.Close()
		return other.(*sql.Stmt), nil
	}
	return st, nil
}

// snapshot runs fn in one read transaction: every query in it sees the same moment, and it delays no writer.
func (s *Store) snapshot(ctx context.Context, fn func(now view) error) error {
	return s.snapshotOf(ctx, s.db, fn)
}

func (s *Store) snapshotOf(ctx context.Context, db *sql.DB, fn func(now view) error) error {
	var how *sql.TxOptions
	if s.my != nil {
		how = &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}
	}
	tx, err := db.BeginTx(ctx, how)
	if err != nil {
		return readError(err)
	}
	defer func() { _ = tx.Rollback() }() // nothing was written
	return readError(fn(view{tx, s.dialect}))
}

// view is a snapshot that is being read.
type view struct {
	tx      *sql.Tx
	dialect *dialect
}

// query runs a SELECT.
func (v view) query(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	return v.tx.QueryContext(ctx, v.dialect.text(text), args...)
}

// row runs a SELECT of one row.
func (v view) row(ctx context.Context, text string, args ...any) scanner {
	return v.tx.QueryRowContext(ctx, v.dialect.text(text), args...)
}

// collect scans every row with scan and closes rows.
func collect[T any](rows *sql.Rows, err error, scan func(*sql.Rows) (T, error)) ([]T, error) {
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var all []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, readError(err)
		}
		all = append(all, v)
	}
	return all, readError(rows.Err())
}

// readError gives a failed read its code; sql.ErrNoRows and faults stay as they are.
func readError(err error) error {
	switch {
	case err == nil, errors.Is(err, sql.ErrNoRows):
		return err
	case errors.As(err, new(*fault.Error)):
		return err
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fault.Wrap(fault.TimedOut, err, "The database did not answer in time.").After(time.Second)
	}
	return fault.Wrap(fault.StoreUnavailable, err, "The database cannot be read at the moment; try again.").After(time.Second)
}

// writeError gives a failed write its code. What it is told of was rolled back.
func writeError(err error) error {
	if err == nil || errors.As(err, new(*fault.Error)) {
		return err
	}
	switch resultCode(err) & 0xff {
	case sqlite3.SQLITE_FULL:
		return fault.Wrap(fault.StoreFull, err, "The disk is full; nothing was changed. Try again.").After(5 * time.Second)
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOMEM:
		return fault.Wrap(fault.StoreUnavailable, err, "The database cannot be written at the moment; nothing was changed. Try again.").After(2 * time.Second)
	}
	return err
}

// resultCode returns SQLite's extended result code of an error, the driver's or a hotConn's: zero where it is none of
// SQLite's. See https://www.sqlite.org/rescode.html.
func resultCode(err error) int {
	if e, ok := errors.AsType[interface {
		error
		Code() int
	}](err); ok {
		return e.Code()
	}
	return 0
}

// isUnique reports whether err is the refusal of a row whose unique key exists.
func isUnique(err error) bool {
	code := resultCode(err)
	return code == sqlite3.SQLITE_CONSTRAINT_UNIQUE || code == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY
}

func isPrimary(err error) bool { return resultCode(err) == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY }

// isNotNull reports whether err is the refusal of a row by a NOT NULL: see insertOrder.
func isNotNull(err error) bool { return resultCode(err) == sqlite3.SQLITE_CONSTRAINT_NOTNULL }

// isCheck reports whether err is the refusal of a row by a CHECK: the last guard behind every conditional update.
func isCheck(err error) bool { return resultCode(err) == sqlite3.SQLITE_CONSTRAINT_CHECK }

// millis and moment are how times are stored: milliseconds since 1970, UTC; zero is none.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func moment(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// marks returns n comma-separated placeholders.
func marks(n int) string {
	if n == 0 {
		return ""
	}
	return strings.Repeat("?, ", n-1) + "?"
}

// none turns sql.ErrNoRows into a fault.NotFound that says what was looked for.
func none(err error, what string, key any) error {
	if errors.Is(err, sql.ErrNoRows) {
		return fault.New(fault.NotFound, "There is no %s %v.", what, key)
	}
	return err
}
