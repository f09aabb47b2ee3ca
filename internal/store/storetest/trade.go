package storetest

import (
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/payment"
	"github.com/tidegate/tidegate/internal/sale"
	"github.com/tidegate/tidegate/internal/store"
)

// Trade drives a store without gate, committer and provider. Its clock moves only on request. Its methods end the test
// on an error.
type Trade struct {
	T     testing.TB
	Store *store.Store
	Clock *clock.Manual
	Mint  *id.Mint
}

// NewTrade returns a Trade over an empty store.
func NewTrade(t testing.TB, s *store.Store) *Trade {
	t.Helper()
	c := clock.NewManual(time.Date(2026, 11, 27, 19, 0, 0, 0, time.UTC))
	m, err := id.NewMint(c, 1)
	must(t, err)
	return &Trade{t, s, c, m}
}

// price is the unit price of everything.
const price = 1250

// hold is how long an unpaid order of a sale is held.
const hold = 10 * time.Minute

// Receive adds units to general stock.
func (tr *Trade) Receive(sku id.SKU, units int64) {
	tr.T.Helper()
	_, err := tr.adjust(inventory.Receive, sku, units, fmt.Sprint("r", tr.Mint.Next()))
	must(tr.T, err)
}

func (tr *Trade) adjust(kind inventory.Kind, sku id.SKU, units int64, key string) (inventory.Stock, error) {
	a := inventory.Adjustment{SKU: sku, Kind: kind, Units: units, Reason: "test", Actor: "test", Key: key}
	return tr.Store.AdjustStock(tr.T.Context(), a, id.New[id.Movement](tr.Mint), tr.Clock.Now())
}

// Draft drafts a sale of units of each SKU that lasts an hour.
func (tr *Trade) Draft(units, limit int64, skus ...id.SKU) *sale.Sale {
	tr.T.Helper()
	now := tr.Clock.Now()
	s := &sale.Sale{
		ID: id.New[id.Sale](tr.Mint), Title: "Drop", Status: sale.Draft, StartsAt: now, EndsAt: now.Add(time.Hour), Limit: limit,
		PaymentWindow: hold, ShowsLeft: sale.Exact, Version: 1, CreatedAt: now, UpdatedAt: now,
	}
	for _, sku := range skus {
		s.Items = append(s.Items, sale.Item{SKU: sku, Product: 1, Price: money.Of(price, "GBP"), ListPrice: money.Of(price, "GBP"), Allocation: units})
	}
	must(tr.T, tr.Store.CreateSale(tr.T.Context(), s))
	return s
}

// Sale receives units of each SKU and opens a sale of all of them.
func (tr *Trade) Sale(units, limit int64, skus ...id.SKU) *sale.Sale {
	tr.T.Helper()
	for _, sku := range skus {
		tr.Receive(sku, units)
	}
	s := tr.Draft(units, limit, skus...)
	tr.Move(s.ID, sale.Scheduled)
	return tr.Move(s.ID, sale.Live)
}

// Move changes a sale's status.
func (tr *Trade) Move(s id.Sale, to sale.Status) *sale.Sale {
	tr.T.Helper()
	after, err := tr.move(s, to)
	must(tr.T, err)
	return after
}

func (tr *Trade) move(s id.Sale, to sale.Status) (*sale.Sale, error) {
	return tr.Store.MoveSale(tr.T.Context(), sale.Move{Sale: s, To: to, Actor: "test", At: tr.Clock.Now(), Mint: tr.Mint})
}

// Limit changes a sale's limit.
func (tr *Trade) Limit(s id.Sale, units int64) *sale.Sale {
	tr.T.Helper()
	after, err := tr.Store.ChangeSale(tr.T.Context(), sale.Change{Sale: s, Limit: &units, At: tr.Clock.Now()})
	must(tr.T, err)
	return after
}

// Order drafts an order as the committer would receive it. A nil sale means general stock.
func (tr *Trade) Order(s *sale.Sale, c id.Customer, key string, lines ...inventory.Line) *order.Draft {
	d := &order.Draft{Claim: inventory.Claim{Order: id.New[id.Order](tr.Mint), Customer: c, Key: key, Lines: lines}}
	now := tr.Clock.Now()
	o := &d.Order
	*o = order.Order{ID: d.Claim.Order, Customer: c, Status: order.Pending, CreatedAt: now, ExpiresAt: now.Add(hold), Total: money.Of(0, "GBP")}
	if s != nil {
		o.Sale, d.Claim.Sale, d.SaleVersion = s.ID, s.ID, s.Version
	}
	for _, l := range lines {
		o.Lines = append(o.Lines, order.Line{SKU: l.SKU, Units: l.Units, UnitPrice: price})
		o.Units += l.Units
		o.Total.Minor += l.Units * price
	}
	d.Claim.Body = digest(o.Sale, lines)
	d.LinesJSON = o.LinesJSON()
	d.Fingerprint = o.Fingerprint(key)
	return d
}

func digest(s id.Sale, lines []inventory.Line) inventory.Digest {
	sum := sha256.Sum256(fmt.Append(nil, s, lines))
	return inventory.Digest(sum[:16])
}

// Commit commits drafts in one batch.
func (tr *Trade) Commit(drafts ...*order.Draft) []order.Outcome {
	tr.T.Helper()
	outcomes, err := tr.Store.CommitOrders(tr.T.Context(), drafts, tr.Mint)
	must(tr.T, err)
	if len(outcomes) != len(drafts) {
		tr.T.Fatalf("%d outcomes of %d drafts", len(outcomes), len(drafts))
	}
	return outcomes
}

// Buy commits one order, which must be accepted, and returns its id.
func (tr *Trade) Buy(s *sale.Sale, c id.Customer, key string, lines ...inventory.Line) id.Order {
	tr.T.Helper()
	d := tr.Order(s, c, key, lines...)
	if out := tr.Commit(d)[0]; out.Result != order.Accepted {
		tr.T.Fatalf("the order was not accepted: %s", out.Result)
	}
	return d.Order.ID
}

// Begin starts a payment attempt.
func (tr *Trade) Begin(o id.Order) payment.Attempt {
	tr.T.Helper()
	found := tr.Read(o)
	a, created, err := tr.Store.BeginAttempt(tr.T.Context(), payment.Attempt{
		ID: id.New[id.Attempt](tr.Mint), Order: o, Provider: "test", Status: payment.Starting, Amount: found.Total,
		CreatedAt: tr.Clock.Now(), ExpiresAt: found.ExpiresAt, LookAt: found.ExpiresAt,
	})
	must(tr.T, err)
	if !created {
		tr.T.Fatal("the order has a live attempt")
	}
	return a
}

// Report records a provider's report about an attempt.
func (tr *Trade) Report(a payment.Attempt, s payment.State) {
	tr.T.Helper()
	settled, err := tr.Store.RecordReports(tr.T.Context(), []payment.ReportEntry{{
		Report: payment.Report{Attempt: a.ID, Order: a.Order, State: s, Amount: a.Amount, Reference: "ref-" + a.ID.String()},
		Refund: id.New[id.Refund](tr.Mint), At: tr.Clock.Now(), Mint: tr.Mint,
	}})
	must(tr.T, err)
	must(tr.T, settled[0].Err)
}

// Pay pays an order.
func (tr *Trade) Pay(o id.Order) {
	tr.T.Helper()
	tr.Report(tr.Begin(o), payment.Paid)
}

// Expire moves the clock past every hold and expires the due orders. It returns their number.
func (tr *Trade) Expire() int {
	tr.T.Helper()
	tr.Clock.Advance(hold)
	total := 0
	for {
		ended, stuck, err := tr.Store.ExpireOrders(tr.T.Context(), tr.Clock.Now(), tr.Mint)
		must(tr.T, err)
		for _, err := range stuck {
			tr.T.Error(err)
		}
		if total += ended; ended == 0 {
			return total
		}
	}
}

// Cancel cancels a pending order.
func (tr *Trade) Cancel(o id.Order) order.Order {
	tr.T.Helper()
	after, _, err := tr.Store.CancelOrder(tr.T.Context(), o, "test", tr.Clock.Now(), tr.Mint)
	must(tr.T, err)
	return after
}

// Refund refunds a paid order as its provider would confirm it. restock returns its units.
func (tr *Trade) Refund(o id.Order, restock bool) {
	tr.T.Helper()
	r, err := tr.Store.RequestRefund(tr.T.Context(), payment.RefundRequest{
		Refund: id.New[id.Refund](tr.Mint), Order: o, Reason: "test", Restock: restock, Actor: "test", At: tr.Clock.Now(),
	})
	must(tr.T, err)
	_, err = tr.Store.RecordRefund(tr.T.Context(), r.ID, payment.Refunded, "", tr.Clock.Now(), tr.Mint)
	must(tr.T, err)
}

// Read reads an order.
func (tr *Trade) Read(o id.Order) order.Order {
	tr.T.Helper()
	found, err := tr.Store.Order(tr.T.Context(), o)
	must(tr.T, err)
	return found
}

// Pool checks a pool's row. A zero sale is the general pool.
func (tr *Trade) Pool(s id.Sale, sku id.SKU, onHand, reserved, sold int64) {
	tr.T.Helper()
	pools, err := tr.Store.Pools(tr.T.Context(), sku)
	must(tr.T, err)
	got := inventory.Stock{Pool: inventory.Pool{Sale: s, SKU: sku}}
	for _, p := range pools {
		if p.Sale == s {
			got = p
		}
	}
	same(tr.T, fmt.Sprintf("stock of SKU %s in sale %s", sku, s), got,
		inventory.Stock{Pool: inventory.Pool{Sale: s, SKU: sku}, OnHand: onHand, Reserved: reserved, Sold: sold})
}

// Line is a line of an order.
func Line(sku id.SKU, units int64) inventory.Line { return inventory.Line{SKU: sku, Units: units} }
