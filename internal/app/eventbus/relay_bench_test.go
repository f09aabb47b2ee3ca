package eventbus

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/tidegate/tidegate/internal/bus"
	"github.com/tidegate/tidegate/internal/bus/kafka"
	"github.com/tidegate/tidegate/internal/bus/nats"
	"github.com/tidegate/tidegate/internal/bus/rabbitmq"
	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/event"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/notify"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/store"
	"github.com/tidegate/tidegate/internal/store/storetest"
	"github.com/tidegate/tidegate/test/engine"
)

// BenchmarkRelay is the way of an event of a drop over each broker, from the outbox in SQLite to the row of its consumer
// (notifications): the relay publishes while the consumer applies. "none" is the consumer at the outbox itself.
func BenchmarkRelay(b *testing.B) {
	brokers := map[string]func(b *testing.B, topics []bus.Topic) bus.Bus{
		"NATS":     natsBus,
		"RabbitMQ": rabbitBus,
		"Kafka":    kafkaBus,
	}
	for _, name := range []string{"none", "NATS", "RabbitMQ", "Kafka"} {
		b.Run(name, func(b *testing.B) {
			e := &Events{Parts: Parts{
				Store: benchStore(b), Holder: "bench", Pace: NewPace(func() int { return 0 }), Clock: clock.System{}, Log: slog.New(slog.DiscardHandler),
			}}
			module := notify.NewService(notify.Parts{Store: e.Store, Config: notify.DefaultConfig(), Clock: e.Clock, Log: e.Log})
			var applied atomic.Int64
			c := Consumer{Group: bus.Group{Name: "notify", Types: notify.Types()}, Rehearsals: LeavesOut, Apply: func(ctx context.Context, batch []event.Event) error {
				err := module.Apply(ctx, batch)
				if err == nil {
					applied.Add(int64(len(batch)))
				}
				return err
			}}
			e.Consumers = []Consumer{c}
			topic := bus.Topic{Name: bus.Events, Groups: []bus.Group{c.Group}}
			var err error
			if open := brokers[name]; open == nil {
				e.bus, err = e.openOutbox(b.Context(), topic)
			} else {
				e.bus = open(b, []bus.Topic{topic})
				e.outbox, err = e.openOutbox(b.Context(), bus.Topic{Name: bus.Events, Groups: []bus.Group{relay}})
			}
			noErrorOf(b, err)
			placeOrders(b, e.Store)
			b.ResetTimer()
			s := e.Subscribe(b.Context())
			for applied.Load() < int64(b.N) {
				time.Sleep(time.Millisecond)
			}
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
			s.Stop()
			s.Wait()
			noErrorOf(b, e.bus.Close())
		})
	}
}

func noErrorOf(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func benchStore(b *testing.B) *store.Store {
	b.Helper()
	c := store.DefaultConfig()
	c.Path = filepath.Join(b.TempDir(), c.Path)
	s, err := store.Open(b.Context(), c)
	noErrorOf(b, err)
	b.Cleanup(func() { noErrorOf(b, s.Close()) })
	_, _, err = s.Migrate(b.Context())
	noErrorOf(b, err)
	return s
}

// placeOrders commits b.N orders, 500 at a time.
func placeOrders(b *testing.B, s *store.Store) {
	b.Helper()
	const batch = 500
	tr := storetest.NewTrade(b, s)
	tr.Receive(1, int64(b.N)+batch)
	for left := b.N; left > 0; left -= batch {
		drafts := make([]*order.Draft, 0, batch)
		for i := range min(left, batch) {
			drafts = append(drafts, tr.Order(nil, id.Customer(left+i), fmt.Sprint(left, "-", i), storetest.Line(1, 1)))
		}
		tr.Commit(drafts...)
	}
}

func natsBus(b *testing.B, topics []bus.Topic) bus.Bus {
	n := engine.NATS(b)
	conn, err := nats.Open(b.Context(), nats.Config{URLs: "nats://" + n.Address, Prefix: "bench"}, topics, nil, slog.New(slog.DiscardHandler))
	noErrorOf(b, err)
	return conn
}

func rabbitBus(b *testing.B, topics []bus.Topic) bus.Bus {
	n := engine.RabbitMQ(b)
	conn, err := rabbitmq.Open(b.Context(), rabbitmq.Config{URL: "amqp://guest:guest@" + n.Address, Prefix: "bench"}, topics, nil, slog.New(slog.DiscardHandler))
	noErrorOf(b, err)
	return conn
}

func kafkaBus(b *testing.B, topics []bus.Topic) bus.Bus {
	c, err := kfake.NewCluster(kfake.NumBrokers(3))
	noErrorOf(b, err)
	b.Cleanup(c.Close)
	conn, err := kafka.Open(b.Context(), kafka.Config{Brokers: c.ListenAddrs(), Prefix: "bench", Partitions: 4, Replicas: 3}, topics, nil, slog.New(slog.DiscardHandler))
	noErrorOf(b, err)
	return conn
}
