package store_test

import (
	"path/filepath"
	"testing"

	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/store/storetest"
)

// BenchmarkCommitOrders is the writer alone: commits of 80 orders, each of another customer, as the committer gathers them
// under a crowd.
func BenchmarkCommitOrders(b *testing.B) {
	const batch = 80
	for _, c := range []struct {
		name     string
		limit    int64
		customer func(n uint64) uint64
	}{
		{"registered in a row", 0, func(n uint64) uint64 { return 1<<50 + n }},
		{"registered in a row, limit", 2, func(n uint64) uint64 { return 1<<50 + n }},
		{"registered in no order", 0, func(n uint64) uint64 { return n * 0x9E3779B97F4A7C15 >> 1 }},
	} {
		b.Run(c.name, func(b *testing.B) {
			s := openAt(b, filepath.Join(b.TempDir(), "shop.db"))
			tr := storetest.NewTrade(b, s)
			drop := tr.Sale(1<<40, c.limit, 1)
			n := uint64(0)
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				drafts := make([]*order.Draft, batch)
				for i := range drafts {
					n++
					drafts[i] = tr.Order(drop, id.Customer(c.customer(n)), "0a0f0c2e-5d0c-4a53-9a51-0d4f0e6f7a11", storetest.Line(1, 1))
				}
				b.StartTimer()
				tr.Commit(drafts...)
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*batch), "µs/order")
		})
	}
}
