// Package postgres implements the engine for PostgreSQL. It classifies the server's errors and checks its settings.
package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/pressly/goose/v3"

	"github.com/tidegate/tidegate/internal/store/engine"
)

// Engine implements engine.Engine for a primary and its replicas.
type Engine struct {
	*engine.Server
	address Address
}

var (
	_ engine.Engine      = (*Engine)(nil)
	_ engine.Transaction = (*Tx)(nil)
	_ engine.Address     = Address{}
)

// places converts placeholders to PostgreSQL's: $1, $2.
func places(text string) string {
	var b strings.Builder
	n, quoted := 0, false
	for i := range len(text) {
		switch c := text[i]; {
		case c == '\'':
			quoted = !quoted
			b.WriteByte(c)
		case c == '?' && !quoted:
			n++
			b.WriteByte('$')
			b.WriteString(strconv.Itoa(n))
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// product describes PostgreSQL.
var product = engine.Product{
	Name:      "PostgreSQL",
	Parse:     func(text string) (engine.Address, error) { return Parse(text) },
	As:        places,
	Args:      values,
	KindOf:    KindOf,
	OnPrimary: OnPrimary,
	Beat:      "INSERT INTO pulse (name, beats) VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET beats = pulse.beats + 1",
}

// Open opens the database at the primary's address. It refuses a server that it cannot use and, unless allowed,
// settings that could lose a commit.
func Open(ctx context.Context, c engine.ServerConfig) (*Engine, error) {
	server, err := engine.OpenServer(ctx, c, product, begin)
	if err != nil {
		return nil, err
	}
	at := server.Address().(Address)
	if err := at.ownSessions(ctx, server.Writers().DB); err != nil {
		return nil, errors.Join(err, server.Close())
	}
	return &Engine{server, at}, nil
}

func begin(s *engine.Server, conn *sql.Conn) engine.Transaction {
	return &Tx{Fate: engine.Fate{KindOf: KindOf}, of: s, conn: conn}
}

// Dialect implements engine.Engine.
func (e *Engine) Dialect() engine.Dialect { return engine.PostgreSQL }

// migrateSecondsMax bounds the wait for another process that migrates the database.
const migrateSecondsMax = 120

// migrationLock is the advisory lock of a migration. It is negative, because transactions lock orders by their positive
// ids.
const migrationLock = -7_305_108

// Migrations implements engine.Engine. Each migration is one transaction.
func (e *Engine) Migrations(ctx context.Context, all fs.FS, fn func(*goose.Provider) error) error {
	db := e.address.OpenForMigrations()
	defer func() { _ = db.Close() }()
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // with the pool, this also releases the lock
	if _, err := conn.ExecContext(ctx, fmt.Sprintf("SET lock_timeout = '%ds'", migrateSecondsMax)); err != nil {
		return err
	}
	if _, err := conn.ExecContext(ctx, "SELECT PG_ADVISORY_LOCK($1)", migrationLock); err != nil {
		if KindOf(err) == engine.Again {
			return fmt.Errorf("another process has been migrating the database %s for %d seconds: wait for it, or stop it", e.address, migrateSecondsMax)
		}
		return err
	}
	defer func() {
		_, _ = conn.ExecContext(context.WithoutCancel(ctx), "SELECT PG_ADVISORY_UNLOCK($1)", migrationLock)
	}()
	return engine.Goose(goose.DialectPostgres, db, all, "migrations/postgres", fn)
}
