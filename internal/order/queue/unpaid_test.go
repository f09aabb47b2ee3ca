package queue_test

import (
	"errors"
	"testing"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/order"
)

// TestTooManyUnpaid: a queued order of general stock meets the bound of what is held unpaid when it is its turn. It is refused then, its units
// come back, and the keys that have orders are none the worse.
func TestTooManyUnpaid(t *testing.T) {
	s := newShop(t, func(c *order.Config) { c.UnpaidOrdersMax = 2 })
	s.receive(9)
	tickets := []order.Placed{s.queued(0, 7, "a"), s.queued(0, 7, "b"), s.queued(0, 7, "c"), s.queued(0, 8, "a")}
	s.settle()
	s.settle() // delivered again
	for i, p := range tickets {
		got, err := s.fate(p, 0)
		switch {
		case i == 2 && !errors.Is(err, fault.TooManyUnpaid):
			t.Errorf("the third of two: %+v, %v", got, err)
		case i != 2 && (err != nil || got.Order.Status != order.Pending):
			t.Errorf("ticket %d: %+v, %v", i, got, err)
		}
	}
	if again := must(s.place(0, 7, "a"))(t); !again.Replayed || again.Undecided {
		t.Errorf("the same key at the bound: %+v", again)
	}
	s.agrees(0, 3)
}
