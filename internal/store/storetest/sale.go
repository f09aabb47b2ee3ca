package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/sale"
	"github.com/tidegate/tidegate/internal/store"
)

// Sale checks the contract of sale.Store. Each call of open returns a migrated store without rows.
func Sale(t *testing.T, open func(t *testing.T) *store.Store) {
	runTrade(t, open, []tradeCase{
		{"a draft is read back as it was made", saleReadBack},
		{"a draft is replaced by who has seen its version", saleReplaced},
		{"scheduling takes the allocation, all or nothing", saleScheduled},
		{"a sale moves along legal edges alone, and a move is made once", saleEdges},
		{"the end returns what is available", saleEnds},
		{"limit and end can be changed until it has ended", saleChanged},
		{"units move between general stock and a running sale", saleAllocated},
		{"lists go from the newest, and tell which are open", saleLists},
		{"the gate hears of every change", saleAnnounced},
		{"a night reads the sale's pools, and what waits for payment", saleNight},
	})
}

func (tr *Trade) sale(s id.Sale) *sale.Sale {
	tr.T.Helper()
	found, err := tr.Store.Sale(tr.T.Context(), s)
	must(tr.T, err)
	return found
}

func (tr *Trade) fails(what string, err error, code fault.Code) {
	tr.T.Helper()
	if !errors.Is(err, code) {
		tr.T.Errorf("%s: %v, want %s", what, err, code)
	}
}

func saleReadBack(tr *Trade) {
	s := tr.Draft(5, 2, mug, hat)
	same(tr.T, "sale", tr.sale(s.ID), s)
	_, err := tr.Store.Sale(tr.T.Context(), s.ID+1)
	tr.fails("a sale that is not there", err, fault.NotFound)
	if n := len(tr.movements()); n != 0 {
		tr.T.Errorf("a draft moved stock: %v", tr.movements())
	}
}

func saleReplaced(tr *Trade) {
	tr.Receive(hat, 9)
	s := tr.Draft(5, 2, mug)
	next := *tr.Draft(7, 3, hat)
	next.ID, next.Title, next.CreatedAt = s.ID, "Other", s.CreatedAt
	ctx := tr.T.Context()
	must(tr.T, tr.Store.ReplaceSale(ctx, &next, 1))
	next.Version = 2
	same(tr.T, "replaced", tr.sale(s.ID), &next)
	tr.fails("from an old version", tr.Store.ReplaceSale(ctx, &next, 1), fault.VersionMismatch)
	tr.Move(s.ID, sale.Scheduled)
	tr.fails("once it is scheduled", tr.Store.ReplaceSale(ctx, &next, 2), fault.SaleLocked)
	next.ID += 1 << 30
	tr.fails("one that is not there", tr.Store.ReplaceSale(ctx, &next, 2), fault.NotFound)
}

func saleScheduled(tr *Trade) {
	tr.Receive(mug, 10)
	tr.Receive(hat, 4)
	s := tr.Draft(5, 0, mug, hat)
	_, err := tr.move(s.ID, sale.Scheduled)
	tr.fails("one SKU has not enough", err, fault.OutOfStock)
	same(tr.T, "status", tr.sale(s.ID).Status, sale.Draft)
	tr.Pool(0, mug, 10, 0, 0)
	tr.Receive(hat, 1)
	same(tr.T, "status", tr.Move(s.ID, sale.Scheduled).Status, sale.Scheduled)
	tr.Pool(0, mug, 5, 0, 0)
	tr.Pool(s.ID, mug, 5, 0, 0)
	tr.Pool(0, hat, 0, 0, 0)
	tr.Pool(s.ID, hat, 5, 0, 0)
}

func saleEdges(tr *Trade) {
	tr.Receive(mug, 5)
	s := tr.Draft(5, 0, mug)
	for _, step := range []struct {
		to    sale.Status
		legal bool
	}{
		{sale.Live, false}, {sale.Paused, false}, {sale.Ended, false}, {sale.Scheduled, true}, {sale.Scheduled, true}, {sale.Paused, false},
		{sale.Live, true}, {sale.Live, true}, {sale.Scheduled, false}, {sale.Paused, true}, {sale.Live, true}, {sale.Ended, true},
		{sale.Ended, true}, {sale.Live, false},
	} {
		before := tr.sale(s.ID).Status
		_, err := tr.move(s.ID, step.to)
		switch {
		case step.legal && err != nil:
			tr.T.Errorf("from %s to %s: %v", before, step.to, err)
		case !step.legal:
			tr.fails("from "+string(before)+" to "+string(step.to), err, fault.BadTransition)
		}
	}
	same(tr.T, "movements", tr.movements(), map[inventory.Kind]int{inventory.Receive: 1, inventory.Allocate: 4})
	tr.Pool(0, mug, 5, 0, 0)
	_, err := tr.move(s.ID+1, sale.Scheduled)
	tr.fails("a sale that is not there", err, fault.NotFound)
}

func saleEnds(tr *Trade) {
	s := tr.Sale(9, 0, mug, hat)
	tr.Buy(s, 1, "held", Line(mug, 2))
	tr.Pay(tr.Buy(s, 2, "paid", Line(mug, 3)))
	tr.Move(s.ID, sale.Ended)
	tr.Pool(0, mug, 4, 0, 0)
	tr.Pool(s.ID, mug, 2, 2, 3)
	tr.Pool(0, hat, 9, 0, 0)
	tr.Pool(s.ID, hat, 0, 0, 0)
}

func saleChanged(tr *Trade) {
	s := tr.Sale(9, 2, mug)
	ctx := tr.T.Context()
	limit, ends := int64(5), s.EndsAt.Add(time.Hour)
	after, err := tr.Store.ChangeSale(ctx, sale.Change{Sale: s.ID, Limit: &limit, At: tr.Clock.Now()})
	must(tr.T, err)
	if after.Limit != 5 || !after.EndsAt.Equal(s.EndsAt) || after.Version != s.Version+1 {
		tr.T.Errorf("the limit: %+v", after)
	}
	after, err = tr.Store.ChangeSale(ctx, sale.Change{Sale: s.ID, EndsAt: &ends, At: tr.Clock.Now()})
	must(tr.T, err)
	if after.Limit != 5 || !after.EndsAt.Equal(ends) || after.Version != s.Version+2 {
		tr.T.Errorf("the end: %+v", after)
	}
	tr.Move(s.ID, sale.Ended)
	_, err = tr.Store.ChangeSale(ctx, sale.Change{Sale: s.ID, Limit: &limit, At: tr.Clock.Now()})
	tr.fails("a sale that has ended", err, fault.SaleEnded)
	_, err = tr.Store.ChangeSale(ctx, sale.Change{Sale: s.ID + 1, Limit: &limit, At: tr.Clock.Now()})
	tr.fails("a sale that is not there", err, fault.NotFound)
}

func saleAllocated(tr *Trade) {
	s := tr.Sale(9, 0, mug)
	tr.Receive(mug, 5)
	tr.Buy(s, 1, "held", Line(mug, 2))
	move := func(sku id.SKU, units int64) (*sale.Sale, error) {
		return tr.Store.AllocateSale(tr.T.Context(), sale.Allocation{Sale: s.ID, SKU: sku, Units: units, Actor: "test", Reason: "test", At: tr.Clock.Now(), Mint: tr.Mint})
	}
	after, err := move(mug, 5)
	must(tr.T, err)
	same(tr.T, "allocation", after.Items[0].Allocation, int64(14))
	same(tr.T, "version", after.Version, s.Version) // orders are priced by the same terms
	for _, c := range []struct {
		what  string
		sku   id.SKU
		units int64
		code  fault.Code
	}{
		{"more than general stock has", mug, 1, fault.OutOfStock},
		{"what is held", mug, -13, fault.OutOfStock},
		{"more than the allocation", mug, -15, fault.Invalid},
		{"a SKU that is not in it", hat, 1, fault.NotInSale},
	} {
		_, err := move(c.sku, c.units)
		tr.fails(c.what, err, c.code)
	}
	same(tr.T, "allocation after refusals", tr.sale(s.ID).Items[0].Allocation, int64(14))
	_, err = move(mug, -12)
	must(tr.T, err)
	tr.Pool(0, mug, 12, 0, 0)
	tr.Pool(s.ID, mug, 2, 2, 0)
	tr.Move(s.ID, sale.Ended)
	_, err = move(mug, 1)
	tr.fails("a sale that has ended", err, fault.SaleEnded)
}

func saleLists(tr *Trade) {
	tr.Receive(mug, 99)
	var all []id.Sale
	for range 4 {
		all = append(all, tr.Draft(1, 0, mug).ID)
	}
	tr.Move(all[1], sale.Scheduled)
	tr.Move(all[2], sale.Scheduled)
	tr.Move(all[2], sale.Live)
	tr.Move(all[3], sale.Scheduled)
	tr.Move(all[3], sale.Ended)
	ids := func(found []*sale.Sale, err error) (got []id.Sale) {
		tr.T.Helper()
		must(tr.T, err)
		for _, s := range found {
			got = append(got, s.ID)
			if len(s.Items) != 1 {
				tr.T.Errorf("sale %s has %d items", s.ID, len(s.Items))
			}
		}
		return got
	}
	ctx := tr.T.Context()
	same(tr.T, "the newest", ids(tr.Store.Sales(ctx, 0, 3)), []id.Sale{all[3], all[2], all[1]})
	same(tr.T, "older", ids(tr.Store.Sales(ctx, all[1], 3)), []id.Sale{all[0]})
	open := map[id.Sale]bool{}
	for _, s := range ids(tr.Store.SalesOpen(ctx)) {
		open[s] = true
	}
	same(tr.T, "open", open, map[id.Sale]bool{all[1]: true, all[2]: true})
}

func saleAnnounced(tr *Trade) {
	s := tr.Sale(9, 2, mug)
	tr.Limit(s.ID, 4)
	tr.Move(s.ID, sale.Paused)
	tr.Move(s.ID, sale.Live)
	tr.Move(s.ID, sale.Ended)
	stamp(tr.T, tr.Store)
	changes, err := tr.Store.GateChanges(tr.T.Context(), 0, 100)
	must(tr.T, err)
	var got []inventory.Terms
	known := false
	for _, c := range changes {
		if c.Terms != nil {
			known = true
			got = append(got, *c.Terms)
		}
		if c.Moved != nil && c.Moved.Sale == s.ID && !known {
			tr.T.Error("the gate hears of the sale's stock before it hears of the sale")
		}
	}
	same(tr.T, "terms", got, []inventory.Terms{
		{Sale: s.ID, Limit: 2, Open: true}, {Sale: s.ID, Limit: 2, Open: true}, {Sale: s.ID, Limit: 4, Open: true}, {Sale: s.ID, Limit: 4},
		{Sale: s.ID, Limit: 4, Open: true}, {Sale: s.ID, Limit: 4, Ended: true},
	})
}

func saleNight(tr *Trade) {
	ctx := tr.T.Context()
	s, other := tr.Sale(9, 0, mug, hat), tr.Sale(9, 0, mug)
	night := func(what string, within time.Duration, wantPending, wantDue int64, want ...inventory.Stock) {
		tr.T.Helper()
		pools, err := tr.Store.SaleStock(ctx, s.ID)
		must(tr.T, err)
		same(tr.T, what+": pools", pools, want)
		pending, due, err := tr.Store.SaleDue(ctx, s.ID, tr.Clock.Now().Add(within))
		must(tr.T, err)
		same(tr.T, what+": waiting and due", [2]int64{pending, due}, [2]int64{wantPending, wantDue})
	}
	pool := func(sku id.SKU, onHand, reserved, sold int64) inventory.Stock {
		return inventory.Stock{Pool: inventory.Pool{Sale: s.ID, SKU: sku}, OnHand: onHand, Reserved: reserved, Sold: sold}
	}
	night("before anybody", time.Hour, 0, 0, pool(mug, 9, 0, 0), pool(hat, 9, 0, 0))
	early := tr.Buy(s, 1, "early", Line(mug, 2))
	paid := tr.Buy(s, 2, "paid", Line(mug, 1), Line(hat, 3))
	tr.Buy(other, 1, "elsewhere", Line(mug, 4))
	tr.Pay(paid)
	tr.Clock.Advance(hold / 2)
	tr.Buy(s, 3, "late", Line(hat, 1))
	night("half of the first one's time is over", hold/2+time.Millisecond, 2, 1, pool(mug, 8, 2, 1), pool(hat, 6, 1, 3))
	night("the moment itself is not before it", hold/2, 2, 0, pool(mug, 8, 2, 1), pool(hat, 6, 1, 3))
	tr.Cancel(early)
	night("cancelled", 2*hold, 1, 1, pool(mug, 8, 0, 1), pool(hat, 6, 1, 3))
	if pools, err := tr.Store.SaleStock(ctx, s.ID+1<<30); err != nil || len(pools) != 0 {
		tr.T.Errorf("a sale that is not there: %v, %v", pools, err)
	}
}
