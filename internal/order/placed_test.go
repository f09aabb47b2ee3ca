package order_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
	"github.com/tidegate/tidegate/internal/order"
)

func TestPlacedBatch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var want []order.PlacedEntry
		payload := order.NewPlacedBatch(2)
		for range rapid.IntRange(0, 5).Draw(t, "orders") {
			e := order.PlacedEntry{Order: id.Order(rapid.Int64().Draw(t, "id")), Fingerprint: rapid.Uint64().Draw(t, "fingerprint")}
			want = append(want, e)
			payload = order.AppendPlaced(payload, e.Order, e.Fingerprint)
		}
		got, err := order.ReadPlacedBatch(payload)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != len(want) || len(want) > 0 && !cmp.Equal(got, want) {
			t.Fatalf("read %v, want %v", got, want)
		}
		if cut := rapid.IntRange(0, len(payload)).Draw(t, "cut"); cut%16 != 1 {
			if _, err := order.ReadPlacedBatch(payload[:cut]); err == nil {
				t.Fatalf("%d bytes were read", cut)
			}
		}
	})
	if order.IsPlacedBatch([]byte(`{"id":"1"}`)) {
		t.Error("an order was taken for a list")
	}
}

// TestFingerprint: every fact of an order's creation is in it, and nothing that changes later.
func TestFingerprint(t *testing.T) {
	at := time.Date(2026, 11, 27, 19, 0, 0, 0, time.UTC)
	base := func() order.Order {
		return order.Order{
			ID: 1, Sale: 2, Customer: 3, Status: order.Pending, Lines: []order.Line{{SKU: 4, Units: 5, UnitPrice: 6}, {SKU: 5, Units: 1, UnitPrice: 1}},
			Units: 6, Total: money.Of(31, "GBP"), CreatedAt: at, ExpiresAt: at.Add(time.Minute),
		}
	}
	b := base()
	if got := b.Fingerprint("key"); got != 0x712a2f6abc540cbb {
		t.Errorf("it is %#x, and databases have another", got)
	}
	seen := map[uint64]string{b.Fingerprint("key"): "base", b.Fingerprint("kez"): "key", b.Fingerprint("key\x00"): "longer key", b.Fingerprint("0190f3a2-7c11"): "long key", b.Fingerprint("0190f3a3-7c11"): "another"}
	for name, change := range map[string]func(*order.Order){
		"id":       func(o *order.Order) { o.ID++ },
		"sale":     func(o *order.Order) { o.Sale++ },
		"customer": func(o *order.Order) { o.Customer++ },
		"sku":      func(o *order.Order) { o.Lines[0].SKU++ },
		"quantity": func(o *order.Order) { o.Lines[0].Units++ },
		"price":    func(o *order.Order) { o.Lines[1].UnitPrice++ },
		"lines":    func(o *order.Order) { o.Lines = o.Lines[:1] },
		"sum":      func(o *order.Order) { o.Units++ },
		"total":    func(o *order.Order) { o.Total.Minor++ },
		"currency": func(o *order.Order) { o.Total.Currency = "EUR" },
		"created":  func(o *order.Order) { o.CreatedAt = at.Add(time.Millisecond) },
		"expires":  func(o *order.Order) { o.ExpiresAt = at },
	} {
		o := base()
		change(&o)
		h := o.Fingerprint("key")
		if other, twice := seen[h]; twice {
			t.Errorf("%s has the fingerprint of %s", name, other)
		}
		seen[h] = name
	}
	o := base()
	o.Status, o.PaidAt, o.ClosedAt = order.Refunded, at.Add(time.Hour), at.Add(2*time.Hour)
	if o.Fingerprint("key") != b.Fingerprint("key") {
		t.Error("the fingerprint changes with the order's status")
	}
}

func BenchmarkFingerprint(b *testing.B) {
	o := order.Order{ID: 1, Sale: 2, Customer: 3, Lines: []order.Line{{SKU: 4, Units: 5, UnitPrice: 6}}, Units: 5, Total: money.Of(30, "GBP"), CreatedAt: time.Unix(1, 0), ExpiresAt: time.Unix(2, 0)}
	b.ReportAllocs()
	for b.Loop() {
		o.Fingerprint("0190f3a2-7c11-7b44-9d2e-6f1d0a7c52e9")
	}
}
