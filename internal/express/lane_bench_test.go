package express

import (
	"bufio"
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/tidegate/tidegate/internal/alloctest"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/order"
)

// laneRequests are the requests of the lane's hot path, and how often one allocates from the parsed request to the written answer.
var laneRequests = []struct {
	name, raw string
	place     func(order.Request) (order.Placed, error)
	most      float64
}{
	{"order", orderOf("0190f3a2-7c11-7b44-9d2e-6f1d0a7c52e9", 1), func(order.Request) (order.Placed, error) { return placed, nil }, 2},
	{"sold out", orderOf("0190f3a2-7c11-7b44-9d2e-6f1d0a7c52e9", 1), func(order.Request) (order.Placed, error) { return order.Placed{}, errSoldOut }, 2},
	{"product", "GET /v1/products/7240126464000001 HTTP/1.1\r\nHost: x\r\nUser-Agent: b\r\n\r\n", nil, 0},
	{"product not modified", "GET /v1/products/7240126464000001 HTTP/1.1\r\nHost: x\r\nIf-None-Match: " + page.ETag + "\r\n\r\n", nil, 0},
	{"sale", "GET /v1/sales/20 HTTP/1.1\r\nHost: x\r\nUser-Agent: b\r\n\r\n", nil, 0},
}

var errSoldOut = fault.New(fault.SoldOut, "There is not enough left of SKU 1.")

// laneAlone returns what sends a request through the lane over modules that cost nothing.
func laneAlone(tb testing.TB, raw string, place func(order.Request) (order.Placed, error)) (run func()) {
	s := newServer(&shop{place: place}, func(p *Parts) { p.Record = func(string, string) Recorder { return telemetryNone{} } })
	var ctx fasthttp.RequestCtx
	ctx.Init2(nil, discard{}, false)
	if err := ctx.Request.Read(bufio.NewReader(strings.NewReader(raw))); err != nil {
		tb.Fatal(err)
	}
	w := bufio.NewWriter(io.Discard)
	return func() {
		s.handle(&ctx)
		if err := ctx.Response.Write(w); err != nil {
			tb.Fatal(err)
		}
		ctx.Response.Reset()
	}
}

func TestAllocationsOfTheLane(t *testing.T) {
	for _, r := range laneRequests {
		t.Run(r.name, func(t *testing.T) { alloctest.AtMost(t, r.most, laneAlone(t, r.raw, r.place)) })
	}
}

// BenchmarkLane is the lane alone: from a request that has been parsed to an answer that has been written.
func BenchmarkLane(b *testing.B) {
	for _, r := range laneRequests {
		b.Run(r.name, func(b *testing.B) {
			run := laneAlone(b, r.raw, r.place)
			b.ReportAllocs()
			for b.Loop() {
				run()
			}
		})
	}
}

// telemetryNone records nothing.
type telemetryNone struct{}

func (telemetryNone) Done(context.Context, int, time.Duration) {}
