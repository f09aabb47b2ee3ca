package storetest

import (
	"errors"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/payment"
)

func refundsAreClaimed(tr *Trade) {
	ctx := tr.T.Context()
	o := tr.bought()
	tr.Pay(o)
	r := tr.request(o)
	now := tr.Clock.Now()
	claim := func() []payment.DueRefund {
		claimed, err := tr.Store.ClaimRefunds(ctx, now, 5, func(*payment.Refund) time.Time { return now.Add(time.Minute) })
		must(tr.T, err)
		return claimed
	}
	one, none := claim(), claim()
	r.LookAt = now.Add(time.Minute)
	if len(one) != 1 || one[0].Attempt.ID != r.Attempt || len(none) != 0 {
		tr.T.Errorf("claimed %+v, then %+v", one, none)
	} else {
		same(tr.T, "the claimed refund", one[0].Refund, r)
	}
}

// request requests an order's refund without restocking.
func (tr *Trade) request(o id.Order) payment.Refund {
	tr.T.Helper()
	r, err := tr.Store.RequestRefund(tr.T.Context(), payment.RefundRequest{Refund: id.New[id.Refund](tr.Mint), Order: o, Reason: "asked", Actor: "ops", At: tr.Clock.Now()})
	must(tr.T, err)
	return r
}

func refundMovesOn(tr *Trade) {
	sl := tr.Sale(3, 1, paySKU)
	back, kept := tr.Buy(sl, 1, "k", Line(paySKU, 1)), tr.Buy(sl, 2, "k", Line(paySKU, 1))
	tr.Pay(back)
	tr.Pay(kept)
	tr.Refund(back, true)
	tr.Refund(kept, false)
	tr.Refund(back, true) // again: no effect
	tr.is(back, order.Refunded)
	tr.is(kept, order.Refunded)
	tr.Pool(0, paySKU, 1, 0, 0)
	tr.Pool(sl.ID, paySKU, 1, 0, 2)
	// The allowance does not grow again.
	if out := tr.Commit(tr.Order(sl, 1, "again", Line(paySKU, 1))); out[0].Result != order.LimitReached {
		tr.T.Errorf("bought again after a refund: %s", out[0].Result)
	}
}

func refundBarsFulfilment(tr *Trade) {
	ctx := tr.T.Context()
	o := tr.bought()
	tr.Pay(o)
	r := tr.request(o)
	if r.Restock {
		tr.T.Error("units go back, and nobody said so")
	}
	if _, err := tr.Store.FulfilOrder(ctx, o, tr.Clock.Now()); !errors.Is(err, fault.BadTransition) {
		tr.T.Errorf("fulfilled while it is refunded: %v", err)
	}
	_, err := tr.Store.RecordRefund(ctx, r.ID, payment.RefundFailed, "no", tr.Clock.Now(), tr.Mint)
	must(tr.T, err)
	_, err = tr.Store.FulfilOrder(ctx, o, tr.Clock.Now())
	must(tr.T, err)
	if again := tr.request(o); again.Restock {
		tr.T.Error("units that were sent go back, and nobody said so")
	}
}

func refusedRefund(tr *Trade) {
	ctx := tr.T.Context()
	o := tr.bought()
	tr.Pay(o)
	first := tr.request(o)
	tr.Clock.Advance(time.Minute)
	failed, err := tr.Store.RecordRefund(ctx, first.ID, payment.RefundFailed, "the card is closed", tr.Clock.Now(), tr.Mint)
	must(tr.T, err)
	if failed.Status != payment.RefundFailed || failed.Refusal != "the card is closed" || failed.SettledAt != tr.Clock.Now() {
		tr.T.Errorf("%+v", failed)
	}
	tr.is(o, order.Paid)
	again := tr.request(o)
	if again.ID != first.ID || again.Status != payment.Requested || again.Round != 2 || again.Key() == first.Key() || again.Refusal != "" {
		tr.T.Errorf("asked again: %+v", again)
	}
	tr.Refund(o, true)
	tr.is(o, order.Refunded)
	if _, err := tr.Store.RecordRefund(ctx, 1, payment.Refunded, "", tr.Clock.Now(), tr.Mint); !errors.Is(err, fault.NotFound) {
		tr.T.Errorf("no refund: %v", err)
	}
}

func refundsAreListed(tr *Trade) {
	var made []payment.Refund
	for range 3 {
		o := tr.bought()
		tr.Pay(o)
		made = append([]payment.Refund{tr.request(o)}, made...)
	}
	_, err := tr.Store.RecordRefund(tr.T.Context(), made[1].ID, payment.RefundFailed, "no", tr.Clock.Now(), tr.Mint)
	must(tr.T, err)
	for name, c := range map[string]struct {
		filter payment.RefundFilter
		want   []id.Refund
	}{
		"all":       {payment.RefundFilter{Limit: 5}, []id.Refund{made[0].ID, made[1].ID, made[2].ID}},
		"a page":    {payment.RefundFilter{Limit: 2}, []id.Refund{made[0].ID, made[1].ID}},
		"the next":  {payment.RefundFilter{Limit: 2, Before: made[1].ID}, []id.Refund{made[2].ID}},
		"requested": {payment.RefundFilter{Limit: 5, Status: payment.Requested}, []id.Refund{made[0].ID, made[2].ID}},
		"of one":    {payment.RefundFilter{Limit: 5, Order: made[1].Order}, []id.Refund{made[1].ID}},
	} {
		found, err := tr.Store.Refunds(tr.T.Context(), c.filter)
		must(tr.T, err)
		var got []id.Refund
		for _, r := range found {
			got = append(got, r.ID)
		}
		same(tr.T, name, got, c.want)
	}
}

func nothingToRefund(tr *Trade) {
	ctx := tr.T.Context()
	pending, cancelled := tr.bought(), tr.bought()
	tr.Cancel(cancelled)
	for _, o := range []id.Order{pending, cancelled} {
		_, err := tr.Store.RequestRefund(ctx, payment.RefundRequest{Refund: 1, Order: o, Reason: "x", At: tr.Clock.Now()})
		if !errors.Is(err, fault.BadTransition) {
			tr.T.Errorf("an order that is %s: %v", tr.Read(o).Status, err)
		}
	}
	if _, err := tr.Store.RequestRefund(ctx, payment.RefundRequest{Refund: 1, Order: 1, Reason: "x", At: tr.Clock.Now()}); !errors.Is(err, fault.NotFound) {
		tr.T.Errorf("no order: %v", err)
	}
}
