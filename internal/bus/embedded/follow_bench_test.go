package embedded_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/bus"
	"github.com/tidegate/tidegate/internal/bus/bustest"
	"github.com/tidegate/tidegate/internal/bus/embedded"
	"github.com/tidegate/tidegate/internal/delivery"
	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/event"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/notify"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/store"
	"github.com/tidegate/tidegate/internal/store/storetest"
)

// BenchmarkFollow measures one group that follows the orders of a sale, from the outbox to its stored cursor. "read"
// does nothing with them (the relay to a broker without the broker), "notify" writes a row for each.
func BenchmarkFollow(b *testing.B) {
	for _, kind := range []string{"read", "notify"} {
		b.Run(kind, func(b *testing.B) {
			s := openStore(b)
			tr := storetest.NewTrade(b, s)
			tr.Receive(1, int64(b.N)+1000)
			parts := embedded.Parts{Store: s, DeadLetters: &bustest.DeadLetters{}, Topics: []bus.Topic{{Name: bus.Events, Groups: []bus.Group{{Name: "g", Types: []string{order.EventPlaced}}}}}, Holder: "b", Clock: clock.System{}}
			follow, err := embedded.Open(b.Context(), parts)
			if err != nil {
				b.Fatal(err)
			}
			const batch = 500
			for left := b.N; left > 0; left -= batch {
				drafts := make([]*order.Draft, 0, batch)
				for i := range min(left, batch) {
					drafts = append(drafts, tr.Order(nil, id.Customer(left+i), fmt.Sprint(left, "-", i), storetest.Line(1, 1)))
				}
				tr.Commit(drafts...)
			}
			module := notify.NewService(notify.Parts{Store: s, Config: notify.DefaultConfig(), Clock: clock.System{}, Log: slog.New(slog.DiscardHandler)})
			var done atomic.Int64
			handle := func(ctx context.Context, got []bus.Delivery) error {
				defer done.Add(int64(len(got)))
				if kind == "read" {
					return nil
				}
				events := make([]event.Event, len(got))
				for i, d := range got {
					if events[i], err = delivery.Message(d.Message).Event(); err != nil {
						return err
					}
				}
				return module.Apply(ctx, events)
			}
			ctx, cancel := context.WithCancel(b.Context())
			ended := make(chan error, 1)
			b.ResetTimer()
			go func() { ended <- follow.Subscribe(ctx, bus.Events, "g", handle) }()
			for done.Load() < int64(b.N) {
				time.Sleep(time.Millisecond)
			}
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
			cancel()
			if err := <-ended; err != nil {
				b.Fatal(err)
			}
		})
	}
}

func openStore(b *testing.B) *store.Store {
	c := store.DefaultConfig()
	c.Path = filepath.Join(b.TempDir(), c.Path)
	s, err := store.Open(b.Context(), c)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	if _, _, err := s.Migrate(b.Context()); err != nil {
		b.Fatal(err)
	}
	return s
}
