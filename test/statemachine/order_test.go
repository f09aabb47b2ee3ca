package statemachine

import (
	"context"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/payment"
	"github.com/tidegate/tidegate/internal/sale"
	"github.com/tidegate/tidegate/test/simulation/model"
)

var noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

// legal are the edges of an order as DESIGN tells them, written down a second time.
var legal = map[order.Status][]order.Status{
	order.Pending:   {order.Paid, order.Expired, order.Cancelled},
	order.Expired:   {order.Paid},
	order.Paid:      {order.Fulfilled, order.Refunded},
	order.Fulfilled: {order.Refunded},
}

// orderMachine is a few orders, and everything that can happen to one.
type orderMachine struct {
	store *model.Store
	clock *clock.Manual
	mint  *id.Mint
	seen  map[id.Order]order.Status
	tries []payment.Attempt
	funds []id.Refund
}

// TestOrder: whatever happens in whatever order, an order moves along legal edges alone (I9), and stock and ledger agree with
// the orders after each step (I1, I4, I5, I6).
func TestOrder(t *testing.T) {
	check(t, func(rt *rapid.T) {
		c := clock.NewManual(noon)
		mint, err := id.NewMint(c, 1)
		must(rt, err)
		m := &orderMachine{store: model.New(), clock: c, mint: mint, seen: map[id.Order]order.Status{}}
		_, err = m.store.AdjustStock(context.Background(), inventory.Adjustment{SKU: mug, Kind: inventory.Receive, Units: 3, Reason: "first", Key: "first"}, id.New[id.Movement](mint), noon)
		must(rt, err)
		rt.Repeat(map[string]func(*rapid.T){
			"place": m.place, "start paying": m.start, "the provider says": m.report, "time passes": m.wait, "cancel": m.cancel, "fulfil": m.fulfil,
			"ask for a refund": m.refund, "the refund ends": m.refunded, "": m.check,
		})
	})
}

func (m *orderMachine) some(t *rapid.T) id.Order {
	if len(m.seen) == 0 {
		t.Skip("there is no order")
	}
	all := make([]id.Order, 0, len(m.seen))
	for o := range m.seen {
		all = append(all, o)
	}
	slices.Sort(all)
	return rapid.SampledFrom(all).Draw(t, "order")
}

func (m *orderMachine) place(t *rapid.T) {
	now, units := m.clock.Now(), rapid.Int64Range(1, 2).Draw(t, "units")
	o := order.Order{ID: id.New[id.Order](m.mint), Customer: 1, Status: order.Pending, Lines: []order.Line{{SKU: mug, Units: units, UnitPrice: 100}}, Units: units, Total: money.Of(100*units, "GBP"), CreatedAt: now, ExpiresAt: now.Add(time.Minute)}
	d := &order.Draft{Order: o, Claim: inventory.Claim{Order: o.ID, Customer: 1, Key: o.ID.String(), Lines: []inventory.Line{{SKU: mug, Units: units}}}}
	out, err := m.store.CommitOrders(context.Background(), []*order.Draft{d}, m.mint)
	must(t, err)
	if out[0].Result == order.Accepted {
		m.seen[o.ID] = order.Pending
	}
}

func (m *orderMachine) start(t *rapid.T) {
	o, err := m.store.Order(context.Background(), m.some(t))
	must(t, err)
	a, created, err := m.store.BeginAttempt(context.Background(), payment.Attempt{ID: id.New[id.Attempt](m.mint), Order: o.ID, Status: payment.Starting, Amount: o.Total, CreatedAt: m.clock.Now(), ExpiresAt: o.ExpiresAt})
	if err == nil && created {
		m.tries = append(m.tries, a)
	}
}

func (m *orderMachine) report(t *rapid.T) {
	if len(m.tries) == 0 {
		t.Skip("nobody pays")
	}
	a := rapid.SampledFrom(m.tries).Draw(t, "attempt")
	r := payment.Report{Attempt: a.ID, Order: a.Order, Amount: a.Amount, State: rapid.SampledFrom([]payment.State{payment.Waiting, payment.Paid, payment.Declined, payment.Ended}).Draw(t, "state")}
	f := id.New[id.Refund](m.mint)
	out, err := m.store.RecordReports(context.Background(), []payment.ReportEntry{{Report: r, Refund: f, At: m.clock.Now(), Mint: m.mint}})
	must(t, err)
	must(t, out[0].Err)
	if out[0].Changed && out[0].Attempt.Status == payment.Succeeded && !out[0].Attempt.Pays {
		m.funds = append(m.funds, f)
	}
}

func (m *orderMachine) wait(t *rapid.T) {
	now := m.clock.Advance(time.Duration(rapid.IntRange(1, 90).Draw(t, "seconds")) * time.Second)
	_, stuck, err := m.store.ExpireOrders(context.Background(), now, m.mint)
	must(t, err)
	if len(stuck) > 0 {
		t.Fatal(stuck)
	}
}

func (m *orderMachine) cancel(t *rapid.T) {
	_, _, err := m.store.CancelOrder(context.Background(), m.some(t), "test", m.clock.Now(), m.mint)
	must(t, err)
}

func (m *orderMachine) fulfil(t *rapid.T) {
	_, _ = m.store.FulfilOrder(context.Background(), m.some(t), m.clock.Now()) // refused where it is not paid
}

func (m *orderMachine) refund(t *rapid.T) {
	f, err := m.store.RequestRefund(context.Background(), payment.RefundRequest{Refund: id.New[id.Refund](m.mint), Order: m.some(t), Reason: "asked", At: m.clock.Now()})
	if err == nil {
		m.funds = append(m.funds, f.ID)
	}
}

func (m *orderMachine) refunded(t *rapid.T) {
	if len(m.funds) == 0 {
		t.Skip("there is no refund")
	}
	to := rapid.SampledFrom([]payment.RefundStatus{payment.Refunded, payment.RefundFailed}).Draw(t, "to")
	_, err := m.store.RecordRefund(context.Background(), rapid.SampledFrom(m.funds).Draw(t, "refund"), to, "no", m.clock.Now(), m.mint)
	must(t, err)
}

func (m *orderMachine) check(t *rapid.T) {
	orders, attempts, _ := m.store.Books()
	for o, was := range m.seen {
		is := orders[o].Status
		if is != was && !slices.Contains(legal[was], is) {
			t.Fatalf("I9: order %s was %s and is %s", o, was, is)
		}
		if (is != was) != was.CanBecome(is) && is != was {
			t.Fatalf("I9: the table of edges says otherwise of %s to %s", was, is)
		}
		m.seen[o] = is
	}
	for _, a := range attempts {
		if s := orders[a.Order].Status; a.Pays && (s == order.Pending || s == order.Expired || s == order.Cancelled) {
			t.Fatalf("I5: attempt %s paid order %s, which is %s", a.ID, a.Order, s)
		}
	}
	if wrong := m.store.Check(nil); len(wrong) > 0 {
		t.Fatal(wrong)
	}
}

// saleMachine is a sale, its clock and an operator.
type saleMachine struct {
	store *model.Store
	clock *clock.Manual
	sales *sale.Service
	sale  id.Sale
	was   sale.Status
}

// saleEdges are those of a sale, written down a second time. A step may take two at once: the clock opens what it then ends.
var saleEdges = map[sale.Status][]sale.Status{
	sale.Draft: {sale.Scheduled}, sale.Scheduled: {sale.Live, sale.Paused, sale.Ended}, sale.Live: {sale.Paused, sale.Ended}, sale.Paused: {sale.Live, sale.Ended},
}

// TestSale: whatever the operator and the clock do, a sale moves along legal edges, its units are counted, and after its end none
// is left in it.
func TestSale(t *testing.T) {
	check(t, func(rt *rapid.T) {
		c := clock.NewManual(noon)
		mint, err := id.NewMint(c, 1)
		must(rt, err)
		s := model.New()
		m := &saleMachine{store: s, clock: c, was: sale.Draft, sales: sale.NewService(s, sale.NewCache(s, c), goods{}, c, mint, "GBP")}
		_, err = s.AdjustStock(context.Background(), inventory.Adjustment{SKU: mug, Kind: inventory.Receive, Units: 10, Reason: "first", Key: "first"}, id.New[id.Movement](mint), noon)
		must(rt, err)
		made, err := m.sales.Create(context.Background(), sale.Sale{
			Title: "Drop", StartsAt: noon.Add(time.Minute), EndsAt: noon.Add(10 * time.Minute), Limit: 2, PaymentWindow: time.Minute,
			Items: []sale.Item{{SKU: mug, Price: money.Of(100, "GBP"), Allocation: rapid.Int64Range(1, 12).Draw(rt, "allocation")}},
		})
		must(rt, err)
		m.sale = made.ID
		move := func(to sale.Status) func(*rapid.T) {
			return func(*rapid.T) { _, _ = m.sales.Move(context.Background(), m.sale, to, "ops") } // refused where it cannot be
		}
		rt.Repeat(map[string]func(*rapid.T){
			"schedule": move(sale.Scheduled), "pause": move(sale.Paused), "resume": move(sale.Live), "end": move(sale.Ended),
			"the clock": func(t *rapid.T) {
				c.Advance(time.Duration(rapid.IntRange(1, 300).Draw(t, "seconds")) * time.Second)
				_, err := m.sales.Step(context.Background())
				must(t, err)
			},
			"allocate": func(t *rapid.T) {
				units := rapid.Int64Range(-3, 3).Filter(func(n int64) bool { return n != 0 }).Draw(t, "units")
				_, _ = m.sales.Allocate(context.Background(), sale.Allocation{Sale: m.sale, SKU: mug, Units: units, Actor: "ops", Reason: "more"})
			},
			"end later": func(t *rapid.T) {
				ends := c.Now().Add(time.Duration(rapid.IntRange(1, 600).Draw(t, "seconds")) * time.Second)
				_, _ = m.sales.Change(context.Background(), sale.Change{Sale: m.sale, EndsAt: &ends})
			},
			"": m.check,
		})
	})
}

func (m *saleMachine) check(t *rapid.T) {
	now, err := m.store.Sale(context.Background(), m.sale)
	must(t, err)
	if now.Status != m.was && !slices.Contains(saleEdges[m.was], now.Status) {
		t.Fatalf("the sale was %s and is %s", m.was, now.Status)
	}
	m.was = now.Status
	pool := m.store.Stock()[inventory.Pool{Sale: m.sale, SKU: mug}]
	want := now.Items[0].Allocation
	if now.Status == sale.Draft || now.Status == sale.Ended {
		want = 0
	}
	if pool.OnHand != want {
		t.Fatalf("the sale is %s and its pool has %d units, want %d", now.Status, pool.OnHand, want)
	}
	if wrong := m.store.Check(nil); len(wrong) > 0 {
		t.Fatal(wrong)
	}
}

type goods struct{}

func (goods) OfRehearsal(context.Context, id.SKU) (bool, error) { return false, nil }

func (goods) Offer(context.Context, id.SKU) (id.Product, money.Amount, error) {
	return 1, money.Of(100, "GBP"), nil
}
