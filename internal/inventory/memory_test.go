package inventory

import (
	"sync/atomic"
	"testing"

	"github.com/tidegate/tidegate/internal/kernel/id"
)

// TestMemoryDroppedSale: a release after the end of a sale that was dropped must not bring the sale back, for the gate
// would then say of a key that it has no order.
func TestMemoryDroppedSale(t *testing.T) {
	const drop id.Sale = 9
	m := NewMemoryGate()
	apply := func(c Change) {
		t.Helper()
		if err := m.Apply(t.Context(), []Change{c}); err != nil {
			t.Fatal(err)
		}
	}
	apply(Change{Position: 1, Terms: &Terms{Sale: drop, Open: true}})
	apply(Change{Position: 2, Moved: &Moved{Sale: drop, SKU: 1, Available: 5}})
	claim := &Claim{Order: 1, Sale: drop, Customer: 7, Key: "k", Lines: []Line{{SKU: 1, Units: 2}}}
	if a, err := m.Reserve(t.Context(), claim); err != nil || a.Verdict != Reserved {
		t.Fatalf("got %v, %v", a, err)
	}
	apply(Change{Position: 3, Terms: &Terms{Sale: drop, Ended: true}})
	if a, err := m.Find(t.Context(), claim); err != nil || a.Verdict != Replay {
		t.Fatalf("after the end the key must still be known: %v, %v", a, err)
	}
	if err := m.Drop(t.Context(), drop); err != nil {
		t.Fatal(err)
	}
	apply(Change{Position: 4, Moved: &Moved{Sale: drop, SKU: 1, Available: 2}})
	if a, err := m.Find(t.Context(), claim); err != nil || a.Verdict != NotLoaded {
		t.Error("a movement brought a dropped sale back without its keys")
	}
}

// TestMemoryHasNothing: from its reservation on, a customer has something; given back, nothing again. Where the sale is not loaded
// nobody is said to have nothing.
func TestMemoryHasNothing(t *testing.T) {
	const drop id.Sale = 9
	m := NewMemoryGate()
	if m.HasNoOrder(drop, 7) {
		t.Error("it knows of a sale that is not loaded")
	}
	stock := Stock{Pool: Pool{Sale: drop, SKU: 1}, OnHand: 5}
	if err := m.Load(t.Context(), Snapshot{Stock: []Stock{stock}, Terms: []Terms{{Sale: drop, Open: true}}, KeyedOrders: []KeyedOrder{{Order: 4, Sale: drop, Customer: 6, Key: "k"}}}); err != nil {
		t.Fatal(err)
	}
	claim := &Claim{Order: 5, Sale: drop, Customer: 7, Key: "k", Lines: []Line{{SKU: 1, Units: 2}}}
	has := func(when string, customer id.Customer, want bool) {
		t.Helper()
		if m.HasNoOrder(drop, customer) == want {
			t.Errorf("%s: customer %s has something is %t, not %t", when, customer, !want, want)
		}
	}
	has("loaded with an order of theirs that has expired", 6, true)
	has("at first", 7, false)
	if a, err := m.Reserve(t.Context(), claim); err != nil || a.Verdict != Reserved {
		t.Fatalf("got %v, %v", a, err)
	}
	has("reserved", 7, true)
	if err := m.Release(t.Context(), claim); err != nil {
		t.Fatal(err)
	}
	has("given back", 7, false)
}

// TestTakesNoMoreThanThereIs: what is left is compared in the step that takes it, for between a first look and that step
// others take. A crowd meets this seldom, so it is met here.
func TestTakesNoMoreThanThereIs(t *testing.T) {
	for _, c := range []struct {
		available, units int64
		taken            bool
	}{{0, 1, false}, {1, 1, true}, {1, 2, false}, {3, 2, true}, {-2, 1, false}} {
		left := c.available
		if c.taken {
			left -= c.units
		}
		var n atomic.Int64
		n.Store(c.available)
		if got := takeOne(&n, c.units); got != c.taken || n.Load() != left {
			t.Errorf("%d of %d: %v, and %d are left; want %v and %d", c.units, c.available, got, n.Load(), c.taken, left)
		}
	}
	var few, none atomic.Int64
	few.Store(2)
	if short := take(map[id.SKU]*atomic.Int64{1: &few, 2: &none}, []Line{{1, 2}, {2, 1}}); short != 2 || few.Load() != 2 || none.Load() != 0 {
		t.Errorf("SKU %s fell short, %d and %d are left; want SKU 2, and 2 and 0", short, few.Load(), none.Load())
	}
}
