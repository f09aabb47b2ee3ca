package order_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/shoptest"
)

// tally counts what became of many requests.
type tally struct {
	mu     sync.Mutex
	orders map[id.Order]int
	codes  map[fault.Code]int
}

// atOnce places n requests at the same moment.
func (s *shop) atOnce(n int, place func(i int) (order.Placed, error)) *tally {
	counted := &tally{orders: map[id.Order]int{}, codes: map[fault.Code]int{}}
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			placed, err := place(i)
			counted.mu.Lock()
			defer counted.mu.Unlock()
			if err != nil {
				counted.codes[fault.CodeOf(err)]++
				return
			}
			counted.orders[placed.Order.ID]++
		})
	}
	close(start)
	wg.Wait()
	return counted
}

// agrees checks that the database and the gate have the same available units, and returns the row.
func (s *shop) agrees(sl id.Sale, sku id.SKU) inventory.Stock {
	s.t.Helper()
	s.Follow()
	pools, err := s.Store.Pools(s.t.Context(), sku)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, p := range pools {
		level, held := s.Gate.Available(p.Pool)
		if !held || level != p.Available() {
			s.t.Errorf("pool %+v: %d at the gate (%t), %d in the database", p.Pool, level, held, p.Available())
		}
	}
	for _, p := range pools {
		if p.Sale == sl {
			return p
		}
	}
	s.t.Fatalf("SKU %s has no pool in sale %s", sku, sl)
	return inventory.Stock{}
}

func TestCrowdOfBuyers(t *testing.T) {
	for _, c := range []struct {
		name         string
		units, limit int64
		buyers       int
		customers    int // how many different ones
		accepted     int
		refusals     map[fault.Code]int
	}{
		{"1,000 buyers of 100 units", 100, 0, 1000, 1000, 100, map[fault.Code]int{fault.SoldOut: 900}},
		{"1,000 buyers of 10 units, one a shopper", 10, 1, 1000, 1000, 10, map[fault.Code]int{fault.SoldOut: 990}},
		{"4 shoppers ask 1,000 times for one of 10 units", 10, 1, 1000, 4, 4, map[fault.Code]int{fault.LimitReached: 996}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newShop(t)
			s.drive()
			drop := s.Open(c.units, c.limit, 1)
			got := s.atOnce(c.buyers, func(i int) (order.Placed, error) {
				return s.place(drop, id.Customer(i%c.customers+1), fmt.Sprint("key-", i), inventory.Line{SKU: 1, Units: 1})
			})
			if len(got.orders) != c.accepted {
				t.Errorf("%d orders, want %d", len(got.orders), c.accepted)
			}
			for code, n := range c.refusals {
				if got.codes[code] != n {
					t.Errorf("%d times %s, want %d; all refusals: %v", got.codes[code], code, n, got.codes)
				}
			}
			if row := s.agrees(drop, 1); row.Reserved != int64(c.accepted) || row.OnHand != c.units {
				t.Errorf("the row is %+v", row)
			}
			for o := range got.orders {
				if _, err := s.Store.Order(t.Context(), o); err != nil {
					t.Errorf("an accepted order cannot be read: %v", err)
				}
			}
		})
	}
}

// The gate may be wrong, for it is not trusted: the guard alone must hold, and the gate must not lose units over it.
func TestGuardBehindAGateThatIsWrong(t *testing.T) {
	s := newShop(t)
	s.drive()
	drop := s.Open(10, 1, 1)
	s.overload(drop, 500)
	got := s.atOnce(500, func(i int) (order.Placed, error) {
		return s.place(drop, id.Customer(i+1), "key", inventory.Line{SKU: 1, Units: 1})
	})
	if len(got.orders) != 10 || got.codes[fault.SoldOut] != 490 {
		t.Errorf("%d orders, refusals %v; want 10 and 490 sold out", len(got.orders), got.codes)
	}
	if level, _ := s.Gate.Available(inventory.Pool{Sale: drop, SKU: 1}); level != 490 {
		t.Errorf("%d units at the gate, want 490: what the guard refused is given back", level)
	}
}

// overload loads a gate that thinks that a pool has more than it has.
func (s *shop) overload(sl id.Sale, units int64) {
	s.t.Helper()
	snap, err := s.Store.GateSnapshot(s.t.Context())
	if err == nil {
		for i := range snap.Stock {
			if snap.Stock[i].Sale == sl {
				snap.Stock[i].OnHand = units
			}
		}
		err = s.Gate.Load(s.t.Context(), snap)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

func TestOneKeyFiftyTimesAtOnce(t *testing.T) {
	for name, general := range map[string]bool{"sale": false, "general stock": true} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t)
			s.drive()
			drop := s.Open(1, 1, 1) // exactly one, so that a second order would be refused
			if general {
				s.Receive(2, 1)
				s.Follow()
				drop = 0
			}
			sku := id.SKU(1)
			if general {
				sku = 2
			}
			var replayed atomic.Int64
			var mu sync.Mutex
			bodies := map[string]int{}
			got := s.atOnce(50, func(int) (order.Placed, error) {
				placed, err := s.place(drop, 7, "key", inventory.Line{SKU: sku, Units: 1})
				if placed.Replayed {
					replayed.Add(1)
				}
				mu.Lock()
				defer mu.Unlock()
				bodies[string(placed.Order.AppendJSON(nil, true))]++
				return placed, err
			})
			if len(got.orders) != 1 || len(got.codes) != 0 || replayed.Load() != 49 || len(bodies) != 1 {
				t.Errorf("orders %v, refusals %v, %d replayed, answers %v; want one order, fifty equal answers", got.orders, got.codes, replayed.Load(), bodies)
			}
		})
	}
}

func TestQueueIsBounded(t *testing.T) {
	s := newShop(t)
	drop := s.Open(50, 1, 1)
	config := order.DefaultConfig()
	config.QueueOrdersMax, config.BatchOrdersMax = 3, 2
	s.committer = order.NewCommitter(s.Store, s.Gate, s.Mint, config, func(int, time.Duration, error) {})
	s.orders = order.NewService(order.Parts{Store: s.Store, Gate: s.Gate, Intake: s.committer, Sales: s.Book, Prices: shoptest.Products{}, Clock: s.Clock, Mint: s.Mint, Config: config})
	var waiting []<-chan error
	for c := range id.Customer(3) {
		waiting = append(waiting, s.placing(t.Context(), drop, c+1, "key"))
	}
	_, err := s.place(drop, 9, "key", inventory.Line{SKU: 1, Units: 1})
	f := fault.As(err)
	if f.Code != fault.Overloaded || f.RetryAfter == 0 {
		t.Errorf("the fourth of three: %v, after %s", err, f.RetryAfter)
	}
	s.level(drop, 47) // the fourth's unit is back
	for _, want := range []int{2, 1, 0} {
		if n, err := s.committer.Step(t.Context()); n != want || err != nil {
			t.Errorf("Step = %d, %v; want %d", n, err, want)
		}
	}
	for _, w := range waiting {
		if err := <-w; err != nil {
			t.Error(err)
		}
	}
	waiting = append(waiting[:0], s.placing(t.Context(), drop, 9, "key"))
	_, _ = s.committer.Step(t.Context())
	if err := <-waiting[0]; err != nil {
		t.Errorf("when there is room again: %v", err)
	}
}

func TestCloseFinishesWhatWasTaken(t *testing.T) {
	s := newShop(t)
	drop := s.Open(5, 1, 1)
	taken := s.placing(t.Context(), drop, 7, "key")
	s.committer.Close()
	if _, err := s.place(drop, 8, "key", inventory.Line{SKU: 1, Units: 1}); !errors.Is(err, fault.ShuttingDown) {
		t.Errorf("after Close: %v", err)
	}
	for s.committer.Depth() > 0 {
		if _, err := s.committer.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-taken; err != nil {
		t.Errorf("what was taken before: %v", err)
	}
	s.agrees(drop, 1)
}

func TestClientThatGoesAway(t *testing.T) {
	s := newShop(t)
	drop := s.Open(1, 1, 1)
	ctx, cancel := context.WithCancel(t.Context())
	gone := s.placing(ctx, drop, 7, "key")
	cancel()
	if err := <-gone; err != nil {
		t.Errorf("a client that went away: %v; nobody hears the answer, and it is no failure", err)
	}
	s.level(drop, 0)
	if n, err := s.committer.Step(t.Context()); n != 1 || err != nil {
		t.Fatalf("Step = %d, %v", n, err)
	}
	placed, err := s.place(drop, 7, "key", inventory.Line{SKU: 1, Units: 1})
	if err != nil || !placed.Replayed {
		t.Errorf("asked again: %+v, %v; want the order", placed, err)
	}
	if row := s.agrees(drop, 1); row.Reserved != 1 {
		t.Errorf("the row is %+v", row)
	}
}

// TestTwoCommitsAtOnce: beside a commit that is under way another one begins, once enough wait for it. Both end without an
// answer, and all that was in them is asked after, by whoever comes first.
func TestTwoCommitsAtOnce(t *testing.T) {
	const beside = 48
	s := newShop(t)
	drop := s.Open(200, 1, 1)
	w := s.wobble()
	begun, answer := make(chan int), make(chan struct{})
	w.set(nil, func(ctx context.Context, batch []*order.Draft) ([]order.Outcome, error) {
		begun <- len(batch)
		<-answer
		if _, err := s.Store.CommitOrders(ctx, batch, s.Mint); err != nil {
			t.Error(err)
		}
		return nil, fault.New(fault.OutcomeUnknown, "The commit was not answered.")
	})
	var steps sync.WaitGroup
	step := func() {
		steps.Go(func() {
			if _, err := s.committer.Step(t.Context()); !errors.Is(err, fault.OutcomeUnknown) {
				t.Errorf("Step: %v", err)
			}
		})
	}
	waiting := []<-chan error{s.placing(t.Context(), drop, 1, "key")}
	step()
	if n := <-begun; n != 1 {
		t.Fatalf("the first commit has %d orders, want 1", n)
	}
	for c := range id.Customer(beside) {
		if n, err := s.committer.Step(t.Context()); n != 0 || err != nil {
			t.Fatalf("with %d waiting: Step = %d, %v; want nothing beside the commit", c, n, err)
		}
		waiting = append(waiting, s.placing(t.Context(), drop, c+2, "key"))
	}
	step()
	if n := <-begun; n != beside {
		t.Fatalf("the second commit has %d orders, want %d", n, beside)
	}
	close(answer)
	steps.Wait()
	if s.committer.OldestWait() == 0 {
		t.Error("nobody waits, though no outcome is known")
	}
	w.set(nil, nil)
	for range 2 {
		steps.Go(func() {
			if _, err := s.committer.Step(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	steps.Wait()
	for _, w := range waiting {
		if err := <-w; err != nil {
			t.Error(err)
		}
	}
	if depth := s.committer.Depth(); depth != 0 {
		t.Errorf("%d are still under way", depth)
	}
	s.agrees(drop, 1)
}
