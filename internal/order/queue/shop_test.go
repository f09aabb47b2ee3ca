package queue_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/account"
	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/order/queue"
	"github.com/tidegate/tidegate/internal/sale"
	"github.com/tidegate/tidegate/internal/store"
)

// patience bounds every wait for something that must come.
const patience = 60 * time.Second

// shop is the order path with its queue, over the real store and gate.
type shop struct {
	t        testing.TB
	clock    *clock.Manual
	mint     *id.Mint
	store    *store.Store
	gate     *inventory.Memory
	follower *inventory.Follower
	book     *sale.Book
	sales    *sale.Service
	stock    *inventory.Service
	log      *memoryLog
	intake   *queue.Intake
	worker   *queue.Worker
	orders   *order.Service
}

type products struct{}

func (products) KnowsSKU(context.Context, id.SKU) error { return nil }
func (p products) Offer(ctx context.Context, sku id.SKU) (id.Product, money.Amount, error) {
	price, err := p.Price(ctx, sku)
	return 1, price, err
}
func (products) Price(context.Context, id.SKU) (money.Amount, error) {
	return money.Of(1250, "GBP"), nil
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		check(t, err)
		return v
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newShop(t testing.TB, change ...func(*order.Config)) *shop {
	t.Helper()
	s := &shop{t: t, clock: clock.NewManual(time.Date(2026, 11, 27, 19, 0, 0, 0, time.UTC)), log: &memoryLog{}}
	c := store.DefaultConfig()
	c.Path = filepath.Join(t.TempDir(), "shop.db")
	s.store = must(store.Open(t.Context(), c))(t)
	t.Cleanup(func() { check(t, s.store.Close()) })
	_, _, err := s.store.Migrate(t.Context())
	check(t, err)
	s.mint = must(id.NewMint(s.clock, 1))(t)
	s.open(change...)
	return s
}

// open makes the modules as a process that starts does, with the gate as the database has it.
func (s *shop) open(change ...func(*order.Config)) {
	s.t.Helper()
	t, config := s.t, order.DefaultConfig()
	config.Intake = order.IntakeQueue
	for _, f := range change {
		f(&config)
	}
	s.gate = inventory.NewMemory()
	s.book = sale.NewBook(s.store, s.clock)
	check(t, s.book.Load(t.Context()))
	s.sales = sale.NewService(s.store, s.book, products{}, s.clock, s.mint, "GBP")
	s.stock = inventory.NewService(s.store, products{}, s.clock, s.mint)
	s.follower = inventory.NewFollower(s.store, s.gate, func(ctx context.Context, sl id.Sale) error {
		_, err := s.book.Refresh(ctx, sl)
		return err
	})
	check(t, s.follower.Load(t.Context()))
	committer := order.NewCommitter(s.store, s.gate, s.mint, config, func(int, time.Duration, error) {})
	s.intake = queue.New(queue.Parts{
		Log: s.log, Committer: committer, Gate: s.gate, Store: s.store, Clock: s.clock, Mint: s.mint, Config: config, Observer: quiet{},
	})
	s.worker = queue.NewWorker(s.intake, s.book)
	s.orders = order.NewService(order.Parts{
		Store: s.store, Gate: s.gate, Intake: s.intake, Sales: s.book, Prices: products{}, Signer: account.NewSigner(account.NewKeyring(), "ticket"),
		Clock: s.clock, Mint: s.mint, Config: config,
	})
	s.drive(committer.Wake(), committer.Step)
	for range 2 {
		s.drive(s.intake.Wake(), s.intake.AppendStep)
	}
}

// drive repeats a step until the test ends.
func (s *shop) drive(wake <-chan struct{}, step func(context.Context) (int, error)) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			n, err := step(ctx)
			if n > 0 {
				continue
			}
			pause := time.Second
			if err != nil {
				pause = 2 * time.Millisecond
			}
			select {
			case <-wake:
			case <-time.After(pause):
			case <-ctx.Done():
			}
		}
	}()
	s.t.Cleanup(func() { cancel(); <-done })
}

// sale opens a sale of units of SKU 1 at 9.99 GBP.
func (s *shop) sale(units, limit int64) id.Sale {
	s.t.Helper()
	_, err := s.stock.Adjust(s.t.Context(), inventory.Adjustment{SKU: 1, Kind: inventory.Receive, Units: units, Reason: "delivery", Actor: "test", Key: fmt.Sprint("r", s.mint.Next())})
	check(s.t, err)
	made := must(s.sales.Create(s.t.Context(), sale.Sale{
		Title: "Drop", StartsAt: s.clock.Now(), EndsAt: s.clock.Now().Add(time.Hour), Limit: limit, PaymentWindow: 10 * time.Minute,
		Items: []sale.Item{{SKU: 1, Price: money.Of(999, "GBP"), Allocation: units}},
	}))(s.t)
	must(s.sales.Move(s.t.Context(), made.ID, sale.Scheduled, "test"))(s.t)
	must(s.sales.Step(s.t.Context()))(s.t)
	s.follow()
	return made.ID
}

func (s *shop) follow() {
	s.t.Helper()
	for n := 1; n > 0; {
		n = must(s.follower.Step(s.t.Context()))(s.t)
	}
}

func (s *shop) place(sl id.Sale, c id.Customer, key string) (order.Placed, error) {
	return s.orders.Place(s.t.Context(), order.Request{Customer: c, Sale: sl, Key: key, Lines: []inventory.Line{{SKU: 1, Units: 1}}})
}

// queued places an order that must be queued.
func (s *shop) queued(sl id.Sale, c id.Customer, key string) order.Placed {
	s.t.Helper()
	p := must(s.place(sl, c, key))(s.t)
	if !p.Undecided || p.Order.Status != order.Queued || p.Ticket == "" {
		s.t.Fatalf("got %+v, want queued with a ticket", p)
	}
	return p
}

// settle settles everything in the log, each message by itself.
func (s *shop) settle() {
	s.t.Helper()
	for _, m := range s.log.all() {
		check(s.t, s.worker.Settle(s.t.Context(), [][]byte{m}))
	}
	s.follow()
}

// fate follows a ticket.
func (s *shop) fate(p order.Placed, wait time.Duration) (order.Placed, error) {
	s.t.Helper()
	return s.orders.Follow(s.t.Context(), must(s.orders.Ticket(p.Ticket))(s.t), wait)
}

// agrees checks the pool's row, and that the gate has the same available units.
func (s *shop) agrees(sl id.Sale, reserved int64) {
	s.t.Helper()
	s.follow()
	for _, p := range must(s.store.Pools(s.t.Context(), 1))(s.t) {
		level, held := s.gate.Level(p.Pool)
		if !held || level != p.Available() {
			s.t.Errorf("pool %+v: %d at the gate (%t), %d in the database", p.Pool, level, held, p.Available())
		}
		if p.Sale == sl && p.Reserved != reserved {
			s.t.Errorf("%d units are reserved, want %d", p.Reserved, reserved)
		}
	}
}

// overload loads a gate that thinks that a pool has more than it has.
func (s *shop) overload(sl id.Sale, units int64) {
	s.t.Helper()
	snap := must(s.store.GateSnapshot(s.t.Context()))(s.t)
	for i := range snap.Stock {
		if snap.Stock[i].Sale == sl {
			snap.Stock[i].OnHand = units + snap.Stock[i].Reserved
		}
	}
	check(s.t, s.gate.Load(s.t.Context(), snap))
}

// receive puts units of SKU 1 into general stock.
func (s *shop) receive(units int64) {
	s.t.Helper()
	_, err := s.stock.Adjust(s.t.Context(), inventory.Adjustment{SKU: 1, Kind: inventory.Receive, Units: units, Reason: "delivery", Actor: "test", Key: fmt.Sprint("r", s.mint.Next())})
	check(s.t, err)
	s.follow()
}

func (s *shop) placed() int {
	s.t.Helper()
	return len(must(s.store.Orders(s.t.Context(), order.Filter{Limit: 200}))(s.t))
}

// fateOf reads an order of another process's ticket by its owner.
func (s *shop) fateOf(p order.Placed) (order.Placed, error) {
	return s.orders.Get(s.t.Context(), 9, p.Order.ID, 0)
}

func (s *shop) until(what string, holds func() bool) {
	s.t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("not within %s: %s", patience, what)
		}
	}
}

// rewire makes the intake and the orders anew over another committer and configuration.
func (s *shop) rewire(committer *order.Committer, config order.Config) {
	s.intake = queue.New(queue.Parts{
		Log: s.log, Committer: committer, Gate: s.gate, Store: s.store, Clock: s.clock, Mint: s.mint, Config: config, Observer: quiet{},
	})
	s.worker = queue.NewWorker(s.intake, s.book)
	s.orders = order.NewService(order.Parts{
		Store: s.store, Gate: s.gate, Intake: s.intake, Sales: s.book, Prices: products{}, Signer: account.NewSigner(account.NewKeyring(), "ticket"),
		Clock: s.clock, Mint: s.mint, Config: config,
	})
	s.drive(committer.Wake(), committer.Step)
	s.drive(s.intake.Wake(), s.intake.AppendStep)
}
