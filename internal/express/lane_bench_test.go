package express

import (
	"bufio"
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/order"
)

// BenchmarkLane is the lane alone: from a request that has been parsed to an answer that has been written, over modules that
// cost nothing.
func BenchmarkLane(b *testing.B) {
	soldOut := fault.New(fault.SoldOut, "There is not enough left of SKU 1.")
	for _, bb := range []struct {
		name, raw string
		place     func(order.Request) (order.Placed, error)
	}{
		{"order", orderOf("0190f3a2-7c11-7b44-9d2e-6f1d0a7c52e9", 1), func(order.Request) (order.Placed, error) { return placed, nil }},
		{"sold out", orderOf("0190f3a2-7c11-7b44-9d2e-6f1d0a7c52e9", 1), func(order.Request) (order.Placed, error) { return order.Placed{}, soldOut }},
		{"product", "GET /v1/products/7240126464000001 HTTP/1.1\r\nHost: x\r\nUser-Agent: b\r\n\r\n", nil},
		{"product not modified", "GET /v1/products/7240126464000001 HTTP/1.1\r\nHost: x\r\nIf-None-Match: " + page.ETag + "\r\n\r\n", nil},
		{"sale", "GET /v1/sales/20 HTTP/1.1\r\nHost: x\r\nUser-Agent: b\r\n\r\n", nil},
	} {
		b.Run(bb.name, func(b *testing.B) {
			s := newServer(&shop{place: bb.place}, func(p *Parts) { p.Record = func(string, string) Recorder { return telemetryNone{} } })
			var ctx fasthttp.RequestCtx
			ctx.Init2(nil, discard{}, false)
			if err := ctx.Request.Read(bufio.NewReader(strings.NewReader(bb.raw))); err != nil {
				b.Fatal(err)
			}
			w := bufio.NewWriter(io.Discard)
			b.ReportAllocs()
			for b.Loop() {
				s.handle(&ctx)
				if err := ctx.Response.Write(w); err != nil {
					b.Fatal(err)
				}
				ctx.Response.Reset()
			}
		})
	}
}

// telemetryNone records nothing.
type telemetryNone struct{}

func (telemetryNone) Done(context.Context, int, time.Duration) {}
