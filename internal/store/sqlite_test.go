package store_test

import (
	"path/filepath"
	"testing"

	"github.com/tidegate/tidegate/internal/store"
)

// openSQLite returns a migrated store in a folder of the test's own.
func openSQLite(t *testing.T) *store.Store {
	t.Helper()
	c := store.DefaultConfig()
	c.Path = filepath.Join(t.TempDir(), c.Path)
	s, err := store.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, _, err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}
