package app

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/tidegate/tidegate/internal/app/folder"
	"github.com/tidegate/tidegate/internal/store"
)

// Schema says where a database's schema stands: its version, and the newest that this binary knows.
type Schema = store.Schema

// MigrateStatus reads the schema's version of the database in the data folder. It returns a *folder.HeldError where a process
// holds the folder, and an error where there is no shop in it.
func MigrateStatus(ctx context.Context, c Config) (Schema, error) {
	return onDatabase(ctx, c, false, func(s *store.Store) (Schema, error) { return s.Schema(ctx) })
}

// MigrateUp brings the schema to the newest version and returns where it stood before and stands now. It creates the
// folder and the database where they are missing. It returns a *folder.HeldError where a process holds the folder.
func MigrateUp(ctx context.Context, c Config) (before, after Schema, err error) {
	after, err = onDatabase(ctx, c, true, func(s *store.Store) (Schema, error) {
		var now Schema
		before, now, err = s.Migrate(ctx)
		return now, err
	})
	return before, after, err
}

// onDatabase opens the database of a folder that nobody else holds, or the one that store.primary names, which processes
// share.
func onDatabase[T any](ctx context.Context, c Config, create bool, fn func(*store.Store) (T, error)) (out T, err error) {
	if !create {
		if err := mustExist(c); err != nil {
			return out, err
		}
	}
	dir := c.Data
	if c.Store.Primary == "" {
		f, err := folder.Hold(c.Data)
		if err != nil {
			return out, err
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		dir = f.Path
	}
	s, err := openDatabase(ctx, c, dir)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return fn(s)
}

// errNoShop says that there is nothing to work on.
var errNoShop = errors.New("there is no shop")

// mustExist returns an error where the folder holds no database: a mistyped folder should not become a new shop. A server
// says by itself that it has no such database.
func mustExist(c Config) error {
	if c.Store.Primary != "" {
		return nil
	}
	if _, err := os.Stat(storeConfig(c, c.Data).Path); err != nil {
		return fmt.Errorf("%w in the folder %s: name another with --data, or a running shop with --target", errNoShop, c.Data)
	}
	return nil
}
