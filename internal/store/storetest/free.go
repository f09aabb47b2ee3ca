package storetest

import (
	"errors"
	"sync"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/payment"
)

// free places an order of one unit of general stock whose total is zero.
func (tr *Trade) free() id.Order {
	tr.T.Helper()
	tr.Receive(paySKU, 1)
	d := tr.Order(nil, 1, id.New[id.Order](tr.Mint).String(), Line(paySKU, 1))
	d.Order.Lines[0].UnitPrice, d.Order.Total = 0, money.Of(0, "GBP")
	d.LinesJSON, d.Fingerprint = d.Order.LinesJSON(), d.Order.Fingerprint(d.Claim.Key)
	if out := tr.Commit(d)[0]; out.Result != order.Accepted {
		tr.T.Fatalf("the order was not accepted: %s", out.Result)
	}
	return d.Order.ID
}

func (tr *Trade) payFree(o id.Order) (payment.Attempt, error) {
	a := tr.attempt(o)
	a.Provider, a.Status, a.Amount, a.Pays, a.SettledAt = payment.NoProvider, payment.Succeeded, money.Of(0, "GBP"), true, a.CreatedAt
	return tr.Store.PayFree(tr.T.Context(), a, tr.Mint)
}

// freeOnce: if many pay concurrently and some cancel, one decides, and all payers get the same payment.
func freeOnce(tr *Trade) {
	o := tr.free()
	paid := make([]payment.Attempt, 20)
	var all sync.WaitGroup
	for i := range paid {
		all.Go(func() {
			var err error
			if paid[i], err = tr.payFree(o); err != nil {
				tr.T.Error(err)
			}
		})
	}
	all.Wait()
	for _, a := range paid {
		if a != paid[0] {
			tr.T.Errorf("two payments: %+v, %+v", paid[0], a)
		}
	}
	tr.is(o, order.Paid)
	tr.Pool(0, paySKU, 0, 0, 1)
	if got, err := tr.Store.Attempts(tr.T.Context(), o); err != nil || len(got) != 1 || got[0] != paid[0] {
		tr.T.Errorf("attempts: %+v, %v", got, err)
	}
	if after := tr.Cancel(o); after.Status != order.Paid {
		tr.T.Errorf("cancelled when it is paid: %s", after.Status)
	}
	if n := tr.Expire(); n != 0 {
		tr.T.Errorf("%d orders expired that are paid", n)
	}
	costs := tr.bought()
	if _, err := tr.payFree(costs); !errors.Is(err, fault.AmountMismatch) {
		tr.T.Errorf("an order that costs something: %v", err)
	}
	tr.is(costs, order.Pending)
	if _, err := tr.payFree(1); !errors.Is(err, fault.NotFound) {
		tr.T.Errorf("no order: %v", err)
	}
}

func freeClosed(tr *Trade) {
	cancelled, late := tr.free(), tr.free()
	tr.Cancel(cancelled)
	tr.Clock.Advance(hold)
	for _, o := range []id.Order{cancelled, late} {
		if _, err := tr.payFree(o); !errors.Is(err, fault.OrderClosed) {
			tr.T.Errorf("the order is %s: %v", tr.Read(o).Status, err)
		}
	}
	tr.is(late, order.Pending)
	tr.Expire()
	tr.Pool(0, paySKU, 2, 0, 0)
}

func freeRefund(tr *Trade) {
	back, kept := tr.free(), tr.free()
	for _, o := range []id.Order{back, kept} {
		_, err := tr.payFree(o)
		must(tr.T, err)
	}
	for range 2 { // a repeated request has no further effect
		for _, o := range []id.Order{back, kept} {
			r, err := tr.Store.RequestRefund(tr.T.Context(), payment.RefundRequest{
				Refund: id.New[id.Refund](tr.Mint), Order: o, Reason: "asked", Restock: o == back, Actor: "ops", At: tr.Clock.Now(), Mint: tr.Mint,
			})
			if err != nil || r.Status != payment.Refunded || r.SettledAt.IsZero() || r.Provider != payment.NoProvider {
				tr.T.Errorf("refund: %+v, %v", r, err)
			}
			tr.is(o, order.Refunded)
		}
	}
	tr.Pool(0, paySKU, 1, 0, 2)
	if _, err := tr.payFree(back); !errors.Is(err, fault.OrderClosed) {
		tr.T.Errorf("paid when it is refunded: %v", err)
	}
}
