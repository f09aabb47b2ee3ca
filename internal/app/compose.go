package app

import (
	"context"
	"slices"

	"github.com/tidegate/tidegate/internal/account"
	"github.com/tidegate/tidegate/internal/app/catalogue"
	"github.com/tidegate/tidegate/internal/app/eventbus"
	"github.com/tidegate/tidegate/internal/app/loop"
	"github.com/tidegate/tidegate/internal/audit"
	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/delivery"
	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/money"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/rehearsal"
	"github.com/tidegate/tidegate/internal/sale"
)

// part is a piece of a process. open makes it over the parts above it in the role; it reads nothing of the shop's data yet: see load.
// loops returns what it repeats in the background once the shop is loaded; nil where that is nothing.
type part struct {
	name  string
	open  func(*App, context.Context) error
	loops func(*App) []loop.Loop
}

// roleAll is a process that does everything.
const roleAll = "all"

// roles says which parts a process of each role has, in the order in which they are opened. The group commit, the consumers of events and
// the doors are not loops of a part: Run starts and ends them in its own order.
var roles = map[string][]part{
	roleAll: {
		{"database", (*App).openStore, (*App).storeLoops},
		{"settings", (*App).openSettings, (*App).settingLoops},
		{"redis", (*App).connectRedis, nil},
		{"accounts", (*App).openAccounts, (*App).accountLoops},
		{"limits", (*App).openLimits, nil},
		{"catalogue", (*App).openCatalogue, (*App).catalogueLoops},
		{"gate", (*App).openGate, (*App).gateLoops},
		{"sales", (*App).openSales, (*App).saleLoops},
		{"orders", (*App).openOrders, (*App).queueLoops},
		{"payments", (*App).openPayments, (*App).paymentLoops},
		{"rehearsals and audit", (*App).openOperations, nil},
		{"events", (*App).openEvents, (*App).eventLoops},
		{"api", (*App).serveContract, nil},
		{"pages", (*App).servePages, (*App).pageLoops},
		{"metrics", (*App).observe, nil},
	},
}

// loops lists what repeats in the background beside the group commit.
func (a *App) loops() []loop.Loop {
	var all []loop.Loop
	for _, p := range roles[roleAll] {
		if p.loops != nil {
			all = append(all, p.loops(a)...)
		}
	}
	return all
}

func (a *App) storeLoops() []loop.Loop {
	return slices.Concat(a.clockLoops(), a.sharedLoops(), []loop.Loop{
		{Name: "checkpoint", Every: checkpointEvery, RetryMax: checkpointEvery, Step: a.store.CheckpointStep},
		{Name: "place", Every: placeEvery, RetryMax: placeEvery, Step: a.store.PlaceStep},
		{Name: "folder", Every: placeEvery, Step: a.keepFolder},
	})
}

// openAccounts makes who may come in, what signs without a session, and what signs the tickets of queued orders.
func (a *App) openAccounts(context.Context) (err error) {
	if a.account, a.tokens, a.signer, err = a.newAccount(); err != nil {
		return err
	}
	a.localKey = a.account.AddLocalKey()
	return nil
}

func (a *App) accountLoops() []loop.Loop {
	return append(a.leases.Singleton(loop.Loop{Name: "clean_sessions", Every: cleanEvery, Ends: true, Step: a.account.CleanStep}),
		loop.Loop{Name: "revocations", Every: revocationEvery, Step: a.account.RevocationStep})
}

func (a *App) openCatalogue(context.Context) error {
	a.reader = catalog.NewReader(a.config.Catalog, a.store, a.sharedCache(), a.clock, a.log)
	a.catalog = catalog.New(a.config.Catalog, a.store, a.reader, a.mint, a.clock)
	a.changes = catalogue.NewChanges(a.store, a.reader)
	return nil
}

func (a *App) catalogueLoops() []loop.Loop {
	return append(a.redisLoops(), loop.Loop{Name: "most_read", Every: mostReadEvery, Step: loop.OnceAndRest(a.reader.SaveMostRead)})
}

// openSales makes stock and sales, what shoppers are told is left, and what has the gate follow the database.
func (a *App) openSales(context.Context) error {
	a.shop.clock = a.clock
	a.stock = inventory.NewService(a.store, a.reader, a.clock, a.mint)
	a.saleCache = sale.NewCache(a.store, a.clock)
	a.sales = sale.NewService(a.store, a.saleCache, a.reader, a.clock, a.mint, money.Currency(a.config.Catalog.Currency))
	a.left = a.newLevels()
	a.levels = sale.NewDelayed(a.left, a.clock)
	a.follower = inventory.NewFollower(a.store, a.gate, a.refreshSale)
	a.warmer = warmer{saleCache: a.saleCache, reader: a.reader, clock: a.clock}
	return nil
}

func (a *App) saleLoops() []loop.Loop {
	return []loop.Loop{
		{Name: "gate", Every: a.followEvery(), Wake: a.store.GateWake(), Step: a.follower.Step},
		{Name: "sale_clock", Every: saleClockEvery, Ends: true, Step: a.sales.Step},
		{Name: "forget_sales", Every: cleanEvery, Ends: true, Step: a.forgetSales},
		{Name: "warm", Every: warmEvery, Step: a.warmer.step},
	}
}

// openOrders makes the group commit, the queue before it where there is a broker, and the module that takes orders over both.
func (a *App) openOrders(ctx context.Context) error {
	a.intake = order.NewCommitter(a.store, a.gate, a.mint, a.config.Orders, a.batchDone)
	a.pace = eventbus.NewPace(a.intake.Depth)
	if err := a.newQueue(ctx); err != nil {
		return err
	}
	a.orders = order.NewService(order.Parts{
		Store: a.store, Gate: a.gate, Intake: a.orderIntake(), Sales: a.saleCache, Prices: a.reader, Signer: a.signer, Probes: a.probes(),
		Levels: a.levels, Clock: a.clock, Mint: a.mint, Config: a.config.Orders,
	})
	return nil
}

func (a *App) openPayments(context.Context) (err error) {
	a.payments, a.sandbox, err = a.newPayments()
	return err
}

// openOperations makes what an operator does before a sale and after it.
func (a *App) openOperations(context.Context) error {
	a.rehearsals = rehearsal.NewService(rehearsal.Parts{
		Store: a.store, Catalogue: a.catalog, Stock: a.stock, Sales: a.sales, Tokens: a.tokens, Clock: a.clock,
		Currency: money.Currency(a.config.Catalog.Currency), TokenLifetimeMax: account.TestTokenLifetimeMax,
	})
	a.auditor = audit.NewService(a.store, a.gateCheck(), a.clock)
	return nil
}

// openEvents makes the modules that follow events, and the bus that carries events to them.
func (a *App) openEvents(ctx context.Context) (err error) {
	a.events, err = eventbus.Open(ctx, eventbus.Parts{
		Config: a.config.Bus, Store: a.store, Consumers: a.newConsumers(), Holder: a.holder(), Pace: a.pace, Clock: a.clock, Log: a.log,
	})
	a.letters = delivery.NewService(a.store, redelivery{a.events, a.queue.log})
	return err
}

func (a *App) eventLoops() []loop.Loop { return append(a.events.Loops(a.leases), a.consumerLoops()...) }
