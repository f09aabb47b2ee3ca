package wire

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/money"
)

var noon = time.Date(2026, 11, 27, 12, 0, 0, 7_900_000, time.UTC)

func TestAppendSale(t *testing.T) {
	s := &Sale{ID: 20, Title: "Night \"drop\" \u2028", Status: "live", StartsAt: noon, EndsAt: noon.Add(time.Hour), Limit: 2, PaymentSeconds: 900, Version: 3, ServerTime: noon}
	got := AppendSale(nil, s, []SaleItem{{1, 7, money.Of(1250, "GBP"), money.Of(2000, "GBP"), 100, 41}})
	const want = `{"id":"20","title":"Night \"drop\" ` + "\u2028" + `","status":"live","starts_at":"2026-11-27T12:00:00.007Z","ends_at":"2026-11-27T13:00:00.007Z",` +
		`"limit_per_customer":2,"payment_seconds":900,"items":[{"sku_id":"1","product_id":"7","price":{"minor":1250,"currency":"GBP"},` +
		`"list_price":{"minor":2000,"currency":"GBP"},"allocation":100,"available":41}],"version":3,"server_time":"2026-11-27T12:00:00.007Z"}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
}

func TestAppendProblem(t *testing.T) {
	e := fault.Bad("lines[0].units", "It must be \"1\" to 1000, not %d.", 0)
	const want = `{"type":"/docs#invalid","title":"A value is not allowed","status":422,"detail":"It must be \"1\" to 1000, not 0.",` +
		`"code":"invalid","number":4220,"field":"lines[0].units","request_id":"ab"}`
	if diff := cmp.Diff(want, string(AppendProblem(nil, e, "ab"))); diff != "" {
		t.Error(diff)
	}
	for _, c := range fault.Codes() {
		var any map[string]any
		if err := json.Unmarshal(AppendProblem(nil, fault.New(c, "bytes \xff and\x00"), ""), &any); err != nil || any["code"] != c.String() {
			t.Errorf("%s: %v %v", c, err, any)
		}
	}
}

func TestRetryAfterSeconds(t *testing.T) {
	for _, tt := range []struct {
		e    *fault.Error
		want int64
	}{
		{fault.New(fault.SoldOut, ""), 0},
		{fault.New(fault.Overloaded, ""), 1},
		{fault.New(fault.TooManyRequests, ""), 1},
		{fault.New(fault.Overloaded, "").After(1001 * time.Millisecond), 2},
		{fault.New(fault.SaleNotOpen, "").After(time.Minute), 60},
	} {
		if got := RetryAfterSeconds(tt.e); got != tt.want {
			t.Errorf("%v after %v: %d, want %d", tt.e.Code, tt.e.RetryAfter, got, tt.want)
		}
	}
}

// FuzzAppendTime holds the fast form of a time to the library's.
func FuzzAppendTime(f *testing.F) {
	for _, ms := range []int64{0, noon.UnixMilli(), -1, 1 << 50, -1 << 50} {
		f.Add(ms)
	}
	f.Fuzz(func(t *testing.T, ms int64) {
		at := time.UnixMilli(ms % (1 << 52)).In(time.FixedZone("", 7200))
		if got, want := string(appendTime(nil, at)), at.UTC().Format(`"2006-01-02T15:04:05.000Z"`); got != want {
			t.Fatalf("%s, want %s", got, want)
		}
	})
}

// FuzzAppendText holds every text to what a JSON reader reads back.
func FuzzAppendText(f *testing.F) {
	for _, s := range []string{"", "plain", "\"\\\n\x00", "Größe", "\xff\xfe", "\U0001f30a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var back string
		if err := json.Unmarshal(AppendText(nil, s), &back); err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		if want, _ := json.Marshal(s); string(want) != "" {
			var again string
			if err := json.Unmarshal(want, &again); err != nil || again != back {
				t.Fatalf("%q is read back as %q", s, back)
			}
		}
	})
}

func BenchmarkAppendSale(b *testing.B) {
	b.ReportAllocs()
	s := &Sale{ID: 20, Title: "Night drop", Status: "live", StartsAt: noon, EndsAt: noon.Add(time.Hour), Limit: 2, PaymentSeconds: 900, Version: 3, ServerTime: noon}
	items := []SaleItem{{1, 7, money.Of(1250, "GBP"), money.Of(2000, "GBP"), 100, 41}}
	buf := make([]byte, 0, 1024)
	for b.Loop() {
		buf = AppendSale(buf[:0], s, items)
	}
}

func BenchmarkAppendProblem(b *testing.B) {
	b.ReportAllocs()
	e := fault.New(fault.SoldOut, "There is not enough left of SKU 7240126464000001.")
	buf := make([]byte, 0, 512)
	for b.Loop() {
		buf = AppendProblem(buf[:0], e, "4f1d0a7c52e9b386")
	}
}
