package app

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/app/folder"
	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/sale"
)

// demoOn runs a demonstration on a folder and hands fn the App while it serves.
func demoOn(t testing.TB, c Config, at clock.Clock, fn func(*App)) {
	t.Helper()
	a, err := New(t.Context(), c, Options{Clock: at, Demo: true})
	if err != nil {
		t.Fatal(err)
	}
	_, stop := running(t, a)
	fn(a)
	if err := stop(); err != nil {
		t.Error(err)
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
}

func TestADemoGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	now := clock.NewManual(time.Now())
	var first Demo
	demoOn(t, c, now, func(a *App) {
		first = *a.Demo()
		if first.Email == "" || first.Password == "" || len(first.Sale.Items) != 3 || a.NeedsKey() {
			t.Fatalf("the demo is not complete: %+v", first)
		}
		if wait := first.Sale.StartsAt.Sub(now.Now()); wait <= 28*time.Second || wait > 30*time.Second {
			t.Errorf("the sale opens in %v", wait)
		}
		if _, err := a.account.AuthenticateAdmin(t.Context(), first.AdminKey); err != nil {
			t.Errorf("the admin key: %v", err)
		}
		for _, item := range first.Sale.Items {
			pools, err := a.stock.Pools(t.Context(), item.SKU)
			if err != nil || len(pools) != 2 || pools[0].OnHand+pools[1].OnHand != demoStockUnits || pools[1].OnHand != demoAllocation {
				t.Errorf("the stock of %s: %+v, %v", item.SKU, pools, err)
			}
			if item.Price.Minor >= item.ListPrice.Minor {
				t.Errorf("%s is no bargain: %s instead of %s", item.SKU, item.Price, item.ListPrice)
			}
		}
	})
	if info, err := os.Stat(c.Data + "/" + folder.DemoFile); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("demo.json: %v, %v", info, err)
	}

	now.Advance(time.Minute)
	demoOn(t, c, now, func(a *App) {
		again := *a.Demo()
		if again.Email != first.Email || again.Password != first.Password || again.AdminKey != first.AdminKey || again.Sale.ID != first.Sale.ID {
			t.Errorf("a restart shows %+v, before it was %+v", again, first)
		}
		if phase := again.Sale.Phase(now.Now()); phase != sale.Live {
			t.Errorf("the sale is %s", phase)
		}
	})

	// The sale is over, the credentials are lost, and the process died while it loaded.
	now.Advance(demoLasts)
	if err := os.WriteFile(c.Data+"/"+folder.DemoFile, []byte(`{"loading": true}`), 0o600); err != nil {
		t.Fatal(err)
	}
	demoOn(t, c, now, func(a *App) {
		again := *a.Demo()
		if again.Sale.ID == first.Sale.ID || again.Email == first.Email || !strings.HasPrefix(again.Email, "demo-") || again.AdminKey == first.AdminKey {
			t.Errorf("the new demo is %+v", again)
		}
		sku := first.Sale.Items[0].SKU
		pools, err := a.stock.Pools(t.Context(), sku)
		if err != nil {
			t.Fatal(err)
		}
		units := int64(0)
		for _, p := range pools {
			units += p.OnHand
		}
		if units != demoStockUnits {
			t.Errorf("loading again has stocked %d units, want %d", units, demoStockUnits)
		}
	})
}

func TestADemoIsForTheCurrencyOfItsCatalogue(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	c.Catalog.Currency = "JPY"
	a, err := New(t.Context(), c, Options{Demo: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = a.Close() }()
	if err := a.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "catalog.currency is JPY") {
		t.Errorf("Run: %v", err)
	}
}
