package audit_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidegate/tidegate/internal/audit"
	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/shoptest"
	"github.com/tidegate/tidegate/internal/store/storetest"
)

// TestPortions reads a shop in portions of every small size: each must find what one portion finds.
func TestPortions(t *testing.T) {
	s := shoptest.Open(t).Store
	tr := storetest.NewTrade(t, s)
	drop := tr.Sale(50, 3, 1, 2)
	for i := range id.Customer(12) {
		o := tr.Buy(drop, i%4+1, fmt.Sprint(i), storetest.Line(1, 1))
		switch i % 3 {
		case 0:
			tr.Pay(o)
		case 1:
			tr.Cancel(o)
		}
	}
	drop = tr.Limit(drop.ID, 1) // four customers have two or three by now
	tr.Buy(drop, 9, "last", storetest.Line(2, 1))
	tr.Expire()
	tr.Pay(tr.Buy(drop, 10, "open", storetest.Line(2, 1)))

	run := func(orders, keys int) audit.Report {
		t.Helper()
		service := audit.NewService(s, nil, clock.NewManual(tr.Clock.Now()))
		service.Bound(orders, keys, 100)
		report, err := service.Run(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		return report
	}
	want := run(1000, 1000)
	if !want.OK {
		t.Fatalf("the shop is not clean: %+v", want)
	}
	for size := 1; size <= 15; size++ {
		if diff := cmp.Diff(want, run(size, size)); diff != "" {
			t.Errorf("in portions of %d (-whole +portions):\n%s", size, diff)
		}
	}
}
