package rehearsal_test

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/rehearsal"
	"github.com/tidegate/tidegate/internal/sale"
	"github.com/tidegate/tidegate/internal/shoptest"
)

// signer signs nothing, but says for whom.
type signer struct{ clock clock.Clock }

func (s signer) SignTest(customer id.Customer, lifetime time.Duration) (string, time.Time, error) {
	return "token of " + customer.String(), s.clock.Now().Add(lifetime), nil
}

var opening = time.Date(2026, 11, 27, 20, 0, 0, 0, time.UTC)

// shop is a service over a real store and the real modules below it.
type shop struct {
	*rehearsal.Service
	*shoptest.Shop
	sales *sale.Service
}

func open(t *testing.T) shop {
	t.Helper()
	s := shoptest.Open(t, opening)
	settings := catalog.DefaultConfig()
	reader := catalog.NewReader(settings, s.Store, nil, s.Clock, slog.New(slog.DiscardHandler))
	sales := sale.NewService(s.Store, sale.NewCache(s.Store, s.Clock), reader, s.Clock, s.Mint, "GBP")
	return shop{rehearsal.NewService(rehearsal.Parts{
		Store: s.Store, Catalogue: catalog.New(settings, s.Store, reader, s.Mint, s.Clock), Stock: inventory.NewService(s.Store, reader, s.Clock, s.Mint), Sales: sales,
		Tokens: signer{s.Clock}, Clock: s.Clock, Currency: "GBP", TokenLifetimeMax: 24 * time.Hour,
	}), s, sales}
}

func TestCreate(t *testing.T) {
	t.Parallel()
	s := open(t)
	ctx := t.Context()
	// One more than a product has variants, and than one adjustment of stock takes.
	made, err := s.Create(ctx, rehearsal.Input{Title: "Friday", SKUs: catalog.VariantsMax + 1, Units: 7, Limit: 2, Shoppers: 10}, "op")
	if err != nil {
		t.Fatal(err)
	}
	if len(made.Products) != 2 || len(made.Items) != catalog.VariantsMax+1 || made.Price.Minor != rehearsal.PriceDefault || made.EndsAt.Sub(made.StartsAt) != time.Hour || !made.StartsAt.Equal(opening) {
		t.Errorf("made %+v", made.Rehearsal)
	}
	sl, err := s.sales.Sale(ctx, made.Sale)
	if err != nil || !sl.Rehearsal || sl.Phase(opening) != sale.Live || len(sl.Items) != len(made.Items) || sl.Limit != 2 || sl.PaymentWindow != rehearsal.PaymentDefault {
		t.Fatalf("the sale: %+v, %v", sl, err)
	}
	if open := s.sales.Open(); len(open) != 0 {
		t.Errorf("shoppers are shown %d sales", len(open))
	}
	for _, sku := range []id.SKU{made.Items[0], made.Items[len(made.Items)-1]} {
		pools, err := s.Store.Pools(ctx, sku)
		if err != nil || len(pools) != 2 || pools[0].OnHand != 0 || pools[1].Sale != made.Sale || pools[1].OnHand != 7 {
			t.Errorf("pools of %s: %+v, %v", sku, pools, err)
		}
	}
	if _, err := s.Create(ctx, rehearsal.Input{Title: "Friday", SKUs: 1, Units: 1, Shoppers: 1}, "op"); !errors.Is(err, fault.Conflict) {
		t.Errorf("the same title again: %v", err)
	}
	next, err := s.Create(ctx, rehearsal.Input{SKUs: 1, Units: 1, Shoppers: 1}, "op")
	if err != nil || next.First != made.First+10 || next.Title != rehearsal.DefaultTitle(next.First) {
		t.Errorf("another: %+v, %v", next.Rehearsal, err)
	}
	listed, err := s.List(ctx, 0, 10)
	if err != nil || len(listed) != 2 || listed[0] != next.Rehearsal || listed[1] != made.Rehearsal {
		t.Errorf("listed %+v, %v", listed, err)
	}
}

func TestWhatCannotBeRehearsedMakesNothing(t *testing.T) {
	t.Parallel()
	s := open(t)
	good := rehearsal.Input{Title: "x", SKUs: 1, Units: 1, Shoppers: 1}
	for _, c := range []struct {
		field  string
		change func(in *rehearsal.Input)
	}{
		{"skus", func(in *rehearsal.Input) { in.SKUs = 0 }},
		{"skus", func(in *rehearsal.Input) { in.SKUs = rehearsal.SKUsMax + 1 }},
		{"quantity", func(in *rehearsal.Input) { in.Units = -1 }},
		{"price_minor", func(in *rehearsal.Input) { in.PriceMinor = -1 }},
		{"duration_minutes", func(in *rehearsal.Input) { in.Minutes = 100_000 }},
		{"duration_minutes", func(in *rehearsal.Input) { in.StartsAt, in.Minutes = opening.Add(-time.Hour), 30 }},
		{"shoppers", func(in *rehearsal.Input) { in.Shoppers = rehearsal.ShoppersMax + 1 }},
		{"title", func(in *rehearsal.Input) { in.Title = strings.Repeat("x", 201) }},
		{"limit_per_customer", func(in *rehearsal.Input) { in.Limit = -1 }},
		{"payment_window_seconds", func(in *rehearsal.Input) { in.Payment = time.Second }},
		{"starts_at", func(in *rehearsal.Input) { in.StartsAt = opening.AddDate(10, 0, 0) }},
	} {
		in := good
		c.change(&in)
		_, err := s.Create(t.Context(), in, "op")
		if f, ok := errors.AsType[*fault.Error](err); !ok || f.Code != fault.Invalid || f.Field != c.field {
			t.Errorf("%s: %v", c.field, err)
		}
	}
	if listed, err := s.List(t.Context(), 0, 10); err != nil || len(listed) != 0 {
		t.Errorf("%v, %v", listed, err)
	}
	if made, err := s.Create(t.Context(), good, "op"); err != nil || int64(made.First) != id.NeverMintedFirst {
		t.Errorf("the title or the customers are taken: %+v, %v", made.Rehearsal, err)
	}
}

// halfway makes no sale.
type halfway struct{ rehearsal.Sales }

func (halfway) Create(context.Context, sale.Sale) (*sale.Sale, error) {
	return nil, fault.New(fault.StoreFull, "The disk is full.")
}

func TestATitleIsFreeAgainWhereItsRehearsalCouldNotBeMade(t *testing.T) {
	t.Parallel()
	s := open(t)
	good := s.Sales
	s.Sales = halfway{good}
	in := rehearsal.Input{Title: "x", SKUs: 1, Units: 1, Shoppers: 1}
	if _, err := s.Create(t.Context(), in, "op"); !errors.Is(err, fault.StoreFull) {
		t.Fatal(err)
	}
	s.Sales = good
	if _, err := s.Create(t.Context(), in, "op"); err != nil {
		t.Error(err)
	}
}

func TestMintTokens(t *testing.T) {
	t.Parallel()
	s := open(t)
	made, err := s.Create(t.Context(), rehearsal.Input{SKUs: 1, Units: 1, Shoppers: 20_000}, "op")
	if err != nil {
		t.Fatal(err)
	}
	got, expires, err := s.MintTokens(t.Context(), made.Sale, 19_998, 2)
	if err != nil || len(got) != 2 || got[1] != "token of "+strconv.FormatInt(int64(made.First)+19_999, 10) || !expires.Equal(opening.Add(2*time.Hour)) {
		t.Errorf("%v until %v, %v", got, expires, err)
	}
	for _, c := range []struct {
		sale         id.Sale
		first, count int
		want         fault.Code
	}{
		{made.Sale, 0, 0, fault.Invalid},
		{made.Sale, 0, rehearsal.TokensMax + 1, fault.Invalid},
		{made.Sale, -1, 1, fault.Invalid},
		{made.Sale, 19_999, 2, fault.Invalid},
		{made.Sale, 1 << 62, 1, fault.Invalid},
		{made.Sale + 1, 0, 1, fault.NotFound},
	} {
		if _, _, err := s.MintTokens(t.Context(), c.sale, c.first, c.count); !errors.Is(err, c.want) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	s.Clock.Advance(100 * time.Hour)
	if _, expires, err := s.MintTokens(t.Context(), made.Sale, 0, 1); err != nil || expires.Sub(s.Clock.Now()) != time.Hour {
		t.Errorf("after the end: until %v, %v", expires, err)
	}
	if err := s.Orders(t.Context(), made.Sale+1, nil); !errors.Is(err, fault.NotFound) {
		t.Errorf("orders of another sale: %v", err)
	}
}
