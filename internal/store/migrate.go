package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
)

//go:embed migrations/sqlite/*.sql
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
// transaction: after a crash it is repeated. A schema newer than this binary is refused.
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
	if err := s.writer.turn.enter(ctx, jobs); err != nil {
		return err
	}
	defer s.writer.turn.leave()
	db, err := sql.Open("sqlite", dsn(s.config.Path, "synchronous(FULL)"))
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	files, err := fs.Sub(migrations, "migrations/sqlite")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, files)
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
