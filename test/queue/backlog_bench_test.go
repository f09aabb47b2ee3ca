package queue

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/tidegate/test/blackbox"
	"github.com/tidegate/tidegate/test/engine"
)

// BenchmarkBacklog is a backlog of b.N orders, 100,000 with -benchtime 100000x, and how fast the shop settles it: SQLite is held
// while they are queued, and let go. Of the ceiling is what the drill measures as that right afterwards.
func BenchmarkBacklog(b *testing.B) {
	for name, start := range map[string]func() string{
		"NATS":     func() string { return "nats://" + engine.NATS(b).Address },
		"RabbitMQ": func() string { return "amqp://guest:guest@" + engine.RabbitMQ(b).Address + "/" },
	} {
		b.Run(name, func(b *testing.B) {
			shop := blackbox.New(b, "TIDEGATE_BUS_ADDRESS="+start(), "TIDEGATE_ORDERS_INTAKE=queue")
			shop.Start()
			sku := shop.Stocked("MUG", int64(b.N))
			sale := shop.Open(blackbox.Terms{SKUs: []string{sku}, Allocation: int64(b.N)})
			tokens := shop.Tokens(firstCustomer, b.N)
			wishes := make([]blackbox.Purchase, b.N)
			for i := range wishes {
				wishes[i] = blackbox.Buying(sale.ID, 1, firstCustomer+int64(i), tokens[i], fmt.Sprint("k-", i), sku)
			}
			release := holdDatabase(b, shop)
			queueing := time.Now()
			blackbox.Each(128, wishes, func(p blackbox.Purchase) {
				if a := shop.Buy(p); a.Status != 202 {
					b.Errorf("not queued: %s", a)
				}
			})
			b.ReportMetric(float64(b.N)/time.Since(queueing).Seconds(), "queued/s")
			if n := metric(b, shop, "tidegate_queue_backlog_orders"); n != b.N {
				b.Fatalf("%d orders wait, want %d", n, b.N)
			}
			b.ResetTimer()
			release()
			for metric(b, shop, "tidegate_queue_backlog_orders") > 0 {
				time.Sleep(20 * time.Millisecond)
			}
			b.StopTimer()
			settled := float64(b.N) / b.Elapsed().Seconds()
			if pool := shop.Pool(sku, sale.ID); pool.Reserved != int64(b.N) {
				b.Errorf("%d units are reserved, want %d", pool.Reserved, b.N)
			}
			shop.Stop()
			b.ReportMetric(settled, "settled/s")
			b.ReportMetric(settled/ceiling(b), "of-ceiling")
		})
	}
}

// metric reads a gauge of the shop.
func metric(t testing.TB, shop *blackbox.Shop, name string) int {
	t.Helper()
	a := shop.Ask("GET", shop.Running().Ops+"/metrics", "", "")
	for line := range strings.Lines(string(a.Body)) {
		if at := strings.IndexAny(line, " {"); at > 0 && line[:at] == name {
			fields := strings.Fields(line)
			if n, err := strconv.ParseFloat(fields[len(fields)-1], 64); err == nil {
				return int(n)
			}
		}
	}
	t.Fatalf("there is no metric %s: %s", name, a)
	return 0
}

// ceiling is what a bare server answers a second, as the drill measures it.
func ceiling(b *testing.B) float64 {
	b.Helper()
	shop := blackbox.New(b)
	code, stdout, stderr := shop.Run("drill", "--ceiling", "--measure", "2s", "--shoppers", "100", "--units", "10", "--over", "1s", "--json", "-")
	var result struct {
		Ceiling float64 `json:"ceiling_per_s"`
	}
	if at := strings.IndexByte(stdout, '{'); code != 0 || at < 0 || json.NewDecoder(strings.NewReader(stdout[at:])).Decode(&result) != nil || result.Ceiling == 0 {
		b.Fatalf("the drill ended with %d and says no ceiling:\n%s%s", code, stdout, stderr)
	}
	return result.Ceiling
}
