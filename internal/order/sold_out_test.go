package order_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"

	"github.com/tidegate/tidegate/internal/alloctest"
	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
)

// soldOut returns a shop whose one unit is gone, and what asks for it once more, each time as another customer.
func soldOut(t testing.TB) (ask func() error) {
	s := newShop(t)
	s.drive()
	drop := s.Open(1, 0, 1)
	if _, err := s.place(drop, 1, "first", inventory.Line{SKU: 1, Units: 1}); err != nil {
		t.Fatal(err)
	}
	customer := id.Customer(1)
	lines := []inventory.Line{{SKU: 1, Units: 1}}
	return func() error {
		customer++
		_, err := s.orders.Place(context.Background(), order.Request{Customer: customer, Sale: drop, Key: "0190f3a2-7c11-7b44-9d2e-6f1d0a7c52e9", Lines: lines})
		return err
	}
}

// TestSoldOutKeepsNothing: a refusal allocates what the request needs, the thousandth as the hundred thousandth, and nothing
// of it stays.
func TestSoldOutKeepsNothing(t *testing.T) {
	ask := soldOut(t)
	refused := func() {
		if err := ask(); !errors.Is(err, fault.SoldOut) {
			t.Fatalf("%v, want sold out", err)
		}
	}
	alive := func() int64 {
		runtime.GC()
		runtime.GC() // what a finalizer let go of
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	early := testing.AllocsPerRun(1000, refused)
	before := alive()
	const crowd = 100_000
	for range crowd {
		refused()
	}
	grown := alive() - before
	if late := testing.AllocsPerRun(1000, refused); late > early {
		t.Errorf("%.0f allocations after %d refusals, %.0f before", late, crowd, early)
	}
	if grown > crowd {
		t.Errorf("%d bytes stayed of %d refusals", grown, crowd)
	}
}

func TestAllocationsOfARefusal(t *testing.T) {
	ask := soldOut(t)
	alloctest.AtMost(t, 3, func() { _ = ask() })
}

// BenchmarkSoldOut is a refusal without HTTP, to a new customer each, after so many others were refused.
func BenchmarkSoldOut(b *testing.B) {
	for _, refused := range []int{0, 1_000_000} {
		b.Run(fmt.Sprint("after ", refused), func(b *testing.B) {
			ask := soldOut(b)
			for range refused {
				_ = ask()
			}
			b.ReportAllocs()
			for b.Loop() {
				_ = ask()
			}
		})
	}
}
