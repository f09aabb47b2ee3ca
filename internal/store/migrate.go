package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
)

//go:embed migrations/*/*.sql
var migrations embed.FS

// Schema says where the database's schema stands.
type Schema struct {
	// Version is the database's, Latest the newest that this binary knows.
	Version int64 `json:"version"`
	Latest  int64 `json:"latest"`
}

// Schema reads the schema's version; on a database without one it creates the version table and answers zero.
func (s *Store) Schema(ctx context.Context) (Schema, error) {
	var out Schema
	err := s.migrator(ctx, func(p *goose.Provider) error {
		var err error
		out, err = schemaOf(ctx, p)
		return err
	})
	return out, err
}

// Migrate brings the schema to the newest version and returns where it stood before and stands now. Each migration is one
// transaction on SQLite, and made of statements that can be repeated on MySQL (mysql.Address.OpenForMigrations): after a crash
// it is repeated. Of several processes that migrate one database, one does and the others wait. A schema newer than this
// binary is refused.
func (s *Store) Migrate(ctx context.Context) (before, after Schema, err error) {
	err = s.migrator(ctx, func(p *goose.Provider) error {
		if before, err = schemaOf(ctx, p); err != nil {
			return err
		}
		if before.Version > before.Latest {
			return fmt.Errorf("the database has schema version %d, this binary knows up to %d: run the newer binary that wrote it", before.Version, before.Latest)
		}
		if _, err := p.Up(ctx); err != nil {
			return fmt.Errorf("migrate: %w", err)
		}
		after, err = schemaOf(ctx, p)
		return err
	})
	return before, after, err
}

// migrator gives fn goose over a connection of its own, while the writer stands still.
func (s *Store) migrator(ctx context.Context, fn func(*goose.Provider) error) error {
	if s.my != nil {
		return s.migratorMySQL(ctx, fn)
	}
	if err := s.writer.turn.enter(ctx, jobs); err != nil {
		return err
	}
	defer s.writer.turn.leave()
	db, err := sql.Open("sqlite", dsn(s.config.Path, "synchronous(FULL)"))
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	return withGoose(goose.DialectSQLite3, db, "migrations/sqlite", fn)
}

// migrateSecondsMax bounds the wait for another process that migrates the same database.
const migrateSecondsMax = 120

func (s *Store) migratorMySQL(ctx context.Context, fn func(*goose.Provider) error) error {
	db, err := s.my.address.OpenForMigrations()
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // and with it the lock
	var got int
	// The name of a lock is the server's: it names the database too.
	err = conn.QueryRowContext(ctx, "SELECT COALESCE(GET_LOCK(CONCAT('tidegate.', LEFT(DATABASE(), 50)), ?), 0)", migrateSecondsMax).Scan(&got)
	if err != nil {
		return err
	}
	if got != 1 {
		return fmt.Errorf("another process has been migrating the database %s for %d seconds: wait for it, or stop it", s.my.address, migrateSecondsMax)
	}
	defer func() {
		_, _ = conn.ExecContext(context.WithoutCancel(ctx), "DO RELEASE_LOCK(CONCAT('tidegate.', LEFT(DATABASE(), 50)))")
	}()
	return withGoose(goose.DialectMySQL, db, "migrations/mysql", fn)
}

func withGoose(d goose.Dialect, db *sql.DB, folder string, fn func(*goose.Provider) error) error {
	files, err := fs.Sub(migrations, folder)
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(d, db, files)
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	return fn(p)
}

func schemaOf(ctx context.Context, p *goose.Provider) (Schema, error) {
	version, err := p.GetDBVersion(ctx)
	if err != nil {
		return Schema{}, fmt.Errorf("schema version: %w", err)
	}
	sources := p.ListSources()
	return Schema{Version: version, Latest: sources[len(sources)-1].Version}, nil
}
