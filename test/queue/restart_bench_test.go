package queue

import (
	"fmt"
	"testing"
	"time"

	"github.com/tidegate/tidegate/test/blackbox"
	"github.com/tidegate/tidegate/test/engine"
)

// BenchmarkRestart measures a crash with a backlog of 1,000 orders: how long after the start of the next process its doors open. Open
// means that the start has settled the backlog and that an order is taken. SQLite is held while the orders are queued, so that the
// process has messages in hand when it is killed. Compare with the rows without a backlog.
func BenchmarkRestart(b *testing.B) {
	for name, start := range map[string]func() string{
		"NATS":     func() string { return "nats://" + engine.NATS(b).Address },
		"RabbitMQ": func() string { return "amqp://guest:guest@" + engine.RabbitMQ(b).Address + "/" },
	} {
		for _, backlog := range []int{0, 1_000} {
			b.Run(fmt.Sprintf("%s/backlog=%d", name, backlog), func(b *testing.B) {
				for b.Loop() {
					b.StopTimer()
					restart(b, start(), backlog)
				}
			})
		}
	}
}

// restart runs the timer from the start of the second process to its first order.
func restart(b *testing.B, broker string, backlog int) {
	b.Helper()
	shop := blackbox.New(b, "TIDEGATE_BUS_ADDRESS="+broker, "TIDEGATE_ORDERS_INTAKE=queue")
	shop.Start()
	sku := shop.Stocked("MUG", int64(backlog)+1)
	sale := shop.Open(blackbox.Terms{SKUs: []string{sku}, Allocation: int64(backlog) + 1})
	tokens := shop.Tokens(firstCustomer, backlog+1)
	wishes := make([]blackbox.Purchase, backlog+1)
	for i := range wishes {
		wishes[i] = blackbox.Buying(sale.ID, 1, firstCustomer+int64(i), tokens[i], fmt.Sprint("k-", i), sku)
	}
	release := holdDatabase(b, shop)
	blackbox.Each(32, wishes[:backlog], func(p blackbox.Purchase) {
		if a := shop.Buy(p); a.Status != 202 {
			b.Errorf("not queued: %s", a)
		}
	})
	shop.Kill()
	release()

	b.StartTimer()
	began := time.Now()
	shop.Start()
	doors := time.Since(began)
	a := shop.Buy(wishes[backlog])
	b.StopTimer()
	if a.Status != 202 && a.Status != 201 {
		b.Errorf("the shop does not sell: %s", a)
	}
	b.Logf("doors %s, first order %s after the start", doors, time.Since(began))
	if pool := shop.Pool(sku, sale.ID); pool.Reserved < int64(backlog) {
		b.Errorf("%d units are reserved, want %d at least", pool.Reserved, backlog)
	}
	shop.Stop()
	b.StartTimer()
}
