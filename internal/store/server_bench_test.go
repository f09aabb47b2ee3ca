package store_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/sale"
	"github.com/tidegate/tidegate/internal/store"
	"github.com/tidegate/tidegate/internal/store/storetest"
)

func BenchmarkCommitOrdersMySQL(b *testing.B)      { onMySQL.commitOrders(b) }
func BenchmarkCommitOrdersPostgreSQL(b *testing.B) { onPostgreSQL.commitOrders(b) }

// commitOrders measures commits of orders, each of another customer, by one process or two concurrently.
func (of server) commitOrders(b *testing.B) {
	for _, c := range []struct {
		batch, processes int
		limit            int64
	}{{80, 1, 2}, {500, 1, 0}, {500, 1, 2}, {500, 2, 2}} {
		b.Run(fmt.Sprintf("batch=%d/processes=%d/limit=%d", c.batch, c.processes, c.limit), func(b *testing.B) {
			config := store.DefaultConfig()
			config.Primary = of.database(b)
			stores := make([]*store.Store, c.processes)
			for i := range stores {
				s, err := store.Open(b.Context(), config)
				ok(b, err)
				b.Cleanup(func() { ok(b, s.Close()) })
				stores[i] = s
			}
			_, _, err := stores[0].Migrate(b.Context())
			ok(b, err)
			tr := storetest.NewTrade(b, stores[0])
			drop := tr.Sale(1<<40, c.limit, 1)
			var customer uint64
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				batches := make([][]*order.Draft, c.processes)
				for i := range batches {
					batches[i], customer = draftsOf(tr, drop, c.batch, customer), customer+uint64(c.batch)
				}
				b.StartTimer()
				var all sync.WaitGroup
				for i, s := range stores {
					all.Go(func() {
						_, err := s.CommitOrders(b.Context(), batches[i], tr.Mint)
						if err != nil {
							b.Error(err)
						}
					})
				}
				all.Wait()
			}
			b.ReportMetric(float64(b.N*c.batch*c.processes)/b.Elapsed().Seconds(), "orders/s")
		})
	}
}

func draftsOf(tr *storetest.Trade, s *sale.Sale, n int, after uint64) []*order.Draft {
	drafts := make([]*order.Draft, n)
	for i := range drafts {
		after++
		drafts[i] = tr.Order(s, id.Customer(1<<50+after), "0a0f0c2e-5d0c-4a53-9a51-0d4f0e6f7a11", storetest.Line(1, 1))
	}
	return drafts
}
