package nats_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"

	"github.com/tidegate/tidegate/internal/await"
	"github.com/tidegate/tidegate/internal/bus"
	"github.com/tidegate/tidegate/internal/bus/bustest"
	"github.com/tidegate/tidegate/internal/bus/nats"
	"github.com/tidegate/tidegate/test/engine"
)

func open(t *testing.T, address string, topics []bus.Topic, letters bus.DeadLetters) bus.Bus {
	t.Helper()
	b, err := nats.Open(t.Context(), nats.Config{URLs: "nats://" + address, Prefix: "suite"}, topics, letters, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The installed server, killed like a crash.
func TestSuiteOverAServer(t *testing.T) {
	bustest.Suite(t, func(t *testing.T) bustest.Engine {
		n := engine.NATS(t)
		return bustest.Engine{
			Open: func(t *testing.T, topics []bus.Topic, letters bus.DeadLetters) bus.Bus {
				return open(t, n.Address, topics, letters)
			},
			Stop:  func(*testing.T) { n.Kill() },
			Start: func(*testing.T) { n.Start() },
		}
	})
}

// A server that syncs each append before it acknowledges, which the installed one cannot.
func TestSuiteWithSyncAlways(t *testing.T) {
	bustest.Suite(t, func(t *testing.T) bustest.Engine {
		s := &syncing{folder: t.TempDir(), address: engine.FreeAddress(t)}
		s.start(t)
		t.Cleanup(func() { s.server.Shutdown() })
		return bustest.Engine{
			Open: func(t *testing.T, topics []bus.Topic, letters bus.DeadLetters) bus.Bus {
				return open(t, s.address, topics, letters)
			},
			Stop:  func(*testing.T) { s.server.Shutdown() },
			Start: s.start,
		}
	})
}

// syncing is a server in this process.
type syncing struct {
	folder, address string
	server          *natsserver.Server
}

func (s *syncing) start(t *testing.T) {
	t.Helper()
	host, port, err := net.SplitHostPort(s.address)
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	s.server, err = natsserver.NewServer(&natsserver.Options{
		Host: host, Port: number, JetStream: true, StoreDir: s.folder, SyncAlways: true, NoLog: true, NoSigs: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.server.Start()
	if !s.server.ReadyForConnections(await.Max) {
		t.Fatal("the server in the process does not answer")
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	nobody := engine.FreeAddress(t)
	_, err := nats.Open(t.Context(), nats.Config{URLs: "nats://shop:secret@" + nobody, Prefix: "suite"}, nil, nil, slog.New(slog.DiscardHandler))
	if want := "no NATS server answers at " + nobody; err == nil || err.Error()[:len(want)] != want {
		t.Errorf("%v, want %q and no password", err, want)
	}
}

func TestPublishWhileTheServerIsAway(t *testing.T) {
	n := engine.NATS(t)
	b := open(t, n.Address, []bus.Topic{{Name: bus.Intents, Groups: []bus.Group{{Name: "one"}}}}, nil)
	defer func() { _ = b.Close() }()
	n.Kill()
	await.Until(t, "a server that is away is noticed: ErrUnavailable", func() bool {
		err := b.Publish(t.Context(), bus.Intents, []bus.Message{{ID: 1, Type: "test.v1", Payload: []byte("1"), At: time.Now()}})
		if err == nil {
			t.Fatal("a server that is away has taken a message")
		}
		return errors.Is(err, bus.ErrUnavailable) && !errors.Is(err, bus.ErrUndecided)
	})
}

// A process dies with unacknowledged messages, for which the server would wait an hour. The next process, which is
// alone, gets them immediately.
func TestReclaim(t *testing.T) {
	n := engine.NATS(t)
	topics := []bus.Topic{{Name: bus.Intents, Groups: []bus.Group{{Name: "one", AnyOrder: true}}}}
	start := func() *nats.Bus {
		c := nats.Config{URLs: "nats://" + n.Address, Prefix: "suite"}
		b, err := nats.Open(t.Context(), c.AckAfter(time.Hour), topics, nil, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = b.Close() })
		return b
	}
	subscribe := func(b *nats.Bus, handle bus.Handler) {
		ctx, cancel := context.WithCancel(t.Context())
		t.Cleanup(cancel)
		go func() { _ = b.Subscribe(ctx, bus.Intents, "one", handle) }()
	}
	dead := start()
	taken := make(chan struct{}, 1)
	subscribe(dead, func(ctx context.Context, _ []bus.Delivery) error {
		taken <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	})
	if err := dead.Publish(t.Context(), bus.Intents, []bus.Message{{ID: 1, Type: "test.v1", Payload: []byte("1"), At: time.Now()}}); err != nil {
		t.Fatal(err)
	}
	<-taken
	_ = dead.Close() // it can send nothing any more
	next := start()
	if err := next.Reclaim(t.Context(), bus.Intents, "one"); err != nil {
		t.Fatal(err)
	}
	got := make(chan bus.Delivery, 1)
	subscribe(next, func(_ context.Context, batch []bus.Delivery) error {
		got <- batch[0]
		return nil
	})
	if d := await.Closed(t, "what the dead process had in hand comes", got); d.ID != 1 {
		t.Errorf("got %+v", d)
	}
}

func BenchmarkPublish(b *testing.B) {
	n := engine.NATS(b)
	conn, err := nats.Open(b.Context(), nats.Config{URLs: "nats://" + n.Address, Prefix: "bench"}, []bus.Topic{{Name: bus.Events, Groups: []bus.Group{{Name: "one"}}}}, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	const size = 500
	batch := make([]bus.Message, size)
	b.ResetTimer()
	for i := range b.N {
		for k := range batch {
			batch[k] = bus.Message{ID: int64(i*size + k + 1), Key: fmt.Sprint(k), Type: "order.placed.v1", Payload: []byte(`{"id":"7240126464000107","status":"pending","quantity":1}`), At: time.Now()}
		}
		if err := conn.Publish(b.Context(), bus.Events, batch); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*size)/b.Elapsed().Seconds(), "events/s")
}
