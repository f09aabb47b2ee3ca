// Package storefront implements the storefront: one file for each page, with its template beside it. It contains no
// business rules: pages call the same services as the API.
package storefront

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"

	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/sale"
	"github.com/tidegate/tidegate/internal/web/live"
	"github.com/tidegate/tidegate/internal/web/site"
)

//go:embed *.html
var files embed.FS

// Parts holds the dependencies of a Storefront.
type Parts struct {
	Site     *site.Site
	Accounts Accounts
	Orders   Orders
	Payments Payments
	Sales    Sales
	Products Products
	Levels   sale.Availability
	// HasNothing reports whether a shopper is known to have no order in a sale. If so, no orders are read.
	HasNothing func(ctx context.Context, s id.Sale, c id.Customer) bool
	Clock      clock.Clock
	// ViewersMax bounds the viewers who receive live updates of a sale.
	ViewersMax int
	// Streams bounds the live updates of each client address.
	Streams Streams
}

// Storefront is the pages. Safe for concurrent use.
type Storefront struct {
	Parts
	board *live.Board

	home, shelf, product, sale, checkout, order, orders, sign *template.Template
}

// Mount adds the storefront's pages to the site.
func Mount(p Parts) *Storefront {
	s := &Storefront{Parts: p}
	s.board = live.NewBoard(p.Sales, p.Levels, p.Clock, len(p.Site.Langs.All), s.message)
	for name, t := range map[string]**template.Template{
		"home.html": &s.home, "shelf.html": &s.shelf, "product.html": &s.product, "sale.html": &s.sale,
		"checkout.html": &s.checkout, "order.html": &s.order, "orders.html": &s.orders, "sign.html": &s.sign,
	} {
		*t = p.Site.Template(files, "parts.html", name)
	}
	p.Site.Handle("GET /{$}", s.showHome)
	p.Site.Handle("GET /search", s.showSearch)
	p.Site.Handle("GET /categories/{handle}", s.showCategory)
	p.Site.HandleHot("/products/", "handle", s.showProduct)
	p.Site.HandleHot("/sales/", "id", s.showSale)
	p.Site.Handle("GET /sales/{id}/now", s.tellOnce)
	p.Site.Stream("GET /sales/{id}/live", s.tellAlways)
	p.Site.HandleOrder("POST /sales/{id}/orders", s.buyInSale)
	p.Site.Handle("GET /checkout", s.showCheckout)
	p.Site.HandleOrder("POST /orders", s.buy)
	p.Site.Handle("GET /orders", s.showOrders)
	p.Site.Handle("GET /orders/{id}", s.showOrder)
	p.Site.Handle("GET /orders/{id}/status", s.showStatus)
	p.Site.Handle("POST /orders/{id}/pay", s.pay)
	p.Site.Handle("POST /orders/{id}/cancel", s.cancel)
	p.Site.Handle("GET /signin", s.showSignIn)
	p.Site.Handle("POST /signin", s.signIn)
	p.Site.Handle("GET /signup", s.showSignUp)
	p.Site.Handle("POST /signup", s.signUp)
	p.Site.Handle("POST /signout", s.signOut)
	return s
}

// Viewers returns the number of shoppers who receive live updates.
func (s *Storefront) Viewers() int64 { return s.board.Viewers() }

// read decodes a page of the catalogue. It is called where a page of the shop is rendered, not where it is sent.
func read[T any](p *catalog.Page, err error) (v T, _ error) {
	if err != nil {
		return v, err
	}
	if err := json.Unmarshal(p.Body, &v); err != nil {
		return v, fmt.Errorf("read a page of the catalogue: %w", err)
	}
	return v, nil
}

// list is a page of a list of the catalogue.
type list[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next_cursor"`
}

// productOf returns a product as shoppers see it. It returns fault.NotFound.
func (s *Storefront) productOf(ctx context.Context, p id.Product) (catalog.View, error) {
	return read[catalog.View](s.Products.Product(ctx, p))
}

// variant returns the product's variant of a SKU; nil where it has none.
func variant(p *catalog.View, sku id.SKU) *catalog.VariantView {
	for i := range p.Variants {
		if p.Variants[i].SKU == sku {
			return &p.Variants[i]
		}
	}
	return nil
}
