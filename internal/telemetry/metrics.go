// Package telemetry holds the process's metrics (OpenTelemetry, read as Prometheus text), its log and its request ids.
//
// Modules do not import it: they name the small observers they need, and the composition root hands them the methods of
// this package that fit.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/attribute"
	exporter "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/exemplar"
)

// latencySeconds are the buckets of every latency: from a cached read to the longest wait a request may ask for.
var latencySeconds = [...]float64{
	0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
}

// batchOrders are the buckets of the size of a commit; the committer's own limit is in the hundreds.
var batchOrders = []float64{1, 2, 5, 10, 25, 50, 100, 200, 300, 400, 500, 750, 1000}

// Metrics is the process's set of instruments. Its methods are safe for concurrent use, and the ones that record do not
// allocate: what they attach to a measurement is made once, the first time it is seen.
type Metrics struct {
	registry *prometheus.Registry
	provider *sdk.MeterProvider
	meter    metric.Meter

	routes    *routes
	batch     metric.Int64Histogram
	commits   metric.Float64Histogram
	steps     metric.Float64Histogram
	stepsDone metric.Int64Counter

	outcomes outcomes
	// rehearsed are the outcomes of rehearsals.
	rehearsed outcomes
	results   series[bool]
	loops     series[loopResult]
}

// NewMetrics makes the instruments on a registry of their own, with those of the Go runtime and of the process.
func NewMetrics() (*Metrics, error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	reader, err := exporter.New(exporter.WithRegisterer(registry), exporter.WithoutTargetInfo(), exporter.WithoutScopeInfo())
	if err != nil {
		return nil, fmt.Errorf("make the Prometheus exporter: %w", err)
	}
	// Exemplars need traces, of which there are none; their reservoirs would cost memory on every measurement.
	provider := sdk.NewMeterProvider(sdk.WithReader(reader), sdk.WithExemplarFilter(exemplar.AlwaysOffFilter))
	m := &Metrics{registry: registry, provider: provider, meter: provider.Meter("tidegate")}
	return m, m.instruments()
}

func (m *Metrics) instruments() error {
	var errs [6]error
	m.routes = newRoutes()
	errs[0] = m.registry.Register(m.routes)
	errs[1] = m.observeOutcomes()
	m.batch, errs[2] = m.meter.Int64Histogram("tidegate.commit.batch.orders",
		metric.WithDescription("Orders in one group commit."),
		metric.WithExplicitBucketBoundaries(batchOrders...))
	m.commits, errs[3] = m.meter.Float64Histogram("tidegate.commit.duration", metric.WithUnit("s"),
		metric.WithDescription("Time of one group commit, until it is on disk, by result."),
		metric.WithExplicitBucketBoundaries(latencySeconds[:]...))
	m.steps, errs[4] = m.meter.Float64Histogram("tidegate.loop.step.duration", metric.WithUnit("s"),
		metric.WithDescription("Time of one step of a background loop, by loop and result."),
		metric.WithExplicitBucketBoundaries(latencySeconds[:]...))
	m.stepsDone, errs[5] = m.meter.Int64Counter("tidegate.loop.done",
		metric.WithDescription("Things done by background loops, by loop."))
	return errors.Join(errs[:]...)
}

// Handler serves the metrics in Prometheus's text format.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry, EnableOpenMetrics: true})
}

// Close stops the instruments. Measurements after it are dropped.
func (m *Metrics) Close(ctx context.Context) error { return m.provider.Shutdown(ctx) }

// ObserveBatch records one group commit: how many orders it held, how long it took, and whether it failed as a whole.
func (m *Metrics) ObserveBatch(orders int, took time.Duration, err error) {
	ctx := context.Background()
	m.batch.Record(ctx, int64(orders))
	m.commits.Record(ctx, took.Seconds(), m.results.of(err == nil, func() attribute.Set {
		return attribute.NewSet(attribute.String("result", result(err)))
	}).record...)
}

type loopResult struct{ loop, result string }

// ObserveStep records one step of a background loop: how many things it did, how long it took, and how it ended.
func (m *Metrics) ObserveStep(loop string, did int, took time.Duration, err error) {
	ctx := context.Background()
	r := loopResult{loop, result(err)}
	m.steps.Record(ctx, took.Seconds(), m.loops.of(r, func() attribute.Set {
		return attribute.NewSet(attribute.String("loop", r.loop), attribute.String("result", r.result))
	}).record...)
	if did > 0 {
		r.result = ""
		m.stepsDone.Add(ctx, int64(did), m.loops.of(r, func() attribute.Set {
			return attribute.NewSet(attribute.String("loop", r.loop))
		}).add...)
	}
}

func result(err error) string {
	if err != nil {
		return "error"
	}
	return "ok"
}

// attributes is a set of attributes as the instruments take it, made once.
type attributes struct {
	add    []metric.AddOption
	record []metric.RecordOption
}

func newAttributes(set attribute.Set) *attributes {
	option := metric.WithAttributeSet(set)
	return &attributes{add: []metric.AddOption{option}, record: []metric.RecordOption{option}}
}

// series keeps the attributes of every key seen. The keys are of a closed set: nothing is ever dropped.
type series[K comparable] struct {
	mu  sync.RWMutex
	all map[K]*attributes
}

func (s *series[K]) of(key K, attrs func() attribute.Set) *attributes {
	s.mu.RLock()
	a, known := s.all[key]
	s.mu.RUnlock()
	if known {
		return a
	}
	return s.learn(key, attrs())
}

func (s *series[K]) learn(key K, set attribute.Set) *attributes {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[K]*attributes{}
	}
	if s.all[key] == nil {
		s.all[key] = newAttributes(set)
	}
	return s.all[key]
}
