package store_test

import (
	"testing"

	"github.com/tidegate/tidegate/internal/store"
	"github.com/tidegate/tidegate/internal/store/storetest"
	"github.com/tidegate/tidegate/test/engine"
)

// openMySQL returns a migrated store in a database of the test's own.
func openMySQL(t *testing.T) *store.Store {
	t.Helper()
	c := store.DefaultConfig()
	c.Primary = engine.MySQL(t)
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

func TestMySQL(t *testing.T) {
	for name, suite := range map[string]func(*testing.T, func(*testing.T) *store.Store){
		"account": storetest.Account, "catalog": storetest.Catalog, "rehearsal": storetest.Rehearsal, "payment": storetest.Payment,
		"lease": storetest.Lease, "event": storetest.Event, "stock": storetest.Stock, "sale": storetest.Sale, "order": storetest.Order,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			suite(t, openMySQL)
		})
	}
}
