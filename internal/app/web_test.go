package app

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/kernel/clock"
)

// discarded is an answer that nobody reads.
type discarded struct {
	header http.Header
	status int
	bytes  int
}

func (d *discarded) Header() http.Header { return d.header }
func (d *discarded) WriteHeader(s int)   { d.status = s }
func (d *discarded) Write(b []byte) (int, error) {
	d.bytes += len(b)
	return len(b), nil
}

// BenchmarkPages is what the shop does for a page that is kept, without the network, beside a read of a product through the API: the
// mean, and the 99th of a hundred requests. Whoever is signed in has bought nothing.
func BenchmarkPages(b *testing.B) {
	c := testConfig(b)
	demoOn(b, c, clock.System{}, func(a *App) {
		sl := a.Demo().Sale
		found, err := a.reader.Product(b.Context(), sl.Items[0].Product)
		if err != nil {
			b.Fatal(err)
		}
		var product catalog.View
		if err := json.Unmarshal(found.Body, &product); err != nil {
			b.Fatal(err)
		}
		cookie := "tg_access=" + tokensFor(b, c, 1)[0]
		for _, of := range []struct{ name, path, cookie string }{
			{"product read", "/v1/products/" + product.ID.String(), ""},
			{"home", "/", ""},
			{"product", "/products/" + product.Handle, ""},
			{"sale", "/sales/" + sl.ID.String(), ""},
			{"sale signed in", "/sales/" + sl.ID.String(), cookie},
		} {
			b.Run(of.name, func(b *testing.B) {
				r := httptest.NewRequestWithContext(b.Context(), "GET", of.path, bytes.NewReader(nil))
				r.Header.Set("Accept-Encoding", "gzip")
				if of.cookie != "" {
					r.Header.Set("Cookie", of.cookie)
				}
				w := &discarded{header: http.Header{}}
				a.handler.ServeHTTP(w, r) // now it is kept
				took := make([]time.Duration, 0, 1<<20)
				b.ReportAllocs()
				for b.Loop() {
					clear(w.header)
					began := time.Now()
					a.handler.ServeHTTP(w, r)
					if len(took) < cap(took) {
						took = append(took, time.Since(began))
					}
				}
				b.StopTimer()
				if w.status >= 300 || w.bytes == 0 {
					b.Fatalf("it answers %d, %d bytes", w.status, w.bytes)
				}
				slices.Sort(took)
				b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds())/1e3, "p99-µs")
			})
		}
	})
}
