package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/tidegate/tidegate/internal/account"
	"github.com/tidegate/tidegate/internal/app/folder"
	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
	"github.com/tidegate/tidegate/internal/sale"
)

// The demo's sale: small enough to sell out by hand, and soon enough to wait for.
const (
	demoSaleTitle     = "Demo drop"
	demoOpensIn       = 30 * time.Second
	demoLasts         = 2 * time.Hour
	demoPaymentWindow = 5 * time.Minute
	demoLimit         = 5
	demoAllocation    = 200
	demoStockUnits    = 500
	demoDiscount      = 40 // percent
	demoActor         = "demo"
)

// demoSaleCodes are well-known products of the demo catalogue.
var demoSaleCodes = []string{"85123A", "22423", "85099B"}

// demoState is what the demo keeps in demo.json, so that a restart goes on where it was.
type demoState struct {
	CustomerID id.Customer `json:"customer_id,omitzero"`
	Email      string      `json:"email"`
	Password   string      `json:"password"`
	AdminKey   string      `json:"admin_key"`
	// Loading says that the catalogue and its stock are being loaded; a process that died meanwhile is taken over from.
	Loading bool `json:"loading,omitempty"`
}

// Demo is what a shop that was started as a demonstration has to show.
type Demo struct {
	Email, Password string
	AdminKey        string
	Sale            sale.Sale
}

// Demo returns what there is to show, after Ready; nil where the App is no demonstration.
func (a *App) Demo() *Demo { return a.demo }

// setUpDemo makes what the demonstration needs and does not have yet: the catalogue and its stock in an empty shop, a
// customer, an admin key, and a sale that opens soon.
func (a *App) setUpDemo(ctx context.Context) error {
	var state demoState
	if _, err := folder.ReadJSON(a.folder.Path, folder.DemoFile, &state); err != nil {
		return err
	}
	save := func() error { return a.folder.WriteJSON(folder.DemoFile, state) }
	for _, step := range []func(context.Context, *demoState, func() error) error{a.demoCatalogue, a.demoCustomer, a.demoKey} {
		if err := patiently(ctx, func() error { return step(ctx, &state, save) }); err != nil {
			return err
		}
	}
	s, err := a.demoSale(ctx)
	if err != nil {
		return err
	}
	a.demo = &Demo{Email: state.Email, Password: state.Password, AdminKey: state.AdminKey, Sale: *s}
	return nil
}

// demoPatience is how long the demonstration waits for a database that is too slow for a part of it.
const demoPatience = 2 * time.Minute

// patiently repeats a part of the demonstration while the database is too busy for it. Every part goes on where it was.
func patiently(ctx context.Context, part func() error) error {
	for until := time.Now().Add(demoPatience); ; {
		err := part()
		if code := fault.CodeOf(err); code != fault.TimedOut && code != fault.StoreUnavailable || time.Now().After(until) {
			return err
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return err
		}
	}
}

// demoCatalogue loads the demo catalogue and its stock into a shop that has no products.
func (a *App) demoCatalogue(ctx context.Context, state *demoState, save func() error) error {
	if !state.Loading {
		some, _, err := a.catalog.List(ctx, "", catalog.ListQuery{Limit: 1})
		if err != nil || len(some) > 0 {
			return err
		}
		state.Loading = true
		if err := save(); err != nil {
			return err
		}
	}
	began := time.Now()
	if err := a.importDemo(ctx); err != nil {
		return fmt.Errorf("load the demo catalogue: %w", err)
	}
	skus, err := a.stockDemo(ctx)
	if err != nil {
		return fmt.Errorf("stock the demo catalogue: %w", err)
	}
	a.log.InfoContext(ctx, "demo catalogue stocked", "skus", skus, "took", time.Since(began).String())
	state.Loading = false
	return save()
}

// stockDemo receives stock for every SKU. The keys make a repetition change nothing.
func (a *App) stockDemo(ctx context.Context) (int, error) {
	var all []inventory.Adjustment
	err := a.store.CatalogKeys(ctx, func(k catalog.Keys) {
		for _, sku := range k.SKUs {
			all = append(all, inventory.Adjustment{
				SKU: sku, Kind: inventory.Receive, Units: demoStockUnits, Reason: "demo stock", Actor: demoActor, Key: "demo-stock-" + sku.String(),
			})
		}
	})
	if err != nil {
		return 0, err
	}
	for some := range slices.Chunk(all, inventory.AdjustmentsMax) {
		if err := a.stock.AdjustAll(ctx, some); err != nil {
			return 0, err
		}
	}
	return len(all), nil
}

// demoCustomer registers the demo customer, unless the one that is kept is still there.
func (a *App) demoCustomer(ctx context.Context, state *demoState, save func() error) error {
	if state.CustomerID != 0 {
		switch _, err := a.store.Customer(ctx, state.CustomerID); {
		case err == nil:
			return nil
		case !errors.Is(err, fault.NotFound):
			return err
		}
	}
	state.Password = strings.ToLower(rand.Text()[:16])
	local := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	for _, name := range []string{"demo", "demo-" + strings.ToLower(rand.Text()[:6])} {
		state.Email = name + "@tidegate.example"
		c, err := a.account.Register(ctx, account.Registration{Email: state.Email, Password: state.Password}, local)
		switch {
		case err == nil:
			state.CustomerID = c.ID
			return save()
		case !errors.Is(err, fault.Conflict): // the address is taken where demo.json was lost
			return err
		}
	}
	return errors.New("the demo customer cannot be registered: both addresses are taken")
}

// demoKey makes the demo's admin key, unless the one that is kept is still good.
func (a *App) demoKey(ctx context.Context, state *demoState, save func() error) error {
	if state.AdminKey != "" {
		_, err := a.account.AuthenticateAdmin(ctx, state.AdminKey)
		if !errors.Is(err, fault.Unauthenticated) {
			return err
		}
	}
	_, text, err := a.account.CreateKey(ctx, "demo", []string{string(account.RoleAll)})
	if err != nil {
		return err
	}
	state.AdminKey = text
	return save()
}

// demoSale returns the demo sale that is live or will open, and makes one where there is none.
func (a *App) demoSale(ctx context.Context) (*sale.Sale, error) {
	now := a.clock.Now()
	for _, s := range a.sales.Open() {
		if phase := s.Phase(now); s.Title == demoSaleTitle && (phase == sale.Scheduled || phase == sale.Live) {
			return s, nil
		}
	}
	items, err := a.demoItems(ctx)
	if err != nil {
		return nil, err
	}
	// To the second: people read it.
	opens := now.Add(demoOpensIn).Truncate(time.Second)
	draft, err := a.sales.Create(ctx, sale.Sale{
		Title: demoSaleTitle, StartsAt: opens, EndsAt: opens.Add(demoLasts), Limit: demoLimit, PaymentWindow: demoPaymentWindow, Items: items,
	})
	if err != nil {
		return nil, fmt.Errorf("make the demo sale: %w", err)
	}
	s, err := a.sales.Move(ctx, draft.ID, sale.Scheduled, demoActor)
	if err != nil {
		return nil, fmt.Errorf("schedule the demo sale: %w", err)
	}
	return s, nil
}

// demoItems picks what the demo sale sells: a few products with stock, at a discount.
func (a *App) demoItems(ctx context.Context) ([]sale.Item, error) {
	var items []sale.Item
	add := func(p *catalog.View) error {
		for _, v := range p.Variants {
			item, ok, err := a.demoItem(ctx, v.SKU)
			if err != nil {
				return err
			}
			if ok {
				items = append(items, item)
				return nil
			}
		}
		return nil
	}
	for _, code := range demoSaleCodes {
		product, err := a.store.ProductByCode(ctx, code)
		if errors.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		p, err := a.catalog.Get(ctx, product)
		if err != nil {
			return nil, err
		}
		if err := add(&p); err != nil {
			return nil, err
		}
	}
	if len(items) > 0 {
		return items, nil
	}
	// Another catalogue: whatever comes first.
	newest, _, err := a.catalog.List(ctx, catalog.Published, catalog.ListQuery{Limit: catalog.PageDefault})
	if err != nil {
		return nil, err
	}
	for i := range newest {
		if err := add(&newest[i]); err != nil || len(items) == len(demoSaleCodes) {
			return items, err
		}
	}
	if len(items) == 0 {
		return nil, errors.New("the demo sale needs a published product with stock, and the shop has none")
	}
	return items, nil
}

// demoItem returns the SKU as an item of the sale; false where it has no stock or is not on sale.
func (a *App) demoItem(ctx context.Context, sku id.SKU) (sale.Item, bool, error) {
	pools, err := a.stock.Pools(ctx, sku)
	if err != nil || len(pools) == 0 || !pools[0].Sale.IsZero() || pools[0].Available() < 1 {
		return sale.Item{}, false, err
	}
	_, list, err := a.reader.Offer(ctx, sku)
	if errors.Is(err, fault.NotInSale) {
		return sale.Item{}, false, nil
	}
	price := money.Of(list.Minor*(100-demoDiscount)/100, list.Currency)
	return sale.Item{SKU: sku, Price: price, Allocation: min(demoAllocation, pools[0].Available())}, true, err
}
