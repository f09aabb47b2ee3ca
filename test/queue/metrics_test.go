package queue

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tidegate/tidegate/internal/await"
	"github.com/tidegate/tidegate/test/blackbox"
	"github.com/tidegate/tidegate/test/engine"
)

var (
	documentedMetric = regexp.MustCompile(`\btidegate_[a-z]+_[a-z_]+`)
	scrapedFamily    = regexp.MustCompile(`(?m)^# TYPE (\S+) `)
)

// rare are the documented metrics that appear when what they count has happened: a rehearsal's order, a product among the most read.
var rare = []string{"tidegate_rehearsal_orders_total", "tidegate_cache_hottest_reads"}

// TestDocumentedMetrics holds the metrics that the docs name to what running shops have: one with everything in the process, and one over
// MySQL, Redis and a queue.
func TestDocumentedMetrics(t *testing.T) {
	t.Parallel()
	var shops []*blackbox.Shop
	alone := blackbox.New(t)
	alone.Start()
	shops = append(shops, alone)
	env := blackbox.SharedBy(t, engine.MySQL(t), engine.Redis(t))
	over := newDrop(t, "nats://"+engine.NATS(t).Address, env...)
	shops = append(shops, over.shop)
	over.buy()
	sku := alone.Stocked("MUG", 10)
	sale := alone.Open(blackbox.Terms{SKUs: []string{sku}, Allocation: 5})
	token := alone.Tokens(firstCustomer, 1)[0]
	alone.Buy(blackbox.Buying(sale.ID, 1, firstCustomer, token, "one", sku))
	alone.Ask("GET", "/no/such/page", "", "")
	alone.Ask("GET", "/v1/no/such/route", "", "")

	documented := map[string]bool{}
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("%d pages: %v", len(pages), err)
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range documentedMetric.FindAllString(string(text), -1) {
			if !strings.HasSuffix(name, "_") && !slices.Contains(rare, name) { // tidegate_loop_* is several
				documented[name] = true
			}
		}
	}
	var left []string
	t.Cleanup(func() {
		if len(left) > 0 {
			t.Errorf("no shop has %v", left)
		}
	})
	missing := func() []string {
		left := maps.Clone(documented)
		for _, shop := range shops {
			a := shop.Ask("GET", shop.Running().Ops+"/metrics", "", "")
			if strings.Contains(string(a.Body), `http_request_method=""`) {
				t.Fatal("a series has no method")
			}
			for _, m := range scrapedFamily.FindAllStringSubmatch(string(a.Body), -1) {
				maps.DeleteFunc(left, func(name string, _ bool) bool {
					return name == m[1] || strings.TrimSuffix(strings.TrimSuffix(name, "_sum"), "_count") == m[1]
				})
			}
		}
		return slices.Sorted(maps.Keys(left))
	}
	await.Until(t, "every documented metric", func() bool {
		left = missing()
		return len(left) == 0
	})
}
