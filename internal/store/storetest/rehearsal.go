package storetest

import (
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
	"github.com/tidegate/tidegate/internal/rehearsal"
	"github.com/tidegate/tidegate/internal/sale"
	"github.com/tidegate/tidegate/internal/store"
)

// Rehearsal checks the contract of rehearsal.Store, and that other lists omit rehearsals.
func Rehearsal(t *testing.T, open func(t *testing.T) *store.Store) {
	at := time.Date(2026, 11, 27, 20, 0, 0, 0, time.UTC)
	one := func(title string, shoppers int) rehearsal.Rehearsal {
		return rehearsal.Rehearsal{
			Title: title, SKUs: 2, Units: 5, Price: money.Of(100, "GBP"), Limit: 1, Payment: time.Minute,
			StartsAt: at, EndsAt: at.Add(time.Hour), Shoppers: shoppers, CreatedAt: at,
		}
	}
	t.Run("blocks follow each other and titles are taken once", func(t *testing.T) {
		s := open(t)
		ctx := t.Context()
		first, err := s.ReserveRehearsal(ctx, one("A", 10))
		must(t, err)
		second, err := s.ReserveRehearsal(ctx, one("", 5))
		must(t, err)
		if int64(first) != id.NeverMintedFirst || second != first+10 {
			t.Errorf("blocks at %d and %d", first, second)
		}
		if _, err := s.ReserveRehearsal(ctx, one("A", 1)); !errors.Is(err, fault.Conflict) {
			t.Errorf("the title again: %v", err)
		}
		must(t, s.OpenRehearsal(ctx, first, 7))
		must(t, s.DropRehearsal(ctx, first)) // has a sale: stays
		must(t, s.DropRehearsal(ctx, second))
		must(t, s.DropRehearsal(ctx, second))
		third, err := s.ReserveRehearsal(ctx, one(rehearsal.DefaultTitle(second), 5))
		must(t, err)
		if third != second+5 {
			t.Errorf("a block at %d after the dropped one at %d", third, second)
		}
		want := one("A", 10)
		want.First, want.Sale = first, 7
		got, err := s.Rehearsal(ctx, 7)
		must(t, err)
		same(t, "the rehearsal", got, want)
		listed, err := s.Rehearsals(ctx, 0, 10)
		must(t, err)
		same(t, "the list, without the one that has no sale", listed, []rehearsal.Rehearsal{want})
		if listed, err := s.Rehearsals(ctx, 7, 10); err != nil || len(listed) != 0 {
			t.Errorf("before it: %v, %v", listed, err)
		}
		if _, err := s.Rehearsal(ctx, 8); !errors.Is(err, fault.NotFound) {
			t.Errorf("another sale: %v", err)
		}
		none, err := s.RehearsalOrders(ctx, 7, 0, "", 10)
		if err != nil || len(none) != 0 {
			t.Errorf("orders of nobody: %v, %v", none, err)
		}
	})
	t.Run("many reserve at once", func(t *testing.T) {
		s := open(t)
		var all sync.WaitGroup
		var mu sync.Mutex
		got := map[id.Customer]bool{}
		for range 6 {
			all.Go(func() {
				first, err := s.ReserveRehearsal(t.Context(), one("", 5))
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				got[first] = true
			})
		}
		all.Wait()
		if len(got) != 6 {
			t.Errorf("%d blocks for 6", len(got))
		}
	})
	t.Run("the ids end", func(t *testing.T) {
		s := open(t)
		if _, err := s.ReserveRehearsal(t.Context(), one("A", int(id.NeverMintedEnd))); !errors.Is(err, fault.Invalid) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("the lists of others leave it out", func(t *testing.T) {
		s := open(t)
		ctx := t.Context()
		for i, rehearses := range []bool{false, true} {
			n := id.Product(i + 1)
			p := catalog.Product{
				ID: n, Handle: "p" + strconv.Itoa(i), Title: "P", Status: catalog.Published, Rehearsal: rehearses,
				Variants: []catalog.Variant{{ID: id.SKU(n), Code: "c" + strconv.Itoa(i), Price: money.Of(100, "GBP")}},
			}
			changes, err := s.PutProducts(ctx, catalog.Batch{Puts: []catalog.Put{{Product: p}}, Now: at, NewID: func() int64 { return 99 }})
			must(t, err)
			if changes[0].Action != catalog.Created {
				t.Fatalf("%+v", changes[0])
			}
			found, err := s.Product(ctx, n)
			if err != nil || found.Rehearsal != rehearses {
				t.Errorf("product %d: %+v, %v", n, found, err)
			}
			must(t, s.CreateSale(ctx, &sale.Sale{
				ID: id.Sale(n), Title: "S", Status: sale.Draft, StartsAt: at, EndsAt: at.Add(time.Hour), PaymentWindow: time.Minute,
				Version: 1, CreatedAt: at, UpdatedAt: at, Rehearsal: rehearses,
			}))
			sl, err := s.Sale(ctx, id.Sale(n))
			if err != nil || sl.Rehearsal != rehearses {
				t.Errorf("sale %d: %+v, %v", n, sl, err)
			}
		}
		for _, status := range []catalog.Status{"", catalog.Published} {
			products, err := s.Products(ctx, catalog.Query{Status: status, Limit: 10})
			if err != nil || len(products) != 1 || products[0].ID != 1 {
				t.Errorf("products of status %q: %v, %v", status, products, err)
			}
		}
		sales, err := s.Sales(ctx, 0, 10)
		if err != nil || len(sales) != 1 || sales[0].ID != 1 {
			t.Errorf("sales: %v, %v", sales, err)
		}
	})
}
