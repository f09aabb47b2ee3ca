package payment_test

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/payment"
	"github.com/tidegate/tidegate/internal/payment/sandbox"
	"github.com/tidegate/tidegate/internal/sale"
	"github.com/tidegate/tidegate/internal/shoptest"
)

const (
	secret   = "a secret that only the two know"
	theSKU   = id.SKU(7)
	price    = 1250
	window   = 15 * time.Minute
	shopper  = id.Customer(42)
	currency = money.Currency("GBP")
)

var noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

// shop is a shop with one SKU, the real store, the sandbox, and a clock that the test moves.
type shop struct {
	*payment.Service
	*shoptest.Shop
	t       *testing.T
	ctx     context.Context
	db      *sql.DB // for reading rows
	sandbox *sandbox.Provider
	config  payment.Config
	price   int64 // unit price of the placed orders
}

// newShop opens a shop with that many units of the SKU in general stock.
func newShop(t *testing.T, units int64) *shop {
	t.Helper()
	s := &shop{Shop: shoptest.Open(t, noon), t: t, ctx: context.WithoutCancel(t.Context()), config: payment.DefaultConfig(), price: price}
	s.config.Provider = payment.Sandbox
	var err error
	s.db, err = sql.Open("sqlite", "file:"+s.Path)
	s.must(err)
	t.Cleanup(func() { s.must(s.db.Close()) })
	s.sandbox = sandbox.New(sandbox.Parts{
		Ledger: s.Store, Secret: secret, Base: func() string { return "http://shop.invalid" },
		Clock: s.Clock, Mint: s.Mint, Log: slog.New(slog.DiscardHandler),
	})
	s.Service = s.service(s.Store, s.sandbox)
	if units > 0 {
		s.stock(units)
	}
	return s
}

func (s *shop) service(st payment.Store, p payment.Provider) *payment.Service {
	return payment.NewService(payment.Parts{
		Store: st, Providers: []payment.Provider{p}, Clock: s.Clock, Mint: s.Mint, Log: slog.New(slog.DiscardHandler), Config: s.config,
	})
}

func (s *shop) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *shop) stock(units int64) {
	s.t.Helper()
	a := inventory.Adjustment{SKU: theSKU, Kind: inventory.Adjust, Units: units, Reason: "test", Actor: "test", Key: fmt.Sprint(s.Mint.Next())}
	_, err := s.Store.AdjustStock(s.ctx, a, id.New[id.Movement](s.Mint), s.Clock.Now())
	s.must(err)
}

// drop schedules a sale of that many units that is live now.
func (s *shop) drop(units, limit int64) id.Sale {
	s.t.Helper()
	sl := &sale.Sale{
		ID: id.New[id.Sale](s.Mint), Title: "Drop", Status: sale.Draft, StartsAt: noon.Add(-time.Hour), EndsAt: noon.Add(time.Hour), Limit: limit,
		PaymentWindow: window, Version: 1, CreatedAt: noon, UpdatedAt: noon,
		Items: []sale.Item{{SKU: theSKU, Product: 1, Price: money.Of(price, currency), ListPrice: money.Of(price, currency), Allocation: units}},
	}
	s.must(s.Store.CreateSale(s.ctx, sl))
	for _, to := range []sale.Status{sale.Scheduled, sale.Live} {
		_, err := s.Store.MoveSale(s.ctx, sale.Move{Sale: sl.ID, To: to, Actor: "test", At: noon, Mint: s.Mint})
		s.must(err)
	}
	return sl.ID
}

// place commits n orders of the shopper, each of that many units.
func (s *shop) place(sl id.Sale, n int, units int64) []id.Order {
	s.t.Helper()
	now := s.Clock.Now()
	drafts := make([]*order.Draft, n)
	ids := make([]id.Order, n)
	version := int64(0)
	if sl != 0 {
		version = 1
	}
	for i := range drafts {
		o := order.Order{
			ID: id.New[id.Order](s.Mint), Sale: sl, Customer: shopper, Status: order.Pending, Lines: []order.Line{{SKU: theSKU, Units: units, UnitPrice: s.price}},
			Units: units, Total: money.Of(s.price*units, currency), CreatedAt: now, ExpiresAt: now.Add(window),
		}
		ids[i] = o.ID
		drafts[i] = &order.Draft{
			Order: o, SaleVersion: version, LinesJSON: o.LinesJSON(), Fingerprint: o.Fingerprint(o.ID.String()),
			Claim: inventory.Claim{Order: o.ID, Sale: sl, Customer: shopper, Key: o.ID.String(), Lines: []inventory.Line{{SKU: theSKU, Units: units}}},
		}
	}
	outcomes, err := s.Store.CommitOrders(s.ctx, drafts, s.Mint)
	s.must(err)
	for _, out := range outcomes {
		if out.Result != order.Accepted {
			s.t.Fatalf("an order was not accepted: %s", out.Result)
		}
	}
	return ids
}

func (s *shop) one() id.Order { return s.place(0, 1, 1)[0] }

// settleAtProvider moves the attempt to a state at the sandbox, as the cashier would, or a control from a final state.
// It does not notify the shop. It reports whether the attempt moved.
func (s *shop) settleAtProvider(a id.Attempt, from, to payment.State) bool {
	s.t.Helper()
	_, moved, err := s.Store.SandboxTransition(s.ctx, sandbox.Transition{Attempt: a, From: from, To: to, At: s.Clock.Now()})
	s.must(err)
	return moved
}

// notification signs the sandbox's notification of the attempt. change makes it wrong.
func (s *shop) notification(a payment.Attempt, state payment.State, change func(map[string]any)) (http.Header, []byte) {
	body := map[string]any{
		"id": "1", "attempt_id": a.ID, "order_id": a.Order, "state": state, "reference": "sbx_" + a.ID.String(),
		"amount": map[string]any{"minor": a.Amount.Minor, "currency": a.Amount.Currency},
	}
	if change != nil {
		change(body)
	}
	text := mustJSON(body)
	h := http.Header{}
	sandbox.Sign(h, secret, text, s.Clock.Now())
	return h, text
}

// tell notifies the shop of an attempt's state.
func (s *shop) tell(a payment.Attempt, state payment.State) error {
	h, body := s.notification(a, state, nil)
	return s.Notify(s.ctx, sandbox.Name, h, body)
}

// quiet runs the steps until none finds work, and advances the clock so that all waits come due.
func (s *shop) quiet(on *payment.Service) {
	s.t.Helper()
	for range 40 {
		did := 0
		for _, step := range []func(context.Context) (int, error){on.PollStep, on.ExpireStep, on.RefundStep} {
			n, err := step(s.ctx)
			s.must(err)
			did += n
		}
		if did == 0 {
			return
		}
	}
	s.t.Fatal("the steps do not come to an end")
}

// afterAll lets every wait of the shop pass and runs the steps to their end.
func (s *shop) afterAll(on *payment.Service) {
	s.t.Helper()
	for range 3 {
		s.Clock.Advance(window)
		s.quiet(on)
	}
}

func (s *shop) status(o id.Order) order.Status {
	s.t.Helper()
	found, err := s.Store.Order(s.ctx, o)
	s.must(err)
	return found.Status
}

// pool returns the SKU's stock in the pool.
func (s *shop) pool(sl id.Sale) inventory.Stock {
	s.t.Helper()
	pools, err := s.Store.Pools(s.ctx, theSKU)
	s.must(err)
	for _, p := range pools {
		if p.Sale == sl {
			return p
		}
	}
	return inventory.Stock{Pool: inventory.Pool{Sale: sl, SKU: theSKU}}
}

// count reads one number.
func (s *shop) count(query string, args ...any) (n int64) {
	s.t.Helper()
	s.must(s.db.QueryRowContext(s.ctx, query, args...).Scan(&n))
	return n
}

// check checks the invariants of the rows, which hold at all times. If settled, it also checks the end: no money under
// way, none in the wrong place.
func (s *shop) check(settled bool) {
	s.t.Helper()
	rules := []struct{ rule, violations string }{
		{"the ledger's sums are the stock rows", `
			SELECT COUNT(*) FROM stock AS s JOIN (
				SELECT sale_id, sku_id,
				       SUM(CASE kind WHEN 'reserve' THEN 0 WHEN 'release' THEN 0 WHEN 'sell' THEN -units ELSE units END) AS on_hand,
				       SUM(CASE kind WHEN 'reserve' THEN units WHEN 'release' THEN -units WHEN 'sell' THEN -units ELSE 0 END) AS reserved,
				       SUM(CASE kind WHEN 'sell' THEN units ELSE 0 END) AS sold
				FROM (
					SELECT sale_id, sku_id, kind, units FROM movement WHERE pools IS NULL
					UNION ALL
					SELECT p.value ->> 0, p.value ->> 1, kind, p.value ->> 2 FROM movement, JSON_EACH(pools) AS p
				) GROUP BY sale_id, sku_id) AS m USING (sale_id, sku_id)
			WHERE s.on_hand <> m.on_hand OR s.reserved <> m.reserved OR s.sold <> m.sold`},
		{"what is reserved is what pending orders hold", `
			SELECT (SELECT COALESCE(SUM(reserved), 0) FROM stock) <> (SELECT COALESCE(SUM(units), 0) FROM orders WHERE status = 'pending')`},
		{"what is sold is what paid orders have", `
			SELECT (SELECT COALESCE(SUM(sold), 0) FROM stock) <> (SELECT COALESCE(SUM(units), 0) FROM orders WHERE status IN ('paid', 'fulfilled', 'refunded'))`},
		{"commits reserved what their orders have", `
			SELECT (SELECT COALESCE(SUM(units), 0) FROM movement WHERE kind = 'reserve' AND order_id = 0) <> (SELECT COALESCE(SUM(units), 0) FROM orders)`},
		{"units are held, sold and let go of once an order", `
			SELECT COUNT(*) FROM orders AS o
			WHERE o.units + (SELECT COALESCE(SUM(CASE kind WHEN 'reserve' THEN units WHEN 'release' THEN -units WHEN 'sell' THEN -units ELSE 0 END), 0)
			       FROM movement WHERE order_id = o.id) <> CASE o.status WHEN 'pending' THEN o.units ELSE 0 END`},
		{"a paid order has one attempt that paid it, and no other has", `
			SELECT COUNT(*) FROM orders AS o
			WHERE (SELECT COUNT(*) FROM payment_attempt WHERE order_id = o.id AND pays = 1) <> (o.status IN ('paid', 'fulfilled', 'refunded'))`},
		{"an attempt that succeeded pays its order or is refunded", `
			SELECT COUNT(*) FROM payment_attempt AS a
			WHERE a.status = 'succeeded' AND a.pays = 0
			  AND NOT EXISTS (SELECT 1 FROM refund WHERE attempt_id = a.id AND kind = 'surplus')`},
		{"nothing else is refunded", `
			SELECT COUNT(*) FROM refund AS r JOIN payment_attempt AS a ON a.id = r.attempt_id
			WHERE a.status <> 'succeeded' OR (r.kind = 'order') <> a.pays OR r.amount <> a.amount`},
		{"a refunded order's refund is confirmed", `
			SELECT COUNT(*) FROM orders AS o
			WHERE (o.status = 'refunded') <> EXISTS (SELECT 1 FROM refund WHERE order_id = o.id AND kind = 'order' AND status = 'succeeded')`},
	}
	if settled {
		rules = append(rules, []struct{ rule, violations string }{
			{"no attempt is live", `SELECT COUNT(*) FROM payment_attempt WHERE status IN ('starting', 'open')`},
			{"the provider has what paid orders owe, and nothing else", `
				SELECT COUNT(*) FROM orders AS o
				WHERE (SELECT COALESCE(SUM(amount - refunded), 0) FROM sandbox_payment WHERE order_id = o.id AND status = 'paid')
				   <> CASE WHEN o.status IN ('paid', 'fulfilled') THEN o.total ELSE 0 END`},
			{"a refund gives back once", `
				SELECT COUNT(*) FROM refund AS r
				WHERE r.status = 'succeeded' AND (SELECT COUNT(*) FROM sandbox_refund WHERE attempt_id = r.attempt_id) <> (r.amount > 0)`},
		}...)
	}
	for _, r := range rules {
		if n := s.count(r.violations); n != 0 {
			s.t.Errorf("%s: %d violations", r.rule, n)
		}
	}
}
