package telemetry

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// SharedCacheCounts is what the level of the cache that processes share has counted since this process began.
type SharedCacheCounts struct {
	// Hits are values that were there, Loads those that this process loaded for all, Waits those it waited for while another did.
	Hits, Loads, Waits uint64
	// Refused are loaded values that were too old to be shared, Failed look-ups that were not answered.
	Refused, Failed uint64
	// Live says that this process receives invalidations.
	Live bool
}

// ObserveSharedCache reads the counts at every scrape.
func (m *Metrics) ObserveSharedCache(counts func() SharedCacheCounts) error {
	looks, err1 := m.meter.Int64ObservableCounter("tidegate.cache.shared.looks",
		metric.WithDescription("Look-ups in the cache that processes share, by result: hit, load, wait, refused, failed."))
	live, err2 := m.meter.Int64ObservableGauge("tidegate.cache.shared.live",
		metric.WithDescription("1 while this process hears of what others change."))
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	_, err := m.meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		c := counts()
		for result, n := range map[string]uint64{"hit": c.Hits, "load": c.Loads, "wait": c.Waits, "refused": c.Refused, "failed": c.Failed} {
			o.ObserveInt64(looks, int64(n), metric.WithAttributes(attribute.String("result", result)))
		}
		up := int64(0)
		if c.Live {
			up = 1
		}
		o.ObserveInt64(live, up)
		return nil
	}, looks, live)
	return err
}

// ObserveHottest reads, at every scrape, which products are read most. The list must be short: each is a series.
func (m *Metrics) ObserveHottest(hottest func(yield func(product string, reads int64))) error {
	gauge, err := m.meter.Int64ObservableGauge("tidegate.cache.hottest.reads",
		metric.WithDescription("Reads of the most read products, about, older ones counting less."))
	if err != nil {
		return err
	}
	_, err = m.meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		hottest(func(product string, reads int64) {
			o.ObserveInt64(gauge, reads, metric.WithAttributes(attribute.String("product", product)))
		})
		return nil
	}, gauge)
	return err
}
