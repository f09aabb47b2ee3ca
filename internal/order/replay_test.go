package order_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/sale"
	"github.com/tidegate/tidegate/internal/shoptest"
)

// namedGate names one order for every claim, and another one for every key that is looked up.
type namedGate struct {
	*inventory.MemoryGate
	reserved, found id.Order
}

func (g namedGate) Reserve(context.Context, *inventory.Claim) (inventory.Answer, error) {
	return inventory.Answer{Verdict: inventory.Replay, Order: g.reserved}, nil
}

func (g namedGate) Find(context.Context, *inventory.Claim) (inventory.Answer, error) {
	return inventory.Answer{Verdict: inventory.Replay, Order: g.found}, nil
}

// keyless is a store that knows no order by its key.
type keyless struct{ order.Store }

func (keyless) OrderByKey(context.Context, id.Sale, id.Customer, string) (order.Order, inventory.Digest, error) {
	return order.Order{}, inventory.Digest{}, fault.New(fault.NotFound, "There is no order with that key.")
}

// P31: the order of a key was refused, and another process has reserved the key for another order since. Whoever waits is answered
// with that one, and never with an id that will not exist.
func TestReplayFollowsTheKey(t *testing.T) {
	const gone = id.Order(12345)
	for _, c := range []struct {
		name    string
		found   func(made id.Order) id.Order
		keyless bool
	}{
		{"the gate names the new order", func(made id.Order) id.Order { return made }, true},
		{"the gate names the old one, the database knows the key", func(id.Order) id.Order { return gone }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newShop(t)
			s.drive()
			drop := s.Open(5, 0, 1)
			made, err := s.place(drop, 7, "key", inventory.Line{SKU: 1, Units: 1})
			if err != nil {
				t.Fatal(err)
			}
			var st order.Store = s.Store
			if c.keyless {
				st = keyless{st}
			}
			config := order.DefaultConfig()
			config.AnswerWithin = 300 * time.Millisecond
			other := order.NewService(order.Parts{
				Store: st, Gate: namedGate{s.Gate, gone, c.found(made.Order.ID)}, Intake: s.committer, Sales: s.Book, Prices: shoptest.Products{},
				Signer: shoptest.Signer, Clock: s.Clock, Mint: s.Mint, Config: config,
			})
			got, err := other.Place(t.Context(), order.Request{Customer: 7, Sale: drop, Key: "key", Lines: []inventory.Line{{SKU: 1, Units: 1}}})
			if err != nil || got.Undecided || got.Order.ID != made.Order.ID {
				t.Errorf("answered %+v, %v; want order %s again", got, err, made.Order.ID)
			}
		})
	}
}

// lateGate gives back a moment later what was not committed, as a gate in Redis does.
type lateGate struct {
	*inventory.MemoryGate
	back *sync.WaitGroup
}

func (g lateGate) Release(ctx context.Context, c *inventory.Claim) error {
	g.back.Go(func() {
		time.Sleep(10 * time.Millisecond)
		_ = g.MemoryGate.Release(context.WithoutCancel(ctx), c)
	})
	return nil
}

// P31: every order is sent to two processes at once, while the sale's terms change. Both answer with the same order.
func TestEveryOrderAtTwoProcesses(t *testing.T) {
	s := newShop(t)
	drop := s.Open(2000, 5, 1)
	if _, err := s.Sales.Step(t.Context()); err != nil { // live in its row, too
		t.Fatal(err)
	}
	s.Follow()
	var back sync.WaitGroup
	defer back.Wait()
	gate := lateGate{s.Gate, &back}
	var processes [2]*order.Service
	for i := range processes {
		config := order.DefaultConfig()
		s.committer = order.NewCommitter(s.Store, gate, s.Mint, config, func(int, time.Duration, error) {})
		s.drive()
		processes[i] = order.NewService(order.Parts{
			Store: s.Store, Gate: gate, Intake: s.committer, Sales: s.Book, Prices: shoptest.Products{}, Signer: shoptest.Signer, Clock: s.Clock, Mint: s.Mint, Config: config,
		})
	}
	var shoppers, steering sync.WaitGroup
	stop := make(chan struct{})
	steering.Go(func() {
		for limit := int64(5); ; limit = 11 - limit { // 5 and 6
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
			}
			if _, err := s.Store.ChangeSale(t.Context(), sale.Change{Sale: drop, Limit: &limit, At: s.Clock.Now()}); err != nil {
				t.Error(err)
			}
			s.Follow()
		}
	})
	for n := range 8 {
		shoppers.Go(func() {
			for i := range 40 {
				who, key := id.Customer(1+n*100+i), fmt.Sprint("key", i)
				var got [2]order.Placed
				var errs [2]error
				var both sync.WaitGroup
				for p := range processes {
					both.Go(func() {
						got[p], errs[p] = processes[p].Place(t.Context(), order.Request{Customer: who, Sale: drop, Key: key, Lines: []inventory.Line{{SKU: 1, Units: 1}}})
					})
				}
				both.Wait()
				for p := range got {
					if errs[p] == nil && got[p].Undecided {
						_, err := s.Store.Order(t.Context(), got[p].Order.ID)
						t.Errorf("order %s of customer %s is undecided: %v", got[p].Order.ID, who, err)
					}
				}
				if errs[0] == nil && errs[1] == nil && got[0].Order.ID != got[1].Order.ID {
					t.Errorf("one key of customer %s has made %s and %s", who, got[0].Order.ID, got[1].Order.ID)
				}
				for _, err := range errs {
					if err != nil && !errors.Is(err, fault.Overloaded) {
						t.Error(err)
					}
				}
			}
		})
	}
	shoppers.Wait()
	close(stop)
	steering.Wait()
}
