package queue_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/await"
	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/order/queue"
	"github.com/tidegate/tidegate/internal/sale"
)

func TestAQueuedOrder(t *testing.T) {
	s := newShop(t)
	drop := s.sale(5, 1)
	p := s.queued(drop, 7, "k")
	if again := s.queued(drop, 7, "k"); again.Order.ID != p.Order.ID || !again.Replayed {
		t.Errorf("the same key again: %+v", again)
	}
	if _, err := s.place(drop, 7, "other"); !errors.Is(err, fault.LimitReached) {
		t.Errorf("a queued order uses the allowance: %v", err)
	}
	if f := must(s.fate(p, 0))(t); f.Order.Status != order.Queued {
		t.Errorf("before its turn: %+v", f)
	}
	if f := must(s.orders.Get(t.Context(), 7, p.Order.ID, 0))(t); f.Order.Status != order.Queued || f.Ticket == "" {
		t.Errorf("read by its id: %+v", f)
	}
	s.Clock.Advance(3 * time.Minute)
	got := make(chan order.Placed, 1)
	go func() {
		f, _ := s.fate(p, 30*time.Second)
		got <- f
	}()
	time.Sleep(20 * time.Millisecond)
	s.settle()
	select {
	case f := <-got:
		if f.Undecided || f.Order.ID != p.Order.ID || f.Order.Status != order.Pending {
			t.Errorf("after its turn: %+v", f)
		}
		// Its hold begins when it can be paid.
		if hold := f.Order.ExpiresAt.Sub(s.Clock.Now()); hold != 10*time.Minute {
			t.Errorf("it is held for another %s, want ten minutes", hold)
		}
	case <-time.After(await.Max):
		t.Fatal("whoever waits is not told")
	}
	if again := must(s.place(drop, 7, "k"))(t); !again.Replayed || again.Undecided || again.Order.ID != p.Order.ID {
		t.Errorf("the same key after its turn: %+v", again)
	}
	s.agrees(drop, 1)
}

// P22: the gate forgets the keys of general stock with their commit. A key that has its order is answered with it, and not
// queued once more: the shopper who lost the answer would get one ticket after another.
func TestAKeyOfGeneralStockHasItsOrder(t *testing.T) {
	s := newShop(t)
	s.receive(5)
	p := s.queued(0, 7, "k")
	s.settle()
	if again := must(s.place(0, 7, "k"))(t); !again.Replayed || again.Undecided || again.Order.ID != p.Order.ID {
		t.Errorf("the same key after its turn: %+v", again)
	}
	_, err := s.orders.Place(t.Context(), order.Request{Customer: 7, Key: "k", Lines: []inventory.Line{{SKU: 1, Units: 2}}})
	if !errors.Is(err, fault.KeyReused) {
		t.Errorf("the same key for something else: %v", err)
	}
	if n := len(s.log.all()); n != 1 {
		t.Errorf("%d intents are in the log, want the first alone", n)
	}
	s.agrees(0, 1)
}

// The gate promises more than there is; the guard refuses what cannot be had, and its row says why.
func TestARefusedIntent(t *testing.T) {
	s := newShop(t)
	drop := s.sale(2, 0)
	snap := must(s.Store.GateSnapshot(t.Context()))(t)
	for i := range snap.Stock {
		if snap.Stock[i].Sale == drop {
			snap.Stock[i].OnHand = 3
		}
	}
	check(t, s.Gate.Load(t.Context(), snap))
	var all []order.Placed
	for c := range id.Customer(3) {
		all = append(all, s.queued(drop, c+1, "k"))
	}
	s.settle()
	refused := 0
	for i, p := range all {
		f, err := s.fate(p, 0)
		if err == nil && !f.Undecided {
			continue
		}
		if refused++; !errors.Is(err, fault.SoldOut) {
			t.Errorf("%+v, %v, want sold_out", f, err)
		}
		if _, err := s.orders.Get(t.Context(), id.Customer(i+1), p.Order.ID, 0); !errors.Is(err, fault.SoldOut) {
			t.Errorf("read by its id: %v", err)
		}
		if _, err := s.orders.Get(t.Context(), 99, p.Order.ID, 0); !errors.Is(err, fault.NotFound) {
			t.Errorf("read by another: %v", err)
		}
	}
	if refused != 1 {
		t.Errorf("%d were refused, want 1", refused)
	}
	if level, _ := s.Gate.Available(inventory.Pool{Sale: drop, SKU: 1}); level != 1 {
		t.Errorf("%d units at the gate, want the one that was given back", level)
	}
}

// P8: an intent that comes three times, in one batch and out of order, to another process, and again the next day makes one
// order; a refused one stays refused when there would be stock for it.
func TestRedelivery(t *testing.T) {
	s := newShop(t)
	drop := s.sale(5, 0)
	s.receive(1)
	for c := range id.Customer(3) {
		s.queued(drop, c+1, "k")
	}
	s.overload(0, 2)
	first, second := s.queued(0, 8, "k"), s.queued(0, 9, "k")
	s.settle()
	again := func(why string) {
		t.Helper()
		messages := s.log.all()
		for i := range messages {
			check(t, s.worker.Process(t.Context(), [][]byte{messages[len(messages)-1-i], messages[i]}))
		}
		if n := s.placed(); n != 4 {
			t.Errorf("%s: %d orders, want 4", why, n)
		}
	}
	again("once more")
	if f, err := s.fate(first, 0); err != nil || f.Undecided {
		t.Errorf("the first of two: %+v, %v", f, err)
	}
	if _, err := s.fate(second, 0); !errors.Is(err, fault.SoldOut) {
		t.Errorf("the second of two: %v, want sold_out", err)
	}
	check(t, s.Follower.Load(t.Context()))
	again("with a gate that was rebuilt")
	s.agrees(drop, 3)
	s.receive(10)
	s.open()
	again("in another process, with stock for the refused one")
	s.agrees(drop, 3)
	if _, err := s.fateOf(second); !errors.Is(err, fault.SoldOut) {
		t.Errorf("a refused order became another: %v", err)
	}
	s.Clock.Advance(25 * time.Hour)
	must(s.Sales.Step(t.Context()))(t)
	s.Follow()
	again("the next day")
	s.agrees(drop, 3)
}

// P1, P7: an append whose confirm does not come is undecided, and not given back; the same key asks again and gets the truth,
// whichever it is.
func TestALostConfirm(t *testing.T) {
	for name, keeps := range map[string]bool{"the log has it": true, "the log has it not": false} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t, func(c *order.Config) { c.AnswerWithin = 200 * time.Millisecond })
			drop := s.sale(1, 1)
			s.log.fails(func() (bool, error) {
				if n := s.intake.Unappended(); n != 1 {
					t.Errorf("%d intents are not kept while one is appended", n)
				}
				return keeps, errNoConfirm
			})
			p := must(s.place(drop, 7, "k"))(t)
			if !p.Undecided || p.Order.Status != order.Undecided || p.Ticket == "" {
				t.Fatalf("got %+v, want undecided with a ticket", p)
			}
			if level, _ := s.Gate.Available(inventory.Pool{Sale: drop, SKU: 1}); level != 0 {
				t.Errorf("its unit was given back")
			}
			if again := must(s.place(drop, 7, "k"))(t); again.Order.ID != p.Order.ID || again.Order.Status != order.Undecided {
				t.Errorf("the same key, while nobody knows: %+v", again)
			}
			s.log.fails(nil)
			await.Until(s.t, "the append is confirmed", func() bool { return s.intake.Unappended() == 0 })
			if again := must(s.place(drop, 7, "k"))(t); again.Order.ID != p.Order.ID || again.Order.Status != order.Queued {
				t.Errorf("the same key, once it is kept: %+v", again)
			}
			s.settle()
			if f := must(s.fate(p, 0))(t); f.Undecided || f.Order.ID != p.Order.ID {
				t.Errorf("its fate: %+v", f)
			}
			if s.placed() != 1 {
				t.Errorf("%d orders", s.placed())
			}
			s.agrees(drop, 1)
		})
	}
}

// A log that says that it has nothing taken is believed: the unit goes back, and the shopper is told to come again.
func TestALogThatIsAway(t *testing.T) {
	s := newShop(t)
	drop := s.sale(1, 0)
	s.log.fails(func() (bool, error) { return false, fmt.Errorf("away: %w", queue.ErrNotAppended) })
	_, err := s.place(drop, 7, "k")
	if f := fault.As(err); f.Code != fault.Overloaded || f.RetryAfter == 0 {
		t.Errorf("got %v, want overloaded with a time to come again", err)
	}
	s.agrees(drop, 0)
	s.log.fails(nil)
	s.queued(drop, 8, "k")
}

// P4: what dies between any two steps of settling is delivered again, and nothing is lost or done twice.
func TestAnIntentOfAnEarlierLife(t *testing.T) {
	s := newShop(t)
	drop := s.sale(4, 0)
	for c := range id.Customer(3) {
		s.queued(drop, c+1, "k")
	}
	// The process dies before anything was settled. The next one reads the gate too early, as it would where the broker
	// delivered a message that it had said not to have.
	s.open()
	if level, _ := s.Gate.Available(inventory.Pool{Sale: drop, SKU: 1}); level != 4 {
		t.Fatalf("%d units at the gate", level)
	}
	s.settle()
	s.agrees(drop, 3)
	if again := must(s.place(drop, 1, "k"))(t); again.Undecided || !again.Replayed {
		t.Errorf("the key of an order of the earlier life: %+v", again)
	}
}

// away is a database that does not take commits.
type away struct {
	order.Store
	mu   sync.Mutex
	gone bool
}

func (a *away) CommitOrders(ctx context.Context, batch []*order.Draft, mint *id.Mint) ([]order.Outcome, error) {
	a.mu.Lock()
	gone := a.gone
	a.mu.Unlock()
	if gone {
		return nil, fault.New(fault.StoreUnavailable, "The database is away.")
	}
	return a.Store.CommitOrders(ctx, batch, mint)
}

func (a *away) set(gone bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.gone = gone
}

// A backlog has a bound, and says from the measured rate when to come again; a database that is away settles nothing and
// refuses nothing.
func TestABacklog(t *testing.T) {
	db := &away{}
	s := newShop(t, func(c *order.Config) { c.BacklogOrdersMax = 50 })
	drop := s.sale(100, 0)
	db.Store = s.Store
	config := order.DefaultConfig()
	config.Intake, config.BacklogOrdersMax = order.IntakeQueue, 50
	s.rewire(order.NewCommitter(db, s.Gate, s.Mint, config, func(int, time.Duration, error) {}), config)
	db.set(true)
	for c := range id.Customer(50) {
		s.queued(drop, c+1, "k")
	}
	_, err := s.place(drop, 51, "k")
	if f := fault.As(err); f.Code != fault.Overloaded || f.RetryAfter < time.Second {
		t.Errorf("the 51st: %v, want overloaded with a time to come again", err)
	}
	settled := make(chan error, 1)
	go func() { settled <- s.worker.Process(context.Background(), s.log.all()) }()
	select {
	case err := <-settled:
		t.Fatalf("settled without a database: %v", err)
	case <-time.After(300 * time.Millisecond):
	}
	db.set(false)
	check(t, <-settled)
	s.agrees(drop, 50)
	s.queued(drop, 51, "k")
}

// The terms may change while an order waits: another limit does not concern it, another price and an end do.
func TestTermsThatChangeMeanwhile(t *testing.T) {
	two := int64(2)
	for _, c := range []struct {
		name   string
		change func(s *shop, sl id.Sale) error
		want   error
	}{
		{"another limit", func(s *shop, sl id.Sale) error {
			_, err := s.Store.ChangeSale(t.Context(), sale.Change{Sale: sl, Limit: &two, At: s.Clock.Now()})
			return err
		}, nil},
		{"the end", func(s *shop, sl id.Sale) error {
			_, err := s.Sales.Move(t.Context(), sl, sale.Ended, "test")
			return err
		}, fault.SaleEnded},
		{"a pause", func(s *shop, sl id.Sale) error {
			_, err := s.Sales.Move(t.Context(), sl, sale.Paused, "test")
			return err
		}, fault.SalePaused},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newShop(t)
			drop := s.sale(2, 0)
			p := s.queued(drop, 7, "k")
			check(t, c.change(s, drop))
			s.Follow()
			s.settle()
			f, err := s.fate(p, 0)
			if !errors.Is(err, c.want) || f.Undecided {
				t.Errorf("got %+v, %v; want %v", f, err, c.want)
			}
		})
	}
}

func TestATicketIsNotMadeUp(t *testing.T) {
	s := newShop(t)
	p := s.queued(s.sale(1, 0), 7, "k")
	for _, bad := range []string{"", "x", p.Ticket + "A", "B" + p.Ticket[1:], p.Ticket[:len(p.Ticket)-1]} {
		if _, err := s.orders.Ticket(bad); !errors.Is(err, fault.Invalid) {
			t.Errorf("the ticket %q: %v", bad, err)
		}
	}
	s.Clock.Advance(49 * time.Hour)
	if _, err := s.orders.Ticket(p.Ticket); !errors.Is(err, fault.Invalid) {
		t.Errorf("after two days: %v", err)
	}
}

func TestAMessageThatIsNotOurs(t *testing.T) {
	s := newShop(t)
	for _, m := range [][]byte{{1, 2, 3}, []byte("{}"), make([]byte, 100)} {
		if err := s.worker.Process(t.Context(), [][]byte{m}); !errors.Is(err, queue.ErrMalformed) {
			t.Errorf("%v: %v, want ErrMalformed", m, err)
		}
	}
}

// While commits are slow orders are queued, and they are answered directly again when that is over for good.
func TestAuto(t *testing.T) {
	db := &away{}
	s := newShop(t)
	drop := s.sale(100, 0)
	db.Store = s.Store
	config := order.DefaultConfig()
	config.Intake, config.QueueAfter = order.IntakeAuto, 30*time.Millisecond
	s.rewire(order.NewCommitter(db, s.Gate, s.Mint, config, func(int, time.Duration, error) {}), config)
	turn := func() { must(s.intake.SwitchStep(t.Context()))(t) }
	turn()
	if p := must(s.place(drop, 1, "k"))(t); p.Undecided {
		t.Fatalf("a fast commit is queued: %+v", p)
	}
	db.set(true)
	if _, err := s.place(drop, 2, "k"); !errors.Is(err, fault.StoreUnavailable) {
		t.Fatalf("the first that fails: %v", err)
	}
	await.Until(s.t, "it queues", func() bool { turn(); return s.intake.Queues() })
	p := s.queued(drop, 2, "k")
	db.set(false)
	s.settle()
	if f := must(s.fate(p, 0))(t); f.Undecided {
		t.Errorf("its fate: %+v", f)
	}
	turn()
	if !s.intake.Queues() {
		t.Error("it flutters: one fast commit is not calm")
	}
	await.Until(s.t, "it is direct again", func() bool { turn(); return !s.intake.Queues() })
	if p := must(s.place(drop, 3, "k"))(t); p.Undecided {
		t.Errorf("got %+v", p)
	}
	s.agrees(drop, 3)
}

// A look returns how many orders it found decided, of those that somebody waits for.
func TestALookCountsWhatIsDecided(t *testing.T) {
	s := newShop(t)
	p := s.queued(s.sale(5, 1), 7, "k")
	s.settle()
	told := make(chan struct{})
	go func() {
		defer close(told)
		s.intake.AwaitDecision(t.Context(), p.Order.ID)
	}()
	await.Equal(t, "it finds whoever waits", 1, func() int { return must(s.intake.PollStep(t.Context()))(t) })
	<-told
}
