package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/payment"
	"github.com/tidegate/tidegate/internal/sale"
	"github.com/tidegate/tidegate/internal/store"
)

// tradeCase is a case of the suites that use a Trade.
type tradeCase struct {
	name  string
	check func(*Trade)
}

func runTrade(t *testing.T, open func(t *testing.T) *store.Store, cases []tradeCase) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { c.check(NewTrade(t, open(t))) })
	}
}

// Order checks the contract of order.Store, and how a hold ends. Each call of open returns a migrated store without
// rows.
func Order(t *testing.T, open func(t *testing.T) *store.Store) {
	runTrade(t, open, []tradeCase{
		{"an accepted order is read back as it was placed", orderReadBack},
		{"the same key again is the same order", orderReplayed},
		{"the same key twice in one batch is one order", orderReplayedInBatch},
		{"the same key with another body", orderOtherBody},
		{"keys compare by bytes, and belong to a customer and a sale", orderKeys},
		{"the key comes before sold out, the limit and a closed sale", orderKeyFirst},
		{"the limit holds across orders and within a batch", orderLimit},
		{"the limit counts what was paid and not what expired", orderLimitCounts},
		{"sold out within a batch", orderSoldOutInBatch},
		{"one bad order of 500 fails none of its neighbours", orderOneBadOf500},
		{"several lines, all or nothing", orderAllOrNothing},
		{"general stock has no limit and no terms", orderGeneral},
		{"general stock is held unpaid up to a bound, and keys come before it", unpaidBound},
		{"what is paid, cancelled or expired is not held unpaid", unpaidFreed},
		{"orders in sales do not count as held unpaid", unpaidInSales},
		{"one customer many times at once holds no more unpaid than the bound", unpaidAtOnce},
		{"an order's id that exists is a collision, and no replay", orderCollision},
		{"a reservation past its deadline is not committed", orderLapsed},
		{"what was asked for before its key was refused is not committed", orderRefusedKeys},
		{"the keys of a process that sells alone are refused by nobody else", orderRefusedAlone},
		{"a probe tells of a key's order, and leaves nothing", orderProbe},
		{"a queued order is settled once, however often it is delivered", orderQueued},
		{"a queued order that never reached the queue is refused", orderNeverQueued},
		{"a sale that is closed, changed or unknown", orderTerms},
		{"batches at once do not sell a unit twice", orderBatchesAtOnce},
		{"a batch of more pools than one statement holds", orderManyPools},
		{"batches at once of the same pools in many orders", orderPoolsAcross},
		{"every accepted order writes its movements and its event, in the order of commits", orderRecords},
		{"a hold ends once, however many end it", holdEndsOnce},
		{"a hold that is paid is not ended by a timer", holdPaid},
		{"a late payment takes the units again", holdAgain},
		{"a late payment without stock changes nothing", holdAgainSoldOut},
		{"a late payment over the limit changes nothing", holdAgainOverLimit},
		{"what is released after the end goes to general stock", releaseAfterEnd},
		{"a late payment after the end takes from general stock", holdAgainAfterEnd},
		{"a refund brings the units to general stock where it says so", refundReturns},
		{"orders move along legal edges alone", orderEdges},
		{"lists go from the newest, by customer, sale and status", orderLists},
	})
}

const (
	mug id.SKU = 1001
	hat id.SKU = 1002
)

func (tr *Trade) want(out order.Outcome, want order.Result) {
	tr.T.Helper()
	if out.Err != nil || out.Result != want {
		tr.T.Errorf("%s (%v), want %s", out.Result, out.Err, want)
	}
}

// wantAll commits a batch and checks the outcomes.
func (tr *Trade) wantAll(batch []*order.Draft, want ...order.Result) []order.Outcome {
	tr.T.Helper()
	got := tr.Commit(batch...)
	for i, w := range want {
		if got[i].Result != w {
			tr.T.Errorf("draft %d: %s, want %s", i, got[i].Result, w)
		}
	}
	return got
}

// absent checks that the drafts have left no rows.
func (tr *Trade) absent(drafts ...*order.Draft) {
	tr.T.Helper()
	for _, d := range drafts {
		if _, err := tr.Store.Order(tr.T.Context(), d.Order.ID); !errors.Is(err, fault.NotFound) {
			tr.T.Errorf("order %s: %v, want not found", d.Order.ID, err)
		}
	}
}

func orderReadBack(tr *Trade) {
	s := tr.Sale(9, 0, mug, hat)
	d := tr.Order(s, 7, "key", Line(mug, 2), Line(hat, 3))
	tr.want(tr.Commit(d)[0], order.Accepted)
	same(tr.T, "order", tr.Read(d.Order.ID), d.Order)
	byKey, body, err := tr.Store.OrderByKey(tr.T.Context(), s.ID, 7, "key")
	must(tr.T, err)
	same(tr.T, "order by key", byKey, d.Order)
	same(tr.T, "digest", body, d.Claim.Body)
	tr.Pool(s.ID, mug, 9, 2, 0)
	tr.Pool(s.ID, hat, 9, 3, 0)
}

func orderReplayed(tr *Trade) {
	s := tr.Sale(9, 0, mug)
	first := tr.Order(s, 7, "key", Line(mug, 2))
	tr.want(tr.Commit(first)[0], order.Accepted)
	again := tr.Order(s, 7, "key", Line(mug, 2))
	out := tr.Commit(again)[0]
	tr.want(out, order.Replayed)
	same(tr.T, "existing", *out.Existing, first.Order)
	tr.absent(again)
	tr.Pool(s.ID, mug, 9, 2, 0)
}

func orderReplayedInBatch(tr *Trade) {
	s := tr.Sale(3, 0, mug)
	batch := []*order.Draft{tr.Order(s, 7, "key", Line(mug, 2)), tr.Order(s, 7, "key", Line(mug, 2)), tr.Order(s, 8, "key", Line(mug, 2))}
	got := tr.wantAll(batch, order.Accepted, order.Replayed, order.SoldOut) // so the batch is also decided one by one
	same(tr.T, "existing", got[1].Existing.ID, batch[0].Order.ID)
	tr.absent(batch[1:]...)
	tr.Pool(s.ID, mug, 3, 2, 0)
}

func orderOtherBody(tr *Trade) {
	s := tr.Sale(9, 0, mug)
	tr.Buy(s, 7, "key", Line(mug, 2))
	other := tr.Order(s, 7, "key", Line(mug, 3))
	tr.want(tr.Commit(other)[0], order.KeyReused)
	tr.absent(other)
	tr.Pool(s.ID, mug, 9, 2, 0)
}

func orderKeys(tr *Trade) {
	s := tr.Sale(9, 0, mug)
	tr.Receive(mug, 9)
	tr.wantAll([]*order.Draft{
		tr.Order(s, 7, "key", Line(mug, 1)), tr.Order(s, 7, "KEY", Line(mug, 1)), tr.Order(s, 7, "key.", Line(mug, 1)),
		tr.Order(s, 8, "key", Line(mug, 1)), tr.Order(nil, 7, "key", Line(mug, 1)),
	}, order.Accepted, order.Accepted, order.Accepted, order.Accepted, order.Accepted)
	for _, key := range []string{"Key", "key ", " key", "ke"} {
		if _, _, err := tr.Store.OrderByKey(tr.T.Context(), s.ID, 7, key); !errors.Is(err, fault.NotFound) {
			tr.T.Errorf("key %q: %v, want not found", key, err)
		}
	}
}

func orderKeyFirst(tr *Trade) {
	s := tr.Sale(2, 2, mug)
	first := tr.Buy(s, 7, "key", Line(mug, 2)) // the last units, and the whole allowance
	for _, change := range []func(){
		func() {},
		func() { tr.Limit(s.ID, 1) },
		func() { tr.Move(s.ID, sale.Paused) },
		func() { tr.Move(s.ID, sale.Ended) },
		func() { tr.Expire() },
	} {
		change()
		out := tr.Commit(tr.Order(s, 7, "key", Line(mug, 2)))[0]
		tr.want(out, order.Replayed)
		same(tr.T, "existing", out.Existing.ID, first)
	}
}

func orderLimit(tr *Trade) {
	s := tr.Sale(99, 3, mug, hat)
	tr.wantAll([]*order.Draft{
		tr.Order(s, 7, "a", Line(mug, 4)), tr.Order(s, 7, "b", Line(mug, 1), Line(hat, 1)), tr.Order(s, 7, "c", Line(hat, 2)),
		tr.Order(s, 7, "d", Line(hat, 1)), tr.Order(s, 8, "a", Line(mug, 3)),
	}, order.LimitReached, order.Accepted, order.LimitReached, order.Accepted, order.Accepted)
	tr.want(tr.Commit(tr.Order(s, 7, "e", Line(mug, 1)))[0], order.LimitReached)
	s = tr.Limit(s.ID, 5)
	tr.want(tr.Commit(tr.Order(s, 7, "f", Line(mug, 2)))[0], order.Accepted)
	other := tr.Sale(9, 1, mug)
	tr.want(tr.Commit(tr.Order(other, 7, "a", Line(mug, 1)))[0], order.Accepted)
	tr.Pool(s.ID, mug, 99, 6, 0)
}

func orderLimitCounts(tr *Trade) {
	s := tr.Sale(99, 2, mug)
	tr.Pay(tr.Buy(s, 7, "paid", Line(mug, 1)))
	tr.Buy(s, 7, "expires", Line(mug, 1))
	tr.want(tr.Commit(tr.Order(s, 7, "a", Line(mug, 1)))[0], order.LimitReached)
	same(tr.T, "expired", tr.Expire(), 1)
	second := tr.Buy(s, 7, "b", Line(mug, 1))
	tr.Cancel(second)
	third := tr.Buy(s, 7, "c", Line(mug, 1))
	tr.Pay(third)
	tr.Refund(third, true) // the allowance does not grow again
	tr.want(tr.Commit(tr.Order(s, 7, "d", Line(mug, 1)))[0], order.LimitReached)
}

func orderSoldOutInBatch(tr *Trade) {
	s := tr.Sale(3, 0, mug)
	got := tr.wantAll([]*order.Draft{
		tr.Order(s, 1, "a", Line(mug, 2)), tr.Order(s, 2, "a", Line(mug, 2)), tr.Order(s, 3, "a", Line(mug, 1)), tr.Order(s, 4, "a", Line(mug, 1)),
	}, order.Accepted, order.SoldOut, order.Accepted, order.SoldOut)
	same(tr.T, "SKU", got[1].SKU, mug)
	tr.Pool(s.ID, mug, 3, 3, 0)
	got = tr.Commit(tr.Order(s, 5, "a", Line(999, 1)))
	tr.want(got[0], order.SoldOut) // a SKU without a pool
}

func orderOneBadOf500(tr *Trade) {
	s := tr.Sale(1000, 2, mug, hat)
	for name, bad := range map[string]struct {
		draft func() *order.Draft
		want  order.Result
	}{
		"sold out":  {func() *order.Draft { return tr.Order(s, 9000, "a", Line(mug, 1), Line(999, 1)) }, order.SoldOut},
		"the limit": {func() *order.Draft { return tr.Order(s, 9001, "a", Line(mug, 3)) }, order.LimitReached},
		"changed": {func() *order.Draft {
			d := tr.Order(s, 9002, "a", Line(mug, 1))
			d.SaleVersion--
			return d
		}, order.SaleChanged},
	} {
		batch := make([]*order.Draft, 500)
		for i := range batch {
			batch[i] = tr.Order(s, id.Customer(tr.Mint.Next()), "a", Line(mug, 1))
		}
		batch[250] = bad.draft()
		for i, out := range tr.Commit(batch...) {
			want := order.Accepted
			if i == 250 {
				want = bad.want
			}
			if out.Result != want {
				tr.T.Fatalf("%s: draft %d: %s, want %s", name, i, out.Result, want)
			}
		}
		tr.absent(batch[250])
		s = tr.topUp(s, 499)
	}
}

// topUp gives the sale back the units that a case has taken.
func (tr *Trade) topUp(s *sale.Sale, units int64) *sale.Sale {
	tr.T.Helper()
	tr.Receive(mug, units)
	after, err := tr.Store.AllocateSale(tr.T.Context(), sale.Allocation{Sale: s.ID, SKU: mug, Units: units, Actor: "test", Reason: "test", At: tr.Clock.Now(), Mint: tr.Mint})
	must(tr.T, err)
	return after
}

func orderAllOrNothing(tr *Trade) {
	s := tr.Sale(3, 0, mug, hat)
	tr.Buy(s, 1, "a", Line(hat, 2))
	d := tr.Order(s, 2, "a", Line(mug, 1), Line(hat, 2))
	out := tr.Commit(d)[0]
	tr.want(out, order.SoldOut)
	same(tr.T, "SKU", out.SKU, hat)
	tr.absent(d)
	tr.Pool(s.ID, mug, 3, 0, 0)
	tr.Pool(s.ID, hat, 3, 2, 0)
}

func orderGeneral(tr *Trade) {
	tr.Receive(mug, 5)
	s := tr.Draft(5, 1, mug)
	tr.wantAll([]*order.Draft{tr.Order(nil, 7, "a", Line(mug, 3)), tr.Order(nil, 7, "b", Line(mug, 2)), tr.Order(nil, 7, "c", Line(mug, 1))},
		order.Accepted, order.Accepted, order.SoldOut)
	tr.Pool(0, mug, 5, 5, 0)
	if _, err := tr.move(s.ID, sale.Scheduled); !errors.Is(err, fault.OutOfStock) {
		tr.T.Errorf("what is held cannot be allocated: %v, want out of stock", err)
	}
}

func orderCollision(tr *Trade) {
	s := tr.Sale(9, 0, mug)
	first := tr.Order(s, 7, "a", Line(mug, 1))
	second := tr.Order(s, 8, "a", Line(mug, 1))
	second.Order.ID, second.Claim.Order = first.Order.ID, first.Order.ID
	third := tr.Order(s, 9, "a", Line(mug, 1))
	tr.wantAll([]*order.Draft{first, second, third}, order.Accepted, order.Collision, order.Accepted)
	same(tr.T, "customer", tr.Read(first.Order.ID).Customer, id.Customer(7))
	tr.Pool(s.ID, mug, 9, 2, 0)
}

func orderLapsed(tr *Trade) {
	s := tr.Sale(9, 0, mug)
	now, err := tr.Store.Now(tr.T.Context())
	must(tr.T, err)
	draft := func(c id.Customer, in time.Duration) *order.Draft {
		d := tr.Order(s, c, "a", Line(mug, 1))
		d.Claim.Deadline = now.Add(in).UnixMilli()
		return d
	}
	late, timely := draft(1, -time.Millisecond), draft(2, time.Hour)
	tr.wantAll([]*order.Draft{late, timely, tr.Order(s, 3, "a", Line(mug, 1))}, order.ReservationExpired, order.Accepted, order.Accepted)
	tr.absent(late)
	tr.Pool(s.ID, mug, 9, 2, 0)
	again := draft(2, -time.Hour)
	tr.want(tr.Commit(again)[0], order.Replayed) // the key precedes every refusal
}

func orderTerms(tr *Trade) {
	s := tr.Sale(9, 0, mug)
	old := tr.Order(s, 1, "a", Line(mug, 1))
	s = tr.Limit(s.ID, 5)
	tr.want(tr.Commit(old)[0], order.SaleChanged)
	tr.Move(s.ID, sale.Paused)
	tr.want(tr.Commit(tr.Order(s, 1, "a", Line(mug, 1)))[0], order.SaleClosed)
	tr.Move(s.ID, sale.Live)
	tr.want(tr.Commit(tr.Order(s, 1, "a", Line(mug, 1)))[0], order.Accepted)
	draft := tr.Draft(1, 0, mug)
	tr.want(tr.Commit(tr.Order(draft, 1, "a", Line(mug, 1)))[0], order.SaleClosed)
	unknown := *draft
	unknown.ID++
	tr.want(tr.Commit(tr.Order(&unknown, 1, "a", Line(mug, 1)))[0], order.SaleClosed)
	tr.Move(s.ID, sale.Ended)
	tr.want(tr.Commit(tr.Order(s, 2, "a", Line(mug, 1)))[0], order.SaleClosed)
	tr.Pool(s.ID, mug, 1, 1, 0)
}

func orderBatchesAtOnce(tr *Trade) {
	s := tr.Sale(100, 1, mug, hat)
	var accepted atomic.Int64
	var wg sync.WaitGroup
	for b := range 20 {
		batch := make([]*order.Draft, 20)
		for i := range batch {
			lines := []inventory.Line{Line(mug, 1)}
			if (b+i)%2 == 1 {
				lines = []inventory.Line{Line(hat, 1)}
			}
			batch[i] = tr.Order(s, id.Customer(b*20+i+1), "a", lines...)
		}
		wg.Go(func() {
			outcomes, err := tr.Store.CommitOrders(context.Background(), batch, tr.Mint)
			if err != nil {
				tr.T.Error(err)
			}
			for _, out := range outcomes {
				if out.Result == order.Accepted {
					accepted.Add(1)
				}
			}
		})
	}
	wg.Wait()
	same(tr.T, "accepted", accepted.Load(), int64(200))
	tr.Pool(s.ID, mug, 100, 100, 0)
	tr.Pool(s.ID, hat, 100, 100, 0)
}

func orderRecords(tr *Trade) {
	s := tr.Sale(9, 0, mug, hat)
	before := tr.snapshot().Position
	var want []id.Order
	for i := range 3 {
		batch := []*order.Draft{tr.Order(s, id.Customer(i+1), "a", Line(mug, 1), Line(hat, 1)), tr.Order(s, id.Customer(i+1), "a", Line(mug, 1), Line(hat, 1))}
		tr.wantAll(batch, order.Accepted, order.Replayed)
		want = append(want, batch[0].Order.ID)
	}
	same(tr.T, "positions", tr.snapshot().Position-before, int64(3)) // one event each; a replay announces nothing
	same(tr.T, "movements", tr.movements(), map[inventory.Kind]int{inventory.Receive: 2, inventory.Allocate: 4, inventory.Reserve: 6})
	events := tr.events()
	same(tr.T, "events", events[len(events)-3:], []string{
		fmt.Sprintf("%s pending", want[0]), fmt.Sprintf("%s pending", want[1]), fmt.Sprintf("%s pending", want[2]),
	})
}

func holdEndsOnce(tr *Trade) {
	s := tr.Sale(9, 0, mug)
	orders := make([]id.Order, 8)
	for i := range orders {
		orders[i] = tr.Buy(s, id.Customer(i+1), "a", Line(mug, 1))
	}
	now := tr.Clock.Advance(hold)
	var ended atomic.Int64
	var wg sync.WaitGroup
	for i := range 24 {
		wg.Go(func() {
			if i%3 > 0 {
				n, _, err := tr.Store.ExpireOrders(tr.T.Context(), now, tr.Mint)
				if err != nil {
					tr.T.Error(err)
				}
				ended.Add(int64(n))
				return
			}
			if _, _, err := tr.Store.CancelOrder(tr.T.Context(), orders[i/3], "test", now, tr.Mint); err != nil {
				tr.T.Error(err)
			}
		})
	}
	wg.Wait()
	cancelled := int64(0)
	for _, o := range orders {
		switch tr.Read(o).Status {
		case order.Cancelled:
			cancelled++
		case order.Expired:
		default:
			tr.T.Errorf("order %s is %s", o, tr.Read(o).Status)
		}
	}
	same(tr.T, "ended", ended.Load()+cancelled, int64(8))
	tr.Pool(s.ID, mug, 9, 0, 0)
	same(tr.T, "releases", tr.movements()[inventory.Release], 8)
}

func holdPaid(tr *Trade) {
	s := tr.Sale(9, 0, mug)
	o := tr.Buy(s, 1, "a", Line(mug, 2))
	tr.Pay(o)
	same(tr.T, "expired", tr.Expire(), 0)
	same(tr.T, "cancelled", tr.Cancel(o).Status, order.Paid)
	tr.Pool(s.ID, mug, 7, 0, 2)
	paid := tr.Buy(s, 2, "a", Line(mug, 1))
	attempt := tr.Begin(paid)
	same(tr.T, "expired while it is being paid", tr.Expire(), 0)
	tr.Report(attempt, payment.Paid)
	tr.Report(attempt, payment.Paid) // reported twice
	tr.Pool(s.ID, mug, 6, 0, 3)
}

// late returns an expired order and the attempt that will pay it late.
func (tr *Trade) late(s *sale.Sale, c id.Customer, lines ...inventory.Line) (id.Order, payment.Attempt) {
	tr.T.Helper()
	o := tr.Buy(s, c, "late", lines...)
	a := tr.Begin(o)
	tr.Report(a, payment.Ended)
	same(tr.T, "expired", tr.Expire(), 1)
	same(tr.T, "status", tr.Read(o).Status, order.Expired)
	return o, a
}

func holdAgain(tr *Trade) {
	s := tr.Sale(9, 3, mug, hat)
	o, a := tr.late(s, 1, Line(mug, 2), Line(hat, 1))
	tr.Pool(s.ID, mug, 9, 0, 0)
	tr.Report(a, payment.Paid)
	after := tr.Read(o)
	if after.Status != order.Paid || after.PaidAt.IsZero() || !after.ClosedAt.IsZero() {
		tr.T.Errorf("it is %+v", after)
	}
	tr.Pool(s.ID, mug, 7, 0, 2)
	tr.Pool(s.ID, hat, 8, 0, 1)
	tr.want(tr.Commit(tr.Order(s, 1, "b", Line(mug, 1)))[0], order.LimitReached)
}

func holdAgainSoldOut(tr *Trade) {
	s := tr.Sale(2, 0, mug, hat)
	o, a := tr.late(s, 1, Line(mug, 1), Line(hat, 2))
	tr.Buy(s, 2, "a", Line(hat, 1))
	tr.Report(a, payment.Paid)
	same(tr.T, "status", tr.Read(o).Status, order.Expired)
	tr.Pool(s.ID, mug, 2, 0, 0)
	tr.Pool(s.ID, hat, 2, 1, 0)
	same(tr.T, "refunds", len(tr.refunds(o)), 1)
}

func holdAgainOverLimit(tr *Trade) {
	s := tr.Sale(9, 2, mug)
	o, a := tr.late(s, 1, Line(mug, 2))
	tr.Buy(s, 1, "b", Line(mug, 1))
	tr.Report(a, payment.Paid)
	same(tr.T, "status", tr.Read(o).Status, order.Expired)
	tr.Pool(s.ID, mug, 9, 1, 0)
	same(tr.T, "refunds", len(tr.refunds(o)), 1)
}

func releaseAfterEnd(tr *Trade) {
	s := tr.Sale(9, 0, mug)
	first, second := tr.Buy(s, 1, "a", Line(mug, 2)), tr.Buy(s, 2, "a", Line(mug, 3))
	tr.Pay(tr.Buy(s, 3, "a", Line(mug, 1)))
	tr.Move(s.ID, sale.Ended)
	tr.Pool(0, mug, 3, 0, 0)
	tr.Pool(s.ID, mug, 5, 5, 1)
	tr.Cancel(first)
	tr.Pool(0, mug, 5, 0, 0)
	tr.Pool(s.ID, mug, 3, 3, 1)
	tr.Expire()
	tr.Pool(0, mug, 8, 0, 0)
	tr.Pool(s.ID, mug, 0, 0, 1)
	same(tr.T, "status", tr.Read(second).Status, order.Expired)
}

func holdAgainAfterEnd(tr *Trade) {
	s := tr.Sale(3, 0, mug)
	o, a := tr.late(s, 1, Line(mug, 2))
	other, lost := tr.late(s, 2, Line(mug, 2))
	tr.Move(s.ID, sale.Ended)
	tr.Pool(0, mug, 3, 0, 0)
	tr.Report(a, payment.Paid)
	tr.Pool(0, mug, 1, 0, 0)
	tr.Pool(s.ID, mug, 0, 0, 2)
	same(tr.T, "status", tr.Read(o).Status, order.Paid)
	tr.Report(lost, payment.Paid)
	same(tr.T, "status of who came second", tr.Read(other).Status, order.Expired)
	tr.Pool(0, mug, 1, 0, 0)
}

func refundReturns(tr *Trade) {
	s := tr.Sale(9, 0, mug)
	for restock, general := range map[bool]int64{true: 2, false: 0} {
		o := tr.Buy(s, 1, fmt.Sprint(restock), Line(mug, 2))
		tr.Pay(o)
		before := tr.general(mug)
		tr.Refund(o, restock)
		tr.Refund(o, restock) // repeated: no effect
		same(tr.T, "general stock", tr.general(mug)-before, general)
		same(tr.T, "status", tr.Read(o).Status, order.Refunded)
	}
	tr.Pool(s.ID, mug, 5, 0, 4)
}

func (tr *Trade) general(sku id.SKU) int64 {
	tr.T.Helper()
	pools, err := tr.Store.Pools(tr.T.Context(), sku)
	must(tr.T, err)
	return pools[0].OnHand
}

func orderEdges(tr *Trade) {
	s := tr.Sale(9, 0, mug)
	o := tr.Buy(s, 1, "a", Line(mug, 1))
	if _, err := tr.Store.FulfilOrder(tr.T.Context(), o, tr.Clock.Now()); !errors.Is(err, fault.BadTransition) {
		tr.T.Errorf("fulfilling a pending order: %v, want illegal transition", err)
	}
	tr.Pay(o)
	for range 2 { // twice has the effect of once
		after, err := tr.Store.FulfilOrder(tr.T.Context(), o, tr.Clock.Now())
		must(tr.T, err)
		same(tr.T, "status", after.Status, order.Fulfilled)
	}
	same(tr.T, "cancelling it", tr.Cancel(o).Status, order.Fulfilled)
	if _, err := tr.Store.FulfilOrder(tr.T.Context(), 5, tr.Clock.Now()); !errors.Is(err, fault.NotFound) {
		tr.T.Errorf("fulfilling an order that is not there: %v, want not found", err)
	}
	same(tr.T, "events", tr.events(), []string{o.String() + " pending", o.String() + " paid", o.String() + " fulfilled"})
}

func orderLists(tr *Trade) {
	s := tr.Sale(9, 0, mug)
	tr.Receive(mug, 10)
	var mine []id.Order
	began := tr.Clock.Now()
	for i := range 6 {
		at := []*sale.Sale{s, nil}[i%2]
		mine = append(mine, tr.Buy(at, 7, fmt.Sprint(i), Line(mug, 1)))
		tr.Buy(at, 8, fmt.Sprint(i), Line(mug, 1))
		tr.Clock.Advance(time.Second) // less than ids may run ahead: the filter compares the time
	}
	tr.Cancel(mine[4])
	ids := func(found []order.Order, err error) (all []id.Order) {
		tr.T.Helper()
		must(tr.T, err)
		for _, o := range found {
			all = append(all, o.ID)
		}
		return all
	}
	ctx := tr.T.Context()
	same(tr.T, "mine", ids(tr.Store.OrdersOf(ctx, 7, 0, 4)), []id.Order{mine[5], mine[4], mine[3], mine[2]})
	same(tr.T, "older", ids(tr.Store.OrdersOf(ctx, 7, mine[2], 4)), []id.Order{mine[1], mine[0]})
	same(tr.T, "nobody's", ids(tr.Store.OrdersOf(ctx, 9, 0, 4)), []id.Order(nil))
	same(tr.T, "of a sale", ids(tr.Store.Orders(ctx, order.Filter{Sale: s.ID, Customer: 7, Limit: 9})), []id.Order{mine[4], mine[2], mine[0]})
	same(tr.T, "of a status", ids(tr.Store.Orders(ctx, order.Filter{Status: order.Cancelled, Limit: 9})), []id.Order{mine[4]})
	same(tr.T, "all", len(ids(tr.Store.Orders(ctx, order.Filter{Limit: 100}))), 12)
	same(tr.T, "before", ids(tr.Store.Orders(ctx, order.Filter{Customer: 7, Before: mine[1], Limit: 1})), []id.Order{mine[0]})
	from, to := began.Add(2*time.Second), began.Add(4*time.Second)
	same(tr.T, "from", ids(tr.Store.Orders(ctx, order.Filter{Customer: 7, From: from, Limit: 9})), []id.Order{mine[5], mine[4], mine[3], mine[2]})
	same(tr.T, "to", ids(tr.Store.Orders(ctx, order.Filter{Customer: 7, To: to, Limit: 9})), []id.Order{mine[3], mine[2], mine[1], mine[0]})
	same(tr.T, "from and to", len(ids(tr.Store.Orders(ctx, order.Filter{From: from, To: to, Limit: 9}))), 4)
	same(tr.T, "from and to, the next page", ids(tr.Store.Orders(ctx, order.Filter{Customer: 7, From: from, To: to, Before: mine[3], Limit: 9})), []id.Order{mine[2]})
	same(tr.T, "before anything", len(ids(tr.Store.Orders(ctx, order.Filter{To: began, Limit: 9}))), 0)
	// An id that ran ahead, as after a clock was set back, hides no order.
	tr.Clock.Advance(-3 * time.Second)
	late := tr.Buy(nil, 7, "late", Line(mug, 1))
	same(tr.T, "minted ahead", ids(tr.Store.Orders(ctx, order.Filter{Customer: 7, From: from, To: to, Limit: 9})), []id.Order{late, mine[3], mine[2]})
}
