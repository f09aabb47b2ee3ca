// Package store contains all SQL of the shop. Each noun has a file; each exported method is one transaction.
//
// The subpackages implement the database engines behind engine.Engine. Differences of dialect are in sqls.go and beside
// the statements that differ.
//
// Errors: every method may return fault.StoreUnavailable and fault.TimedOut, and a writing one also fault.StoreFull;
// nothing is changed then. The comment of a method names its other errors.
package store

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/encryption"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/store/engine"
	"github.com/tidegate/tidegate/internal/store/mysql"
	"github.com/tidegate/tidegate/internal/store/postgres"
	"github.com/tidegate/tidegate/internal/store/sqlite"
)

// Config is the configuration of the store.
type Config struct {
	Path          string        `koanf:"path" help:"SQLite file; a relative path is inside the data folder"`
	ReadersMax    int           `koanf:"readers_max" help:"connections that read at the same time, 1 to 64"`
	CacheMiB      int           `koanf:"cache_mib" help:"page cache of the writing connection in MiB, 1 to 4096"`
	JobOrdersMax  int           `koanf:"job_orders_max" help:"orders that one background transaction may change, 1 to 5000; it bounds how long a shopper's order waits behind it"`
	Primary       string        `koanf:"primary" secret:"true" help:"a server instead of the SQLite file: MySQL, user:password@tcp(host:3306)/database, or PostgreSQL, postgres://user:password@host:5432/database"`
	Replicas      []string      `koanf:"replicas" secret:"true" help:"servers that follow the primary and answer lists, each an address like the primary's"`
	ReplicaLagMax time.Duration `koanf:"replica_lag_max" help:"how far a replica may be behind and still answer lists, 500ms to 1m"`
	WritersMax    int           `koanf:"writers_max" help:"transactions that the server carries out at the same time beside the orders, 1 to 256"`
	AllowUnsafe   bool          `koanf:"allow_unsafe" help:"serve although the server's settings could lose a commit; say so in the log"`
	CheckpointMiB int           `koanf:"checkpoint_mib" help:"size in MiB at which the write-ahead log is copied into the database file, and half as much again at which it is cut, 1 to 1024"`
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

// Store is an open database. Its methods are safe for concurrent use.
type Store struct {
	config  Config
	engine  engine.Engine
	dialect engine.Dialect
	ways    ways
	// keys encrypts the secrets in the database: see UseKeys.
	keys *encryption.Keys
	// ids makes ids for rows without an id of the shop.
	ids engine.RowIDs
	// assumed caches terms of sales for concurrent batches.
	assumed assumedTerms
	// recent remembers recent writes; nil without replicas.
	recent *recent
	// gateWake holds one signal at most: see GateWake.
	gateWake chan struct{}
	// stampWake holds one signal at most: see StampWake.
	stampWake chan struct{}
}

// ErrInUse says that another process has the database file open.
var ErrInUse = sqlite.ErrInUse

// ways holds the operations that each engine implements differently.
type ways struct {
	// commit commits a batch of orders.
	commit func(*batch) error
	// lockAllowances implements Tx.lockAllowances; nil on a single-writer engine.
	lockAllowances func(*Tx, id.Sale, []id.Customer) (before bool, err error)
	// setPositions assigns positions to rows of a table; nil if rows get them at their insert.
	setPositions func(tx *Tx, table, key string, rows []unstamped, positions []int64) error
	// lockIntents implements Tx.lockIntents; nil if the rows themselves suffice.
	lockIntents func(tx *Tx, sorted []int64) error
}

// Open opens the configured database: a file, which it creates if missing, or a server. It refuses settings that could
// lose a commit, and returns ErrInUse if another process has the file open. It does not migrate the schema.
func Open(ctx context.Context, c Config) (*Store, error) {
	s := &Store{config: c, gateWake: make(chan struct{}, 1), stampWake: make(chan struct{}, 1)}
	var err error
	switch {
	case c.Primary == "":
		s.engine, err = sqlite.Open(ctx, sqlite.Config{Path: c.Path, ReadersMax: c.ReadersMax, CacheMiB: c.CacheMiB, CheckpointMiB: c.CheckpointMiB})
		s.ways = ways{commit: commitSQLite}
	case postgres.IsAddress(c.Primary):
		s.engine, err = postgres.Open(ctx, c.server())
		s.ways = ways{commit: commitPostgres, lockAllowances: lockAllowancesPostgres, setPositions: setPositionsPostgres, lockIntents: lockIntentsPostgres}
	default:
		s.engine, err = mysql.Open(ctx, c.server())
		s.ways = ways{commit: commitMySQL, lockAllowances: lockAllowancesMySQL, setPositions: setPositionsMySQL}
	}
	if err != nil {
		return nil, err
	}
	s.dialect = s.engine.Dialect()
	if s.engine.Replicas() != nil {
		s.recent = newRecent(c.ownWritesFor())
	}
	return s, nil
}

// server returns the configuration of a database server.
func (c Config) server() engine.ServerConfig {
	return engine.ServerConfig{Primary: c.Primary, Replicas: c.Replicas, ReplicaLagMax: c.ReplicaLagMax,
		ReadersMax: c.ReadersMax, WritersMax: c.WritersMax, AllowUnsafe: c.AllowUnsafe}
}

// Close waits for the running transaction and closes every connection.
func (s *Store) Close() error { return s.engine.Close() }

// Engine describes the database: the file, or the server and its version.
func (s *Store) Engine() string { return s.engine.String() }

// Conflicts returns the number of transactions that the server rolled back and the store repeated: deadlocks, lock
// timeouts, write conflicts. A single-writer engine has none.
func (s *Store) Conflicts() int64 { return s.engine.Conflicts() }

// Warnings returns, one clause each, the server's unsafe settings that the configuration allows.
func (s *Store) Warnings() []string { return s.engine.Warnings() }

// Shared reports whether other processes may write the same data. Events are then readable only after StampStep, and
// work for one process at a time needs a lease.
func (s *Store) Shared() bool { return s.engine.SeveralWriters() }

// Writable commits a small transaction, to find a full or missing disk before a shopper does. It returns
// fault.StoreFull, fault.StoreUnavailable or fault.TimedOut.
func (s *Store) Writable(ctx context.Context) error { return s.engine.Probe(ctx) }

// CheckpointStep shortens SQLite's write-ahead log and returns how often it did. Servers manage their own logs.
func (s *Store) CheckpointStep(ctx context.Context) (int, error) { return s.engine.Checkpoint(ctx) }

// PlaceStep verifies that the database's files are still where they were opened. While they are not, the store writes
// nothing and PlaceStep returns a fault.StoreUnavailable. For a server it does nothing.
func (s *Store) PlaceStep(ctx context.Context) (int, error) { return s.engine.LookAtFiles(ctx) }

// query runs a SELECT on a reader.
func (s *Store) query(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	rows, err := s.engine.Query(ctx, text, args...)
	return rows, readError(err)
}

// queryRow runs a SELECT of one row on a reader and scans it. It returns sql.ErrNoRows if there is none.
func (s *Store) queryRow(ctx context.Context, text string, args []any, into ...any) error {
	return readError(s.row(ctx, text, args...).Scan(into...))
}

// row runs a SELECT of one row on a reader. Scan returns the error: sql.ErrNoRows if there is none.
func (s *Store) row(ctx context.Context, text string, args ...any) scanner {
	return s.engine.Row(ctx, text, args...)
}

// scanner is a row or rows.
type scanner = engine.Row

// snapshot runs fn in a read transaction. All its queries see the same moment, and it delays no writer.
func (s *Store) snapshot(ctx context.Context, fn func(now view) error) error {
	return s.snapshotOf(ctx, s.engine, fn)
}

// snapshots reads snapshots: an engine or a replica.
type snapshots interface {
	Snapshot(ctx context.Context, fn func(engine.View) error) error
}

func (s *Store) snapshotOf(ctx context.Context, of snapshots, fn func(now view) error) error {
	return readError(of.Snapshot(ctx, func(v engine.View) error { return fn(view{v, s}) }))
}

// view is an open snapshot.
type view struct {
	engine.View
	s *Store
}

// query runs a SELECT.
func (v view) query(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	return v.Query(ctx, text, args...)
}

// row runs a SELECT of one row.
func (v view) row(ctx context.Context, text string, args ...any) scanner {
	return v.Row(ctx, text, args...)
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

// readError gives a failed read its fault code. sql.ErrNoRows and faults stay unchanged.
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

// millis and fromMillis convert times to and from their stored form: milliseconds since 1970, UTC; zero is no time.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// placeholders returns n comma-separated placeholders.
func placeholders(n int) string {
	if n == 0 {
		return ""
	}
	return strings.Repeat("?, ", n-1) + "?"
}

// notFound turns sql.ErrNoRows into a fault.NotFound that names what was missing.
func notFound(err error, what string, key any) error {
	if errors.Is(err, sql.ErrNoRows) {
		return fault.New(fault.NotFound, "There is no %s %v.", what, key)
	}
	return err
}
