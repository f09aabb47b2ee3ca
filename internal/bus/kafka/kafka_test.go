package kafka_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/tidegate/tidegate/internal/bus"
	"github.com/tidegate/tidegate/internal/bus/bustest"
	"github.com/tidegate/tidegate/internal/bus/kafka"
	"github.com/tidegate/tidegate/test/engine"
)

// cluster is an in-process fake of three brokers, with the real protocol and nothing on disk. So a restart is only a
// cut connection.
func cluster(t testing.TB, way *engine.Cut) kafka.Config {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(3))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return kafka.Config{Brokers: c.ListenAddrs(), Prefix: "suite", Partitions: 4, Replicas: 3}.Through(way.Dial)
}

func TestSuite(t *testing.T) {
	bustest.Suite(t, func(t *testing.T) bustest.Engine {
		way := &engine.Cut{}
		config := cluster(t, way)
		return bustest.Engine{
			Open: func(t *testing.T, topics []bus.Topic, letters bus.DeadLetters) bus.Bus {
				b, err := kafka.Open(t.Context(), config, topics, letters, slog.New(slog.DiscardHandler))
				if err != nil {
					t.Fatal(err)
				}
				return b
			},
			Stop:  func(*testing.T) { way.Stop() },
			Start: func(*testing.T) { way.Start() },
		}
	})
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	nobody := engine.FreeAddress(t)
	_, err := kafka.Open(t.Context(), kafka.Config{Brokers: []string{nobody}, Prefix: "suite"}, nil, nil, slog.New(slog.DiscardHandler))
	if err == nil || !strings.HasPrefix(err.Error(), "no Kafka broker answers at "+nobody) {
		t.Errorf("%v, want one sentence with the address", err)
	}
}

func BenchmarkPublish(b *testing.B) {
	conn, err := kafka.Open(b.Context(), cluster(b, &engine.Cut{}), []bus.Topic{{Name: bus.Events, Groups: []bus.Group{{Name: "one"}}}}, nil, slog.New(slog.DiscardHandler))
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
