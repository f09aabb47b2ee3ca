package app

import (
	"context"
	"time"

	"github.com/tidegate/tidegate/internal/account"
	"github.com/tidegate/tidegate/internal/app/eventbus"
	"github.com/tidegate/tidegate/internal/audit"
	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/delivery"
	"github.com/tidegate/tidegate/internal/httpapi"
	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/notify"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/payment"
	"github.com/tidegate/tidegate/internal/payment/sandbox"
	"github.com/tidegate/tidegate/internal/points"
	"github.com/tidegate/tidegate/internal/redis/gate"
	"github.com/tidegate/tidegate/internal/rehearsal"
	"github.com/tidegate/tidegate/internal/sale"
	"github.com/tidegate/tidegate/internal/setting"
	"github.com/tidegate/tidegate/internal/webhook"
)

// shop is the modules, wired.
type shop struct {
	clock      clock.Clock
	reader     *catalog.Reader
	catalog    *catalog.Service
	account    *account.Service
	tokens     *account.Tokens // signs without a session
	signer     *account.Signer // of the tickets of queued orders
	gate       gateway
	front      *gate.FallbackGate   // the same gate, where it is in Redis; else nil
	tracking   interface{ Close() } // what the gate in Redis hears of changes by; else nil
	levels     *sale.Delayed        // what shoppers are told of left
	left       sale.Availability    // what is left in sales, where the gate does not know it too
	follower   *inventory.Follower
	stock      *inventory.Service
	saleCache  *sale.Cache
	sales      *sale.Service
	intake     *order.Committer
	orders     *order.Service
	payments   *payment.Service
	sandbox    *sandbox.Provider
	rehearsals *rehearsal.Service
	auditor    *audit.Service
	events     *eventbus.Events
	queue      queueing
	letters    *delivery.Service
	webhooks   *webhook.Service
	points     *points.Service
	settings   *setting.Service
	notices    *notify.Service // nil where shoppers are told nothing
}

// serveContract makes the handler of the public listener.
func (a *App) serveContract(context.Context) error {
	server, err := httpapi.New(httpapi.Parts{
		Callers:     a.account,
		Accounts:    a.account,
		Orders:      a.countedOrders(),
		Closer:      a.payments,
		Payments:    a.payments,
		Sales:       a.sales,
		Products:    a.reader,
		Catalogue:   a.catalog,
		Stock:       a.stock,
		Levels:      a.levels,
		Auditor:     a.auditor,
		Rehearsals:  a.rehearsals,
		Admission:   a.admission,
		Streams:     a.streams,
		DeadLetters: a.letters,
		Webhooks:    a.webhooks,
		Points:      a.points,
		Settings:    a.settings,

		PaymentWindow: a.orders.PaymentWindow,
		Stopping:      func() bool { return !a.serving.Load() },

		Clock:   a.clock,
		Log:     a.log,
		Config:  a.config.HTTP,
		Mounted: a.cashier(),
		Record:  func(method, pattern string) httpapi.Recorder { return a.metrics.Route(method, pattern) },
	})
	a.handler = server
	return err
}

// countedOrders counts attempts to place an order by their outcome, for the metrics and for whoever watches the night.
type countedOrders struct {
	*order.Service
	count func(outcome string, rehearsal bool, took time.Duration)
}

func (a *App) countedOrders() countedOrders {
	return countedOrders{a.orders, func(outcome string, rehearsal bool, took time.Duration) {
		a.pace.Asked()
		a.metrics.CountOrder(outcome, rehearsal)
		a.meters.Of(rehearsal).Order(outcome, took)
	}}
}

// batchDone is told of every commit.
func (a *App) batchDone(orders int, took time.Duration, err error) {
	a.metrics.ObserveBatch(orders, took, err)
	a.meters.Batch(orders, took)
}

// Place implements httpapi.Orders.
func (o countedOrders) Place(ctx context.Context, r order.Request) (order.Placed, error) {
	r.Asked = time.Now()
	placed, err := o.Service.Place(ctx, r)
	outcome := "created"
	switch {
	case err != nil:
		outcome = fault.CodeOf(err).String()
	case placed.Undecided:
		outcome = string(placed.Order.Status) // queued or undecided
	case placed.Replayed:
		outcome = "replayed"
	}
	o.count(outcome, id.OfRehearsal(r.Customer), time.Since(r.Asked))
	return placed, err
}

// load reads what must be in memory before the doors open: the gate, the sales, who was logged out, the pages that are
// read first.
func (a *App) load(ctx context.Context) error {
	s := &a.shop
	if err := a.listenForChanges(ctx); err != nil {
		return err
	}
	// The gate before the sale cache: the cache then cannot be older than the position that the follower starts from.
	for _, read := range []func(context.Context) error{a.changes.Begin, s.loadGate, s.saleCache.Load, s.account.Load, s.reader.Open} {
		if err := read(ctx); err != nil {
			return err
		}
	}
	_, err := a.warmer.step(ctx)
	return err
}
