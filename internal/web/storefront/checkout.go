package storefront

import (
	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/web/site"
)

// checkoutPage shows a purchase from general stock for confirmation.
type checkoutPage struct {
	catalog.View
	Variant catalog.VariantView
	Units   int64
	Total   money.Amount
	Key     string
	Told    string
	Gone    bool // nothing is left
}

func (s *Storefront) showCheckout(v *site.Visit) error {
	who, err := v.Must()
	if err != nil {
		return err
	}
	sku, err := id.Parse[id.SKU](v.Query("sku"))
	if err != nil {
		return fault.New(fault.NotFound, "There is nothing at this address.")
	}
	page := checkoutPage{Told: toldOf(v.Notice())}
	if page.Units, err = site.Number("units", v.Query("units"), 1, order.UnitsMax, 1); err != nil {
		return err
	}
	ctx := v.Request.Context()
	product, price, err := s.Products.Offer(ctx, sku)
	if err != nil {
		return err
	}
	if page.View, err = s.productOf(ctx, product); err != nil {
		return err
	}
	if page.Rehearsal {
		return fault.New(fault.NotInSale, "SKU %s was made for a rehearsal: it cannot be bought.", sku)
	}
	if w := variant(&page.View, sku); w != nil {
		page.Variant = *w
	}
	// Where there are fewer than asked for, the page offers what there is, and says so.
	switch left, known := s.Levels.Available(inventory.Pool{SKU: sku}); {
	case known && left < 1:
		page.Told, page.Gone = fault.SoldOut.String(), true
	case known && left < page.Units:
		page.Told, page.Units = fault.FewerLeft.String(), left
	}
	if page.Total, err = price.Times(page.Units); err != nil {
		return fault.Wrap(fault.Invalid, err, "The total is too large.")
	}
	newest, err := s.Orders.List(ctx, who.Customer, 0, 1)
	if err != nil {
		return err
	}
	page.Key = keyAfter(newest)
	return v.Show(200, s.checkout, v.Lang.T("checkout.title"), page)
}

// buy places an order from general stock at list price.
func (s *Storefront) buy(v *site.Visit) error {
	who, ok := v.Who()
	if !ok {
		return v.Redirect("/signin")
	}
	req, err := requestOf(v, who.Customer)
	if err != nil {
		return err
	}
	placed, err := s.Orders.Place(v.Request.Context(), req)
	switch code := fault.CodeOf(err); {
	case err == nil:
		return v.Redirect(s.pageOf(&placed, who.Session))
	case turnedAway(code):
		return err
	case code == fault.KeyReused: // the shopper has bought something else meanwhile, on another page
		return s.toNewest(v, who.Customer, 0)
	case toldOf(code.String()) != "":
		sku := req.Lines[0].SKU.String()
		return v.RedirectWithNotice("/checkout?sku="+sku+"&units="+v.Form("units-"+sku), code.String())
	}
	return err
}
