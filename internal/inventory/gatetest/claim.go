package gatetest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

func notLoaded(g *gate) {
	g.want(inventory.NotLoaded, g.claim(drop, 1, "a", line(shoe, 1)))
	g.want(inventory.NotLoaded, g.claim(0, 1, "a", line(shoe, 1)))
	g.level(drop, shoe, -1)
	if g.holds(drop) {
		g.t.Error("it says that it holds the sale")
	}
	g.stage(0, 0)
	if a := g.want(inventory.NotLoaded, g.claim(drop, 1, "a", line(absent, 1))); a.SKU != absent {
		g.t.Errorf("what is not loaded is SKU %s", a.SKU)
	}
	g.want(inventory.NotLoaded, g.claim(8, 1, "a", line(shoe, 1)))
	g.want(inventory.SoldOut, g.claim(drop, 1, "a", line(shoe, 1)))
	if !g.holds(drop) || g.holds(8) || g.holds(0) {
		g.t.Error("it must say that it holds the sale that was loaded, and neither another nor the keys of the general pools")
	}
}

func takes(g *gate) {
	g.stage(3, 0)
	g.want(inventory.Reserved, g.claim(drop, 1, "a", line(shoe, 2)))
	a := g.want(inventory.SoldOut, g.claim(drop, 2, "a", line(shoe, 2)))
	if a.SKU != shoe {
		g.t.Errorf("sold out is SKU %s", a.SKU)
	}
	g.want(inventory.Reserved, g.claim(drop, 2, "a", line(shoe, 1)))
	g.want(inventory.SoldOut, g.claim(drop, 3, "a", line(shoe, 1)))
	g.level(drop, shoe, 0)
	g.level(0, shoe, 3)
}

func allOrNothing(g *gate) {
	g.stage(2, 0)
	g.want(inventory.Reserved, g.claim(drop, 1, "a", line(hat, 2)))
	a := g.want(inventory.SoldOut, g.claim(drop, 2, "a", line(shoe, 2), line(hat, 1)))
	if a.SKU != hat {
		g.t.Errorf("sold out is SKU %s", a.SKU)
	}
	g.level(drop, shoe, 2)
	g.want(inventory.NotLoaded, g.claim(drop, 2, "a", line(shoe, 2), line(absent, 1)))
	g.level(drop, shoe, 2)
	g.want(inventory.Reserved, g.claim(drop, 2, "a", line(shoe, 2))) // the refusals have bound no key
}

func keyBeforeSoldOut(g *gate) {
	g.stage(1, 0)
	first := g.claim(drop, 1, "a", line(shoe, 1))
	g.want(inventory.Reserved, first)
	g.same(first.Order, g.claim(drop, 1, "a", line(shoe, 1)))
	g.settle(first, true)
	g.same(first.Order, g.claim(drop, 1, "a", line(shoe, 1)))
	if a := g.want(inventory.KeyReused, g.claim(drop, 1, "a", line(shoe, 2))); a.Order != first.Order {
		g.t.Errorf("the key belongs to order %s", a.Order)
	}
	if a := g.find(g.claim(drop, 1, "a", line(shoe, 2))); a.Verdict != inventory.KeyReused {
		g.t.Errorf("Find: %s", a.Verdict)
	}
}

func keyBeforeLimit(g *gate) {
	g.stage(9, 1)
	first := g.claim(drop, 1, "a", line(shoe, 1))
	g.want(inventory.Reserved, first)
	g.settle(first, true)
	g.same(first.Order, g.claim(drop, 1, "a", line(shoe, 1)))
	g.want(inventory.LimitReached, g.claim(drop, 1, "b", line(shoe, 1)))
}

func keyBeforeClosed(g *gate) {
	g.stage(9, 0)
	first := g.claim(drop, 1, "a", line(shoe, 1))
	g.want(inventory.Reserved, first)
	g.settle(first, true)
	g.apply(terms(11, inventory.Terms{Sale: drop}))
	g.same(first.Order, g.claim(drop, 1, "a", line(shoe, 1)))
	g.want(inventory.Closed, g.claim(drop, 1, "b", line(shoe, 1)))
}

func keyBeforeNotLoaded(g *gate) {
	g.load(inventory.Snapshot{
		Stock:       []inventory.Stock{stock(drop, shoe, 1)},
		Terms:       []inventory.Terms{{Sale: drop, Open: true}},
		KeyedOrders: []inventory.KeyedOrder{{Order: 5, Sale: drop, Customer: 1, Key: "a", Body: newClaim(0, drop, 1, "a", line(absent, 1)).Body}},
	})
	g.same(5, g.claim(drop, 1, "a", line(absent, 1)))
}

func keysAreExact(g *gate) {
	g.stage(100, 0)
	long := strings.Repeat("k", 254)
	for _, key := range []string{"a", "A", "a.", long + "1", long + "2"} {
		c := g.claim(drop, 1, key, line(shoe, 1))
		g.want(inventory.Reserved, c)
		g.same(c.Order, g.claim(drop, 1, key, line(shoe, 1)))
	}
	g.want(inventory.Reserved, g.claim(drop, 2, "a", line(shoe, 1)))
	g.want(inventory.Reserved, g.claim(0, 1, "a", line(shoe, 1)))
	g.level(drop, shoe, 94)
}

func limit(g *gate) {
	g.stage(100, 3)
	g.want(inventory.LimitReached, g.claim(drop, 1, "a", line(shoe, 4)))
	g.want(inventory.LimitReached, g.claim(drop, 1, "a", line(shoe, 2), line(hat, 2)))
	g.want(inventory.Reserved, g.claim(drop, 1, "a", line(shoe, 1), line(hat, 1)))
	g.want(inventory.LimitReached, g.claim(drop, 1, "b", line(hat, 2)))
	g.want(inventory.Reserved, g.claim(drop, 1, "b", line(hat, 1)))
	g.want(inventory.LimitReached, g.claim(drop, 1, "c", line(hat, 1)))
	g.want(inventory.Reserved, g.claim(drop, 2, "a", line(shoe, 3)))
	g.level(drop, shoe, 96)
	g.level(drop, hat, 98)
}

func limitChanges(g *gate) {
	g.stage(100, 3)
	g.want(inventory.Reserved, g.claim(drop, 1, "a", line(shoe, 2)))
	g.apply(terms(11, inventory.Terms{Sale: drop, Limit: 1, Open: true}))
	g.want(inventory.LimitReached, g.claim(drop, 1, "b", line(shoe, 1)))
	g.want(inventory.LimitReached, g.claim(drop, 2, "a", line(shoe, 2)))
	g.apply(terms(12, inventory.Terms{Sale: drop, Limit: 0, Open: true}))
	g.want(inventory.Reserved, g.claim(drop, 1, "b", line(shoe, 50)))
}

func generalPools(g *gate) {
	g.stage(10, 1)
	g.want(inventory.Reserved, g.claim(0, 1, "a", line(shoe, 5)))
	g.want(inventory.Reserved, g.claim(0, 1, "b", line(shoe, 5)))
	g.want(inventory.SoldOut, g.claim(0, 1, "c", line(shoe, 1)))
	g.level(drop, shoe, 10)
}

func ordersMax(g *gate) {
	var holders []inventory.KeyedOrder
	for i := range inventory.OrdersMax - 1 {
		holders = append(holders, inventory.KeyedOrder{Order: id.Order(i + 1), Sale: drop, Customer: 1, Key: fmt.Sprint("cancelled-", i)})
	}
	g.load(inventory.Snapshot{
		Stock:       []inventory.Stock{stock(drop, shoe, 9), stock(0, shoe, 9)},
		Terms:       []inventory.Terms{{Sale: drop, Open: true}},
		KeyedOrders: holders,
	})
	last := g.claim(drop, 1, "a", line(shoe, 1))
	g.want(inventory.Reserved, last)
	g.want(inventory.TooManyOrders, g.claim(drop, 1, "b", line(shoe, 1)))
	g.same(last.Order, g.claim(drop, 1, "a", line(shoe, 1)))
	g.want(inventory.Reserved, g.claim(drop, 2, "b", line(shoe, 1)))
	g.want(inventory.Reserved, g.claim(0, 1, "b", line(shoe, 1)))
	g.settle(last, false)
	g.want(inventory.Reserved, g.claim(drop, 1, "b", line(shoe, 1)))
}

func givesBack(g *gate) {
	g.stage(2, 2)
	for _, s := range []id.Sale{drop, 0} {
		c := g.claim(s, 1, "a", line(shoe, 2))
		g.want(inventory.Reserved, c)
		g.settle(c, false)
		g.level(s, shoe, 2)
		if a := g.find(c); a.Verdict == inventory.Replay || a.Verdict == inventory.KeyReused {
			g.t.Errorf("the key of a refused order is bound: %s", a.Verdict)
		}
		g.want(inventory.Reserved, g.claim(s, 1, "a", line(shoe, 1))) // another body: the key is free
		g.want(inventory.Reserved, g.claim(s, 1, "b", line(shoe, 1))) // and so is the allowance
	}
}

func settlesOnce(g *gate) {
	g.stage(5, 3)
	for _, s := range []id.Sale{drop, 0} {
		c := g.claim(s, 1, "a", line(shoe, 2))
		g.want(inventory.Reserved, c)
		g.settle(c, false)
		g.settle(c, false)
		g.level(s, shoe, 5)
	}
	g.want(inventory.LimitReached, g.claim(drop, 1, "b", line(shoe, 4)))
}

func keepsCommitted(g *gate) {
	g.stage(5, 2)
	c := g.claim(drop, 1, "a", line(shoe, 2))
	g.want(inventory.Reserved, c)
	g.settle(c, true)
	g.level(drop, shoe, 3)
	g.same(c.Order, g.claim(drop, 1, "a", line(shoe, 2)))
	g.want(inventory.LimitReached, g.claim(drop, 1, "b", line(shoe, 1)))
	general := g.claim(0, 1, "a", line(shoe, 2))
	g.want(inventory.Reserved, general)
	g.settle(general, true)
	g.settle(general, false) // too late: it is committed
	g.level(0, shoe, 3)
}

func settlesNothing(g *gate) {
	g.stage(5, 3)
	g.settle(g.claim(drop, 1, "a", line(shoe, 2)), false)
	g.settle(g.claim(drop, 1, "a", line(absent, 2)), false)
	g.settle(g.claim(8, 1, "a", line(shoe, 2)), false)
	first := g.claim(drop, 1, "a", line(shoe, 1))
	g.want(inventory.Reserved, first)
	g.settle(g.claim(drop, 1, "a", line(shoe, 1)), false) // another order with the same key
	g.same(first.Order, g.claim(drop, 1, "a", line(shoe, 1)))
	g.level(drop, shoe, 4)
}

func levels(g *gate) {
	g.stage(4, 0)
	g.want(inventory.Reserved, g.claim(drop, 1, "a", line(shoe, 1)))
	want := []string{"0/100=4", "7/100=3", "7/101=4"}
	if got := g.pools(); !slices.Equal(got, want) {
		g.t.Errorf("levels %v, want %v", got, want)
	}
}
