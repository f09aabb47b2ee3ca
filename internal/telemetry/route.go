package telemetry

import (
	"context"
	"strconv"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
)

// The statuses HTTP knows; any other is recorded as statusMax.
const (
	statusMin = 100
	statusMax = 599
)

// Route records the requests of one route. Make it once for each route, at start-up. It is safe for concurrent use.
type Route struct {
	metrics         *Metrics
	method, pattern string
	statuses        [statusMax - statusMin + 1]atomic.Pointer[attributes]
}

// Route returns the recorder of one route. The pattern is the route's, such as /v1/orders/{id}, never a request's path:
// every pattern is a series for ever.
func (m *Metrics) Route(method, pattern string) *Route {
	return &Route{metrics: m, method: method, pattern: pattern}
}

// Done records one answered request.
func (r *Route) Done(ctx context.Context, status int, took time.Duration) {
	if status < statusMin || status > statusMax {
		status = statusMax
	}
	slot := &r.statuses[status-statusMin]
	a := slot.Load()
	if a == nil {
		a = newAttributes(attribute.NewSet(
			attribute.String("http.request.method", r.method),
			attribute.String("http.route", r.pattern),
			attribute.String("http.response.status_code", strconv.Itoa(status)),
		))
		slot.Store(a) // two at once make equal sets, and either may stay
	}
	r.metrics.requests.Record(ctx, took.Seconds(), a.record...)
}
