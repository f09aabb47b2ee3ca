package store

import (
	"context"
	"embed"
	"errors"
	"fmt"

	"github.com/pressly/goose/v3"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/store/engine"
)

//go:embed migrations/*/*.sql
var migrations embed.FS

// Schema describes the version of the database's schema.
type Schema struct {
	// Version is the database's. Latest is the newest that this binary knows.
	Version int64 `json:"version"`
	Latest  int64 `json:"latest"`
}

// Schema returns the schema's version. On a database without one it creates the version table and returns zero.
func (s *Store) Schema(ctx context.Context) (Schema, error) {
	var out Schema
	err := s.migrator(ctx, func(p *goose.Provider) error {
		var err error
		out, err = schemaOf(ctx, p)
		return err
	})
	return out, err
}

// Migrate brings the schema to the newest version and returns the versions before and after. A migration runs in one
// transaction or, on MySQL, in repeatable statements, so a crash is repaired by running it again. If several processes
// migrate a database, one does and the others wait. Migrate refuses a schema that is newer than this binary.
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
	if err == nil {
		err = s.enforced(ctx)
	}
	return before, after, err
}

// errNotKept rolls back the row that enforced has written.
var errNotKept = errors.New("the row is not to be kept")

// enforced verifies that the server enforces the CHECK constraints of stock and limits. Some servers silently ignore
// them, by version or by setting. It tries to reserve a unit of an empty pool. If nothing can be written, for example
// on a full disk, it succeeds: the shop may start for reading.
func (s *Store) enforced(ctx context.Context) error {
	err := s.write(ctx, jobs, func(tx *Tx) error {
		if _, err := tx.Exec("INSERT INTO stock (sale_id, sku_id, on_hand, reserved, sold) VALUES (-1, -1, 0, 1, 0)"); err != nil {
			return err
		}
		return errNotKept
	})
	switch {
	case errors.Is(err, errNotKept):
		return fmt.Errorf("%s does not enforce CHECK: it took a row of stock with more reserved than there is. Turn CHECKs on, and make the database anew", s.Engine())
	case s.engine.KindOf(err) == engine.Check, fault.CodeOf(err) == fault.StoreFull, fault.CodeOf(err) == fault.StoreUnavailable:
		return nil
	}
	return err
}

func (s *Store) migrator(ctx context.Context, fn func(*goose.Provider) error) error {
	return s.engine.Migrations(ctx, migrations, fn)
}

func schemaOf(ctx context.Context, p *goose.Provider) (Schema, error) {
	version, err := p.GetDBVersion(ctx)
	if err != nil {
		return Schema{}, fmt.Errorf("schema version: %w", err)
	}
	sources := p.ListSources()
	return Schema{Version: version, Latest: sources[len(sources)-1].Version}, nil
}
