package telemetry

import (
	"context"
	"errors"
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

// CountOrder counts one attempt to place an order, a rehearsal's apart from the shop's. The outcome is one of a closed set of words:
// created, replayed, undecided or a fault's slug.
func (m *Metrics) CountOrder(word string, rehearsal bool) {
	of := &m.outcomes
	if rehearsal {
		of = &m.rehearsed
	}
	known, ok := of.all.Load(word)
	if !ok {
		known, _ = of.all.LoadOrStore(word, &outcome{with: metric.WithAttributes(attribute.String("outcome", word))})
	}
	known.(*outcome).count.Add(1)
}

func (m *Metrics) observeOutcomes() error {
	return errors.Join(
		m.observe("tidegate.orders", "Attempts to place an order, by outcome: created, replayed, or the slug of the refusal. Rehearsals are not among them.", &m.outcomes),
		m.observe("tidegate.rehearsal.orders", "Attempts of a rehearsal's shoppers to place an order, by outcome.", &m.rehearsed))
}

func (m *Metrics) observe(name, description string, of *outcomes) error {
	_, err := m.meter.Int64ObservableCounter(name, metric.WithDescription(description),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			of.all.Range(func(_, known any) bool {
				o.Observe(known.(*outcome).count.Load(), known.(*outcome).with)
				return true
			})
			return nil
		}))
	return err
}
