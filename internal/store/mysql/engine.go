package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
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

// quotes converts the identifier quotes of standard SQL to MySQL's.
var quotes = strings.NewReplacer(`"`, "`")

// product describes MySQL and the servers that speak its protocol.
var product = engine.Product{
	Name:      "MySQL",
	Parse:     func(text string) (engine.Address, error) { return Parse(text) },
	As:        quotes.Replace,
	KindOf:    KindOf,
	OnPrimary: OnPrimary,
	Beat:      "INSERT INTO pulse (name, beats) VALUES (?, 1) ON DUPLICATE KEY UPDATE beats = beats + 1",
}

// Open opens the database at the primary's address. It refuses a server that it cannot use and, unless allowed,
// settings that could lose a commit.
func Open(ctx context.Context, c engine.ServerConfig) (*Engine, error) {
	server, err := engine.OpenServer(ctx, c, product, begin)
	if err != nil {
		return nil, err
	}
	at := server.Address().(Address)
	if _, err := server.Writers().DB.ExecContext(ctx, "DO 0; DO 0"); err != nil {
		return nil, errors.Join(fmt.Errorf("MySQL at %s (store.primary) does not take two statements at once: a proxy before it must let connections have CLIENT_MULTI_STATEMENTS: %w", at, err), server.Close())
	}
	return &Engine{server, at}, nil
}

func begin(s *engine.Server, conn *sql.Conn) engine.Transaction {
	tx := &Tx{Fate: engine.Fate{KindOf: KindOf}, of: s, conn: conn}
	tx.begin()
	return tx
}

// Dialect implements engine.Engine.
func (e *Engine) Dialect() engine.Dialect { return engine.MySQL }

// migrateSecondsMax bounds the wait for another process that migrates the database.
const migrateSecondsMax = 120

// These statements use FROM DUAL and nothing but the function, because Vitess sends no other form to a single server.
const (
	takeLock = "SELECT GET_LOCK(?, ?) FROM DUAL"
	giveLock = "SELECT RELEASE_LOCK(?) FROM DUAL"
)

// lockNameMax bounds the part of the database's name in a lock's name, which has at most 64 characters.
const lockNameMax = 50

// lockName returns the name of the migration lock. Lock names are global to the server, so it includes the database.
func (a Address) lockName() string {
	return "tidegate." + a.config.DBName[:min(lockNameMax, len(a.config.DBName))]
}

// Migrations implements engine.Engine. A migration consists of repeatable statements (OpenForMigrations), so it is run
// again after a crash.
func (e *Engine) Migrations(ctx context.Context, all fs.FS, fn func(*goose.Provider) error) error {
	db, err := e.address.OpenForMigrations()
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // this also releases the lock
	var got sql.NullInt64
	if err := conn.QueryRowContext(ctx, takeLock, e.address.lockName(), migrateSecondsMax).Scan(&got); err != nil {
		return err
	}
	if got.Int64 != 1 {
		return fmt.Errorf("another process has been migrating the database %s for %d seconds: wait for it, or stop it", e.address, migrateSecondsMax)
	}
	defer func() {
		_ = conn.QueryRowContext(context.WithoutCancel(ctx), giveLock, e.address.lockName()).Scan(&got)
	}()
	var options []goose.ProviderOption
	if strings.HasPrefix(e.Version(), "Vitess ") { // Vitess: DATABASE() differs from the table's schema
		options = append(options, goose.WithTableName(e.address.config.DBName+"."+goose.DefaultTablename))
	}
	return engine.Goose(goose.DialectMySQL, db, all, "migrations/mysql", fn, options...)
}
