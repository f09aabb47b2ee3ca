package telemetry

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// CacheCounts is what one cache has counted since it was made.
type CacheCounts struct {
	Name string
	// Hits are answers from memory, Loads reads of the source, Failures those of them that failed.
	Hits, Loads, Failures uint64
	// Stopped are keys known not to exist without asking the source.
	Stopped uint64
	// Evictions are values dropped to make room.
	Evictions uint64
	Entries   int
}

// ObserveCaches reads the counters of every cache at each scrape. The list of caches must not change, and counts must be
// safe for concurrent use and quick.
func (m *Metrics) ObserveCaches(counts func(yield func(CacheCounts))) error {
	answers, err1 := m.meter.Int64ObservableCounter("tidegate.cache.answers",
		metric.WithDescription("Look-ups that a cache answered without its source: hit, or stopped (known not to exist)."))
	loads, err2 := m.meter.Int64ObservableCounter("tidegate.cache.loads",
		metric.WithDescription("Loads of a cache from its source, by result."))
	evictions, err3 := m.meter.Int64ObservableCounter("tidegate.cache.evictions",
		metric.WithDescription("Values that a cache dropped to make room."))
	entries, err4 := m.meter.Int64ObservableGauge("tidegate.cache.entries", metric.WithDescription("Values in a cache."))
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return err
	}
	with := func(cache string, result ...attribute.KeyValue) metric.MeasurementOption {
		return metric.WithAttributes(append(result, attribute.String("cache", cache))...)
	}
	_, err := m.meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		counts(func(c CacheCounts) {
			o.ObserveInt64(answers, int64(c.Hits), with(c.Name, attribute.String("result", "hit")))
			o.ObserveInt64(answers, int64(c.Stopped), with(c.Name, attribute.String("result", "stopped")))
			o.ObserveInt64(loads, int64(c.Loads-c.Failures), with(c.Name, attribute.String("result", "ok")))
			o.ObserveInt64(loads, int64(c.Failures), with(c.Name, attribute.String("result", "error")))
			o.ObserveInt64(evictions, int64(c.Evictions), with(c.Name))
			o.ObserveInt64(entries, int64(c.Entries), with(c.Name))
		})
		return nil
	}, answers, loads, evictions, entries)
	return err
}

// gateLevelsMax bounds the series of one scrape: a sale has few items, and a shop few open sales; past it the scrape says
// nothing of the rest rather than grow without end.
const gateLevelsMax = 1000

// ObserveGate reads the gate's levels at every scrape: what each open sale's pool still has to give.
func (m *Metrics) ObserveGate(levels func(yield func(sale, sku string, available int64))) error {
	gauge, err := m.meter.Int64ObservableGauge("tidegate.gate.available",
		metric.WithDescription("Units the gate still has to give, by sale and SKU."))
	if err != nil {
		return err
	}
	_, err = m.meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		told := 0
		levels(func(sale, sku string, available int64) {
			if told++; told <= gateLevelsMax {
				o.ObserveInt64(gauge, available, metric.WithAttributes(attribute.String("sale", sale), attribute.String("sku", sku)))
			}
		})
		return nil
	}, gauge)
	return err
}

// ObserveConsumers reads, at every scrape, how far each group of consumers is behind: in events, and in how long ago the
// first of them happened.
func (m *Metrics) ObserveConsumers(lags func(yield func(group string, events int64, age time.Duration))) error {
	count, err1 := m.meter.Int64ObservableGauge("tidegate.consumer.lag.events",
		metric.WithDescription("Events that a group of consumers has not settled yet."))
	age, err2 := m.meter.Float64ObservableGauge("tidegate.consumer.lag", metric.WithUnit("s"),
		metric.WithDescription("How long ago the first of these events happened."))
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	_, err := m.meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		lags(func(group string, events int64, old time.Duration) {
			of := metric.WithAttributes(attribute.String("group", group))
			o.ObserveInt64(count, events, of)
			o.ObserveFloat64(age, old.Seconds(), of)
		})
		return nil
	}, count, age)
	return err
}

// QueueMetrics records what the queue intake does. Safe for concurrent use.
type QueueMetrics struct {
	intents metric.Int64Histogram
	appends metric.Float64Histogram
	settled metric.Int64Counter
}

// Queue returns the instruments of the queue intake. Call it once.
func (m *Metrics) Queue() (*QueueMetrics, error) {
	q := &QueueMetrics{}
	var errs [3]error
	q.intents, errs[0] = m.meter.Int64Histogram("tidegate.queue.message.intents",
		metric.WithDescription("Intents of orders in one message to the broker."), metric.WithExplicitBucketBoundaries(batchOrders...))
	q.appends, errs[1] = m.meter.Float64Histogram("tidegate.queue.append.duration", metric.WithUnit("s"),
		metric.WithDescription("Time until the broker has confirmed a message of intents, by result."), metric.WithExplicitBucketBoundaries(latencySeconds[:]...))
	q.settled, errs[2] = m.meter.Int64Counter("tidegate.queue.settled",
		metric.WithDescription("Queued orders that were decided, by result: accepted or refused."))
	return q, errors.Join(errs[:]...)
}

// Appended records one message of intents.
func (q *QueueMetrics) Appended(intents int, took time.Duration, err error) {
	ctx := context.Background()
	q.intents.Record(ctx, int64(intents))
	q.appends.Record(ctx, took.Seconds(), metric.WithAttributes(attribute.String("result", result(err))))
}

// Settled counts queued orders that were decided.
func (q *QueueMetrics) Settled(accepted, refused int) {
	ctx := context.Background()
	q.settled.Add(ctx, int64(accepted), metric.WithAttributes(attribute.String("result", "accepted")))
	q.settled.Add(ctx, int64(refused), metric.WithAttributes(attribute.String("result", "refused")))
}

// ObserveExpiryLag reads, at every scrape, how long the oldest unpaid order is past its time; zero where none is.
func (m *Metrics) ObserveExpiryLag(lag func() time.Duration) error {
	return m.ObserveSeconds("tidegate.expiry.lag", "How long the oldest unpaid order is past its time.", lag)
}

// ObserveSeconds reads a duration at every scrape as a gauge in seconds.
func (m *Metrics) ObserveSeconds(name, description string, value func() time.Duration) error {
	_, err := m.meter.Float64ObservableGauge(name, metric.WithUnit("s"), metric.WithDescription(description),
		metric.WithFloat64Callback(func(_ context.Context, o metric.Float64Observer) error {
			o.Observe(value().Seconds())
			return nil
		}))
	return err
}

// ObserveCount reads a level, such as the length of a queue, at every scrape.
func (m *Metrics) ObserveCount(name, description string, value func() int64) error {
	_, err := m.meter.Int64ObservableGauge(name, metric.WithDescription(description),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(value())
			return nil
		}))
	return err
}
