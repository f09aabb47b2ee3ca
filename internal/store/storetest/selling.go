package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/payment"
	"github.com/tidegate/tidegate/internal/sale"
	"github.com/tidegate/tidegate/internal/store"
)

// Selling checks what stops when a SKU is no longer sold: in general stock, in sales, and for pending orders. Each call
// of open returns a migrated store without rows.
func Selling(t *testing.T, open func(t *testing.T) *store.Store) {
	runTrade(t, open, []tradeCase{
		{"what a sale sells goes on being sold until the item or the sale is stopped", sellsInSale},
		{"a draft of a sale keeps what is not sold, and cannot be scheduled", draftOfUnsold},
		{"a code that became another product's is not the item of before", codeMoved},
		{"general stock stops selling in the transaction, and begins again", generalStops},
		{"a stopped item gives back what is available, and what comes free later", itemStops},
		{"an item that was stopped sells again with new units, if its product does", itemSellsAgain},
		{"an item cannot be stopped where it sells nothing", itemNotStopped},
		{"deleted and scheduled at the same moment: one of the two", deleteAgainstSchedule},
		{"deleted and ordered at the same moment: nothing after it", deleteAgainstOrders},
		{"stopped and ordered at the same moment: nothing after it", stopAgainstOrders},
	})
}

// shirts publishes a product with a variant for each code, and returns it.
func (tr *Trade) shirts(handle string, codes ...string) catalog.Product {
	tr.T.Helper()
	p := catalog.Product{ID: id.New[id.Product](tr.Mint), Handle: handle, Title: handle, Status: catalog.Published, Options: []string{"Size"}}
	for _, code := range codes {
		p.Variants = append(p.Variants, catalog.Variant{
			ID: id.New[id.SKU](tr.Mint), Code: code, Options: []string{code}, Price: money.Of(price, "GBP"),
		})
	}
	return tr.putProduct(catalog.PutNew, p).After
}

// putProduct writes one product. The put may be refused.
func (tr *Trade) putProduct(mode catalog.PutMode, p catalog.Product) catalog.Change {
	tr.T.Helper()
	return tr.putProducts(false, catalog.Put{Mode: mode, Product: p, Version: p.Version})[0]
}

func (tr *Trade) putProducts(dry bool, puts ...catalog.Put) []catalog.Change {
	tr.T.Helper()
	changes, err := tr.Store.PutProducts(tr.T.Context(), catalog.Batch{Puts: puts, Now: tr.Clock.Now(), DryRun: dry, NewID: tr.Mint.Next})
	must(tr.T, err)
	return changes
}

func (tr *Trade) retire(p id.Product) error {
	_, err := tr.Store.RetireProduct(tr.T.Context(), p, 0, tr.Clock.Now())
	return err
}

// saleOf drafts a sale of units of a product's variants.
func (tr *Trade) saleOf(units int64, p catalog.Product) *sale.Sale {
	tr.T.Helper()
	s := tr.Draft(units, 0)
	next := *s
	for _, v := range p.Variants {
		next.Items = append(next.Items, sale.Item{SKU: v.ID, Product: p.ID, Price: v.Price, ListPrice: v.Price, Allocation: units})
	}
	must(tr.T, tr.Store.ReplaceSale(tr.T.Context(), &next, s.Version))
	return tr.sale(s.ID)
}

// ways are the ways in which a product of two variants stops selling its first one.
var ways = map[string]func(tr *Trade, p catalog.Product) error{
	"deleted": func(tr *Trade, p catalog.Product) error { return tr.retire(p.ID) },
	"made a draft": func(tr *Trade, p catalog.Product) error {
		p.Status = catalog.Draft
		return refusalOf(tr.putProduct(catalog.PutOver, p))
	},
	"made a draft by a file": func(tr *Trade, p catalog.Product) error {
		p.Status = catalog.Draft
		return refusalOf(tr.putProduct(catalog.PutByHandle, p))
	},
	"without the variant": func(tr *Trade, p catalog.Product) error {
		p.Variants = p.Variants[1:]
		return refusalOf(tr.putProduct(catalog.PutOver, p))
	},
	"without the variant, by a file": func(tr *Trade, p catalog.Product) error {
		p.Variants = p.Variants[1:]
		return refusalOf(tr.putProduct(catalog.PutByHandle, p))
	},
	"with another code": func(tr *Trade, p catalog.Product) error {
		p.Variants = append([]catalog.Variant{{ID: id.New[id.SKU](tr.Mint), Code: p.Variants[0].Code + "-NEW", Options: []string{"new"}, Price: p.Variants[0].Price}}, p.Variants[1:]...)
		return refusalOf(tr.putProduct(catalog.PutOver, p))
	},
}

func refusalOf(c catalog.Change) error {
	if c.Err != nil {
		return c.Err
	}
	return nil
}

// current reads a product in its current state.
func (tr *Trade) current(p id.Product) catalog.Product {
	tr.T.Helper()
	found, err := tr.Store.Product(tr.T.Context(), p)
	must(tr.T, err)
	return found
}

func sellsInSale(tr *Trade) {
	for way, stop := range ways {
		for _, status := range []sale.Status{sale.Scheduled, sale.Live, sale.Paused} {
			p := tr.shirts(fmt.Sprint("shirt-", tr.Mint.Next()), fmt.Sprint("S", tr.Mint.Next()), fmt.Sprint("M", tr.Mint.Next()))
			sku := p.Variants[0].ID
			tr.Receive(sku, 5)
			tr.Receive(p.Variants[1].ID, 5)
			s := tr.saleOf(5, p)
			for _, to := range map[sale.Status][]sale.Status{
				sale.Scheduled: {sale.Scheduled}, sale.Live: {sale.Scheduled, sale.Live}, sale.Paused: {sale.Scheduled, sale.Live, sale.Paused},
			}[status] {
				tr.Move(s.ID, to)
			}
			what := fmt.Sprintf("%s while its sale is %s", way, status)
			err := stop(tr, p)
			tr.fails(what, err, fault.SellsInSale)
			if said := fmt.Sprint(err); !strings.Contains(said, `"Drop"`) || !strings.Contains(said, s.ID.String()) || !strings.Contains(said, p.Variants[0].Code) {
				tr.T.Errorf("%s: it does not name the sale and the code: %s", what, said)
			}
			same(tr.T, what, tr.current(p.ID), p)
			if status != sale.Live {
				tr.Move(s.ID, sale.Ended)
			} else {
				for _, v := range p.Variants {
					tr.stop(s.ID, v.ID)
				}
			}
			must(tr.T, stop(tr, p))
		}
	}
}

func draftOfUnsold(tr *Trade) {
	for way, stop := range ways {
		p := tr.shirts(fmt.Sprint("shirt-", tr.Mint.Next()), fmt.Sprint("S", tr.Mint.Next()), fmt.Sprint("M", tr.Mint.Next()))
		tr.Receive(p.Variants[0].ID, 5)
		tr.Receive(p.Variants[1].ID, 5)
		s := tr.saleOf(5, p)
		must(tr.T, stop(tr, p))
		_, err := tr.move(s.ID, sale.Scheduled)
		tr.fails(way, err, fault.NotInSale)
		tr.Pool(0, p.Variants[0].ID, 5, 0, 0)
		back := p
		back.Version = tr.current(p.ID).Version
		must(tr.T, refusalOf(tr.putProduct(catalog.PutOver, back)))
		tr.Move(s.ID, sale.Scheduled)
	}
}

func codeMoved(tr *Trade) {
	p := tr.shirts("before", "CODE", "OTHER")
	tr.Receive(p.Variants[0].ID, 5)
	tr.Receive(p.Variants[1].ID, 5)
	s := tr.saleOf(5, p)
	must(tr.T, tr.retire(p.ID))
	after := tr.shirts("after", "CODE", "OTHER")
	same(tr.T, "the SKU of the code", after.Variants[0].ID, p.Variants[0].ID)
	_, err := tr.move(s.ID, sale.Scheduled)
	tr.fails("an item that is another product's now", err, fault.NotInSale)
	tr.Buy(nil, 1, "a", Line(p.Variants[0].ID, 1)) // the new product sells the code's stock
}

func generalStops(tr *Trade) {
	for way, stop := range ways {
		p := tr.shirts(fmt.Sprint("shirt-", tr.Mint.Next()), fmt.Sprint("S", tr.Mint.Next()), fmt.Sprint("M", tr.Mint.Next()))
		sku := p.Variants[0].ID
		tr.Receive(sku, 5)
		before := tr.Buy(nil, 1, "before "+way, Line(sku, 1))
		priced := tr.Order(nil, 2, "priced before "+way, Line(sku, 1)) // by a process that does not know of it yet
		replay := tr.Order(nil, 1, "before "+way, Line(sku, 1))
		must(tr.T, stop(tr, p))
		out := tr.Commit(priced, replay)
		if out[0].Result != order.NotSold || out[0].SKU != sku || out[1].Result != order.Replayed {
			tr.T.Errorf("%s: an order that was priced before is %s, a key of before %s", way, out[0].Result, out[1].Result)
		}
		tr.Receive(sku, 3) // goods may still be received
		if out := tr.Commit(tr.Order(nil, 3, way, Line(sku, 1)))[0]; out.Result != order.NotSold {
			tr.T.Errorf("%s: after goods came in it is %s", way, out.Result)
		}
		tr.Pay(before)
		tr.Pool(0, sku, 7, 0, 1)
		back := p
		back.Version = tr.current(p.ID).Version
		must(tr.T, refusalOf(tr.putProduct(catalog.PutOver, back)))
		tr.Buy(nil, 4, "again "+way, Line(sku, 1))
	}
	draft := catalog.Product{ID: id.New[id.Product](tr.Mint), Handle: "later", Title: "later", Status: catalog.Draft,
		Variants: []catalog.Variant{{ID: id.New[id.SKU](tr.Mint), Code: "LATER", Price: money.Of(price, "GBP")}}}
	draft = tr.putProduct(catalog.PutNew, draft).After
	sku := draft.Variants[0].ID
	tr.Receive(sku, 1)
	if out := tr.Commit(tr.Order(nil, 5, "a", Line(sku, 1)))[0]; out.Result != order.NotSold {
		tr.T.Errorf("a draft that has stock is %s", out.Result)
	}
	draft.Status = catalog.Published
	dry := tr.putProducts(true, catalog.Put{Mode: catalog.PutOver, Product: draft, Version: draft.Version})
	if out := tr.Commit(tr.Order(nil, 5, "a", Line(sku, 1)))[0]; dry[0].Action != catalog.Updated || out.Result != order.NotSold {
		tr.T.Errorf("after a dry run it is %s", out.Result)
	}
	must(tr.T, refusalOf(tr.putProduct(catalog.PutOver, draft)))
	tr.Buy(nil, 5, "a", Line(sku, 1))
}

// stop stops an item of a sale.
func (tr *Trade) stop(s id.Sale, sku id.SKU) *sale.Sale {
	tr.T.Helper()
	after, err := tr.stopItem(s, sku)
	must(tr.T, err)
	return after
}

func (tr *Trade) stopItem(s id.Sale, sku id.SKU) (*sale.Sale, error) {
	return tr.Store.StopItem(context.Background(), sale.Stop{Sale: s, SKU: sku, Actor: "test", Reason: "recalled", At: tr.Clock.Now(), Mint: tr.Mint})
}

func itemStops(tr *Trade) {
	s := tr.Sale(10, 0, mug, hat)
	unpaid, late := tr.Buy(s, 1, "a", Line(mug, 2)), tr.Buy(s, 2, "a", Line(mug, 3), Line(hat, 1))
	attempt := tr.Begin(late)
	tr.Report(attempt, payment.Ended)
	paid := tr.Buy(s, 3, "a", Line(mug, 1))
	flying := tr.Order(s, 4, "a", Line(mug, 1))
	for range 2 { // twice has the effect of once
		after := tr.stop(s.ID, mug)
		if it := after.Item(mug); !it.Stopped || it.Allocation != 6 || after.Item(hat).Stopped || after.Version != s.Version {
			tr.T.Errorf("stopped it is %+v", after)
		}
	}
	tr.Pool(s.ID, mug, 6, 6, 0)
	tr.Pool(0, mug, 4, 0, 0)
	if out := tr.Commit(flying)[0]; out.Result != order.SoldOut {
		tr.T.Errorf("an order in flight is %s", out.Result)
	}
	tr.Pay(paid)
	tr.Cancel(unpaid)
	tr.Pool(s.ID, mug, 3, 3, 1)
	tr.Pool(0, mug, 6, 0, 0)
	if n := tr.Expire(); n != 1 {
		tr.T.Errorf("%d orders expired", n)
	}
	tr.Pool(s.ID, mug, 0, 0, 1)
	tr.Pool(0, mug, 9, 0, 0)
	tr.Pool(s.ID, hat, 10, 0, 0) // the other item keeps its units
	if out := tr.Commit(tr.Order(s, 5, "a", Line(mug, 1)), tr.Order(s, 5, "b", Line(hat, 1))); out[0].Result != order.SoldOut || out[1].Result != order.Accepted {
		tr.T.Errorf("what came free is %s, the other item %s", out[0].Result, out[1].Result)
	}
	tr.Report(attempt, payment.Paid) // late, and honoured from general stock
	tr.Pool(s.ID, mug, 0, 0, 4)
	tr.Pool(0, mug, 6, 0, 0)
	tr.Move(s.ID, sale.Ended)
	tr.Pool(0, mug, 6, 0, 0)
}

func itemSellsAgain(tr *Trade) {
	p := tr.shirts("shirt", "S", "M")
	sku := p.Variants[0].ID
	tr.Receive(sku, 9)
	tr.Receive(p.Variants[1].ID, 9)
	s := tr.saleOf(5, p)
	tr.Move(s.ID, sale.Scheduled)
	live := tr.Move(s.ID, sale.Live)
	more := func(units int64) error {
		_, err := tr.Store.AllocateSale(tr.T.Context(), sale.Allocation{Sale: s.ID, SKU: sku, Units: units, Actor: "test", Reason: "more", At: tr.Clock.Now(), Mint: tr.Mint})
		return err
	}
	tr.stop(s.ID, sku)
	must(tr.T, more(3))
	if it := tr.sale(s.ID).Item(sku); it.Stopped || it.Allocation != 3 {
		tr.T.Errorf("with new units it is %+v", it)
	}
	tr.Buy(live, 1, "a", Line(sku, 1))
	tr.stop(s.ID, sku)
	rest := p
	rest.Variants = p.Variants[1:]
	must(tr.T, refusalOf(tr.putProduct(catalog.PutOver, rest)))
	tr.fails("units for what is not sold any more", more(1), fault.NotInSale)
	if it := tr.sale(s.ID).Item(sku); !it.Stopped || it.Allocation != 1 {
		tr.T.Errorf("after a refusal it is %+v", it)
	}
}

func itemNotStopped(tr *Trade) {
	draft := tr.Draft(5, 0, mug)
	_, err := tr.stopItem(draft.ID, mug)
	tr.fails("of a draft", err, fault.BadTransition)
	s := tr.Sale(5, 0, mug)
	_, err = tr.stopItem(s.ID, hat)
	tr.fails("of another sale", err, fault.NotInSale)
	_, err = tr.stopItem(s.ID+1<<30, mug)
	tr.fails("of no sale", err, fault.NotFound)
	tr.Move(s.ID, sale.Ended)
	_, err = tr.stopItem(s.ID, mug)
	tr.fails("of a sale that has ended", err, fault.SaleEnded)
}

// racesOf is how often a race is repeated. Both sides start at the same moment.
const racesOf = 12

func deleteAgainstSchedule(tr *Trade) {
	for range racesOf {
		p := tr.shirts(fmt.Sprint("shirt-", tr.Mint.Next()), fmt.Sprint("S", tr.Mint.Next()), fmt.Sprint("M", tr.Mint.Next()))
		tr.Receive(p.Variants[0].ID, 1)
		tr.Receive(p.Variants[1].ID, 1)
		s := tr.saleOf(1, p)
		var deleted, scheduled error
		together(func() { deleted = tr.retire(p.ID) }, func() { _, scheduled = tr.move(s.ID, sale.Scheduled) })
		switch {
		case deleted == nil && errors.Is(scheduled, fault.NotInSale), scheduled == nil && errors.Is(deleted, fault.SellsInSale):
		default:
			tr.T.Fatalf("deleting: %v, scheduling: %v", deleted, scheduled)
		}
	}
}

// together runs all functions concurrently.
func together(all ...func()) {
	var ready, done sync.WaitGroup
	ready.Add(len(all))
	for _, fn := range all {
		done.Go(func() {
			ready.Done()
			ready.Wait()
			fn()
		})
	}
	done.Wait()
}

func deleteAgainstOrders(tr *Trade) {
	for n := range racesOf {
		p := tr.shirts(fmt.Sprint("shirt-", tr.Mint.Next()), fmt.Sprint("S", tr.Mint.Next()), fmt.Sprint("M", tr.Mint.Next()))
		sku := p.Variants[0].ID
		tr.Receive(sku, 1000)
		tr.afterStop(n, nil, sku, order.NotSold, func() error { return tr.retire(p.ID) })
	}
}

func stopAgainstOrders(tr *Trade) {
	for n := range racesOf {
		s := tr.Sale(1000, 0, mug)
		tr.afterStop(n, s, mug, order.SoldOut, func() error {
			_, err := tr.stopItem(s.ID, mug)
			return err
		})
		tr.Move(s.ID, sale.Ended)
	}
}

// ordersOfRace is the number of orders that each side of a race places; the last ones come after its end.
const ordersOfRace = 20

// afterStop orders a SKU from several goroutines while it stops being sold. Every order placed after stop has returned
// must be refused.
func (tr *Trade) afterStop(n int, s *sale.Sale, sku id.SKU, refusal order.Result, stop func() error) {
	tr.T.Helper()
	stopped := make(chan struct{})
	sides := []func(){func() {
		defer close(stopped)
		if err := stop(); err != nil {
			tr.T.Error(err)
		}
	}}
	for side := range 3 {
		sides = append(sides, func() {
			for i := range ordersOfRace {
				over := i == ordersOfRace-1
				if over {
					<-stopped
				}
				d := tr.Order(s, id.Customer(1+side), fmt.Sprint(n, "-", i), inventory.Line{SKU: sku, Units: 1})
				out, err := tr.Store.CommitOrders(context.Background(), []*order.Draft{d}, tr.Mint)
				switch {
				case err != nil:
					tr.T.Error(err)
					return
				case over && out[0].Result != refusal:
					tr.T.Errorf("an order after the stop is %s, want %s", out[0].Result, refusal)
				}
			}
		})
	}
	together(sides...)
}
