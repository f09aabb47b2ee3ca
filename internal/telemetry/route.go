package telemetry

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// The statuses HTTP knows; any other is recorded as statusMax.
const (
	statusMin = 100
	statusMax = 599
)

// routes are the histograms of the requests' time, by route and status. They are kept here, and not by OpenTelemetry, whose lock
// on each was the dearest part of a request's metrics; a scrape reads them as if they were its.
type routes struct {
	described *prometheus.Desc
	mu        sync.Mutex
	all       []*Route
}

func newRoutes() *routes {
	return &routes{described: prometheus.NewDesc("http_server_request_duration_seconds",
		"Time from a request's header read to its answer written, by route and status.",
		[]string{"http_request_method", "http_response_status_code", "http_route"}, nil)}
}

// Describe implements prometheus.Collector.
func (r *routes) Describe(to chan<- *prometheus.Desc) { to <- r.described }

// Collect implements prometheus.Collector.
func (r *routes) Collect(to chan<- prometheus.Metric) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, route := range r.all {
		for i := range route.statuses {
			if t := route.statuses[i].Load(); t != nil {
				count, sum, buckets := t.read()
				to <- prometheus.MustNewConstHistogram(r.described, count, sum, buckets, route.method, strconv.Itoa(statusMin+i), route.pattern)
			}
		}
	}
}

// OtherMethod is the method of requests that fit no route, of any method. See
// https://opentelemetry.io/docs/specs/semconv/http/http-metrics/.
const OtherMethod = "_OTHER"

// Route records the requests of one route. It is safe for concurrent use.
type Route struct {
	method, pattern string
	statuses        [statusMax - statusMin + 1]atomic.Pointer[times]
}

// Route returns the recorder of one route, the same one for the same route. The pattern is the route's, such as /v1/orders/{id},
// never a request's path: every pattern is a series for ever.
func (m *Metrics) Route(method, pattern string) *Route {
	m.routes.mu.Lock()
	defer m.routes.mu.Unlock()
	for _, r := range m.routes.all {
		if r.method == method && r.pattern == pattern {
			return r
		}
	}
	r := &Route{method: method, pattern: pattern}
	m.routes.all = append(m.routes.all, r)
	return r
}

// Done records one answered request.
func (r *Route) Done(_ context.Context, status int, took time.Duration) {
	if status < statusMin || status > statusMax {
		status = statusMax
	}
	slot := &r.statuses[status-statusMin]
	t := slot.Load()
	if t == nil {
		slot.CompareAndSwap(nil, new(times))
		t = slot.Load()
	}
	t.add(took)
}

// times is a histogram of durations with the buckets of latencySeconds.
type times struct {
	sum     atomic.Int64                           // nanoseconds
	buckets [len(latencySeconds) + 1]atomic.Uint64 // the last one is of what is longer than all
}

// latencyEnds are the ends of the buckets in nanoseconds, each within its bucket.
var latencyEnds = func() (ends [len(latencySeconds)]time.Duration) {
	for i, s := range latencySeconds {
		ends[i] = time.Duration(s * float64(time.Second))
	}
	return ends
}()

func (t *times) add(took time.Duration) {
	i := 0
	for i < len(latencyEnds) && took > latencyEnds[i] {
		i++
	}
	t.buckets[i].Add(1)
	t.sum.Add(int64(took))
}

// read returns how many there were, their sum in seconds, and for each bucket's end how many were no longer.
func (t *times) read() (count uint64, sum float64, upTo map[float64]uint64) {
	upTo = make(map[float64]uint64, len(latencySeconds))
	for i, end := range latencySeconds {
		count += t.buckets[i].Load()
		upTo[end] = count
	}
	return count + t.buckets[len(latencySeconds)].Load(), time.Duration(t.sum.Load()).Seconds(), upTo
}
