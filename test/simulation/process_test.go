package simulation

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/payment"
	"github.com/tidegate/tidegate/internal/sale"
	"github.com/tidegate/tidegate/test/simulation/model"
)

// process is the shop's modules, wired as internal/app wires them, and what is lost when it dies.
type process struct {
	w        *world
	ctx      context.Context
	cancel   context.CancelFunc
	dead     atomic.Bool
	apart    atomic.Bool // its calls do not park: it holds a lock of its own
	mint     *id.Mint
	gate     *inventory.MemoryGate
	book     *sale.Cache
	sales    *sale.Service
	follower *inventory.Follower
	intake   *order.Committer
	orders   *order.Service
	payments *payment.Service
	busy     map[string]*atomic.Bool // steps under way
}

func newProcess(w *world) *process {
	p := &process{w: w, gate: inventory.NewMemoryGate(), busy: map[string]*atomic.Bool{}}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	var err error
	p.mint, err = id.NewMint(w.clock, 1)
	w.must(err)
	p.mint.StartAfter(w.minted)
	s, g := seamStore{w.store, p}, seamGate{p.gate, p}
	p.book = sale.NewCache(w.store, w.clock) // it reads under a lock
	p.sales = sale.NewService(s, p.book, products{}, w.clock, p.mint, currency)
	p.follower = inventory.NewFollower(s, g, func(ctx context.Context, sl id.Sale) error {
		_, err := p.book.Refresh(ctx, sl)
		return err
	})
	config := order.DefaultConfig()
	config.BatchOrdersMax = 4
	p.intake = order.NewCommitter(s, g, p.mint, config, func(int, time.Duration, error) {})
	p.orders = order.NewService(order.Parts{
		Store: s, Gate: g, Intake: p.intake, Sales: seamSales{p}, Prices: seamSales{p}, Signer: unsigned{}, Clock: w.clock, Mint: p.mint, Config: config,
	})
	p.payments = payment.NewService(payment.Parts{
		Store: s, Providers: []payment.Provider{seamProvider{w.provider, p}}, Clock: w.clock, Mint: p.mint, Log: slog.New(slog.DiscardHandler), Config: pace,
	})
	for name := range p.steps() {
		p.busy[name] = new(atomic.Bool)
	}
	return p
}

// unsigned signs tickets, the same in every run.
type unsigned struct{}

func (unsigned) Sign([]byte) (mac [32]byte) { return mac }
func (unsigned) Signed([]byte, []byte) bool { return true }

// load rebuilds what is in memory, as before the doors open.
func (p *process) load() {
	p.apart.Store(true)
	defer p.apart.Store(false)
	p.w.must(p.follower.Load(p.ctx))
	p.w.must(p.book.Load(p.ctx))
}

// die ends the process: whoever is in it never comes back from the call they wait for.
func (p *process) die() {
	p.dead.Store(true)
	p.w.minted = max(p.w.minted, p.mint.Next())
	p.cancel()
	for len(p.w.waiting()) > 0 {
		p.w.resume(0)
	}
}

// steps are what the process repeats in the background, as internal/app drives it.
func (p *process) steps() map[string]func(context.Context) (int, error) {
	return map[string]func(context.Context) (int, error){
		"commit": p.intake.Step, "gate": p.follower.Step, "sale clock": p.sales.Step, "expiry": p.payments.ExpireStep,
		"poll 1": p.payments.PollStep, "poll 2": p.payments.PollStep, "refunds": p.payments.RefundStep,
	}
}

// caller is the key under which a context holds who asks: two who ask the same are told apart.
type caller struct{}

// as returns the process's context for a caller.
func (p *process) as(who string) context.Context { return context.WithValue(p.ctx, caller{}, who) }

// turn waits for the turn. Who comes back into a process that has died ends there.
func (p *process) turn(ctx context.Context, label string) {
	if p.apart.Load() {
		return
	}
	if who, ok := ctx.Value(caller{}).(string); ok {
		label += " (" + who + ")"
	}
	p.w.wait(label)
	if p.dead.Load() {
		runtime.Goexit()
	}
}

// failure says whether a call fails: before it is made, or, where its answer can be lost, after.
func (p *process) failure(canLose bool) (before, after bool) {
	if p.apart.Load() || !p.w.faults || !p.w.chance(12) {
		return false, false
	}
	if canLose && p.w.chance(2) {
		return false, true
	}
	return true, false
}

// through makes a call that others can come before and, now and then, between it and its answer.
func through[T any](ctx context.Context, p *process, label string, lost error, call func() (T, error)) (none T, err error) {
	p.turn(ctx, label)
	before, after := p.failure(lost != nil)
	if before {
		return none, fault.New(fault.StoreUnavailable, "Not at the moment.").After(time.Second)
	}
	out, err := call()
	if !p.apart.Load() && p.w.chance(3) {
		p.turn(ctx, label+", its answer")
	}
	if after {
		return none, lost
	}
	return out, err
}

// seamStore is the database as the process sees it.
type seamStore struct {
	*model.Store
	p *process
}

var errUnknown = fault.New(fault.OutcomeUnknown, "The outcome is not known yet.")

func (s seamStore) CommitOrders(ctx context.Context, batch []*order.Draft, mint *id.Mint) ([]order.Outcome, error) {
	return through(ctx, s.p, fmt.Sprintf("commit %d orders from %s", len(batch), batch[0].Order.ID), errUnknown, func() ([]order.Outcome, error) {
		return s.Store.CommitOrders(ctx, batch, mint)
	})
}

func (s seamStore) Order(ctx context.Context, o id.Order) (order.Order, error) {
	return through(ctx, s.p, "read order "+o.String(), nil, func() (order.Order, error) { return s.Store.Order(ctx, o) })
}

type found struct {
	order  order.Order
	digest inventory.Digest
}

func (s seamStore) OrderByKey(ctx context.Context, sl id.Sale, c id.Customer, key string) (order.Order, inventory.Digest, error) {
	f, err := through(ctx, s.p, "read key "+c.String()+" "+key, nil, func() (f found, err error) {
		f.order, f.digest, err = s.Store.OrderByKey(ctx, sl, c, key)
		return f, err
	})
	return f.order, f.digest, err
}

func (s seamStore) GateChanges(ctx context.Context, after int64, limit int) ([]inventory.Change, error) {
	return through(ctx, s.p, "read changes", nil, func() ([]inventory.Change, error) {
		all, err := s.Store.GateChanges(ctx, after, limit)
		return all[:min(len(all), 1+s.p.w.random.IntN(4))], err
	})
}

func (s seamStore) MoveSale(ctx context.Context, m sale.Move) (*sale.Sale, error) {
	return through(ctx, s.p, "move the sale to "+string(m.To), nil, func() (*sale.Sale, error) { return s.Store.MoveSale(ctx, m) })
}

func (s seamStore) Attempt(ctx context.Context, a id.Attempt) (payment.Attempt, error) {
	return through(ctx, s.p, "read attempt "+a.String(), nil, func() (payment.Attempt, error) { return s.Store.Attempt(ctx, a) })
}

func (s seamStore) LiveAttempt(ctx context.Context, o id.Order) (payment.Attempt, error) {
	return through(ctx, s.p, "read live attempt of "+o.String(), nil, func() (payment.Attempt, error) { return s.Store.LiveAttempt(ctx, o) })
}

type begun struct {
	attempt payment.Attempt
	created bool
}

func (s seamStore) BeginAttempt(ctx context.Context, a payment.Attempt) (payment.Attempt, bool, error) {
	b, err := through(ctx, s.p, "begin attempt of "+a.Order.String(), nil, func() (b begun, err error) {
		b.attempt, b.created, err = s.Store.BeginAttempt(ctx, a)
		return b, err
	})
	return b.attempt, b.created, err
}

func (s seamStore) PayFree(ctx context.Context, a payment.Attempt, mint *id.Mint) (payment.Attempt, error) {
	return through(ctx, s.p, "pay free "+a.Order.String(), nil, func() (payment.Attempt, error) { return s.Store.PayFree(ctx, a, mint) })
}

func (s seamStore) Settle(ctx context.Context, batch []payment.ReportEntry) ([]payment.RecordedReport, error) {
	return through(ctx, s.p, fmt.Sprintf("settle %d from %s", len(batch), batch[0].Report.Attempt), nil, func() ([]payment.RecordedReport, error) { return s.Store.RecordReports(ctx, batch) })
}

func (s seamStore) ClaimAttempts(ctx context.Context, now time.Time, limit int, next func(*payment.Attempt, bool) time.Time) ([]payment.DueAttempt, error) {
	return through(ctx, s.p, "claim attempts", nil, func() ([]payment.DueAttempt, error) { return s.Store.ClaimAttempts(ctx, now, limit, next) })
}

func (s seamStore) ExpireOrders(ctx context.Context, now time.Time, mint *id.Mint) (ended int, stuck []error, err error) {
	ended, err = through(ctx, s.p, "expire", nil, func() (n int, err error) { n, stuck, err = s.Store.ExpireOrders(ctx, now, mint); return n, err })
	for _, one := range stuck {
		s.p.w.fail("I6: an order cannot be ended: %v", one)
	}
	return ended, stuck, err
}

type closed struct {
	order order.Order
	live  bool
}

func (s seamStore) CancelOrder(ctx context.Context, o id.Order, actor string, now time.Time, mint *id.Mint) (order.Order, bool, error) {
	c, err := through(ctx, s.p, "cancel "+o.String(), nil, func() (c closed, err error) {
		c.order, c.live, err = s.Store.CancelOrder(ctx, o, actor, now, mint)
		return c, err
	})
	return c.order, c.live, err
}

func (s seamStore) RequestRefund(ctx context.Context, r payment.RefundRequest) (payment.Refund, error) {
	return through(ctx, s.p, "request refund of "+r.Order.String(), nil, func() (payment.Refund, error) { return s.Store.RequestRefund(ctx, r) })
}

func (s seamStore) ClaimRefunds(ctx context.Context, now time.Time, limit int, next func(*payment.Refund) time.Time) ([]payment.DueRefund, error) {
	return through(ctx, s.p, "claim refunds", nil, func() ([]payment.DueRefund, error) { return s.Store.ClaimRefunds(ctx, now, limit, next) })
}

func (s seamStore) RecordRefund(ctx context.Context, r id.Refund, to payment.RefundStatus, refusal string, at time.Time, mint *id.Mint) (payment.Refund, error) {
	return through(ctx, s.p, "settle refund "+r.String(), nil, func() (payment.Refund, error) { return s.Store.RecordRefund(ctx, r, to, refusal, at, mint) })
}

// seamGate is the gate with a turn before each call.
type seamGate struct {
	*inventory.MemoryGate
	p *process
}

func (g seamGate) Reserve(ctx context.Context, c *inventory.Claim) (inventory.Answer, error) {
	g.p.turn(ctx, "reserve for "+c.Customer.String()+" "+c.Key+" "+c.Order.String())
	return g.MemoryGate.Reserve(ctx, c)
}

func (g seamGate) Find(ctx context.Context, c *inventory.Claim) (inventory.Answer, error) {
	g.p.turn(ctx, "find "+c.Customer.String()+" "+c.Key+" "+c.Order.String())
	return g.MemoryGate.Find(ctx, c)
}

func (g seamGate) Confirm(ctx context.Context, c *inventory.Claim) error {
	g.p.turn(ctx, "confirm reservation "+c.Order.String())
	return g.MemoryGate.Confirm(ctx, c)
}

func (g seamGate) Release(ctx context.Context, c *inventory.Claim) error {
	g.p.turn(ctx, "release reservation "+c.Order.String())
	return g.MemoryGate.Release(ctx, c)
}

func (g seamGate) Apply(ctx context.Context, changes []inventory.Change) error {
	g.p.turn(ctx, "apply changes")
	return g.MemoryGate.Apply(ctx, changes)
}

// seamSales tells terms and prices after a turn, so that those who wake together mint their ids one after the other.
type seamSales struct{ p *process }

func (s seamSales) Sale(ctx context.Context, sl id.Sale) (*sale.Sale, error) {
	s.p.turn(ctx, "read terms")
	return s.p.book.Sale(ctx, sl)
}

func (s seamSales) Price(ctx context.Context, _ id.SKU) (money.Amount, error) {
	s.p.turn(ctx, "read price")
	return money.Of(price, currency), nil
}

type products struct{}

func (products) OfRehearsal(context.Context, id.SKU) (bool, error) { return false, nil }

func (products) Offer(context.Context, id.SKU) (id.Product, money.Amount, error) {
	return 1, money.Of(price, currency), nil
}
