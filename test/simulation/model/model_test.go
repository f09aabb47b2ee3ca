package model_test

import (
	compare "cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/payment"
	"github.com/tidegate/tidegate/internal/sale"
	"github.com/tidegate/tidegate/internal/store"
	"github.com/tidegate/tidegate/test/share"
	"github.com/tidegate/tidegate/test/simulation/model"
)

// engine is a database under test: the model, or the real one.
type engine interface {
	order.Store
	payment.Store
	inventory.Store
	sale.Store
}

// pair is the model and the real database, which are told the same.
type pair struct {
	*testing.T
	random  *rand.Rand
	clock   *clock.Manual
	engines [2]engine
	mints   [2]*id.Mint
	ids     *id.Mint
	sale    id.Sale
	orders  []id.Order
	tries   []payment.Attempt
	refunds []id.Refund
}

// TestTheModelIsTheDatabase does the same things, at random, to the model and to the database, and expects the same answers
// and the same rows: what the simulation proves over the model it then proves over the rules of the SQL.
func TestTheModelIsTheDatabase(t *testing.T) {
	const callsInCI = 1500
	seed := share.Seed(t, 3)
	t.Logf("seed %d", seed)
	c := clock.NewManual(time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC))
	config := store.DefaultConfig()
	config.Path = filepath.Join(t.TempDir(), "shop.db")
	real, err := store.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = real.Close() })
	if _, _, err := real.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	p := &pair{T: t, random: rand.New(rand.NewPCG(seed, 1)), clock: c, engines: [2]engine{model.New(), real}}
	p.ids = mint(t, c, 1)
	for i := range p.mints {
		p.mints[i] = mint(t, c, 2+i)
	}
	p.open()
	for range share.Count(t, callsInCI) {
		p.call()
		if t.Failed() {
			t.Fatalf("after %d orders, %d attempts, %d refunds", len(p.orders), len(p.tries), len(p.refunds))
		}
	}
	p.compare()
	t.Logf("%d orders, %d attempts, %d refunds", len(p.orders), len(p.tries), len(p.refunds))
}

func mint(t *testing.T, c clock.Clock, node int) *id.Mint {
	t.Helper()
	m, err := id.NewMint(c, node)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// both asks both engines and expects one answer.
func both[T any](p *pair, what string, call func(engine, *id.Mint) (T, error)) (T, error) {
	p.Helper()
	want, wantErr := call(p.engines[0], p.mints[0])
	got, gotErr := call(p.engines[1], p.mints[1])
	if fault.CodeOf(wantErr) != fault.CodeOf(gotErr) || (wantErr == nil) != (gotErr == nil) {
		p.Fatalf("%s: the model says %v, the database %v", what, wantErr, gotErr)
	}
	if wantErr == nil {
		p.same(what, want, got)
	}
	return got, gotErr
}

func (p *pair) same(what string, want, got any) {
	p.Helper()
	ignore := []cmp.Option{
		cmpopts.EquateEmpty(), cmpopts.IgnoreFields(inventory.Moved{}, "Movement"), cmpopts.IgnoreFields(inventory.Change{}, "Position"),
		cmpopts.IgnoreFields(payment.Refund{}, "Reason", "Actor"), cmpopts.IgnoreFields(payment.RecordedReport{}, "Err"), cmpopts.EquateErrors(),
		cmpopts.IgnoreFields(sale.Sale{}, "UpdatedAt"), cmpopts.IgnoreFields(order.Outcome{}, "Err"),
	}
	if diff := cmp.Diff(want, got, ignore...); diff != "" {
		p.Fatalf("%s differs (-model +database):\n%s", what, diff)
	}
}

// open opens a sale.
func (p *pair) open() {
	ctx, now := context.Background(), p.clock.Now()
	sl := &sale.Sale{
		ID: id.New[id.Sale](p.ids), Title: "Drop", Status: sale.Draft, ShowsLeft: sale.Exact, StartsAt: now, EndsAt: now.Add(time.Hour), Limit: 3, PaymentWindow: time.Minute,
		Version: 1, CreatedAt: now, UpdatedAt: now,
		Items: []sale.Item{{SKU: 1, Product: 1, Price: money.Of(100, "GBP"), ListPrice: money.Of(100, "GBP"), Allocation: 20}},
	}
	p.sale = sl.ID
	for sku := range id.SKU(2) {
		a := inventory.Adjustment{SKU: sku + 1, Kind: inventory.Receive, Units: 40, Reason: "first", Key: fmt.Sprint("first", sku)}
		movement := id.New[id.Movement](p.ids)
		_, _ = both(p, "receive", func(e engine, _ *id.Mint) (inventory.Stock, error) { return e.AdjustStock(ctx, a, movement, now) })
	}
	_, _ = both(p, "create", func(e engine, _ *id.Mint) (int, error) { return 0, e.CreateSale(ctx, sl) })
	p.move(sale.Scheduled)
	p.move(sale.Live)
}

func (p *pair) move(to sale.Status) {
	_, _ = both(p, "move to "+string(to), func(e engine, m *id.Mint) (*sale.Sale, error) {
		return e.MoveSale(context.Background(), sale.Move{Sale: p.sale, To: to, Actor: "test", At: p.clock.Now(), Mint: m})
	})
}

// call does one thing to both.
func (p *pair) call() {
	ctx, now := context.Background(), p.clock.Advance(time.Duration(p.random.IntN(4000))*time.Millisecond)
	switch n := p.random.IntN(100); {
	case n < 35:
		p.commit()
	case n < 45 && len(p.orders) > 0:
		a := payment.Attempt{ID: id.New[id.Attempt](p.ids), Order: p.some(), Provider: "sandbox", Status: payment.Starting, CreatedAt: now, LookAt: now.Add(time.Minute)}
		o, err := p.engines[1].Order(ctx, a.Order)
		if err != nil {
			p.Fatal(err)
		}
		a.Amount, a.ExpiresAt = o.Total, o.ExpiresAt
		if p.random.IntN(2) == 0 { // mostly of an order that is free
			a.Provider, a.Status, a.Pays, a.SettledAt = payment.NoProvider, payment.Succeeded, true, now
			_, _ = both(p, "pay free", func(e engine, m *id.Mint) (payment.Attempt, error) { return e.PayFree(ctx, a, m) })
			return
		}
		type begun struct {
			A  payment.Attempt
			Is bool
		}
		b, err := both(p, "begin", func(e engine, _ *id.Mint) (b begun, err error) {
			b.A, b.Is, err = e.BeginAttempt(ctx, a)
			return b, err
		})
		if err == nil {
			p.tries = append(p.tries, b.A)
		}
	case n < 65 && len(p.tries) > 0:
		p.settle()
	case n < 72:
		_, _ = both(p, "expire", func(e engine, m *id.Mint) (int, error) { n, _, err := e.ExpireOrders(ctx, now, m); return n, err })
	case n < 76 && len(p.orders) > 0:
		o := p.some()
		_, _ = both(p, "cancel", func(e engine, m *id.Mint) (order.Order, error) {
			after, _, err := e.CancelOrder(ctx, o, "test", now, m)
			return after, err
		})
	case n < 80 && len(p.orders) > 0:
		r := payment.RefundRequest{Refund: id.New[id.Refund](p.ids), Order: p.some(), Reason: "asked", Restock: p.random.IntN(2) == 0, At: now}
		f, err := both(p, "refund", func(e engine, m *id.Mint) (payment.Refund, error) { r.Mint = m; return e.RequestRefund(ctx, r) })
		if err == nil {
			p.refunds = append(p.refunds, f.ID)
		}
	case n < 84 && len(p.refunds) > 0:
		r, to := p.refunds[p.random.IntN(len(p.refunds))], []payment.RefundStatus{payment.Refunded, payment.RefundFailed}[p.random.IntN(2)]
		_, _ = both(p, "settle refund", func(e engine, m *id.Mint) (payment.Refund, error) { return e.RecordRefund(ctx, r, to, "no", now, m) })
	case n < 86 && len(p.orders) > 0:
		o := p.some()
		_, _ = both(p, "fulfil", func(e engine, _ *id.Mint) (order.Order, error) { return e.FulfilOrder(ctx, o, now) })
	case n < 89:
		limit := int64(p.random.IntN(5))
		_, _ = both(p, "limit", func(e engine, _ *id.Mint) (*sale.Sale, error) {
			return e.ChangeSale(ctx, sale.Change{Sale: p.sale, Limit: &limit, At: now})
		})
	case n < 93:
		p.move([]sale.Status{sale.Live, sale.Live, sale.Paused}[p.random.IntN(3)])
	case n < 96:
		units := compare.Or(4-p.random.Int64N(9), 1)
		_, _ = both(p, "allocate", func(e engine, m *id.Mint) (*sale.Sale, error) {
			return e.AllocateSale(ctx, sale.Allocation{Sale: p.sale, SKU: 1, Units: units, Actor: "test", Reason: "more", At: now, Mint: m})
		})
	case n < 97:
		_, _ = both(p, "stop item", func(e engine, m *id.Mint) (*sale.Sale, error) {
			return e.StopItem(ctx, sale.Stop{Sale: p.sale, SKU: 1, Actor: "test", Reason: "recalled", At: now, Mint: m})
		})
	case n < 98:
		a := inventory.Adjustment{SKU: 1 + id.SKU(p.random.IntN(2)), Kind: inventory.Adjust, Units: compare.Or(6-p.random.Int64N(8), 1), Reason: "counted", Key: fmt.Sprint(p.random.IntN(200))}
		movement := id.New[id.Movement](p.ids)
		_, _ = both(p, "adjust", func(e engine, _ *id.Mint) (inventory.Stock, error) { return e.AdjustStock(ctx, a, movement, now) })
	default:
		p.compare()
	}
}

// some returns an order, mostly a late one.
func (p *pair) some() id.Order {
	if n := len(p.orders); p.random.IntN(4) > 0 {
		return p.orders[n-1-p.random.IntN(min(n, 4))]
	}
	return p.orders[p.random.IntN(len(p.orders))]
}

// commit commits a batch of a few drafts, some under keys that were used.
func (p *pair) commit() {
	ctx, now := context.Background(), p.clock.Now().Truncate(time.Millisecond)
	current, err := p.engines[1].Sale(ctx, p.sale)
	if err != nil {
		p.Fatal(err)
	}
	var batch []*order.Draft
	for range 1 + p.random.IntN(3) {
		c := inventory.Claim{Order: id.New[id.Order](p.ids), Customer: id.Customer(1 + p.random.IntN(8)), Key: fmt.Sprint("k", p.random.IntN(60)), Body: inventory.Digest{byte(p.random.IntN(2))}}
		c.Lines = []inventory.Line{{SKU: 1, Units: 1 + p.random.Int64N(2)}}
		if p.random.IntN(3) == 0 {
			c.Lines = append(c.Lines, inventory.Line{SKU: 2, Units: 1})
		} else {
			c.Sale = p.sale
		}
		o := order.Order{ID: c.Order, Sale: c.Sale, Customer: c.Customer, Status: order.Pending, CreatedAt: now, ExpiresAt: now.Add(time.Minute)}
		price := 100 * p.random.Int64N(2) // a half is free
		for _, l := range c.Lines {
			o.Lines = append(o.Lines, order.Line{SKU: l.SKU, Units: l.Units, UnitPrice: price})
			o.Units += l.Units
		}
		o.Total = money.Of(price*o.Units, "GBP")
		d := &order.Draft{Order: o, Claim: c, LinesJSON: o.LinesJSON(), Fingerprint: o.Fingerprint(c.Key)}
		if c.Sale != 0 {
			d.SaleVersion = current.Version
		}
		batch = append(batch, d)
	}
	out, err := both(p, "commit", func(e engine, m *id.Mint) ([]order.Outcome, error) { return e.CommitOrders(ctx, batch, m) })
	if err != nil {
		p.Fatal(err)
	}
	for i := range out {
		if out[i].Result == order.Accepted {
			p.orders = append(p.orders, batch[i].Order.ID)
		}
	}
}

// settle reports something of an attempt.
func (p *pair) settle() {
	a := p.tries[p.random.IntN(len(p.tries))]
	r := payment.Report{
		Attempt: a.ID, Order: a.Order, Amount: a.Amount, Reference: "ref",
		State: []payment.State{payment.Waiting, payment.Paid, payment.Paid, payment.Declined, payment.Ended}[p.random.IntN(5)],
	}
	if p.random.IntN(10) == 0 {
		r.Amount.Minor++
	}
	f := id.New[id.Refund](p.ids)
	var failed [2]error
	i := 0
	out, _ := both(p, "settle", func(e engine, m *id.Mint) ([]payment.RecordedReport, error) {
		all, err := e.RecordReports(context.Background(), []payment.ReportEntry{{Report: r, Refund: f, At: p.clock.Now(), Mint: m}})
		if err == nil {
			failed[i] = all[0].Err
		}
		i++
		return all, err
	})
	if !errors.Is(failed[0], fault.CodeOf(failed[1])) && (failed[0] != nil || failed[1] != nil) {
		p.Fatalf("settle: the model says %v, the database %v", failed[0], failed[1])
	}
	if len(out) > 0 && out[0].Changed && out[0].Attempt.Status == payment.Succeeded && !out[0].Attempt.Pays {
		p.refunds = append(p.refunds, f)
	}
}

// compare compares all rows.
func (p *pair) compare() {
	ctx := context.Background()
	_, _ = both(p, "orders", func(e engine, _ *id.Mint) ([]order.Order, error) { return e.Orders(ctx, order.Filter{Limit: 10_000}) })
	_, _ = both(p, "refunds", func(e engine, _ *id.Mint) ([]payment.Refund, error) {
		return e.Refunds(ctx, payment.RefundFilter{Limit: 10_000})
	})
	for sku := range id.SKU(2) {
		_, _ = both(p, "pools", func(e engine, _ *id.Mint) ([]inventory.Stock, error) { return e.Pools(ctx, sku+1) })
	}
	_, _ = both(p, "changes", func(e engine, _ *id.Mint) ([]inventory.Change, error) { return e.GateChanges(ctx, 0, 1_000_000) })
}
