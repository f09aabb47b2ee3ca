package order_test

import (
	"context"
	"errors"
	"testing"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/sale"
	"github.com/tidegate/tidegate/internal/shoptest"
)

// TestFewerLeft checks what a refusal for want of stock says: sold out only if nothing is left, and otherwise how many the sale shows.
func TestFewerLeft(t *testing.T) {
	const levelUnknown = -1
	for _, c := range []struct {
		name      string
		shows     sale.Shows
		general   bool
		left      [2]int64 // of SKUs 1 and 2; of 100 each
		asked     [2]int64
		code      fault.Code
		available int64
	}{
		{"one of none", sale.Exact, false, [2]int64{0, 9}, [2]int64{1, 0}, fault.SoldOut, 0},
		{"two of none", sale.Exact, false, [2]int64{0, 9}, [2]int64{2, 0}, fault.SoldOut, 0},
		{"two of one", sale.Exact, false, [2]int64{1, 9}, [2]int64{2, 0}, fault.FewerLeft, 1},
		{"900 of 437 in general stock", "", true, [2]int64{437, 0}, [2]int64{900, 0}, fault.FewerLeft, 437},
		{"two of none in general stock", "", true, [2]int64{0, 0}, [2]int64{2, 0}, fault.SoldOut, 0},
		{"the band's bound", sale.Coarse, false, [2]int64{3, 9}, [2]int64{20, 0}, fault.FewerLeft, 10},
		{"within the band", sale.Coarse, false, [2]int64{3, 9}, [2]int64{5, 0}, fault.FewerLeft, 0},
		{"two lines, one too large", sale.Exact, false, [2]int64{5, 3}, [2]int64{1, 4}, fault.FewerLeft, 3},
		{"two lines, one of nothing", sale.Exact, false, [2]int64{0, 3}, [2]int64{1, 4}, fault.SoldOut, 0},
		{"not known", sale.Exact, false, [2]int64{levelUnknown, 3}, [2]int64{2, 0}, fault.SoldOut, 0},
		{"back since", sale.Exact, false, [2]int64{50, 3}, [2]int64{2, 0}, fault.SoldOut, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newShop(t)
			sl := s.Open(100, 0, 1, 2)
			terms, err := s.Book.Sale(t.Context(), sl)
			if err != nil {
				t.Fatal(err)
			}
			shown := *terms
			shown.ShowsLeft = c.shows
			if c.general {
				sl = 0
			}
			var lines []inventory.Line
			for i, n := range c.asked {
				if n > 0 {
					lines = append(lines, inventory.Line{SKU: id.SKU(i + 1), Units: n})
				}
			}
			orders := order.NewService(order.Parts{
				Store: s.Store, Gate: soldOutGate{s.Gate}, Intake: s.committer, Sales: fixedSale{&shown}, Prices: shoptest.Products{}, Signer: shoptest.Signer,
				Levels: fixedLevels(c.left), Clock: s.Clock, Mint: s.Mint, Config: order.DefaultConfig(),
			})
			_, err = orders.Place(t.Context(), order.Request{Sale: sl, Customer: 7, Key: "k", Lines: lines})
			f, _ := errors.AsType[*fault.Error](err)
			if f == nil || f.Code != c.code || f.Available != c.available {
				t.Errorf("got %v with %+v, want %s with %d available", err, f, c.code, c.available)
			}
		})
	}
}

// soldOutGate refuses every order.
type soldOutGate struct{ inventory.Gate }

func (soldOutGate) Reserve(_ context.Context, c *inventory.Claim) (inventory.Answer, error) {
	return inventory.Answer{Verdict: inventory.SoldOut, SKU: c.Lines[0].SKU}, nil
}

type fixedSale struct{ sale *sale.Sale }

func (f fixedSale) Sale(context.Context, id.Sale) (*sale.Sale, error) { return f.sale, nil }

// fixedLevels are the units left of SKUs 1 and 2; negative: not known.
type fixedLevels [2]int64

func (f fixedLevels) Available(p inventory.Pool) (int64, bool) {
	n := f[p.SKU-1]
	return max(n, 0), n >= 0
}
