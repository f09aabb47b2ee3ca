package app

import (
	"context"
	"time"

	"github.com/tidegate/tidegate/internal/account"
	"github.com/tidegate/tidegate/internal/audit"
	"github.com/tidegate/tidegate/internal/bus"
	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/delivery"
	"github.com/tidegate/tidegate/internal/httpapi"
	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/money"
	"github.com/tidegate/tidegate/internal/notify"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/payment"
	"github.com/tidegate/tidegate/internal/payment/sandbox"
	"github.com/tidegate/tidegate/internal/points"
	"github.com/tidegate/tidegate/internal/redis/gate"
	"github.com/tidegate/tidegate/internal/rehearsal"
	"github.com/tidegate/tidegate/internal/sale"
	"github.com/tidegate/tidegate/internal/webhook"
)

// shop is the modules, wired.
type shop struct {
	clock      clock.Clock
	reader     *catalog.Reader
	catalog    *catalog.Service
	account    *account.Service
	gate       gateway
	front      *gate.Front          // the same gate, where it is in Redis; else nil
	tracking   interface{ Close() } // what the gate in Redis hears of changes by; else nil
	follower   *inventory.Follower
	stock      *inventory.Service
	book       *sale.Book
	sales      *sale.Service
	intake     *order.Committer
	orders     *order.Service
	payments   *payment.Service
	sandbox    *sandbox.Provider
	rehearsals *rehearsal.Service
	auditor    *audit.Service
	bus        bus.Bus
	outbox     bus.Bus // what the relay reads; nil where the bus is the outbox itself
	queue      queueing
	consumers  []consumer
	letters    *delivery.Service
	lags       *lags
	webhooks   *webhook.Service
	points     *points.Service
	notices    *notify.Service // nil where shoppers are told nothing
}

// wire makes the modules over the store. Nothing is read yet: see load.
func (a *App) wire(ctx context.Context) error {
	c, s := a.config, &a.shop
	s.clock = a.clock
	var err error
	var tokens *account.Tokens
	var signer *account.Signer
	if s.account, tokens, signer, err = a.newAccount(); err != nil {
		return err
	}
	a.localKey = s.account.AddLocalKey()
	if err := a.limit(); err != nil {
		return err
	}

	s.reader = catalog.NewReader(c.Catalog, a.store, a.sharedCache(), a.clock, a.log)
	s.catalog = catalog.New(c.Catalog, a.store, s.reader, a.mint, a.clock)

	if err := a.newGate(); err != nil {
		return err
	}
	s.stock = inventory.NewService(a.store, s.reader, a.clock, a.mint)
	s.book = sale.NewBook(a.store, a.clock)
	s.sales = sale.NewService(a.store, s.book, s.reader, a.clock, a.mint, money.Currency(c.Catalog.Currency))
	s.follower = inventory.NewFollower(a.store, s.gate, s.refreshSale)

	s.intake = order.NewCommitter(a.store, s.gate, a.mint, c.Orders, a.batchDone)
	if err := a.newQueue(ctx); err != nil {
		return err
	}
	s.orders = order.NewService(order.Parts{
		Store: a.store, Gate: s.gate, Intake: a.orderIntake(), Sales: s.book, Prices: s.reader, Signer: signer,
		Clock: a.clock, Mint: a.mint, Config: c.Orders,
	})
	if s.payments, s.sandbox, err = a.newPayments(); err != nil {
		return err
	}
	s.rehearsals = rehearsal.NewService(rehearsal.Parts{
		Store: a.store, Catalogue: s.catalog, Stock: s.stock, Sales: s.sales, Tokens: tokens, Clock: a.clock,
		Currency: money.Currency(c.Catalog.Currency), TokenLifetimeMax: account.TestTokenLifetimeMax,
	})
	s.auditor = audit.NewService(a.store, a.gateCheck(), a.clock)
	if err := a.newBus(ctx, a.newConsumers()); err != nil {
		return err
	}
	a.changes = changes{store: a.store, reader: s.reader}
	a.warmer = warmer{book: s.book, reader: s.reader, clock: a.clock}
	if err := a.serveContract(); err != nil {
		return err
	}
	if err := a.servePages(); err != nil {
		return err
	}
	return a.observe()
}

// serveContract makes the handler of the public listener.
func (a *App) serveContract() error {
	server, err := httpapi.New(httpapi.Parts{
		Callers:    a.account,
		Accounts:   a.account,
		Orders:     a.countedOrders(),
		Closer:     a.payments,
		Payments:   a.payments,
		Sales:      a.sales,
		Products:   a.reader,
		Catalogue:  a.catalog,
		Stock:      a.stock,
		Levels:     a.gate,
		Auditor:    a.auditor,
		Rehearsals: a.rehearsals,
		Limits:     a.requests,
		Letters:    a.letters,
		Webhooks:   a.webhooks,
		Points:     a.points,

		PaymentWindow: a.config.Orders.PaymentWindow,
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
	count func(outcome string, took time.Duration)
}

func (a *App) countedOrders() countedOrders {
	return countedOrders{a.orders, func(outcome string, took time.Duration) {
		a.crowd.asked.Add(1)
		a.metrics.Order(outcome)
		a.meter.Order(outcome, took)
	}}
}

// batchDone is told of every commit.
func (a *App) batchDone(orders int, took time.Duration, err error) {
	a.metrics.Batch(orders, took, err)
	a.meter.Batch(orders, took)
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
	o.count(outcome, time.Since(r.Asked))
	return placed, err
}

// load reads what must be in memory before the doors open: the gate, the sales, who was logged out, the pages that are
// read first.
func (a *App) load(ctx context.Context) error {
	s := &a.shop
	if err := a.listenForChanges(ctx); err != nil {
		return err
	}
	// The gate before the book: the follower then goes on from a position that the book cannot be behind.
	for _, read := range []func(context.Context) error{a.changes.begin, s.loadGate, s.book.Load, s.account.Load, s.reader.Open} {
		if err := read(ctx); err != nil {
			return err
		}
	}
	_, err := a.warmer.step(ctx)
	return err
}
