package store_test

import (
	"slices"
	"sync"
	"testing"

	"github.com/tidegate/tidegate/internal/store"
	"github.com/tidegate/tidegate/internal/store/storetest"
	"github.com/tidegate/tidegate/test/engine"
)

// databases are databases of a server that tests reuse: emptying one takes a hundredth of the time to create one.
type databases struct {
	whole *testing.T // dropped at its end
	make  func(testing.TB) string
	empty func(testing.TB, string)
	mu    sync.Mutex
	free  []string
}

// open returns a migrated store without rows.
func (d *databases) open(t *testing.T) *store.Store {
	t.Helper()
	d.mu.Lock()
	address := ""
	if n := len(d.free); n > 0 {
		address, d.free = d.free[n-1], d.free[:n-1]
	}
	d.mu.Unlock()
	if address == "" {
		address = d.make(d.whole)
	}
	t.Cleanup(func() { // after the store has been closed
		d.empty(d.whole, address)
		d.mu.Lock()
		defer d.mu.Unlock()
		d.free = append(d.free, address)
	})
	s := encrypted(t, openAtAddress(t, address))
	s.Twice() // a transaction may run again, so it must reset everything it sets
	return s
}

// TestSQLite runs the modules' conformance suites on SQLite.
func TestSQLite(t *testing.T) { conforms(t, openSQLite) }

// TestMySQL runs the same suites on MySQL.
func TestMySQL(t *testing.T) {
	t.Parallel()
	d := &databases{whole: t, make: engine.MySQL, empty: engine.EmptyMySQL, free: []string{engine.MySQL(t)}} // without a server all of it is skipped
	conforms(t, d.open)
}

// TestPostgreSQL runs the same suites on PostgreSQL.
func TestPostgreSQL(t *testing.T) {
	t.Parallel()
	d := &databases{whole: t, make: engine.PostgreSQL, empty: engine.EmptyPostgreSQL, free: []string{engine.PostgreSQL(t)}}
	conforms(t, d.open)
}

// conforms runs every suite, then checks the plan of every query that the suites have used.
func conforms(t *testing.T, open func(*testing.T) *store.Store) {
	var mu sync.Mutex
	texts := map[string]bool{}
	watched := func(t *testing.T) *store.Store {
		s := open(t)
		t.Cleanup(func() { // before the store is closed
			mu.Lock()
			defer mu.Unlock()
			for _, text := range s.Texts() {
				texts[text] = true
			}
		})
		return s
	}
	t.Run("suite", func(t *testing.T) {
		for name, suite := range map[string]func(*testing.T, func(*testing.T) *store.Store){
			"account": storetest.Account, "catalog": storetest.Catalog, "rehearsal": storetest.Rehearsal, "payment": storetest.Payment,
			"stock": storetest.Stock, "sale": storetest.Sale, "selling": storetest.Selling, "order": storetest.Order, "event": storetest.Event, "lease": storetest.Lease,
			"epoch": storetest.Epoch, "deliveries": storetest.Delivery, "webhooks": storetest.Webhook, "settings": storetest.Settings,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				suite(t, watched)
			})
		}
		t.Run("audit", func(t *testing.T) {
			t.Parallel()
			s := watched(t)
			newBusyShopOn(t, s)
			audited(t, s)
		})
		t.Run("deliveries read", func(t *testing.T) { // its own name: "#01" in a folder's name would end the file's
			t.Parallel()
			deliveries(t, watched(t))
		})
	})
	t.Run("plans", func(t *testing.T) {
		all := make([]string, 0, len(texts))
		for text := range texts {
			all = append(all, text)
		}
		slices.Sort(all)
		plans(t, open(t), all)
	})
}
