package cache_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/tidegate/tidegate/internal/await"
	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
	"github.com/tidegate/tidegate/internal/redis"
	"github.com/tidegate/tidegate/internal/redis/cache"
	"github.com/tidegate/tidegate/internal/store"
	"github.com/tidegate/tidegate/test/engine"
)

// house is what one process of the shop has of the catalogue.
type house struct {
	*catalog.Reader
	service *catalog.Service
	cache   *cache.Cache
}

func newHouse(t *testing.T, address string, s *store.Store, node int) house {
	t.Helper()
	c := redis.DefaultConfig()
	c.Addresses = []string{address}
	client, err := redis.Connect(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	mint, err := id.NewMint(clock.System{}, node)
	if err != nil {
		t.Fatal(err)
	}
	shared := cache.New(client)
	settings := catalog.DefaultConfig()
	reader := catalog.NewReader(settings, s, shared, clock.System{}, slog.New(slog.DiscardHandler))
	shared.Listen(reader)
	h := house{reader, catalog.New(settings, s, reader, mint, clock.System{}), shared}
	h.step(t)
	if err := reader.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		shared.Unwatch()
		client.Close()
	})
	return h
}

// step does what the background does.
func (h house) step(t *testing.T) {
	t.Helper()
	_, _ = h.cache.WatchStep(t.Context())
	if _, err := h.TellStep(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (h house) price(t *testing.T, sku id.SKU) int64 {
	t.Helper()
	price, err := h.Price(t.Context(), sku)
	if err != nil && !errors.Is(err, fault.NotInSale) {
		t.Fatal(err)
	}
	return price.Minor
}

// Two processes of one shop: what one writes the other shows, at once.
func TestTwoProcessesShowOneCatalogue(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	server := engine.Redis(t)
	settings := store.DefaultConfig()
	settings.Path = filepath.Join(t.TempDir(), "shop.db")
	s, err := store.Open(ctx, settings)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if _, _, err := s.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	a, b := newHouse(t, server.Address, s, 1), newHouse(t, server.Address, s, 2)

	lists := func(h house) string {
		page, err := h.List(ctx, catalog.ListQuery{Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		return string(page.Body)
	}
	before := lists(b)
	priced := func(minor int64) catalog.Input {
		return catalog.Input{Product: catalog.Product{
			Handle: "lamp", Title: "Lamp", Status: catalog.Published,
			Variants: []catalog.Variant{{Code: "L{1}", Price: money.Of(minor, "GBP")}},
		}}
	}
	if _, err := b.ProductByHandle(ctx, "lamp"); !errors.Is(err, fault.NotFound) {
		t.Fatal(err)
	}
	made, err := a.service.Create(ctx, priced(100))
	if err != nil {
		t.Fatal(err)
	}
	// What did not exist a moment ago, and was asked for in vain, is there: product, handle, code, price, list.
	await.Until(t, "the product is shown", func() bool { _, err := b.Product(ctx, made.ID); return err == nil })
	await.Until(t, "it has its handle", func() bool { _, err := b.ProductByHandle(ctx, "lamp"); return err == nil })
	await.Until(t, "it has its code", func() bool { _, err := b.ProductByCode(ctx, "L{1}"); return err == nil })
	sku := made.Variants[0].SKU
	await.Until(t, "it has its price", func() bool { return b.price(t, sku) == 100 })
	await.Until(t, "it stands in the list", func() bool { return lists(b) != before })

	loads := b.Stats()[0].Loads
	if _, err := a.Product(ctx, made.ID); err != nil {
		t.Fatal(err)
	}
	if again := a.Stats()[0].Loads; again != 0 {
		t.Errorf("a page that the other process has loaded was loaded again: %d loads, the other %d", again, loads)
	}

	version := made.Version
	for price := int64(101); price < 120; price++ {
		from, to := a, b
		if price%2 == 0 {
			from, to = b, a
		}
		edited, err := from.service.Replace(ctx, made.ID, version, priced(price))
		if err != nil {
			t.Fatal(err)
		}
		version = edited.Version
		if got := from.price(t, sku); got != price {
			t.Fatalf("the process that has changed it says %d, not %d", got, price)
		}
		await.Until(t, "the other process sees the price", func() bool { return to.price(t, sku) == price })
	}

	// A change that is made while Redis is gone is seen by both once it is back.
	server.Kill()
	a.step(t)
	b.step(t)
	if _, err := a.service.Replace(ctx, made.ID, version, priced(777)); err != nil {
		t.Fatal(err)
	}
	if got := a.price(t, sku); got != 777 {
		t.Errorf("without Redis the change is not seen where it was made: %d", got)
	}
	if got := b.price(t, sku); got != 777 {
		t.Errorf("a price was not asked for anew: %d", got)
	}
	server.Start()
	await.Until(t, "both hear again and see the change", func() bool {
		a.step(t)
		b.step(t)
		return a.cache.Live() && b.cache.Live() && a.price(t, sku) == 777 && b.price(t, sku) == 777
	})
	if _, err := b.Product(ctx, made.ID+1); !errors.Is(err, fault.NotFound) || b.Stats()[0].Stopped == 0 {
		t.Errorf("the filter was not filled again: %v, %+v", err, b.Stats()[0])
	}
}
