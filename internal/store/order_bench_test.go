package store_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/drill/machine"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/store/storetest"
	"github.com/tidegate/tidegate/test/share"
)

// BenchmarkCommitOrders is the writer alone: commits of 80 orders, each of another customer, as the committer gathers them
// under a crowd.
func BenchmarkCommitOrders(b *testing.B) {
	for _, c := range []struct {
		name     string
		limit    int64
		skus     uint64
		customer func(n uint64) uint64
	}{
		{"registered in a row", 0, 1, inARow},
		{"registered in a row, limit", 2, 1, inARow},
		{"registered in no order", 0, 1, inNoOrder},
		{"1,000 SKUs", 0, 1000, inARow},
	} {
		b.Run(c.name, func(b *testing.B) {
			commitBatches(b, filepath.Join(b.TempDir(), "shop.db"), c.limit, c.skus, c.customer)
		})
	}
}

// BenchmarkCommitOrdersOnMany is the same where the database holds the orders of an earlier sale already, TORTURE_COUNT of them, and
// beside it where it is empty: TORTURE_COUNT=5000000 takes half a minute and a gigabyte.
func BenchmarkCommitOrdersOnMany(b *testing.B) {
	n, err := strconv.Atoi(os.Getenv(share.VariableCount))
	if err != nil {
		b.Skip(share.VariableCount + " says how many orders there are")
	}
	full := filepath.Join(b.TempDir(), "full.db")
	fillOrders(b, full, n)
	b.ResetTimer()
	b.Run("none before", func(b *testing.B) { commitBatches(b, filepath.Join(b.TempDir(), "shop.db"), 0, 1, inNoOrder) })
	b.Run(strconv.Itoa(n)+" before", func(b *testing.B) { commitBatches(b, full, 0, 1, inNoOrder) })
}

// fillOrders makes a database with n paid orders of one sale, without stock, events or a ledger: what the insert of an order reads
// and writes is there, and nothing else.
func fillOrders(b *testing.B, path string, n int) {
	b.Helper()
	ok(b, openAt(b, path).Close())
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=synchronous(OFF)")
	ok(b, err)
	defer func() { ok(b, db.Close()) }()
	_, err = db.ExecContext(b.Context(), `
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
		INSERT INTO orders (id, sale_id, customer_id, idem_key, body_hash, lines, units, total, currency, created_at, expires_at, status, paid_at)
		SELECT i * 4096, 1, (1 << 50) + i, '0a0f0c2e-5d0c-4a53-9a51-0d4f0e6f7a11', RANDOMBLOB(16), '[[249543549878534144,1,2500]]', 1, 2500, 'GBP', 1, 2, 'paid', 2
		FROM n`, n)
	ok(b, err)
}

// commitBatches commits batches of orders of a new sale.
func commitBatches(b *testing.B, path string, limit int64, skuCount uint64, customer func(n uint64) uint64) {
	const batch = 80
	tr := storetest.NewTrade(b, openAt(b, path))
	skus := make([]id.SKU, skuCount)
	for i := range skus {
		skus[i] = id.SKU(1<<50 + i<<12)
	}
	drop := tr.Sale(1<<30, limit, skus...)
	n, used := uint64(0), time.Duration(0)
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		drafts := make([]*order.Draft, batch)
		for i := range drafts {
			n++
			drafts[i] = tr.Order(drop, id.Customer(customer(n)), "0a0f0c2e-5d0c-4a53-9a51-0d4f0e6f7a11", storetest.Line(skus[n*7919%skuCount], 1))
		}
		before := machine.OwnCPU()
		b.StartTimer()
		tr.Commit(drafts...)
		used += machine.OwnCPU() - before
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*batch), "µs/order")
	b.ReportMetric(float64(used.Nanoseconds())/1000/float64(b.N*batch), "cpu-µs/order")
}

// inARow are the ids of customers who registered one after the other; inNoOrder are those of a crowd that came in no order.
func inARow(n uint64) uint64    { return 1<<50 + n }
func inNoOrder(n uint64) uint64 { return n * 0x9E3779B97F4A7C15 >> 1 }
