package storetest

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/payment"
	"github.com/tidegate/tidegate/internal/sale"
	"github.com/tidegate/tidegate/internal/store"
)

// Payment checks the contract of payment.Store. Each call of open returns a migrated store without rows.
func Payment(t *testing.T, open func(t *testing.T) *store.Store) {
	for name, check := range map[string]func(*Trade){
		"an order has one live attempt":          oneLiveAttempt,
		"an attempt is read as it was written":   attemptsAreRead,
		"a closed order takes no attempt":        closedOrdersTakeNone,
		"an order has so many attempts":          attemptsAreBounded,
		"a success pays once, all at once":       paysOnce,
		"a report that does not fit":             misfits,
		"one bad report of a batch":              badReportAlone,
		"a second success is refunded":           secondSuccess,
		"late: honoured, or refunded":            latePayments,
		"a live attempt keeps its order":         liveAttemptsKeep,
		"orders are ended once, by many":         endedOnce,
		"orders are ended in batches":            endedInBatches,
		"the oldest that is due":                 oldestDue,
		"attempts are claimed by one":            attemptsAreClaimed,
		"refunds are claimed by one":             refundsAreClaimed,
		"a refund moves order and stock":         refundMovesOn,
		"a refund under way bars fulfilment":     refundBarsFulfilment,
		"a refused refund is asked for again":    refusedRefund,
		"refunds are listed":                     refundsAreListed,
		"units of an ended sale go on to stock":  endedSaleReturns,
		"orders without payments have no refund": nothingToRefund,
		"a free order is paid once, all at once": freeOnce,
		"a free order is refunded at once":       freeRefund,
		"a free order that is closed stays so":   freeClosed,
	} {
		t.Run(name, func(t *testing.T) { check(NewTrade(t, open(t))) })
	}
}

const paySKU id.SKU = 7

// bought places an order of the last unit of general stock.
func (tr *Trade) bought() id.Order {
	tr.T.Helper()
	tr.Receive(paySKU, 1)
	return tr.Buy(nil, 1, id.New[id.Order](tr.Mint).String(), Line(paySKU, 1))
}

func (tr *Trade) is(o id.Order, want order.Status) {
	tr.T.Helper()
	if got := tr.Read(o).Status; got != want {
		tr.T.Errorf("the order is %s, want %s", got, want)
	}
}

// attempt returns a new attempt of an order, as package payment would record it.
func (tr *Trade) attempt(o id.Order) payment.Attempt {
	now := tr.Clock.Now()
	return payment.Attempt{
		ID: id.New[id.Attempt](tr.Mint), Order: o, Provider: "test", Status: payment.Starting, Amount: money.Of(price, "GBP"),
		CreatedAt: now, ExpiresAt: now.Add(hold), LookAt: now.Add(hold),
	}
}

// settlement returns a report that matches the attempt.
func (tr *Trade) settlement(a payment.Attempt, s payment.State) payment.ReportEntry {
	return payment.ReportEntry{
		Report: payment.Report{Attempt: a.ID, Order: a.Order, State: s, Amount: a.Amount, Reference: "ref-" + a.ID.String(), PayURL: "http://pay.test/" + a.ID.String()},
		Refund: id.New[id.Refund](tr.Mint), At: tr.Clock.Now(), Mint: tr.Mint,
	}
}

func oneLiveAttempt(tr *Trade) {
	o := tr.bought()
	var made atomic.Int64
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			_, created, err := tr.Store.BeginAttempt(tr.T.Context(), tr.attempt(o))
			if err != nil {
				tr.T.Error(err)
			}
			if created {
				made.Add(1)
			}
		})
	}
	all.Wait()
	if made.Load() != 1 {
		tr.T.Errorf("%d attempts were made", made.Load())
	}
	live, err := tr.Store.LiveAttempt(tr.T.Context(), o)
	must(tr.T, err)
	tr.Report(live, payment.Declined)
	if _, err := tr.Store.LiveAttempt(tr.T.Context(), o); !errors.Is(err, fault.NotFound) {
		tr.T.Errorf("live after it failed: %v", err)
	}
	tr.Begin(o)
}

func attemptsAreRead(tr *Trade) {
	ctx := tr.T.Context()
	want := tr.Begin(tr.bought())
	got, err := tr.Store.Attempt(ctx, want.ID)
	must(tr.T, err)
	same(tr.T, "the attempt", got, want)
	settled, err := tr.Store.RecordReports(ctx, []payment.ReportEntry{tr.settlement(want, payment.Waiting)})
	must(tr.T, err)
	want.Status, want.Reference, want.PayURL = payment.Open, "ref-"+want.ID.String(), "http://pay.test/"+want.ID.String()
	same(tr.T, "what was settled", settled, []payment.RecordedReport{{Attempt: want, Changed: true}})
	tr.Clock.Advance(time.Second)
	tr.Report(want, payment.Paid)
	want.Status, want.Pays, want.SettledAt = payment.Succeeded, true, tr.Clock.Now()
	all, err := tr.Store.Attempts(ctx, want.Order)
	must(tr.T, err)
	same(tr.T, "the attempts", all, []payment.Attempt{want})
	if _, err := tr.Store.Attempt(ctx, 1); !errors.Is(err, fault.NotFound) {
		tr.T.Errorf("an attempt that is not there: %v", err)
	}
}

func closedOrdersTakeNone(tr *Trade) {
	ctx := tr.T.Context()
	paid, cancelled, due := tr.bought(), tr.bought(), tr.bought()
	tr.Pay(paid)
	tr.Cancel(cancelled)
	tr.Clock.Advance(hold)
	for _, o := range []id.Order{paid, cancelled, due} {
		if _, _, err := tr.Store.BeginAttempt(ctx, tr.attempt(o)); !errors.Is(err, fault.OrderClosed) {
			tr.T.Errorf("an order that is %s: %v", tr.Read(o).Status, err)
		}
	}
	if _, _, err := tr.Store.BeginAttempt(ctx, tr.attempt(1)); !errors.Is(err, fault.NotFound) {
		tr.T.Errorf("no order: %v", err)
	}
}

func attemptsAreBounded(tr *Trade) {
	o := tr.bought()
	for range payment.AttemptsMax {
		tr.Report(tr.Begin(o), payment.Declined)
	}
	if _, _, err := tr.Store.BeginAttempt(tr.T.Context(), tr.attempt(o)); !errors.Is(err, fault.PaymentRefused) {
		tr.T.Errorf("one too many: %v", err)
	}
}

func paysOnce(tr *Trade) {
	a := tr.Begin(tr.bought())
	var changed atomic.Int64
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			twice := []payment.ReportEntry{tr.settlement(a, payment.Paid), tr.settlement(a, payment.Paid)}
			settled, err := tr.Store.RecordReports(tr.T.Context(), twice)
			if err != nil {
				tr.T.Error(err)
			}
			for _, one := range settled {
				if one.Err != nil {
					tr.T.Error(one.Err)
				}
				if one.Changed {
					changed.Add(1)
				}
			}
		})
	}
	all.Wait()
	if changed.Load() != 1 {
		tr.T.Errorf("settled %d times", changed.Load())
	}
	tr.is(a.Order, order.Paid)
	tr.Pool(0, paySKU, 0, 0, 1)
	for _, older := range []payment.State{payment.Declined, payment.Ended, payment.Waiting} {
		tr.Report(a, older)
	}
	tr.is(a.Order, order.Paid)
}

func misfits(tr *Trade) {
	a := tr.Begin(tr.bought())
	wrong := tr.settlement(a, payment.Paid)
	wrong.Report.Amount.Minor--
	unknown := tr.settlement(a, payment.Paid)
	unknown.Report.Attempt = 1
	settled, err := tr.Store.RecordReports(tr.T.Context(), []payment.ReportEntry{wrong, unknown})
	must(tr.T, err)
	if !errors.Is(settled[0].Err, fault.AmountMismatch) || !errors.Is(settled[1].Err, fault.NotFound) {
		tr.T.Errorf("%v, %v", settled[0].Err, settled[1].Err)
	}
	tr.is(a.Order, order.Pending)
	tr.Pool(0, paySKU, 1, 1, 0)
}

func badReportAlone(tr *Trade) {
	good, bad := tr.Begin(tr.bought()), tr.Begin(tr.bought())
	wrong := tr.settlement(bad, payment.Paid)
	wrong.Report.Order = good.Order
	settled, err := tr.Store.RecordReports(tr.T.Context(), []payment.ReportEntry{wrong, tr.settlement(good, payment.Paid)})
	must(tr.T, err)
	if settled[0].Err == nil || settled[1].Err != nil || !settled[1].Changed {
		tr.T.Errorf("%+v", settled)
	}
	tr.is(good.Order, order.Paid)
	tr.is(bad.Order, order.Pending)
}

// refunds returns the order's refunds.
func (tr *Trade) refunds(o id.Order) []payment.Refund {
	tr.T.Helper()
	all, err := tr.Store.Refunds(tr.T.Context(), payment.RefundFilter{Order: o, Limit: 10})
	must(tr.T, err)
	return all
}

func secondSuccess(tr *Trade) {
	o := tr.bought()
	first := tr.Begin(o)
	tr.Report(first, payment.Ended)
	second := tr.Begin(o)
	tr.Report(second, payment.Paid)
	tr.Report(first, payment.Paid)
	tr.is(o, order.Paid)
	tr.Pool(0, paySKU, 0, 0, 1)
	all := tr.refunds(o)
	if len(all) != 1 || all[0].Attempt != first.ID || all[0].Kind != payment.OfSurplus || all[0].Amount != first.Amount || all[0].Status != payment.Requested {
		tr.T.Errorf("the refunds: %+v", all)
	}
}

func latePayments(tr *Trade) {
	sl := tr.Sale(2, 1, paySKU)
	late := func(c id.Customer) payment.Attempt {
		a := tr.Begin(tr.Buy(sl, c, "late", Line(paySKU, 1)))
		tr.Report(a, payment.Ended)
		return a
	}
	honoured, noAllowance := late(1), late(2)
	tr.Expire()
	tr.Pool(sl.ID, paySKU, 2, 0, 0)
	tr.Buy(sl, 2, "again", Line(paySKU, 1))
	tr.Report(noAllowance, payment.Paid)
	tr.is(noAllowance.Order, order.Expired)
	tr.Report(honoured, payment.Paid)
	tr.is(honoured.Order, order.Paid)
	tr.Pool(sl.ID, paySKU, 1, 1, 1)

	gone := tr.bought()
	a := tr.Begin(gone)
	tr.Report(a, payment.Ended)
	tr.Cancel(gone)
	tr.Report(a, payment.Paid)
	tr.is(gone, order.Cancelled)
	for o, want := range map[id.Order]int{honoured.Order: 0, noAllowance.Order: 1, gone: 1} {
		if all := tr.refunds(o); len(all) != want {
			tr.T.Errorf("order %s has %d refunds, want %d", o, len(all), want)
		}
	}
}

func liveAttemptsKeep(tr *Trade) {
	ctx := tr.T.Context()
	kept, free := tr.bought(), tr.bought()
	a := tr.Begin(kept)
	after, live, err := tr.Store.CancelOrder(ctx, kept, "test", tr.Clock.Now(), tr.Mint)
	must(tr.T, err)
	if !live || after.Status != order.Pending {
		tr.T.Errorf("cancelled under a live attempt: %s, %v", after.Status, live)
	}
	if n := tr.Expire(); n != 1 {
		tr.T.Errorf("%d expired, want 1", n)
	}
	tr.is(kept, order.Pending)
	tr.is(free, order.Expired)
	tr.Report(a, payment.Ended)
	if n := tr.Expire(); n != 1 {
		tr.T.Errorf("%d expired, want 1", n)
	}
	tr.Pool(0, paySKU, 2, 0, 0)
}

func endedOnce(tr *Trade) {
	const orders = 200
	tr.Receive(paySKU, orders)
	for i := range orders {
		tr.Buy(nil, id.Customer(i+1), "k", Line(paySKU, 1))
	}
	tr.Clock.Advance(hold)
	var total atomic.Int64
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			ended, stuck, err := tr.Store.ExpireOrders(tr.T.Context(), tr.Clock.Now(), tr.Mint)
			if err != nil || len(stuck) > 0 {
				tr.T.Error(err, stuck)
			}
			total.Add(int64(ended))
		})
	}
	workers.Wait()
	if total.Load() != orders {
		tr.T.Errorf("%d orders were ended %d times", orders, total.Load())
	}
	tr.Pool(0, paySKU, orders, 0, 0)
}

func endedInBatches(tr *Trade) {
	max := store.DefaultConfig().JobOrdersMax
	tr.Receive(paySKU, int64(max)+1)
	drafts := make([]*order.Draft, max+1)
	for i := range drafts {
		drafts[i] = tr.Order(nil, id.Customer(i+1), "k", Line(paySKU, 1))
	}
	tr.Commit(drafts...)
	tr.Clock.Advance(hold)
	for _, want := range []int{max, 1, 0} {
		ended, _, err := tr.Store.ExpireOrders(tr.T.Context(), tr.Clock.Now(), tr.Mint)
		must(tr.T, err)
		if ended != want {
			tr.T.Errorf("a step ended %d, want %d", ended, want)
		}
	}
}

func oldestDue(tr *Trade) {
	o := tr.bought()
	for _, c := range []struct {
		after time.Duration
		want  time.Time
	}{{0, time.Time{}}, {hold, tr.Read(o).ExpiresAt}, {time.Second, tr.Read(o).ExpiresAt}} {
		got, err := tr.Store.OldestDue(tr.T.Context(), tr.Clock.Advance(c.after))
		must(tr.T, err)
		if !got.Equal(c.want) {
			tr.T.Errorf("the oldest due is %s, want %s", got, c.want)
		}
	}
}

func attemptsAreClaimed(tr *Trade) {
	ctx := tr.T.Context()
	first, second := tr.Begin(tr.bought()), tr.Begin(tr.bought())
	now := tr.Clock.Advance(hold)
	claim := func(limit int) []payment.DueAttempt {
		claimed, err := tr.Store.ClaimAttempts(ctx, now, limit, func(a *payment.Attempt, _ bool) time.Time { return now.Add(time.Minute) })
		must(tr.T, err)
		return claimed
	}
	one, other, none := claim(1), claim(5), claim(5)
	first.LookAt, second.LookAt = now.Add(time.Minute), now.Add(time.Minute)
	same(tr.T, "the first claim", one, []payment.DueAttempt{{Attempt: first, Pending: true}})
	same(tr.T, "the second claim", other, []payment.DueAttempt{{Attempt: second, Pending: true}})
	same(tr.T, "the third claim", len(none), 0)
	now = tr.Clock.Advance(time.Minute)
	tr.Report(first, payment.Paid)
	if left := claim(5); len(left) != 1 || left[0].Attempt.ID != second.ID {
		tr.T.Errorf("claimed later: %+v", left)
	}
}

func endedSaleReturns(tr *Trade) {
	sl := tr.Sale(3, 0, paySKU)
	a := tr.Begin(tr.Buy(sl, 1, "k", Line(paySKU, 1)))
	tr.Move(sl.ID, sale.Ended)
	tr.Report(a, payment.Ended)
	tr.Expire()
	tr.Pool(sl.ID, paySKU, 0, 0, 0)
	tr.Pool(0, paySKU, 3, 0, 0)
	tr.Report(a, payment.Paid)
	tr.is(a.Order, order.Paid)
	tr.Pool(sl.ID, paySKU, 0, 0, 1)
	tr.Pool(0, paySKU, 2, 0, 0)
}
