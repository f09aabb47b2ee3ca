package order_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/sale"
	"github.com/tidegate/tidegate/internal/shoptest"
)

// blindGate is what a process has whose gate cannot be asked, as redis/gate answers then: the database's guard decides alone.
type blindGate struct {
	*inventory.MemoryGate
	store interface {
		Now(ctx context.Context) (time.Time, error)
	}
	hold time.Duration
}

func (g blindGate) Reserve(ctx context.Context, c *inventory.Claim) (inventory.Answer, error) {
	now, err := g.store.Now(ctx)
	if !c.Queued {
		c.Deadline = now.Add(g.hold).UnixMilli()
	}
	return inventory.Answer{Verdict: inventory.GateBypassed, Uncertain: true}, err
}

func (blindGate) Find(context.Context, *inventory.Claim) (inventory.Answer, error) {
	return inventory.Answer{Uncertain: true}, nil
}

func (blindGate) Confirm(context.Context, *inventory.Claim) error { return nil }

func (blindGate) Release(context.Context, *inventory.Claim) error { return nil }

// process is one of several over a store, whose commits go on when its committer is told to.
type process struct {
	*order.Service
	committer *order.Committer
}

// blind starts a process without a gate. Its shoppers are answered undecided soon.
func (s *shop) blind(hold time.Duration) process {
	gate := blindGate{s.Gate, s.Store, hold}
	config := order.DefaultConfig()
	config.AnswerWithin = 100 * time.Millisecond
	c := order.NewCommitter(s.Store, gate, s.Mint, config, func(int, time.Duration, error) {})
	return process{order.NewService(order.Parts{
		Store: s.Store, Gate: gate, Intake: c, Sales: s.Book, Prices: shoptest.Products{}, Signer: shoptest.Signer, Clock: s.Clock, Mint: s.Mint, Config: config,
	}), c}
}

// commit commits what has queued.
func (p process) commit(t testing.TB) {
	t.Helper()
	for p.committer.Depth() > 0 {
		if _, err := p.committer.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// buy asks for a unit and drives the process's commits until the answer is there.
func (p process) buy(t testing.TB, sl id.Sale, c id.Customer, key string) (order.Placed, error) {
	t.Helper()
	type answer struct {
		placed order.Placed
		err    error
	}
	done := make(chan answer, 1)
	go func() {
		placed, err := p.Place(t.Context(), order.Request{Customer: c, Sale: sl, Key: key, Lines: []inventory.Line{{SKU: 1, Units: 1}}, Asked: time.Now().Add(time.Minute)})
		done <- answer{placed, err}
	}()
	for {
		select {
		case a := <-done:
			return a.placed, a.err
		case <-p.committer.Wake():
			p.commit(t)
		}
	}
}

// P32: a shopper's order is undecided at one process, and the same key is refused at another. Then there is room again, and the first
// process goes on: the order must not be made. Who asks again, at either, is answered as anybody.
func TestARefusalIsCertain(t *testing.T) {
	for _, c := range []struct {
		name  string
		until func(s *shop, b process, sl id.Sale) (undo func()) // until the key is refused
		code  fault.Code
		sale  bool
	}{
		{"sold out in a sale", func(s *shop, b process, sl id.Sale) func() {
			placed, err := b.buy(s.t, sl, 8, "other")
			if err != nil {
				s.t.Fatal(err)
			}
			return func() { s.cancel(placed.Order.ID) }
		}, fault.SoldOut, true},
		{"sold out of general stock", func(s *shop, b process, sl id.Sale) func() {
			placed, err := b.buy(s.t, sl, 8, "other")
			if err != nil {
				s.t.Fatal(err)
			}
			return func() { s.cancel(placed.Order.ID) }
		}, fault.SoldOut, false},
		{"limit reached", func(s *shop, b process, sl id.Sale) func() {
			placed, err := b.buy(s.t, sl, 7, "other")
			if err != nil {
				s.t.Fatal(err)
			}
			return func() { s.cancel(placed.Order.ID) }
		}, fault.LimitReached, true},
		{"paused", func(s *shop, _ process, sl id.Sale) func() {
			s.move(sl, sale.Paused)
			return func() { s.move(sl, sale.Live) }
		}, fault.SalePaused, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newShop(t)
			units := int64(1)
			if c.code == fault.LimitReached {
				units = 2
			}
			var sl id.Sale
			if c.sale {
				sl = s.Open(units, 1, 1)
				if _, err := s.Sales.Step(t.Context()); err != nil { // live in its row, too
					t.Fatal(err)
				}
				s.Follow()
			} else {
				s.Receive(1, units)
			}
			a, b := s.blind(time.Hour), s.blind(time.Hour)
			held, err := a.Place(t.Context(), order.Request{Customer: 7, Sale: sl, Key: "key", Lines: []inventory.Line{{SKU: 1, Units: 1}}})
			if err != nil || !held.Undecided {
				t.Fatalf("got %+v, %v; want undecided", held, err)
			}
			undo := c.until(s, b, sl)
			if placed, err := b.buy(t, sl, 7, "key"); !errors.Is(err, c.code) {
				t.Fatalf("the other process answers %+v, %v; want %s", placed, err, c.code)
			}
			undo()
			a.commit(t)
			if found, err := s.Store.Order(t.Context(), held.Order.ID); !errors.Is(err, fault.NotFound) {
				t.Errorf("order %+v, %v: its shopper was refused", found, err)
			}
			if _, err := b.FenceStep(t.Context()); err != nil {
				t.Fatal(err)
			}
			if placed, err := b.buy(t, sl, 7, "key"); err != nil || placed.Undecided || placed.Replayed {
				t.Errorf("asked again: %+v, %v; want an order", placed, err)
			}
		})
	}
}

// The other way round: the first process commits before the second one's refusal is certain, and the shopper gets the order.
func TestARefusalComesTooLate(t *testing.T) {
	s := newShop(t)
	sl := s.Open(1, 1, 1)
	a, b := s.blind(time.Hour), s.blind(time.Hour)
	held, err := a.Place(t.Context(), order.Request{Customer: 7, Sale: sl, Key: "key", Lines: []inventory.Line{{SKU: 1, Units: 1}}})
	if err != nil || !held.Undecided {
		t.Fatalf("got %+v, %v; want undecided", held, err)
	}
	a.commit(t)
	if placed, err := b.buy(t, sl, 7, "key"); err != nil || placed.Order.ID != held.Order.ID || !placed.Replayed {
		t.Errorf("got %+v, %v; want order %s again", placed, err, held.Order.ID)
	}
}

// Every 202 has a ticket, and every ticket ends in a decision, at every process.
func TestATicketEnds(t *testing.T) {
	for _, c := range []struct {
		name  string
		hold  time.Duration
		then  func(s *shop, a, b process, sl id.Sale)
		code  fault.Code // zero: an order
		other bool       // an order that the key made otherwise
	}{
		{name: "it is committed", hold: time.Hour, then: func(s *shop, a, _ process, _ id.Sale) { a.commit(s.t) }},
		{name: "it is refused", hold: time.Hour, code: fault.SoldOut, then: func(s *shop, a, b process, sl id.Sale) {
			if _, err := b.buy(s.t, sl, 8, "other"); err != nil {
				s.t.Fatal(err)
			}
			a.commit(s.t)
		}},
		{name: "its process dies", hold: time.Nanosecond, code: fault.OrderClosed, then: func(s *shop, _, _ process, _ id.Sale) {
			time.Sleep(2 * time.Millisecond) // by the database's clock the deadline is over
		}},
		{name: "its key makes another order", hold: time.Hour, other: true, then: func(s *shop, _, b process, sl id.Sale) {
			if _, err := b.buy(s.t, sl, 7, "key"); err != nil {
				s.t.Fatal(err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newShop(t)
			sl := s.Open(1, 1, 1)
			a, b := s.blind(c.hold), s.blind(time.Hour)
			held, err := a.Place(t.Context(), order.Request{Customer: 7, Sale: sl, Key: "key", Lines: []inventory.Line{{SKU: 1, Units: 1}}})
			if err != nil || !held.Undecided || held.Ticket == "" {
				t.Fatalf("got %+v, %v; want undecided with a ticket", held, err)
			}
			follow := func(p process) (order.Placed, error) {
				ticket, err := p.Ticket(held.Ticket)
				if err != nil {
					t.Fatal(err)
				}
				return p.Follow(t.Context(), ticket, 0)
			}
			if c.hold > time.Second {
				if got, err := follow(b); err != nil || !got.Undecided || got.Ticket == "" {
					t.Errorf("before it is decided: %+v, %v; want undecided with a ticket", got, err)
				}
			}
			c.then(s, a, b, sl)
			processes := map[string]process{"the process": a, "another process": b}
			if c.code == fault.OrderClosed {
				delete(processes, "the process") // it is dead
			}
			for name, p := range processes {
				got, err := follow(p)
				switch {
				case c.code != 0:
					if !errors.Is(err, c.code) {
						t.Errorf("%s answers %+v, %v; want %s", name, got, err, c.code)
					}
				case err != nil || got.Undecided || (got.Order.ID == held.Order.ID) == c.other:
					t.Errorf("%s answers %+v, %v", name, got, err)
				}
			}
		})
	}
}

func (s *shop) cancel(o id.Order) {
	s.t.Helper()
	if _, _, err := s.Store.CancelOrder(s.t.Context(), o, "test", s.Clock.Now(), s.Mint); err != nil {
		s.t.Fatal(err)
	}
}

func (s *shop) move(sl id.Sale, to sale.Status) {
	s.t.Helper()
	if _, err := s.Store.MoveSale(s.t.Context(), sale.Move{Sale: sl, To: to, Actor: "test", At: s.Clock.Now(), Mint: s.Mint}); err != nil {
		s.t.Fatal(err)
	}
	s.Follow()
}
