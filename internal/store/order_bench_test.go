package store_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/alloctest"
	"github.com/tidegate/tidegate/internal/drill/machine"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/sale"
	"github.com/tidegate/tidegate/internal/store/storetest"
	"github.com/tidegate/tidegate/test/share"
)

// BenchmarkCommitOrders measures the writer alone: commits of 80 orders, each of another customer, as the committer
// collects them from a crowd.
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

// BenchmarkCommitOrdersOnMany is the same on a database that already holds TORTURE_COUNT orders of an earlier sale,
// compared with an empty one. TORTURE_COUNT=5000000 takes half a minute and a gigabyte.
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

// fillOrders creates a database with n paid orders of one sale, without stock, events or ledger: only what inserting an
// order reads and writes.
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

// batches makes batches of orders of a new sale.
type batches struct {
	trade    *storetest.Trade
	sale     *sale.Sale
	skus     []id.SKU
	customer func(n uint64) uint64
	n        uint64
}

const ordersOfBatch = 80

func newBatches(tb testing.TB, path string, limit int64, skuCount uint64, customer func(n uint64) uint64) *batches {
	m := &batches{trade: storetest.NewTrade(tb, openAt(tb, path)), skus: make([]id.SKU, skuCount), customer: customer}
	for i := range m.skus {
		m.skus[i] = id.SKU(1<<50 + i<<12)
	}
	m.sale = m.trade.Sale(1<<30, limit, m.skus...)
	return m
}

func (m *batches) next() []*order.Draft {
	drafts := make([]*order.Draft, ordersOfBatch)
	for i := range drafts {
		m.n++
		sku := m.skus[m.n*7919%uint64(len(m.skus))]
		drafts[i] = m.trade.Order(m.sale, id.Customer(m.customer(m.n)), "0a0f0c2e-5d0c-4a53-9a51-0d4f0e6f7a11", storetest.Line(sku, 1))
	}
	return drafts
}

// TestAllocationsOfACommit counts the allocations of committing a prepared batch.
func TestAllocationsOfACommit(t *testing.T) {
	for _, c := range []struct {
		name string
		skus uint64
		most float64
	}{{"one SKU", 1, 62}, {"1,000 SKUs", 1000, 62}} {
		t.Run(c.name, func(t *testing.T) {
			m := newBatches(t, filepath.Join(t.TempDir(), "shop.db"), 0, c.skus, inARow)
			const batchesMax = 400 // of what AtMost requires
			ready := make([][]*order.Draft, batchesMax)
			for i := range ready {
				ready[i] = m.next()
			}
			alloctest.AtMost(t, c.most, func() {
				m.trade.Commit(ready[0]...)
				ready = ready[1:]
			})
		})
	}
}

// commitBatches commits batches of orders of a new sale.
func commitBatches(b *testing.B, path string, limit int64, skuCount uint64, customer func(n uint64) uint64) {
	m := newBatches(b, path, limit, skuCount, customer)
	used := time.Duration(0)
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		drafts := m.next()
		before := machine.OwnCPU()
		b.StartTimer()
		m.trade.Commit(drafts...)
		used += machine.OwnCPU() - before
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*ordersOfBatch), "µs/order")
	b.ReportMetric(float64(used.Nanoseconds())/1000/float64(b.N*ordersOfBatch), "cpu-µs/order")
}

// inARow returns the ids of customers who registered one after the other; inNoOrder returns those of a random crowd.
func inARow(n uint64) uint64    { return 1<<50 + n }
func inNoOrder(n uint64) uint64 { return n * 0x9E3779B97F4A7C15 >> 1 }
