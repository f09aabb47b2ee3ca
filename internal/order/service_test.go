package order_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/await"
	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/sale"
	"github.com/tidegate/tidegate/internal/shoptest"
)

// shop is the order path over the real store and gate, with a clock that tests move.
type shop struct {
	*shoptest.Selling
	t         testing.TB
	committer *order.Committer
	orders    *order.Service
}

func newShop(t testing.TB) *shop {
	t.Helper()
	s := &shop{Selling: shoptest.Open(t).Sell(), t: t}
	s.wire(s.Store)
	return s
}

// wire makes the committer and the order service over a store, which tests may have wrapped.
func (s *shop) wire(st order.Store) {
	config := order.DefaultConfig()
	s.committer = s.Committer(st, config)
	s.orders = s.Orders(st, s.committer, config)
}

// drive runs the committer's loop until the test ends.
func (s *shop) drive() { s.Drive(s.committer.Wake(), s.committer.Step) }

func (s *shop) place(sl id.Sale, c id.Customer, key string, lines ...inventory.Line) (order.Placed, error) {
	return s.orders.Place(s.t.Context(), order.Request{Customer: c, Sale: sl, Key: key, Lines: lines})
}

func TestPlace(t *testing.T) {
	s := newShop(t)
	s.drive()
	s.Receive(3, 2)
	s.Follow()
	drop := s.Open(5, 3, 1, 2)
	later := func() id.Sale {
		made, err := s.Sales.Create(t.Context(), sale.Sale{Title: "Later", StartsAt: s.Clock.Now().Add(time.Hour), EndsAt: s.Clock.Now().Add(2 * time.Hour), PaymentWindow: time.Minute, Items: []sale.Item{{SKU: 3, Price: money.Of(1, "GBP"), Allocation: 1}}})
		if err == nil {
			_, err = s.Sales.Move(t.Context(), made.ID, sale.Scheduled, "test")
		}
		if err != nil {
			t.Fatal(err)
		}
		s.Follow()
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
		{name: "no units", sale: drop, customer: 7, key: "h", lines: []inventory.Line{line(1, 0)}, code: fault.Invalid, field: "lines[0].quantity"},
		{name: "negative units", sale: drop, customer: 7, key: "h", lines: []inventory.Line{line(1, -1)}, code: fault.Invalid, field: "lines[0].quantity"},
		{name: "too many units", sale: drop, customer: 7, key: "h", lines: []inventory.Line{line(1, 600), line(1, 600)}, code: fault.Invalid, field: "lines"},
		{name: "too many units in one line", sale: drop, customer: 7, key: "h", lines: []inventory.Line{line(2, 1), line(1, 1001)}, code: fault.Invalid, field: "lines[1].quantity"},
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
			drop := s.Open(int64(b.N)+1000, 1, list...)
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
	placed, err := s.place(s.Open(1, 0, 1), 7, "k", inventory.Line{SKU: 1, Units: 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, wait := range []time.Duration{0, time.Second} {
		s.wire(&blinking{Store: s.Store})
		if got, err := s.orders.Get(t.Context(), 7, placed.Order.ID, wait); err != nil || got.Order.ID != placed.Order.ID {
			t.Errorf("after waiting up to %s: %+v, %v", wait, got, err)
		}
	}
}

// doubting is a gate that doubts its refusals.
type doubting struct {
	inventory.Gate
	asked atomic.Int64
}

func (d *doubting) Reserve(ctx context.Context, c *inventory.Claim) (inventory.Answer, error) {
	a, err := d.Gate.Reserve(ctx, c)
	a.Uncertain = true
	d.asked.Add(1)
	return a, err
}

// slowRefusals is a store that takes its time to make the first refusals certain.
type slowRefusals struct {
	order.Store
	first       chan struct{}
	calls, keys atomic.Int64
}

func (s *slowRefusals) RefuseKeys(ctx context.Context, claims []*inventory.Claim) (int64, []order.Outcome, error) {
	s.keys.Add(int64(len(claims)))
	if s.calls.Add(1) == 1 {
		<-s.first
	}
	return s.Store.RefuseKeys(ctx, claims)
}

// TestACrowdInDoubt: refusals in doubt that come together are made certain together.
func TestACrowdInDoubt(t *testing.T) {
	s := newShop(t)
	s.drive()
	drop := s.Open(1, 0, 1)
	if _, err := s.place(drop, 1, "k", inventory.Line{SKU: 1, Units: 1}); err != nil {
		t.Fatal(err)
	}
	d, slow := &doubting{Gate: s.Gate}, &slowRefusals{Store: s.Store, first: make(chan struct{})}
	s.orders = order.NewService(order.Parts{
		Store: slow, Gate: d, Intake: s.committer, Sales: s.Book, Prices: shoptest.Products{}, Signer: shoptest.Signer, Clock: s.Clock, Mint: s.Mint, Config: order.DefaultConfig(),
	})
	const crowd = 300
	errs := make(chan error, crowd)
	for c := range crowd {
		go func() {
			_, err := s.place(drop, id.Customer(c+2), "k", inventory.Line{SKU: 1, Units: 1})
			errs <- err
		}()
	}
	await.Until(s.t, "what was asked for waits for its commit", func() bool { return d.asked.Load() == crowd })
	close(slow.first)
	codes := map[fault.Code]int{}
	for range crowd {
		codes[fault.CodeOf(<-errs)]++
	}
	if codes[fault.SoldOut] != crowd || slow.keys.Load() != crowd || slow.calls.Load() > crowd/10 {
		t.Errorf("%v, of %d keys in %d calls", codes, slow.keys.Load(), slow.calls.Load())
	}
}
