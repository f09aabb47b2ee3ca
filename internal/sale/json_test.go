package sale

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/money"
)

type levels int64

func (l levels) Available(inventory.Pool) (int64, bool) { return int64(l), true }

var noon = time.Date(2026, 11, 27, 12, 0, 0, 7_900_000, time.UTC)

func drop() *Sale {
	return &Sale{
		ID: 20, Title: "Night \"drop\" \u2028", Status: Scheduled, StartsAt: noon, EndsAt: noon.Add(time.Hour), Limit: 2,
		PaymentWindow: 15 * time.Minute, Version: 3,
		Items: []Item{{SKU: 1, Product: 7, Price: money.Of(1250, "GBP"), ListPrice: money.Of(2000, "GBP"), Allocation: 100}},
	}
}

func TestAppendJSON(t *testing.T) {
	const want = `{"id":"20","title":"Night \"drop\" ` + "\u2028" + `","status":"live","starts_at":"2026-11-27T12:00:00.007Z","ends_at":"2026-11-27T13:00:00.007Z",` +
		`"limit_per_customer":2,"payment_window_seconds":900,"items":[{"sku_id":"1","product_id":"7","price":{"minor":1250,"currency":"GBP"},` +
		`"list_price":{"minor":2000,"currency":"GBP"},"allocation":100,"available":41}],"version":3,"server_time":"2026-11-27T12:00:00.007Z"}`
	if diff := cmp.Diff(want, string(drop().AppendJSON(nil, noon, levels(41)))); diff != "" {
		t.Error(diff)
	}
}

// unknown is a gate that holds nothing.
type unknown struct{}

func (unknown) Available(inventory.Pool) (int64, bool) { return 0, false }

// TestAppendJSONOfUnknownUnits checks that unknown units are absent, not zero. A draft and an ended sale have none to show, whatever the
// gate holds.
func TestAppendJSONOfUnknownUnits(t *testing.T) {
	for _, c := range []struct {
		status Status
		at     time.Time
		held   Availability
	}{
		{Draft, noon, levels(0)}, {Scheduled, noon.Add(-time.Minute), unknown{}}, {Scheduled, noon, unknown{}}, {Live, noon, unknown{}},
		{Paused, noon, unknown{}}, {Live, noon.Add(2 * time.Hour), levels(0)}, {Ended, noon, levels(0)}, {Ended, noon, levels(7)},
	} {
		for _, shows := range []Shows{Exact, Coarse} {
			s := drop()
			s.Status, s.ShowsLeft = c.status, shows
			got := string(s.AppendJSON(nil, c.at, c.held))
			if strings.Contains(got, `"available"`) {
				t.Errorf("%s at %s, %s: %s", c.status, c.at, shows, got)
			}
		}
	}
}

func BenchmarkAppendJSON(b *testing.B) {
	b.ReportAllocs()
	s, left := drop(), Availability(levels(41))
	buf := make([]byte, 0, 1024)
	for b.Loop() {
		buf = s.AppendJSON(buf[:0], noon, left)
	}
}
