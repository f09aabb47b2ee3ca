package storetest

import (
	"errors"
	"slices"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
)

// orderQueued: a queued order that was committed is accepted again, and one that was refused is refused again, even if
// stock has returned. A refusal has a reason and leaves the key free.
func orderQueued(tr *Trade) {
	s := tr.Sale(1, 0, mug)
	queued := func(c id.Customer, key string) *order.Draft {
		d := tr.Order(s, c, key, Line(mug, 1))
		d.Claim.Queued, d.SettledAt = true, tr.Clock.Now()
		return d
	}
	first, second := queued(1, "a"), queued(2, "a")
	out := tr.Commit(first, second)
	tr.want(out[0], order.Accepted)
	tr.want(out[1], order.Declined)
	for range 2 {
		out = tr.Commit(second, first)
		tr.want(out[0], order.Declined)
		tr.want(out[1], order.Accepted)
		if !out[1].Again {
			tr.T.Error("an order that was committed before is accepted as if it were new")
		}
	}
	tr.Cancel(first.Order.ID)
	tr.want(tr.Commit(second)[0], order.Declined)
	tr.Pool(s.ID, mug, 1, 0, 0)

	refusal, err := tr.Store.Refusal(tr.T.Context(), second.Order.ID)
	if err != nil || refusal.Code != fault.SoldOut || refusal.SKU != mug || refusal.Customer != 2 || refusal.Sale != s.ID || !refusal.At.Equal(second.SettledAt) {
		tr.T.Errorf("the refusal is %+v, %v", refusal, err)
	}
	if _, err := tr.Store.Refusal(tr.T.Context(), first.Order.ID); !errors.Is(err, fault.NotFound) {
		tr.T.Errorf("the refusal of an order that was made: %v", err)
	}
	third := queued(2, "a") // the key of the refused order
	tr.want(tr.Commit(third)[0], order.Accepted)
	repeat := queued(2, "a") // another order with the same key
	tr.want(tr.Commit(repeat)[0], order.Declined)
	if refusal, err := tr.Store.Refusal(tr.T.Context(), repeat.Order.ID); err != nil || refusal.Instead != third.Order.ID {
		tr.T.Errorf("the refusal of a second order of one key is %+v, %v; want it to name the first", refusal, err)
	}
	over := queued(3, "a")
	over.Refusal = fault.SaleEnded
	tr.want(tr.Commit(over)[0], order.Declined)
	if refusal, err := tr.Store.Refusal(tr.T.Context(), over.Order.ID); err != nil || refusal.Code != fault.SaleEnded {
		tr.T.Errorf("the refusal of one that the shop no longer takes is %+v, %v", refusal, err)
	}

	asked := []id.Order{first.Order.ID, 99, second.Order.ID, third.Order.ID}
	fates, err := tr.Store.Fates(tr.T.Context(), asked)
	slices.Sort(fates)
	want := []id.Order{first.Order.ID, second.Order.ID, third.Order.ID}
	slices.Sort(want)
	if err != nil || !slices.Equal(fates, want) {
		tr.T.Errorf("decided are %v, %v; want %v", fates, err, want)
	}
}

// orderNeverQueued: a reservation without an intent is settled as refused, unless its order exists. An intent that
// turns up later stays refused.
func orderNeverQueued(tr *Trade) {
	s := tr.Sale(3, 0, mug)
	made, lost := tr.Order(s, 1, "a", Line(mug, 1)), tr.Order(s, 2, "a", Line(mug, 1))
	for _, d := range []*order.Draft{made, lost} {
		d.Claim.Queued, d.SettledAt = true, tr.Clock.Now()
	}
	tr.want(tr.Commit(made)[0], order.Accepted)
	refusal := func(d *order.Draft) order.Refusal {
		return order.Refusal{Order: d.Order.ID, Sale: s.ID, Customer: d.Order.Customer, Code: fault.OrderClosed, At: tr.Clock.Now()}
	}
	for range 2 {
		refused, err := tr.Store.Refuse(tr.T.Context(), []order.Refusal{refusal(made), refusal(lost)})
		if err != nil || !slices.Equal(refused, []id.Order{lost.Order.ID}) {
			tr.T.Errorf("refused are %v, %v; want %s alone", refused, err, lost.Order.ID)
		}
	}
	tr.want(tr.Commit(lost)[0], order.Declined)
	tr.want(tr.Commit(made)[0], order.Accepted)
	tr.Pool(s.ID, mug, 3, 1, 0)
	if got, err := tr.Store.Refusal(tr.T.Context(), lost.Order.ID); err != nil || got != refusal(lost) {
		tr.T.Errorf("the refusal is %+v, %v", got, err)
	}
	if _, err := tr.Store.Refusal(tr.T.Context(), made.Order.ID); !errors.Is(err, fault.NotFound) {
		tr.T.Errorf("the refusal of an order that was made: %v", err)
	}
}
