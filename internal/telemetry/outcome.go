package telemetry

import (
	"context"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// outcomes counts attempts to place an order by their outcome. A crowd is counted here tens of thousands of times a second, so
// the counts are added to directly, and read at each scrape.
type outcomes struct{ all sync.Map } // of *outcome by its word

type outcome struct {
	count atomic.Int64
	with  metric.MeasurementOption
}

// Order counts one attempt to place an order. The outcome is one of a closed set of words: created, replayed, undecided or
// a fault's slug.
func (m *Metrics) Order(word string) {
	known, ok := m.outcomes.all.Load(word)
	if !ok {
		known, _ = m.outcomes.all.LoadOrStore(word, &outcome{with: metric.WithAttributes(attribute.String("outcome", word))})
	}
	known.(*outcome).count.Add(1)
}

func (m *Metrics) observeOutcomes() error {
	_, err := m.meter.Int64ObservableCounter("tidegate.orders",
		metric.WithDescription("Attempts to place an order, by outcome: created, replayed, or the slug of the refusal."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			m.outcomes.all.Range(func(_, known any) bool {
				o.Observe(known.(*outcome).count.Load(), known.(*outcome).with)
				return true
			})
			return nil
		}))
	return err
}
