package store_test

import (
	"path/filepath"
	"testing"

	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/shoptest"
	"github.com/tidegate/tidegate/internal/store"
	"github.com/tidegate/tidegate/internal/store/storetest"
)

// openSQLite returns a migrated store in the test's own folder.
func openSQLite(t *testing.T) *store.Store {
	t.Helper()
	c := store.DefaultConfig()
	c.Path = filepath.Join(t.TempDir(), c.Path)
	shoptest.Migrated(t, c.Path)
	s, err := store.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return encrypted(t, s)
}

// TestStockRowsThatMoved: a batch caches its pools' row numbers. If somebody has exchanged rows by hand, it takes from
// no other pool, and finds the rows again.
func TestStockRowsThatMoved(t *testing.T) {
	s := openSQLite(t)
	tr := storetest.NewTrade(t, s)
	drop := tr.Sale(10, 0, 1, 2)
	buy := func(customer id.Customer) {
		t.Helper()
		for i, out := range tr.Commit(tr.Order(drop, customer, "a", storetest.Line(1, 3)), tr.Order(drop, customer+1, "a", storetest.Line(2, 1))) {
			if out.Result != order.Accepted {
				t.Errorf("order %d: %s", i, out.Result)
			}
		}
	}
	buy(1)
	pools := " WHERE sale_id = " + drop.ID.String()
	ok(t, s.Do(t.Context(), "UPDATE stock SET id = -id"+pools))
	ok(t, s.Do(t.Context(), "UPDATE stock SET id = id - (SELECT SUM(id) FROM stock"+pools+")"+pools)) // of two rows, each gets the other's id
	buy(3)
	tr.Pool(drop.ID, 1, 10, 6, 0)
	tr.Pool(drop.ID, 2, 10, 2, 0)
	buy(5)
	tr.Pool(drop.ID, 1, 10, 9, 0)
	tr.Pool(drop.ID, 2, 10, 3, 0)
}
