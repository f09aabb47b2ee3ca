package telemetry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func newMetrics(t testing.TB) *Metrics {
	t.Helper()
	m, err := NewMetrics()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close(context.Background()) })
	return m
}

func scrape(t testing.TB, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func TestTheScrapeHoldsWhatWasMeasured(t *testing.T) {
	t.Parallel()
	m := newMetrics(t)
	buy := m.Route("POST", "/v1/sales/{id}/orders")
	buy.Done(t.Context(), 201, 3*time.Millisecond)
	buy.Done(t.Context(), 201, 3*time.Millisecond)
	m.Route("POST", "/v1/sales/{id}/orders").Done(t.Context(), 409, time.Millisecond) // the other lane's
	buy.Done(t.Context(), 409, time.Millisecond+1)
	buy.Done(t.Context(), 409, time.Hour)
	buy.Done(t.Context(), 7000, time.Millisecond)
	m.CountOrder("created", false)
	m.CountOrder("created", false)
	m.CountOrder("sold_out", false)
	m.CountOrder("created", true)
	m.ObserveBatch(120, 4*time.Millisecond, nil)
	m.ObserveBatch(3, time.Second, errors.New("disk"))
	m.ObserveStep("expiry", 12, time.Millisecond, nil)
	m.ObserveStep("expiry", 0, time.Millisecond, errors.New("x"))
	for _, err := range []error{
		m.ObserveCaches(func(yield func(CacheCounts)) {
			yield(CacheCounts{Name: "products", Hits: 9, Stopped: 1, Loads: 2, Failures: 1, Entries: 3})
			yield(CacheCounts{Name: "lists", Hits: 4})
		}),
		m.ObserveGate(func(yield func(string, string, int64)) {
			for i := range int64(gateLevelsMax + 1) {
				yield("7", fmt.Sprint(i), i)
			}
		}),
		m.ObserveExpiryLag(func() time.Duration { return 1500 * time.Millisecond }),
		m.ObserveCount("tidegate.queue.orders", "Orders waiting.", func() int64 { return 5 }),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	got := scrape(t, m)
	for _, want := range []string{
		`http_server_request_duration_seconds_count{http_request_method="POST",http_response_status_code="201",http_route="/v1/sales/{id}/orders"} 2`,
		`http_response_status_code="409",http_route="/v1/sales/{id}/orders",le="0.0005"} 0`,
		`http_response_status_code="409",http_route="/v1/sales/{id}/orders",le="0.001"} 1`,
		`http_response_status_code="409",http_route="/v1/sales/{id}/orders",le="0.0025"} 2`,
		`http_response_status_code="409",http_route="/v1/sales/{id}/orders",le="+Inf"} 3`,
		`http_server_request_duration_seconds_sum{http_request_method="POST",http_response_status_code="409",http_route="/v1/sales/{id}/orders"} 3600.00200`,
		`http_response_status_code="599",http_route="/v1/sales/{id}/orders"} 1`,
		`tidegate_orders_total{outcome="created"} 2`,
		`tidegate_orders_total{outcome="sold_out"} 1`,
		`tidegate_rehearsal_orders_total{outcome="created"} 1`,
		`tidegate_commit_batch_orders_sum 123`,
		`tidegate_commit_duration_seconds_count{result="ok"} 1`,
		`tidegate_commit_duration_seconds_count{result="error"} 1`,
		`tidegate_loop_step_duration_seconds_count{loop="expiry",result="ok"} 1`,
		`tidegate_loop_step_duration_seconds_count{loop="expiry",result="error"} 1`,
		`tidegate_loop_done_total{loop="expiry"} 12`,
		`tidegate_cache_answers_total{cache="products",result="hit"} 9`,
		`tidegate_cache_answers_total{cache="products",result="stopped"} 1`,
		`tidegate_cache_answers_total{cache="lists",result="hit"} 4`,
		`tidegate_cache_entries{cache="products"} 3`,
		`tidegate_cache_loads_total{cache="products",result="error"} 1`,
		`tidegate_gate_available{sale="7",sku="999"} 999`,
		`tidegate_expiry_lag_seconds 1.5`,
		`tidegate_queue_orders 5`,
		`go_goroutines `,
		`process_open_fds `,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the scrape lacks %s", want)
		}
	}
	if strings.Contains(got, `sku="1000"`) {
		t.Error("the gate's levels are not bounded")
	}
}

func TestRecordingDoesNotAllocate(t *testing.T) {
	m := newMetrics(t)
	route := m.Route("GET", "/v1/products/{id}")
	ctx := t.Context()
	for name, record := range map[string]func(){
		"Route.Done": func() { route.Done(ctx, 200, time.Millisecond) },
		"Order":      func() { m.CountOrder("created", false) },
		"Batch":      func() { m.ObserveBatch(100, time.Millisecond, nil) },
		"Step":       func() { m.ObserveStep("expiry", 3, time.Millisecond, nil) },
	} {
		record()
		if n := testing.AllocsPerRun(100, record); n > 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}

func BenchmarkRouteDone(b *testing.B) {
	route := newMetrics(b).Route("GET", "/v1/products/{id}")
	ctx := b.Context()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			route.Done(ctx, 200, time.Millisecond)
		}
	})
}

func BenchmarkOrder(b *testing.B) {
	m := newMetrics(b)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			m.CountOrder("created", false)
		}
	})
}

func TestLogs(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name     string
		config   LogConfig
		terminal bool
		want     string
	}{
		{"text on a terminal", LogConfig{"info", "auto"}, true, `level=INFO msg=hello request_id=abc` + "\n"},
		{"json elsewhere", LogConfig{"info", "auto"}, false, `"level":"INFO","msg":"hello","request_id":"abc"}` + "\n"},
		{"json when asked", LogConfig{"info", "json"}, true, `"msg":"hello","request_id":"abc"}` + "\n"},
		{"text when asked", LogConfig{"debug", "text"}, false, `msg=hello request_id=abc` + "\n"},
		{"below the level", LogConfig{"warn", "text"}, false, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			NewLogger(&out, c.config, new(slog.LevelVar), c.terminal).InfoContext(WithRequestID(t.Context(), "abc"), "hello")
			if !strings.HasSuffix(out.String(), c.want) || (c.want == "") != (out.Len() == 0) {
				t.Errorf("got %q, want it to end in %q", out.String(), c.want)
			}
		})
	}
	var out bytes.Buffer
	log := NewLogger(&out, LogConfig{"info", "text"}, new(slog.LevelVar), false).With("part", "http").WithGroup("g")
	log.Log(t.Context(), slog.LevelInfo, "no id")
	if strings.Contains(out.String(), "request_id") || !strings.Contains(out.String(), "part=http") {
		t.Errorf("got %q", out.String())
	}
}

func TestLogConfigNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	for _, c := range []LogConfig{{"loud", "auto"}, {"info", "xml"}} {
		if c.Validate() == nil {
			t.Errorf("%+v is accepted", c)
		}
	}
	if err := DefaultLogConfig().Validate(); err != nil {
		t.Error(err)
	}
}
