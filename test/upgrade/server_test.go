package upgrade

import (
	"database/sql"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/pressly/goose/v3"

	"github.com/tidegate/tidegate/internal/await"
	"github.com/tidegate/tidegate/test/blackbox"
	"github.com/tidegate/tidegate/test/engine"
)

// earlier is the schema that a server is taken back to: the oldest that PostgreSQL has had.
const earlier = 17

// TestAnEarlierSchemaOfAServerIsMigrated takes the schema of a server back, as an earlier release would have left it, with the orders in it,
// and starts two processes on it at once: one migrates, both serve what was accepted then, and take new orders.
func TestAnEarlierSchemaOfAServerIsMigrated(t *testing.T) {
	t.Parallel()
	blackbox.EachDatabase(t, func(t *testing.T, of engine.Database) {
		const customers = 40
		address := of.Make(t)
		env := blackbox.SharedBy(t, address, engine.Redis(t))
		shop, other := blackbox.New(t, env...), blackbox.New(t, env...)
		shop.Start()
		sku := shop.Stocked("MUG", 5000)
		tokens := shop.Tokens(1_000_001, customers)
		book := blackbox.NewBook(nil)
		buy := func(of *blackbox.Shop, key string) {
			var all []blackbox.Purchase
			for i, token := range tokens {
				all = append(all, blackbox.Buying("", 1, 1_000_001+int64(i), token, fmt.Sprint(key, i), sku))
			}
			of.Crowd(book, 8, nil, all)
		}
		first := blackbox.Buying("", 1, 1_000_001, tokens[0], "first", sku)
		await.Until(t, "the gate has heard of the stock", func() bool { return shop.Buy(first).Status == http.StatusCreated })
		buy(shop, "then-")
		shop.Stop()
		back(t, address, earlier)
		started := make(chan struct{})
		go func() {
			defer close(started)
			other.TryStart("crashpoint: hang")
		}()
		shop.Start()
		<-started
		buy(shop, "now-")
		buy(other, "also-")
		if len(book.Receipts) != 3*customers {
			t.Errorf("of %d orders: %s", 3*customers, book)
		}
		for _, s := range []*blackbox.Shop{shop, other} {
			s.VerifyOrders(book)
			s.Reconciled()
		}
		shop.Audit("I1", "I2", "I3", "I4", "I9")
		other.Stop()
		shop.Stop()
	})
}

// back takes the schema of a database back to a version.
func back(t *testing.T, address string, version int64) {
	t.Helper()
	driver, folder, dialect := "mysql", "mysql", goose.DialectMySQL
	if strings.HasPrefix(address, "postgres://") {
		driver, folder, dialect = "pgx", "postgres", goose.DialectPostgres
	} else {
		address += "?parseTime=true"
	}
	db, err := sql.Open(driver, address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	p, err := goose.NewProvider(dialect, db, os.DirFS("../../internal/store/migrations/"+folder))
	if err == nil {
		_, err = p.DownTo(t.Context(), version)
	}
	if err != nil {
		t.Fatal(err)
	}
}
