package rabbitmq_test

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/tidegate/tidegate/internal/bus"
	"github.com/tidegate/tidegate/internal/bus/bustest"
	"github.com/tidegate/tidegate/internal/bus/rabbitmq"
	"github.com/tidegate/tidegate/test/engine"
)

// place holds the queues of one test: on a broker that others use too, behind the test's own connection.
type place struct {
	engine.Cut
	config rabbitmq.Config

	mu    sync.Mutex
	names []string
}

func service(t testing.TB) *place {
	t.Helper()
	address := engine.Service(t, "RabbitMQ", "TIDEGATE_TEST_RABBITMQ", "127.0.0.1:5672")
	p := &place{}
	p.config = rabbitmq.Config{URL: "amqp://guest:guest@" + address, Prefix: fmt.Sprintf("test-%x", rand.Uint64())}.Through(p.Dial)
	t.Cleanup(func() { p.remove(t) })
	return p
}

func (p *place) open(t testing.TB, topics []bus.Topic, letters bus.DeadLetters) *rabbitmq.Bus {
	t.Helper()
	p.mu.Lock()
	for _, topic := range topics {
		p.names = append(p.names, p.config.Prefix+"."+topic.Name)
		for _, g := range topic.Groups {
			g = g.WithDefaults()
			queue := p.config.Prefix + "." + topic.Name + "." + g.Name
			p.names = append(p.names, queue, queue+".inhand")
			for try := 1; try < g.TriesMax && try < 20; try++ {
				p.names = append(p.names, fmt.Sprintf("%s.retry.%d", queue, g.Delay(try).Milliseconds()))
			}
		}
	}
	p.mu.Unlock()
	b, err := rabbitmq.Open(t.Context(), p.config, topics, letters, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// remove deletes everything of the test from the broker.
func (p *place) remove(t testing.TB) {
	conn, err := amqp.Dial(p.config.URL)
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = conn.Close() }()
	ch, err := conn.Channel()
	if err != nil {
		t.Error(err)
		return
	}
	for _, name := range p.names { // deleting a missing queue is no error
		_, err := ch.QueueDelete(name, false, false, false)
		if err = errors.Join(err, ch.ExchangeDelete(name, false, false)); err != nil {
			t.Error(err)
			return
		}
	}
}

// The broker that runs on this machine. The test must not stop it, so it cuts the connection instead. The restart case
// has its own node.
func TestSuite(t *testing.T) {
	bustest.Suite(t, func(t *testing.T) bustest.Engine {
		if strings.Contains(t.Name(), "survives_a_restart") {
			return ownNode(t)
		}
		p := service(t)
		return bustest.Engine{
			Open: func(t *testing.T, topics []bus.Topic, letters bus.DeadLetters) bus.Bus {
				return p.open(t, topics, letters)
			},
			Stop:  func(*testing.T) { p.Stop() },
			Start: func(*testing.T) { p.Start() },
		}
	})
}

func ownNode(t *testing.T) bustest.Engine {
	n := engine.RabbitMQ(t)
	return bustest.Engine{
		Open: func(t *testing.T, topics []bus.Topic, letters bus.DeadLetters) bus.Bus {
			b, err := rabbitmq.Open(t.Context(), rabbitmq.Config{URL: "amqp://guest:guest@" + n.Address, Prefix: "suite"}, topics, letters, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			return b
		},
		Stop:  func(*testing.T) { n.Kill() },
		Start: func(*testing.T) { n.Start() },
	}
}

func message(id int64) bus.Message {
	return bus.Message{ID: id, Key: "7", Type: "test.v1", Payload: []byte("{}"), At: time.Now().UTC()}
}

// P2: publishing while no queue takes the message returns an error. Nothing is lost silently.
func TestUnroutable(t *testing.T) {
	p := service(t)
	b := p.open(t, []bus.Topic{{Name: bus.Intents, Groups: []bus.Group{{Name: "one", TriesMax: 1}}}}, nil)
	defer func() { _ = b.Close() }()
	if err := b.Publish(t.Context(), bus.Intents, []bus.Message{message(1)}); err != nil {
		t.Fatal(err)
	}
	p.remove(t)
	conn, err := amqp.Dial(p.config.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	ch, err := conn.Channel()
	if err == nil {
		err = ch.ExchangeDeclare(p.config.Prefix+".intents", amqp.ExchangeTopic, true, false, false, false, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Publish(t.Context(), bus.Intents, []bus.Message{message(2)}); !errors.Is(err, bus.ErrUnavailable) || !strings.Contains(err.Error(), "no queue is bound") {
		t.Errorf("published to nobody: %v, want ErrUnavailable that says so", err)
	}
	if err := b.Publish(t.Context(), bus.Intents, []bus.Message{message(3)}); err != nil {
		t.Errorf("the queue is made again for the next publish, but: %v", err)
	}
	if left, err := b.Backlog(t.Context(), bus.Intents, "one"); err != nil || left.Messages != 1 {
		t.Errorf("a backlog of %d, %v; want the last message", left.Messages, err)
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	nobody := engine.FreeAddress(t)
	_, err := rabbitmq.Open(t.Context(), rabbitmq.Config{URL: "amqp://shop:secret@" + nobody, Prefix: "suite"}, nil, nil, slog.New(slog.DiscardHandler))
	if err == nil || !strings.HasPrefix(err.Error(), "RabbitMQ at "+nobody+" does not answer") || strings.Contains(err.Error(), "secret") {
		t.Errorf("%v, want one sentence with the address and no password", err)
	}
}

func BenchmarkPublish(b *testing.B) {
	p := service(b)
	conn := p.open(b, []bus.Topic{{Name: bus.Events, Groups: []bus.Group{{Name: "one", TriesMax: 1}}}}, nil)
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
