package order_test

import (
	"errors"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/sale"
)

// The database hears of a change first, and the book a moment later. An order in between is not told that the terms keep
// changing: it waits for the book and gets what the new terms say.
func TestTermsAheadOfTheBook(t *testing.T) {
	one := int64(1)
	for _, c := range []struct {
		name    string
		change  func(s *shop, sl id.Sale) error
		refusal error // none: an order
	}{
		{"another limit", func(s *shop, sl id.Sale) error {
			_, err := s.Store.ChangeSale(t.Context(), sale.Change{Sale: sl, Limit: &one, At: s.Clock.Now()})
			return err
		}, nil},
		{"paused", func(s *shop, sl id.Sale) error {
			_, err := s.Store.MoveSale(t.Context(), sale.Move{Sale: sl, To: sale.Paused, Actor: "test", At: s.Clock.Now(), Mint: s.Mint})
			return err
		}, fault.SalePaused},
		{"ended", func(s *shop, sl id.Sale) error {
			_, err := s.Store.MoveSale(t.Context(), sale.Move{Sale: sl, To: sale.Ended, Actor: "test", At: s.Clock.Now(), Mint: s.Mint})
			return err
		}, fault.SaleEnded},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newShop(t)
			s.drive()
			drop := s.Open(10, 0, 1)
			if _, err := s.Sales.Step(t.Context()); err != nil { // live in its row, too
				t.Fatal(err)
			}
			s.Follow()
			if err := c.change(s, drop); err != nil {
				t.Fatal(err)
			}
			followed := make(chan struct{})
			go func() {
				defer close(followed)
				time.Sleep(3 * time.Millisecond)
				s.Follow()
			}()
			_, err := s.place(drop, 1, "a", inventory.Line{SKU: 1, Units: 1})
			<-followed
			if !errors.Is(err, c.refusal) {
				t.Errorf("got %v, want %v", err, c.refusal)
			}
			if _, err := s.place(drop, 2, "a", inventory.Line{SKU: 1, Units: 1}); !errors.Is(err, c.refusal) {
				t.Errorf("the next shopper got %v, want %v", err, c.refusal)
			}
			s.agrees(drop, 1)
		})
	}
}

// A refusal names the line as the shopper wrote it, not as the lines were sorted for the gate.
func TestFieldIsTheShoppersOwn(t *testing.T) {
	s := newShop(t)
	s.Receive(7, 5)
	drop := s.Open(10, 0, 1, 2)
	for _, place := range []id.Sale{drop, 0} {
		_, err := s.place(place, 1, "a", inventory.Line{SKU: 404, Units: 1}, inventory.Line{SKU: 2, Units: 1}, inventory.Line{SKU: 1, Units: 1})
		if f := fault.As(err); f.Code != fault.NotInSale || f.Field != "lines[0].sku_id" {
			t.Errorf("in sale %s: %s, %v", place, f.Field, err)
		}
	}
}
