package store_test

import (
	"path/filepath"
	"testing"

	"github.com/tidegate/tidegate/internal/audit"
	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/store/storetest"
)

// BenchmarkAudit audits a shop of 100,000 orders of one sale, half of them pending and half expired.
func BenchmarkAudit(b *testing.B) {
	const orders, batch = 100_000, 500
	s := openAt(b, filepath.Join(b.TempDir(), "shop.db"))
	tr := storetest.NewTrade(b, s)
	drop := tr.Sale(orders, 1, 1)
	for half := range 2 {
		for from := 0; from < orders/2; from += batch {
			drafts := make([]*order.Draft, batch)
			for i := range drafts {
				// Snowflakes of customers who registered long ago, unordered.
				c := id.Customer(uint64(half*orders+from+i+1) * 0x9E3779B97F4A7C15 >> 1)
				drafts[i] = tr.Order(drop, c, "0a0f0c2e-5d0c-4a53-9a51-0d4f0e6f7a11", storetest.Line(1, 1))
			}
			tr.Commit(drafts...)
		}
		if half == 0 {
			tr.Expire()
		}
	}
	service := audit.NewService(s, nil, clock.System{})
	for b.Loop() {
		report, err := service.Run(b.Context(), nil)
		if err != nil || !report.OK {
			b.Fatalf("%+v, %v", report, err)
		}
	}
	b.ReportMetric(float64(orders*b.N)/b.Elapsed().Seconds(), "orders/s")
}
