package app

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"

	"github.com/tidegate/tidegate/internal/app/loop"
	"github.com/tidegate/tidegate/internal/httpapi"
	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/payment/sandbox"
	"github.com/tidegate/tidegate/internal/web"
	"github.com/tidegate/tidegate/internal/web/admin"
	"github.com/tidegate/tidegate/internal/web/livesale"
	"github.com/tidegate/tidegate/internal/web/site"
	"github.com/tidegate/tidegate/internal/web/storefront"
)

// servePages puts the pages beside the API on the public listener.
func (a *App) servePages(context.Context) error {
	if !a.config.Web.Enabled {
		return nil
	}
	orders := a.countedOrders()
	pages, err := web.New(web.Parts{
		Site: site.Parts{
			Accounts: a.account, Admission: a.admission, Clock: a.clock, Log: a.log, Config: a.config.Web,
			Record:         func(method, pattern string) site.Recorder { return a.metrics.Route(method, pattern) },
			Client:         func(r *http.Request) netip.Addr { return httpapi.ClientAddress(a.proxies, r) },
			RequestTimeout: a.config.HTTP.RequestTimeout,
			FormTargets:    cashierOrigin(a.config.Sandbox),
			Payments:       a.config.Payments.Provider,
		},
		Storefront: storefront.Parts{
			Accounts: a.account, Orders: orders, Payments: a.payments, Sales: a.sales, Products: a.reader, Levels: a.levels,
			HasNothing: a.hasNoOrder(), Clock: a.clock, ViewersMax: a.config.Web.ViewersMax,
			Streams: a.streams,
		},
		Operators: a.account,
		LiveSale: livesale.Parts{
			Sales: a.sales, Orders: a.orders, Totals: a.store, Levels: a.gate, Products: a.reader, Log: a.account, RateMeters: a.meters, Clock: a.clock, Errors: a.log,
		},
		Admin: admin.Parts{
			Accounts: a.account, Sales: a.sales, Levels: a.left, Products: a.reader, Catalogue: a.catalog, Stock: a.stock,
			Orders: a.orders, Payments: a.payments, DeadLetters: a.letters, Webhooks: a.webhooks, Events: a.webhooks.Types, Auditor: a.auditor, Clock: a.clock,
			PaymentWindow: a.orders.PaymentWindow, Currency: a.catalog.Currency(),
		},
	})
	if err != nil {
		return fmt.Errorf("the pages cannot be made: %w", err)
	}
	a.pages, a.handler = pages, pages.WithAPI(a.handler)
	return a.metrics.ObserveCount("tidegate.web.viewers", "Shoppers who are sent a sale's numbers as they change.", pages.Viewers)
}

func (a *App) pageLoops() []loop.Loop {
	if a.pages == nil {
		return nil
	}
	return []loop.Loop{{Name: "live sales", Every: livesale.Every, RetryMax: livesale.Every, Step: a.pages.LiveSaleStep}}
}

// hasNoOrder tells who has no order in a sale, where the gate knows: from memory where this process takes all orders itself, with
// one question to Redis where the gate is there. Processes that share a database alone do not know of each other's.
func (a *App) hasNoOrder() func(context.Context, id.Sale, id.Customer) bool {
	if a.front != nil {
		return a.front.HasNoOrder
	}
	m, memory := a.gate.(*inventory.MemoryGate)
	if !memory || a.store.Shared() {
		return func(context.Context, id.Sale, id.Customer) bool { return false }
	}
	return func(_ context.Context, s id.Sale, c id.Customer) bool { return m.HasNoOrder(s, c) }
}

// cashierOrigin is where the cashier is, where that is not the shop's own address: forms may lead there.
func cashierOrigin(c sandbox.Config) []string {
	if c.PublicURL == "" {
		return nil
	}
	return []string{c.PublicURL}
}

// orderPage returns where shoppers find the page of an order; nil where there are no pages.
func (a *App) orderPage() func(id.Order) string {
	if !a.config.Web.Enabled {
		return nil
	}
	return func(o id.Order) string { return a.config.Web.PublicURL + "/orders/" + o.String() }
}
