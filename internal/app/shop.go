package app

import (
	"context"
	"net/http"

	"github.com/tidegate/tidegate/internal/account"
	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/money"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/sale"
)

// shop is the modules, wired.
type shop struct {
	reader   *catalog.Reader
	catalog  *catalog.Service
	account  *account.Service
	gate     *inventory.Memory
	follower *inventory.Follower
	stock    *inventory.Service
	book     *sale.Book
	sales    *sale.Service
	intake   *order.Committer
	orders   *order.Service
}

// wire makes the modules over the store. Nothing is read yet: see load.
func (a *App) wire() error {
	c, s := a.config, &a.shop
	var err error
	if s.account, err = a.newAccount(); err != nil {
		return err
	}
	a.localKey = s.account.AddLocalKey()

	s.reader = catalog.NewReader(c.Catalog, a.store, a.clock)
	s.catalog = catalog.New(c.Catalog, a.store, s.reader, a.mint, a.clock)

	s.gate = inventory.NewMemory()
	s.stock = inventory.NewService(a.store, s.reader, a.clock, a.mint)
	s.book = sale.NewBook(a.store, a.clock)
	s.sales = sale.NewService(a.store, s.book, s.reader, a.clock, a.mint, money.Currency(c.Catalog.Currency))
	s.follower = inventory.NewFollower(a.store, s.gate, s.refreshSale)

	s.intake = order.NewCommitter(a.store, s.gate, c.Orders, a.metrics.Batch)
	s.orders = order.NewService(order.Parts{
		Store: a.store, Gate: s.gate, Intake: s.intake, Sales: s.book, Prices: s.reader,
		Clock: a.clock, Mint: a.mint, Config: c.Orders,
	})
	a.warmer = warmer{book: s.book, reader: s.reader, clock: a.clock}
	a.handler = http.NewServeMux()
	return a.observe()
}

// load reads what must be in memory before the doors open: the gate, the sales, who was logged out, the pages that are
// read first.
func (a *App) load(ctx context.Context) error {
	s := &a.shop
	// The gate before the book: the follower then goes on from a position that the book cannot be behind.
	for _, read := range []func(context.Context) error{s.follower.Load, s.book.Load, s.account.Load, s.reader.Open} {
		if err := read(ctx); err != nil {
			return err
		}
	}
	_, err := a.warmer.step(ctx)
	return err
}
