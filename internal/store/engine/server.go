package engine

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/id"
)

// ServerConfig configures the connections to database servers.
type ServerConfig struct {
	// Primary and Replicas are addresses.
	Primary  string
	Replicas []string
	// ReplicaLagMax is the lag up to which a replica answers lists.
	ReplicaLagMax time.Duration
	// ReadersMax bounds reading connections, WritersMax bounds concurrent jobs.
	ReadersMax, WritersMax int
	// AllowUnsafe accepts server settings that could lose a commit.
	AllowUnsafe bool
}

// Product holds what is specific to one kind of server.
type Product struct {
	Name string
	// Parse parses an address. Its error describes the expected form and never contains a password.
	Parse func(text string) (Address, error)
	// As converts a statement to the server's form.
	As func(written string) string
	// Args converts values to types that the driver accepts; nil: no conversion.
	Args func([]any) []any
	// KindOf classifies an error. OnPrimary reports whether a unique violation is one of the primary key.
	KindOf    func(error) Kind
	OnPrimary func(error) bool
	// Beat is the statement that increments a named pulse.
	Beat string
}

// Address is a server's address and credentials. Its String has neither user nor password.
type Address interface {
	fmt.Stringer
	// Open returns a pool of at most connectionsMax reading connections, OpenForWrites one of writing connections.
	// Neither connects yet.
	Open(connectionsMax int) (*sql.DB, error)
	OpenForWrites(connectionsMax int) (*sql.DB, error)
	// Check verifies that a server can keep what the shop accepts. setting names the setting of its address. Check
	// returns the product with its version and, one clause each, its unsafe settings. If the server cannot be used, it
	// returns an error of one sentence that says what to do.
	Check(ctx context.Context, db *sql.DB, setting string) (version string, unsafe []string, err error)
	// Explain describes a failed connection or refused service in one sentence: the cause and the remedy. Refuses
	// reports whether the server itself sent the error.
	Explain(err error, setting string) error
	Refuses(err error) bool
}

// Server implements Engine for a primary with several writers and its replicas. Engines of servers embed it.
type Server struct {
	product  Product
	version  string
	unsafe   []string
	address  Address
	texts    Texts
	writers  *Writers
	readers  Pool
	replicas *Replicas
}

// OpenServer opens the database at the primary's address. begin begins a transaction on a connection. OpenServer
// refuses a server that it cannot use and, unless allowed, settings that could lose a commit.
func OpenServer(ctx context.Context, c ServerConfig, p Product, begin func(*Server, *sql.Conn) Transaction) (*Server, error) {
	at, err := p.Parse(c.Primary)
	if err != nil {
		return nil, fmt.Errorf("store.primary must be %w", err)
	}
	writers, err := at.OpenForWrites(ConnectionsMax(c.WritersMax))
	if err != nil {
		return nil, err
	}
	readers, err := at.Open(c.ReadersMax)
	if err != nil {
		return nil, errors.Join(err, writers.Close())
	}
	s := &Server{product: p, address: at}
	s.texts.As = p.As
	s.writers = NewWriters(writers, c.WritersMax, &s.texts, p.KindOf)
	s.writers.Begin = func(conn *sql.Conn) Transaction { return begin(s, conn) }
	s.readers = s.pool(readers)
	s.version, s.unsafe, err = at.Check(ctx, readers, "store.primary")
	if err == nil && len(s.unsafe) > 0 && !c.AllowUnsafe {
		err = fmt.Errorf("%s at %s (store.primary) could lose accepted orders: %s; set that right, or say store.allow_unsafe", p.Name, at, strings.Join(s.unsafe, "; "))
	}
	if err == nil {
		err = s.openReplicas(ctx, c)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// pool returns a reading pool. Its snapshots do not use START TRANSACTION READ ONLY, which TiDB refuses.
func (s *Server) pool(db *sql.DB) Pool {
	return Pool{DB: db, Texts: &s.texts, Args: s.product.Args, Moment: &sql.TxOptions{Isolation: sql.LevelRepeatableRead}}
}

// replicaAnswerMax bounds the wait for a replica at the start.
const replicaAnswerMax = 5 * time.Second

// openReplicas opens the pools of the replicas. It returns an error for an invalid address, and for a server that
// refuses the user or the database. A server that does not answer may come later.
func (s *Server) openReplicas(ctx context.Context, c ServerConfig) error {
	if len(c.Replicas) == 0 {
		return nil
	}
	s.replicas = NewReplicas(&s.readers, c.ReplicaLagMax, s.product.Beat)
	for i, text := range c.Replicas {
		setting := fmt.Sprintf("store.replicas[%d]", i)
		at, err := s.product.Parse(text)
		if err != nil {
			return fmt.Errorf("%s must be %w", setting, err)
		}
		db, err := at.Open(c.ReadersMax)
		if err != nil {
			return err
		}
		s.replicas.Add(at.String(), s.pool(db))
		asked, cancel := context.WithTimeout(ctx, replicaAnswerMax)
		err = db.PingContext(asked)
		cancel()
		if at.Refuses(err) {
			return at.Explain(err, setting)
		}
	}
	return nil
}

// Close implements Engine.
func (s *Server) Close() error {
	errs := []error{s.readers.DB.Close(), s.writers.Close()}
	if s.replicas != nil {
		errs = append(errs, s.replicas.Close())
	}
	return errors.Join(errs...)
}

// String implements Engine.
func (s *Server) String() string { return s.version + " at " + s.address.String() }

// Version returns the primary's product and version.
func (s *Server) Version() string { return s.version }

// Address returns the primary's address.
func (s *Server) Address() Address { return s.address }

// Warnings implements Engine.
func (s *Server) Warnings() []string { return s.unsafe }

// SeveralWriters implements Engine.
func (s *Server) SeveralWriters() bool { return true }

// Replicas implements Engine.
func (s *Server) Replicas() *Replicas { return s.replicas }

// Statements returns the cache of statements.
func (s *Server) Statements() *Texts { return &s.texts }

// Texts returns every statement used so far.
func (s *Server) Texts() []string { return s.texts.All() }

// Writers returns the writers of the engine.
func (s *Server) Writers() *Writers { return s.writers }

// KindOf implements Engine.
func (s *Server) KindOf(err error) Kind { return s.product.KindOf(err) }

// OnPrimary implements Engine.
func (s *Server) OnPrimary(err error) bool { return s.product.OnPrimary(err) }

// Query implements Engine.
func (s *Server) Query(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	return s.readers.Query(ctx, text, args...)
}

// Row implements Engine.
func (s *Server) Row(ctx context.Context, text string, args ...any) Row {
	return s.readers.Row(ctx, text, args...)
}

// Snapshot implements Engine.
func (s *Server) Snapshot(ctx context.Context, fn func(View) error) error {
	return s.readers.Snapshot(ctx, fn)
}

// Write implements Engine.
func (s *Server) Write(ctx context.Context, p Priority, fn func(Tx) error) error {
	return s.writers.Write(ctx, p, fn)
}

// AwaitOutcome implements Engine.
func (s *Server) AwaitOutcome(ctx context.Context, o id.Order) error {
	return s.writers.AwaitOutcome(ctx, o)
}

// Conflicts implements Engine.
func (s *Server) Conflicts() int64 { return s.writers.Conflicts() }

// Probe implements Engine. It needs no write of its own: every transaction writes a marker.
func (s *Server) Probe(ctx context.Context) error {
	return s.writers.Write(ctx, Jobs, func(tx Tx) error {
		_, err := tx.(Transaction).Mark()
		return err
	})
}

// Checkpoint implements Engine: a server manages its own log.
func (s *Server) Checkpoint(context.Context) (int, error) { return 0, nil }

// RewriteRows implements Engine: a server manages its own files.
func (s *Server) RewriteRows(Tx, string) error { return nil }

// ForgetOverwritten implements Engine: a server manages its own log.
func (s *Server) ForgetOverwritten(context.Context) error { return nil }

// LookAtFiles implements Engine: a server manages its own files.
func (s *Server) LookAtFiles(context.Context) (int, error) { return 0, nil }
