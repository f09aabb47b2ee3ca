package gatetest

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// all runs fn n times concurrently and counts the verdicts.
func (g *gate) all(n int, fn func(i int) *inventory.Claim) *[8]atomic.Int64 {
	var counts [8]atomic.Int64
	var ready, done sync.WaitGroup
	start := make(chan struct{})
	ready.Add(n)
	for i := range n {
		done.Go(func() {
			c := fn(i)
			ready.Done()
			<-start
			a, err := g.gate.Reserve(g.t.Context(), c)
			if err != nil {
				g.t.Error(err)
				return
			}
			counts[a.Verdict].Add(1)
		})
	}
	ready.Wait()
	close(start)
	done.Wait()
	return &counts
}

func (g *gate) counted(counts *[8]atomic.Int64, v inventory.Verdict, want int64) {
	g.t.Helper()
	if got := counts[v].Load(); got != want {
		g.t.Errorf("%d times %s, want %d", got, v, want)
	}
}

func crowd(g *gate) {
	for _, s := range []id.Sale{drop, 0} {
		g.stage(100, 1)
		counts := g.all(1000, func(i int) *inventory.Claim {
			return newClaim(id.Order(i+1), s, id.Customer(i+1), "a", line(shoe, 1))
		})
		g.counted(counts, inventory.Reserved, 100)
		g.counted(counts, inventory.SoldOut, 900)
		g.level(s, shoe, 0)
	}
}

func crowdOfLines(g *gate) {
	g.load(inventory.Snapshot{
		Stock: []inventory.Stock{stock(drop, shoe, 100), stock(drop, hat, 60), stock(drop, 102, 100)},
		Terms: []inventory.Terms{{Sale: drop, Open: true}},
	})
	counts := g.all(1000, func(i int) *inventory.Claim {
		lines := [][]inventory.Line{{line(shoe, 1), line(hat, 1)}, {line(hat, 1), line(102, 1)}, {line(shoe, 1), line(hat, 1), line(102, 1)}}[i%3]
		return newClaim(id.Order(i+1), drop, id.Customer(i+1), "a", lines...)
	})
	taken := counts[inventory.Reserved].Load()
	if taken > 60 || taken == 0 {
		g.t.Errorf("%d orders hold a unit of 60", taken)
	}
	if taken+counts[inventory.SoldOut].Load() != 1000 {
		g.t.Error("every order was reserved or sold out")
	}
	g.level(drop, hat, 60-taken)
}

func crowdOfOneShopper(g *gate) {
	g.stage(1000, 1)
	counts := g.all(500, func(i int) *inventory.Claim {
		return newClaim(id.Order(i+1), drop, id.Customer(i%10+1), fmt.Sprint("key", i), line(shoe, 1))
	})
	g.counted(counts, inventory.Reserved, 10)
	g.counted(counts, inventory.LimitReached, 490)
	g.level(drop, shoe, 990)
}

func crowdOfOneKey(g *gate) {
	for _, s := range []id.Sale{drop, 0} {
		g.stage(1000, 0)
		counts := g.all(50, func(i int) *inventory.Claim { return newClaim(id.Order(i+1), s, 1, "a", line(shoe, 2)) })
		g.counted(counts, inventory.Reserved, 1)
		g.counted(counts, inventory.Replay, 49)
		g.level(s, shoe, 998)
	}
}

// crowdOfEverything reserves and settles claims while the outbox moves stock. In the end the availability must be the
// loaded units less the committed ones.
func crowdOfEverything(g *gate) {
	g.stage(50, 2)
	var committed atomic.Int64
	var wg sync.WaitGroup
	for i := range 400 {
		wg.Go(func() {
			c := newClaim(id.Order(i+1), drop, id.Customer(i%100+1), fmt.Sprint("key", i), line(shoe, 1))
			a, err := g.gate.Reserve(g.t.Context(), c)
			if err != nil || a.Verdict != inventory.Reserved {
				return
			}
			decide := g.gate.Release
			if i%3 == 0 {
				committed.Add(1)
				decide = g.gate.Confirm
			}
			if err := decide(g.t.Context(), c); err != nil {
				g.t.Error(err)
			}
		})
	}
	wg.Go(func() {
		for n := range int64(200) {
			up := n%2*2 - 1
			err := g.gate.Apply(g.t.Context(), []inventory.Change{moved(11+n, inventory.Moved{Sale: drop, SKU: shoe, Kind: inventory.Allocate, Units: 5 * up, Available: 5 * up})})
			if err != nil {
				g.t.Error(err)
			}
		}
	})
	wg.Wait()
	g.level(drop, shoe, 50-committed.Load())
}
