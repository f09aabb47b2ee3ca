package crash

import (
	"database/sql"
	"math/rand/v2"
	"path/filepath"
	"testing"

	_ "modernc.org/sqlite"

	"github.com/tidegate/tidegate/test/blackbox"
)

// TestTheDatabaseIsReadWhileTheShopSells opens the database file beside the running shop, as a backup or an analyst does,
// and keeps one long read open while orders go on: the reader sees one moment, and the shop does not notice it.
func TestTheDatabaseIsReadWhileTheShopSells(t *testing.T) {
	t.Parallel()
	const customers, allocation = 400, 5000
	shop := blackbox.New(t)
	shop.Start()
	sku := shop.Stocked("MUG", allocation)
	sale := shop.Open(blackbox.Terms{SKUs: []string{sku}, Allocation: allocation, PaymentSeconds: 3600})
	tokens := shop.Tokens(firstCustomer, customers)
	random := rand.New(rand.NewPCG(5, 1))
	book := blackbox.NewBook(nil)
	sell := func(round string) {
		t.Helper()
		before := len(book.Receipts)
		shop.Crowd(book, 48, nil, wishes(random, sale.ID, round, tokens, customers, sku))
		if got := len(book.Receipts) - before; got != customers || len(book.Refused) > 0 || len(book.Lost) > 0 {
			t.Fatalf("%s: %d of %d orders: %s", round, got, customers, book)
		}
	}
	sell("first")

	reader, err := sql.Open("sqlite", "file:"+filepath.Join(shop.Folder, "tidegate.db")+"?mode=ro&_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = reader.Close() }()
	count := func(of interface {
		QueryRow(string, ...any) *sql.Row
	}) (n int) {
		t.Helper()
		if err := of.QueryRow(`SELECT count(*) FROM orders`).Scan(&n); err != nil {
			t.Fatalf("the database cannot be read beside the shop: %v", err)
		}
		return n
	}
	long, err := reader.BeginTx(t.Context(), &sql.TxOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	if n := count(long); n != customers {
		t.Errorf("the reader sees %d orders of %d", n, customers)
	}
	sell("beside")
	shop.Audit("I1", "I2", "I3", "I4", "I9")
	sell("audited")
	if n := count(long); n != customers {
		t.Errorf("the long read has moved: it sees %d orders and began with %d", n, customers)
	}
	if n := count(reader); n != 3*customers {
		t.Errorf("a new read sees %d orders of %d", n, 3*customers)
	}
	// A kill beside an open reader loses nothing either.
	shop.Kill()
	shop.Start()
	if err := long.Rollback(); err != nil {
		t.Errorf("the long read did not end well: %v", err)
	}
	shop.VerifyOrders(book)
	shop.Audit("I1", "I2", "I3", "I4", "I9")
	shop.Reconciled()
}
