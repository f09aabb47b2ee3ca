package storetest

import (
	"context"
	"fmt"
	"sync"

	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/store"
)

// unpaidMax bounds the unpaid general stock of a customer in these cases.
var unpaidMax = order.Unpaid{Orders: 3, Units: 10}

// fromGeneral drafts an order of mugs from general stock, bounded by unpaidMax.
func (tr *Trade) fromGeneral(c id.Customer, key string, units int64) *order.Draft {
	d := tr.Order(nil, c, key, Line(mug, units))
	d.UnpaidMax = unpaidMax
	return d
}

// refusesUnpaid checks that a draft is refused, and the reported unpaid total.
func (tr *Trade) refusesUnpaid(out order.Outcome, held order.Unpaid) {
	tr.T.Helper()
	tr.want(out, order.TooManyUnpaid)
	if out.Unpaid == nil || *out.Unpaid != held {
		tr.T.Errorf("held: %v, want %v", out.Unpaid, held)
	}
}

func unpaidBound(tr *Trade) {
	tr.Receive(mug, 100)
	got := tr.wantAll([]*order.Draft{
		tr.fromGeneral(7, "a", 4), tr.fromGeneral(7, "b", 4), tr.fromGeneral(7, "c", 3), tr.fromGeneral(7, "d", 2), tr.fromGeneral(7, "e", 1),
		tr.fromGeneral(7, "a", 4), tr.fromGeneral(7, "a", 5), tr.fromGeneral(8, "a", 10), tr.fromGeneral(9, "a", 11), tr.fromGeneral(9, "b", 1),
	}, order.Accepted, order.Accepted, order.TooManyUnpaid, order.Accepted, order.TooManyUnpaid,
		order.Replayed, order.KeyReused, order.Accepted, order.TooManyUnpaid, order.Accepted)
	tr.refusesUnpaid(got[2], order.Unpaid{Orders: 2, Units: 8})
	tr.refusesUnpaid(got[4], order.Unpaid{Orders: 3, Units: 10})
	tr.refusesUnpaid(got[8], order.Unpaid{})
	tr.refusesUnpaid(tr.Commit(tr.fromGeneral(7, "f", 1))[0], order.Unpaid{Orders: 3, Units: 10})
	tr.refusesUnpaid(tr.Commit(tr.fromGeneral(8, "b", 1))[0], order.Unpaid{Orders: 1, Units: 10})
	tr.want(tr.Commit(tr.fromGeneral(7, "a", 4))[0], order.Replayed) // the key precedes every refusal
	tr.want(tr.Commit(tr.fromGeneral(7, "a", 5))[0], order.KeyReused)
	tr.Pool(0, mug, 100, 21, 0)
}

func unpaidFreed(tr *Trade) {
	tr.Receive(mug, 100)
	var orders []id.Order
	for n := range 3 {
		d := tr.fromGeneral(7, fmt.Sprint("k", n), 1)
		tr.want(tr.Commit(d)[0], order.Accepted)
		orders = append(orders, d.Order.ID)
	}
	next := func(key string, want order.Result) {
		tr.T.Helper()
		tr.want(tr.Commit(tr.fromGeneral(7, key, 1))[0], want)
	}
	next("a", order.TooManyUnpaid)
	tr.Pay(orders[0])
	next("a", order.Accepted)
	next("b", order.TooManyUnpaid)
	tr.Cancel(orders[1])
	next("b", order.Accepted)
	next("c", order.TooManyUnpaid)
	same(tr.T, "expired", tr.Expire(), 3)
	for _, key := range []string{"c", "d", "e"} {
		next(key, order.Accepted)
	}
	next("f", order.TooManyUnpaid)
}

func unpaidInSales(tr *Trade) {
	tr.Receive(mug, 100)
	s := tr.Sale(100, 0, mug)
	for n := range 5 {
		tr.want(tr.Commit(tr.Order(s, 7, fmt.Sprint("before", n), Line(mug, 9)))[0], order.Accepted)
	}
	tr.want(tr.Commit(tr.fromGeneral(7, "a", 10))[0], order.Accepted)
	tr.want(tr.Commit(tr.fromGeneral(7, "b", 1))[0], order.TooManyUnpaid)
	for n := range 5 {
		tr.want(tr.Commit(tr.Order(s, 7, fmt.Sprint("after", n), Line(mug, 9)))[0], order.Accepted)
	}
	tr.wantAll([]*order.Draft{tr.Order(s, 7, "mixed", Line(mug, 9)), tr.fromGeneral(7, "c", 1), tr.fromGeneral(8, "c", 1)},
		order.Accepted, order.TooManyUnpaid, order.Accepted)
}

func unpaidAtOnce(tr *Trade) { UnpaidAtOnce(tr, tr.Store) }

// UnpaidAtOnce lets one customer order general stock many times concurrently, through several stores of one database.
// The unpaid total never exceeds the bound.
func UnpaidAtOnce(tr *Trade, stores ...*store.Store) {
	tr.Receive(mug, 1000)
	for c, units := range map[id.Customer]int64{7: 1, 8: 4} { // for 7 the number of orders is bounded, for 8 the units
		var mu sync.Mutex
		var held order.Unpaid
		var wg sync.WaitGroup
		for n := range 16 {
			batch := make([]*order.Draft, 4)
			for i := range batch {
				batch[i] = tr.fromGeneral(c, fmt.Sprint(n, " ", i), units)
			}
			wg.Go(func() {
				outcomes, err := stores[n%len(stores)].CommitOrders(context.Background(), batch, tr.Mint)
				if err != nil {
					tr.T.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				for i, out := range outcomes {
					switch out.Result {
					case order.Accepted:
						held.Orders, held.Units = held.Orders+1, held.Units+batch[i].Order.Units
					case order.TooManyUnpaid:
					default:
						tr.T.Errorf("%s", out.Result)
					}
				}
			})
		}
		wg.Wait()
		want := order.Unpaid{Orders: 3, Units: 3}
		if units == 4 {
			want = order.Unpaid{Orders: 2, Units: 8}
		}
		same(tr.T, fmt.Sprintf("customer %s holds", c), held, want)
	}
	tr.Pool(0, mug, 1000, 11, 0)
}
