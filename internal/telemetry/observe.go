package telemetry

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// CacheCounts is what a cache has counted since it was made.
type CacheCounts struct {
	// Hits were answered from the cache, Misses were not, Refused were known not to exist without looking.
	Hits, Misses, Refused int64
	// Loads went to the source; LoadErrors of them failed.
	Loads, LoadErrors int64
}

// ObserveCache reads a cache's counters at every scrape. counts must be safe for concurrent use and quick.
func (m *Metrics) ObserveCache(name string, counts func() CacheCounts) error {
	requests, err1 := m.meter.Int64ObservableCounter("tidegate.cache.requests",
		metric.WithDescription("Look-ups in a cache, by result: hit, miss, refused (known not to exist)."))
	loads, err2 := m.meter.Int64ObservableCounter("tidegate.cache.loads",
		metric.WithDescription("Loads of a cache from its source, by result."))
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	with := func(result string) metric.MeasurementOption {
		return metric.WithAttributeSet(attribute.NewSet(attribute.String("cache", name), attribute.String("result", result)))
	}
	hit, miss, refused, ok, failed := with("hit"), with("miss"), with("refused"), with("ok"), with("error")
	_, err := m.meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		c := counts()
		o.ObserveInt64(requests, c.Hits, hit)
		o.ObserveInt64(requests, c.Misses, miss)
		o.ObserveInt64(requests, c.Refused, refused)
		o.ObserveInt64(loads, c.Loads-c.LoadErrors, ok)
		o.ObserveInt64(loads, c.LoadErrors, failed)
		return nil
	}, requests, loads)
	return err
}

// gateLevelsMax bounds the series of one scrape: a sale has few items, and a shop few open sales; past it the scrape says
// nothing of the rest rather than grow without end.
const gateLevelsMax = 1000

// ObserveGate reads the gate's levels at every scrape: what each open sale's pool still has to give.
func (m *Metrics) ObserveGate(levels func(yield func(sale, sku string, available int64) bool)) error {
	gauge, err := m.meter.Int64ObservableGauge("tidegate.gate.available",
		metric.WithDescription("Units the gate still has to give, by sale and SKU."))
	if err != nil {
		return err
	}
	_, err = m.meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		told := 0
		levels(func(sale, sku string, available int64) bool {
			o.ObserveInt64(gauge, available, metric.WithAttributes(attribute.String("sale", sale), attribute.String("sku", sku)))
			told++
			return told < gateLevelsMax
		})
		return nil
	}, gauge)
	return err
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
