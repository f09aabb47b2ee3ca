package shoptest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/tidegate/tidegate/internal/store"
)

// Migrated puts a database of the newest schema at path, where there is none. It is migrated once in a process, and copied: under the race
// detector the reading of the migrations costs more than most tests do.
func Migrated(t testing.TB, path string) {
	t.Helper()
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		return
	}
	Check(t, os.MkdirAll(filepath.Dir(path), 0o700))
	Check(t, os.WriteFile(path, Must(migrated())(t), 0o600))
}

// migrated is the content of such a database.
var migrated = sync.OnceValues(func() (content []byte, err error) {
	folder, err := os.MkdirTemp("", "migrated")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	c := store.DefaultConfig()
	c.Path = filepath.Join(folder, c.Path)
	s, err := store.Open(context.Background(), c)
	if err != nil {
		return nil, err
	}
	_, _, err = s.Migrate(context.Background())
	if err := errors.Join(err, s.Close()); err != nil {
		return nil, err
	}
	return os.ReadFile(c.Path)
})
