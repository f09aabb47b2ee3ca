package admin

import (
	"context"
	"net/http"
	"strconv"

	"github.com/tidegate/tidegate/internal/account"
	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
	"github.com/tidegate/tidegate/internal/web/site"
	"github.com/tidegate/tidegate/internal/web/skuname"
)

func (d *Pages) mountProducts() {
	d.page("GET /console/products", account.RoleCatalog, d.showProducts)
	d.page("GET /console/products/new", account.RoleCatalog, func(r *request) error {
		return r.Show(http.StatusOK, d.newProduct, r.Lang.T("admin.product.new"), d.Currency)
	})
	d.act("POST /console/products", account.RoleCatalog, "createProduct", d.createProduct)
	d.page("GET /console/products/{id}", account.RoleCatalog, d.showProduct)
	d.act("POST /console/products/{id}", account.RoleCatalog, "replaceProduct", d.changeProduct)
	d.page("GET /console/stock/{id}", account.RoleCatalog, d.showStock)
	d.act("POST /console/stock/{id}", account.RoleCatalog, "adjustStock", d.adjustStock)
}

// productsPage is the list of products.
type productsPage struct {
	Query    string
	Status   catalog.Status
	Products []catalog.View
	Next     string // the address of the next page; empty: there is none
}

func (d *Pages) showProducts(r *request) error {
	list := r.List("/console/products")
	page := productsPage{Query: r.Query("q"), Status: catalog.Status(r.Query("status"))}
	found, next, err := d.Catalogue.List(r.Request.Context(), page.Status, catalog.ListQuery{Name: page.Query, Cursor: list.Cursor(), Limit: rowsOnPage})
	if err != nil {
		return err
	}
	page.Products = found
	if next != "" {
		page.Next = list.At(next)
	}
	return r.Show(http.StatusOK, d.products, r.Lang.T("admin.products"), page)
}

// productPage is one product. What is not on the form stays as it is.
type productPage struct {
	catalog.View
	Currency money.Currency
}

func (d *Pages) showProduct(r *request) error {
	p, err := site.PathID[id.Product](r.Visit, "id")
	if err != nil {
		return err
	}
	v, err := d.Catalogue.Get(r.Request.Context(), p)
	if err != nil {
		return err
	}
	return r.Show(http.StatusOK, d.product, v.Title, productPage{v, d.Currency})
}

// createProduct makes a product of one variant: one of several comes by import, or by the API.
func (d *Pages) createProduct(ctx context.Context, r *request) (string, error) {
	price, err := money.Parse(r.Form("price"), d.Currency)
	if err != nil {
		return "", fault.Bad("price", "%q is not a price: %s", r.Form("price"), err)
	}
	v, err := d.Catalogue.Create(ctx, catalog.Input{Product: catalog.Product{
		Handle: r.Form("handle"), Title: r.Form("title"), Description: r.Form("description"), Status: catalog.Status(r.Form("status")),
		Variants: []catalog.Variant{{Code: r.Form("code"), Price: price}},
	}, AllowFree: r.Form("allow_free") == "1"})
	if err != nil {
		return "", err
	}
	return "/console/products/" + v.ID.String(), nil
}

// changeProduct changes title, description, status and prices of a product, of the version that the form was made from.
func (d *Pages) changeProduct(ctx context.Context, r *request) (string, error) {
	p, err := site.PathID[id.Product](r.Visit, "id")
	if err != nil {
		return "", err
	}
	version, err := site.Number("version", r.Form("version"), 1, 1<<62, 0)
	if err != nil {
		return "", err
	}
	v, err := d.Catalogue.Get(ctx, p)
	if err != nil {
		return "", err
	}
	in := catalog.Input{Brand: v.Brand, Categories: v.Categories, AllowFree: r.Form("allow_free") == "1", Product: catalog.Product{
		Handle: v.Handle, Title: r.Form("title"), Description: r.Form("description"), Status: catalog.Status(r.Form("status")),
		Options: v.Options, Attributes: v.Attributes, Pictures: v.Pictures,
	}}
	for i, w := range v.Variants {
		price, err := money.Parse(r.Form("price"+strconv.Itoa(i)), d.Currency)
		if err != nil {
			return "", fault.Bad("variants["+strconv.Itoa(i)+"].price", "%q is not a price: %s", r.Form("price"+strconv.Itoa(i)), err)
		}
		in.Product.Variants = append(in.Product.Variants, catalog.Variant{Code: w.Code, Options: w.Options, Price: price})
	}
	if _, err := d.Catalogue.Replace(ctx, p, version, in); err != nil {
		return "", err
	}
	return "/console/products/" + p.String(), nil
}

// stockPage is the pools of a SKU and what was done to them by hand.
type stockPage struct {
	SKU id.SKU
	skuname.Name
	Pools     []inventory.Stock
	Movements []inventory.Movement
	Next      string // the address of the next page; empty: there is none
	Key       string // of an adjustment that is made from this page: sent twice it is one
}

func (d *Pages) showStock(r *request) error {
	sku, err := site.PathID[id.SKU](r.Visit, "id")
	if err != nil {
		return err
	}
	list := r.List("/console/stock/" + sku.String())
	before, err := site.Place[id.Movement](list)
	if err != nil {
		return err
	}
	ctx := r.Request.Context()
	page := stockPage{SKU: sku, Key: "console-" + strconv.FormatInt(d.Clock.Now().UnixNano(), 36)}
	if page.Name, err = skuname.Find(ctx, d.Products, 0, sku); err != nil {
		return err
	}
	if page.Pools, err = d.Stock.Pools(ctx, sku); err != nil {
		return err
	}
	if page.Movements, err = d.Stock.Movements(ctx, sku, before, rowsOnPage+1); err != nil {
		return err
	}
	page.Movements, page.Next = site.Next(list, page.Movements, rowsOnPage, func(m *inventory.Movement) id.Movement { return m.ID })
	return r.Show(http.StatusOK, d.stock, r.Lang.T("admin.stock.of", "name", page.Name.String()), page)
}

func (d *Pages) adjustStock(ctx context.Context, r *request) (string, error) {
	sku, err := site.PathID[id.SKU](r.Visit, "id")
	if err != nil {
		return "", err
	}
	units, err := site.Number("units", r.Form("units"), -1_000_000_000, 1_000_000_000, 0)
	if err != nil {
		return "", err
	}
	_, err = d.Stock.Adjust(ctx, inventory.Adjustment{
		SKU: sku, Kind: inventory.Kind(r.Form("kind")), Units: units, Reason: r.Form("reason"), Actor: r.who.Name, Key: r.Form("idem"),
	})
	return "/console/stock/" + sku.String(), err
}
