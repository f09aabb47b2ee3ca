package order_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/sale"
	"github.com/tidegate/tidegate/internal/store"
)

// shop is the order path over the real store and gate, with a clock that tests move.
type shop struct {
	t         testing.TB
	clock     *clock.Manual
	mint      *id.Mint
	store     *store.Store
	gate      *inventory.Memory
	follower  *inventory.Follower
	book      *sale.Book
	sales     *sale.Service
	stock     *inventory.Service
	committer *order.Committer
	orders    *order.Service
}

// products is a catalogue in which every SKU costs 12.50 GBP; SKU 404 does not exist.
type products struct{}

var listPrice = money.Of(1250, "GBP")

func (products) KnowsSKU(_ context.Context, sku id.SKU) error {
	if sku == 404 {
		return fault.New(fault.NotFound, "There is no SKU 404.")
	}
	return nil
}

func (p products) Offer(_ context.Context, sku id.SKU) (id.Product, money.Amount, error) {
	if sku == 404 {
		return 0, money.Amount{}, fault.New(fault.NotInSale, "SKU 404 is not for sale.")
	}
	return 1, listPrice, nil
}

func (p products) Price(ctx context.Context, sku id.SKU) (money.Amount, error) {
	_, price, err := p.Offer(ctx, sku)
	return price, err
}

func newShop(t testing.TB) *shop {
	t.Helper()
	s := &shop{t: t, clock: clock.NewManual(time.Date(2026, 11, 27, 19, 0, 0, 0, time.UTC))}
	c := store.DefaultConfig()
	c.Path = filepath.Join(t.TempDir(), "shop.db")
	var err error
	if s.store, err = store.Open(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.store.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, _, err := s.store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s.mint, err = id.NewMint(s.clock, 1); err != nil {
		t.Fatal(err)
	}
	s.gate = inventory.NewMemory()
	s.book = sale.NewBook(s.store, s.clock)
	s.sales = sale.NewService(s.store, s.book, products{}, s.clock, s.mint, "GBP")
	s.stock = inventory.NewService(s.store, products{}, s.clock, s.mint)
	s.follower = inventory.NewFollower(s.store, s.gate, func(ctx context.Context, sl id.Sale) error {
		_, err := s.book.Refresh(ctx, sl)
		return err
	})
	if err := s.follower.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.wire(s.store)
	return s
}

// wire makes the committer and the order service over a store, which tests may have wrapped.
func (s *shop) wire(st order.Store) {
	config := order.DefaultConfig()
	s.committer = order.NewCommitter(st, s.gate, s.mint, config, func(int, time.Duration, error) {})
	s.orders = order.NewService(order.Parts{
		Store: st, Gate: s.gate, Intake: s.committer, Sales: s.book, Prices: products{}, Clock: s.clock, Mint: s.mint, Config: config,
	})
}

// drive runs the committer's loop until the test ends.
func (s *shop) drive() {
	committer := s.committer // a test may wire another later
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-committer.Wake():
				_, _ = committer.Step(ctx)
			case <-ctx.Done():
				return
			}
		}
	}()
	s.t.Cleanup(func() { cancel(); <-done })
}

// sale opens a sale of units of each of the SKUs at 9.99 GBP.
func (s *shop) sale(units, limit int64, skus ...id.SKU) id.Sale {
	s.t.Helper()
	terms := sale.Sale{Title: "Drop", StartsAt: s.clock.Now(), EndsAt: s.clock.Now().Add(time.Hour), Limit: limit, PaymentWindow: 10 * time.Minute}
	for _, sku := range skus {
		s.receive(sku, units)
		terms.Items = append(terms.Items, sale.Item{SKU: sku, Price: money.Of(999, "GBP"), Allocation: units})
	}
	made, err := s.sales.Create(s.t.Context(), terms)
	if err == nil {
		_, err = s.sales.Move(s.t.Context(), made.ID, sale.Scheduled, "test")
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.follow()
	return made.ID
}

func (s *shop) receive(sku id.SKU, units int64) {
	s.t.Helper()
	_, err := s.stock.Adjust(s.t.Context(), inventory.Adjustment{SKU: sku, Kind: inventory.Receive, Units: units, Reason: "delivery", Actor: "test", Key: fmt.Sprint("r", s.mint.Next())})
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *shop) follow() {
	s.t.Helper()
	for {
		n, err := s.follower.Step(s.t.Context())
		if err != nil {
			s.t.Fatal(err)
		}
		if n == 0 {
			return
		}
	}
}

func (s *shop) place(sl id.Sale, c id.Customer, key string, lines ...inventory.Line) (order.Placed, error) {
	return s.orders.Place(s.t.Context(), order.Request{Customer: c, Sale: sl, Key: key, Lines: lines})
}

func TestPlace(t *testing.T) {
	s := newShop(t)
	s.drive()
	s.receive(3, 2)
	s.follow()
	drop := s.sale(5, 3, 1, 2)
	later := func() id.Sale {
		made, err := s.sales.Create(t.Context(), sale.Sale{Title: "Later", StartsAt: s.clock.Now().Add(time.Hour), EndsAt: s.clock.Now().Add(2 * time.Hour), PaymentWindow: time.Minute, Items: []sale.Item{{SKU: 3, Price: money.Of(1, "GBP"), Allocation: 1}}})
		if err == nil {
			_, err = s.sales.Move(t.Context(), made.ID, sale.Scheduled, "test")
		}
		if err != nil {
			t.Fatal(err)
		}
		s.follow()
		return made.ID
	}()
	line := func(sku id.SKU, units int64) inventory.Line { return inventory.Line{SKU: sku, Units: units} }
	for _, c := range []struct {
		name     string
		sale     id.Sale
		customer id.Customer
		key      string
		lines    []inventory.Line
		code     fault.Code
		field    string
		total    int64
		replayed bool
	}{
		{name: "one line at the sale's price", sale: drop, customer: 7, key: "a", lines: []inventory.Line{line(1, 2)}, total: 1998},
		{name: "the same again is the same order", sale: drop, customer: 7, key: "a", lines: []inventory.Line{line(1, 2)}, total: 1998, replayed: true},
		{name: "the same content in two lines is the same order", sale: drop, customer: 7, key: "a", lines: []inventory.Line{line(1, 1), line(1, 1)}, total: 1998, replayed: true},
		{name: "the key with another body", sale: drop, customer: 7, key: "a", lines: []inventory.Line{line(1, 1)}, code: fault.KeyReused, field: "Idempotency-Key"},
		{name: "the same key of another customer is another order", sale: drop, customer: 8, key: "a", lines: []inventory.Line{line(1, 3)}, total: 2997},
		{name: "over the limit", sale: drop, customer: 7, key: "b", lines: []inventory.Line{line(2, 2)}, code: fault.LimitReached},
		{name: "sold out", sale: drop, customer: 9, key: "a", lines: []inventory.Line{line(1, 1)}, code: fault.SoldOut},
		{name: "two lines, one sold out: nothing", sale: drop, customer: 9, key: "b", lines: []inventory.Line{line(2, 1), line(1, 1)}, code: fault.SoldOut},
		{name: "sold out, and the retry gets its order", sale: drop, customer: 8, key: "a", lines: []inventory.Line{line(1, 3)}, total: 2997, replayed: true},
		{name: "the line that was not taken is still there", sale: drop, customer: 9, key: "b", lines: []inventory.Line{line(2, 3)}, total: 2997},
		{name: "general stock at list price", customer: 7, key: "g", lines: []inventory.Line{line(3, 1)}, total: 1250},
		{name: "general stock again", customer: 7, key: "g", lines: []inventory.Line{line(3, 1)}, total: 1250, replayed: true},
		{name: "general stock, other body", customer: 7, key: "g", lines: []inventory.Line{line(3, 2)}, code: fault.KeyReused, field: "Idempotency-Key"},
		{name: "general stock sold out", customer: 8, key: "g", lines: []inventory.Line{line(3, 1)}, code: fault.SoldOut},
		{name: "general stock sold out, and the retry gets its order", customer: 7, key: "g", lines: []inventory.Line{line(3, 1)}, total: 1250, replayed: true},
		{name: "a SKU that never had stock", customer: 7, key: "h", lines: []inventory.Line{line(77, 1)}, code: fault.SoldOut},
		{name: "a SKU that does not exist", customer: 7, key: "h", lines: []inventory.Line{line(3, 1), line(404, 1)}, code: fault.NotInSale, field: "lines[1].sku_id"},
		{name: "a SKU that is not in the sale", sale: drop, customer: 7, key: "h", lines: []inventory.Line{line(3, 1)}, code: fault.NotInSale, field: "lines[0].sku_id"},
		{name: "a sale that does not exist", sale: 99, customer: 7, key: "h", lines: []inventory.Line{line(1, 1)}, code: fault.NotFound},
		{name: "a sale that is not open", sale: later, customer: 7, key: "h", lines: []inventory.Line{line(3, 1)}, code: fault.SaleNotOpen},
		{name: "no units", sale: drop, customer: 7, key: "h", lines: []inventory.Line{line(1, 0)}, code: fault.Invalid, field: "lines[0].units"},
		{name: "negative units", sale: drop, customer: 7, key: "h", lines: []inventory.Line{line(1, -1)}, code: fault.Invalid, field: "lines[0].units"},
		{name: "too many units", sale: drop, customer: 7, key: "h", lines: []inventory.Line{line(1, 600), line(1, 600)}, code: fault.Invalid, field: "lines"},
		{name: "too many units in one line", sale: drop, customer: 7, key: "h", lines: []inventory.Line{line(2, 1), line(1, 1001)}, code: fault.Invalid, field: "lines[1].units"},
		{name: "no lines", sale: drop, customer: 7, key: "h", code: fault.Invalid, field: "lines"},
		{name: "no key", sale: drop, customer: 7, lines: []inventory.Line{line(1, 1)}, code: fault.MissingKey, field: "Idempotency-Key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			placed, err := s.place(c.sale, c.customer, c.key, c.lines...)
			if c.total == 0 {
				f, _ := errors.AsType[*fault.Error](err)
				if f == nil || f.Code != c.code || f.Field != c.field {
					t.Fatalf("got %+v, %v; want %s of %q", placed, err, c.code, c.field)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if placed.Order.Total.Minor != c.total || placed.Replayed != c.replayed || placed.Order.Status != order.Pending {
				t.Errorf("got %+v", placed)
			}
			read, err := s.orders.Get(t.Context(), c.customer, placed.Order.ID, 0)
			if err != nil || read.Order.Total != placed.Order.Total {
				t.Errorf("read back %+v, %v", read, err)
			}
			if _, err := s.orders.Get(t.Context(), c.customer+1000, placed.Order.ID, 0); !errors.Is(err, fault.NotFound) {
				t.Errorf("another customer reads it: %v", err)
			}
		})
	}
}

// BenchmarkPlace is the way of an order without HTTP: 256 shoppers, each of a new customer, one unit of one SKU.
func BenchmarkPlace(b *testing.B) {
	for _, skus := range []int{1, 1000} {
		b.Run(fmt.Sprintf("skus=%d", skus), func(b *testing.B) {
			s := newShop(b)
			s.drive()
			list := make([]id.SKU, skus)
			for i := range list {
				list[i] = id.SKU(i + 1000)
			}
			drop := s.sale(int64(b.N)+1000, 1, list...)
			var n atomic.Int64
			b.ReportAllocs()
			b.SetParallelism(128)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					i := n.Add(1)
					c := id.Customer(i * 7919)
					r := order.Request{Customer: c, Sale: drop, Key: "key", Lines: []inventory.Line{{SKU: list[i%int64(skus)], Units: 1}}}
					if _, err := s.orders.Place(context.Background(), r); err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "orders/s")
		})
	}
}

// blinking is a store that does not see an order the first time it is asked for it, as one that is committed in the very
// next moment.
type blinking struct {
	order.Store
	asked atomic.Int64
}

func (b *blinking) Order(ctx context.Context, o id.Order) (order.Order, error) {
	if b.asked.Add(1) == 1 {
		return order.Order{}, fault.New(fault.NotFound, "There is no order %s.", o)
	}
	return b.Store.Order(ctx, o)
}

// TestGetOfAnOrderCommittedMeanwhile: an order that is committed between the look into the database and the look at what is
// under way is found, and not called missing.
func TestGetOfAnOrderCommittedMeanwhile(t *testing.T) {
	s := newShop(t)
	s.drive()
	placed, err := s.place(s.sale(1, 0, 1), 7, "k", inventory.Line{SKU: 1, Units: 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, wait := range []time.Duration{0, time.Second} {
		s.wire(&blinking{Store: s.store})
		if got, err := s.orders.Get(t.Context(), 7, placed.Order.ID, wait); err != nil || got.Order.ID != placed.Order.ID {
			t.Errorf("after waiting up to %s: %+v, %v", wait, got, err)
		}
	}
}

// doubting is a gate that doubts its refusals, and is slow to say whether it knows a key.
type doubting struct {
	inventory.Gate
	asked   atomic.Int64
	answers chan struct{}
}

func (d *doubting) Reserve(ctx context.Context, c *inventory.Claim) (inventory.Answer, error) {
	a, err := d.Gate.Reserve(ctx, c)
	a.Doubted = true
	return a, err
}

func (d *doubting) Find(ctx context.Context, c *inventory.Claim) (inventory.Answer, error) {
	d.asked.Add(1)
	<-d.answers
	return d.Gate.Find(ctx, c)
}

// TestACrowdInDoubt: a few refusals in doubt are looked into at a time, and the others are told to come back.
func TestACrowdInDoubt(t *testing.T) {
	s := newShop(t)
	s.drive()
	drop := s.sale(1, 0, 1)
	if _, err := s.place(drop, 1, "k", inventory.Line{SKU: 1, Units: 1}); err != nil {
		t.Fatal(err)
	}
	d := &doubting{Gate: s.gate, answers: make(chan struct{})}
	s.orders = order.NewService(order.Parts{
		Store: s.store, Gate: d, Intake: s.committer, Sales: s.book, Prices: products{}, Clock: s.clock, Mint: s.mint, Config: order.DefaultConfig(),
	})
	const crowd = 100
	errs := make(chan error, crowd)
	for c := range crowd {
		go func() {
			_, err := s.place(drop, id.Customer(c+2), "k", inventory.Line{SKU: 1, Units: 1})
			errs <- err
		}()
	}
	codes := map[fault.Code]int{}
	for n := range crowd {
		if n == crowd-8 {
			close(d.answers)
		}
		codes[fault.CodeOf(<-errs)]++
	}
	if codes[fault.Overloaded] != crowd-8 || codes[fault.SoldOut] != 8 || d.asked.Load() != 8 {
		t.Errorf("%v, and %d were looked into", codes, d.asked.Load())
	}
}
