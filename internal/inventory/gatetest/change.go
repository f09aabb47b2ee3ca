package gatetest

import (
	"slices"

	"github.com/tidegate/tidegate/internal/inventory"
)

func appliesOnce(g *gate) {
	g.stage(5, 0)
	change := moved(11, inventory.Moved{Sale: drop, SKU: shoe, Kind: inventory.Allocate, Units: 2, Available: 2})
	g.apply(change)
	g.apply(change)
	g.level(drop, shoe, 7)
	g.apply(moved(10, inventory.Moved{Sale: drop, SKU: shoe, Kind: inventory.Allocate, Units: 2, Available: 2})) // before the snapshot
	g.level(drop, shoe, 7)
	g.apply(change, moved(12, inventory.Moved{Sale: drop, SKU: shoe, Kind: inventory.Allocate, Units: -3, Available: -3}))
	g.level(drop, shoe, 4)
}

func releases(g *gate) {
	g.stage(5, 2)
	c := g.claim(drop, 1, "a", line(shoe, 2))
	g.want(inventory.Reserved, c)
	g.settle(c, true)
	g.want(inventory.LimitReached, g.claim(drop, 1, "b", line(shoe, 1)))
	g.apply(moved(11, inventory.Moved{Sale: drop, SKU: shoe, Kind: inventory.Release, Units: 2, Order: c.Order, Customer: 1, Available: 2, Allowance: -2}))
	g.level(drop, shoe, 5)
	g.same(c.Order, g.claim(drop, 1, "a", line(shoe, 2))) // the key lives as long as its order, which has expired
	g.want(inventory.Reserved, g.claim(drop, 1, "b", line(shoe, 2)))
	general := g.claim(0, 1, "a", line(shoe, 2))
	g.want(inventory.Reserved, general)
	g.settle(general, true)
	g.apply(moved(12, inventory.Moved{SKU: shoe, Kind: inventory.Release, Units: 2, Order: general.Order, Customer: 1, Available: 2, Allowance: -2}))
	g.level(0, shoe, 5)
}

func holdsAgain(g *gate) {
	g.stage(5, 2)
	c := g.claim(drop, 1, "a", line(shoe, 2))
	g.want(inventory.Reserved, c)
	g.settle(c, true)
	g.apply(
		moved(11, inventory.Moved{Sale: drop, SKU: shoe, Kind: inventory.Release, Units: 2, Order: c.Order, Customer: 1, Available: 2, Allowance: -2}),
		moved(12, inventory.Moved{Sale: drop, SKU: shoe, Kind: inventory.Reserve, Units: 2, Order: c.Order, Customer: 1, Available: -2, Allowance: 2}),
	)
	g.level(drop, shoe, 3)
	g.want(inventory.LimitReached, g.claim(drop, 1, "b", line(shoe, 1)))
}

func saleComesAndGoes(g *gate) {
	g.load(inventory.Snapshot{Position: 10, Stock: []inventory.Stock{stock(0, shoe, 9)}})
	g.want(inventory.NotLoaded, g.claim(drop, 1, "a", line(shoe, 1)))
	g.apply( // scheduled
		terms(11, inventory.Terms{Sale: drop, Limit: 2, Open: true}),
		moved(12, inventory.Moved{SKU: shoe, Kind: inventory.Allocate, Units: -5, Available: -5}),
		moved(13, inventory.Moved{Sale: drop, SKU: shoe, Kind: inventory.Allocate, Units: 5, Available: 5}),
	)
	g.level(0, shoe, 4)
	c := g.claim(drop, 1, "a", line(shoe, 1))
	g.want(inventory.Reserved, c)
	g.settle(c, true)
	g.apply(terms(14, inventory.Terms{Sale: drop, Limit: 2})) // paused
	g.want(inventory.Closed, g.claim(drop, 2, "a", line(shoe, 1)))
	g.apply(terms(15, inventory.Terms{Sale: drop, Limit: 2, Open: true})) // resumed
	other := g.claim(drop, 2, "a", line(shoe, 1))
	g.want(inventory.Reserved, other)
	g.apply( // ended
		moved(16, inventory.Moved{SKU: shoe, Kind: inventory.Allocate, Units: 3, Available: 3}),
		moved(17, inventory.Moved{Sale: drop, SKU: shoe, Kind: inventory.Allocate, Units: -3, Available: -3}),
		terms(18, inventory.Terms{Sale: drop, Limit: 2, Ended: true}),
	)
	g.settle(other, false) // the guard refused what was on its way
	for _, c := range []struct {
		verdict inventory.Verdict
		key     string
	}{{inventory.Replay, "a"}, {inventory.Closed, "b"}} {
		// The gate may have dropped an ended sale. The database is asked then.
		if a := g.reserve(g.claim(drop, 1, c.key, line(shoe, 1))); a.Verdict != c.verdict && (a.Verdict != inventory.NotLoaded || g.holds(drop)) {
			g.t.Errorf("after the end, key %q: %s, want %s", c.key, a.Verdict, c.verdict)
		}
	}
	g.level(0, shoe, 7)
}

// A sale that ended before the gate was loaded: the gate does not know its keys, so it must not answer for it when an
// order expires or is paid late.
func staysNotLoaded(g *gate) {
	g.load(inventory.Snapshot{Position: 10, Stock: []inventory.Stock{stock(0, shoe, 5)}})
	g.apply(
		moved(11, inventory.Moved{Sale: drop, SKU: shoe, Kind: inventory.Release, Units: 2, Order: 5, Customer: 1, Available: 2, Allowance: -2}),
		moved(12, inventory.Moved{SKU: shoe, Kind: inventory.Allocate, Units: 2, Order: 5, Available: 2}),
		moved(13, inventory.Moved{Sale: drop, SKU: shoe, Kind: inventory.Allocate, Units: -2, Order: 5, Available: -2}),
		terms(14, inventory.Terms{Sale: drop, Ended: true}),
	)
	if g.holds(drop) {
		g.t.Error("it says that it holds the sale, and knows none of its keys")
	}
	g.want(inventory.NotLoaded, g.claim(drop, 1, "a", line(shoe, 1)))
	g.level(0, shoe, 7)
}

func adjustsBelow(g *gate) {
	g.stage(5, 0)
	first := g.claim(0, 1, "a", line(shoe, 4))
	g.want(inventory.Reserved, first)
	g.apply(moved(11, inventory.Moved{SKU: shoe, Kind: inventory.Adjust, Units: -3, Available: -3}))
	g.want(inventory.SoldOut, g.claim(0, 2, "a", line(shoe, 1)))
	g.settle(first, false)
	g.want(inventory.SoldOut, g.claim(0, 2, "a", line(shoe, 3)))
	g.want(inventory.Reserved, g.claim(0, 2, "a", line(shoe, 2)))
	g.level(0, shoe, 0)
}

func loads(g *gate) {
	g.stage(5, 0)
	g.want(inventory.Reserved, g.claim(drop, 1, "a", line(shoe, 1)))
	body := newClaim(0, 8, 1, "a", line(hat, 1)).Body
	g.load(inventory.Snapshot{
		Position: 20,
		Stock:    []inventory.Stock{stock(8, hat, 6)},
		Terms:    []inventory.Terms{{Sale: 8, Limit: 3, Open: true}, {Sale: 9, Limit: 3}},
		KeyedOrders: []inventory.KeyedOrder{
			{Order: 50, Sale: 8, Customer: 1, Key: "a", Body: body, Used: 1},
			{Order: 51, Sale: 8, Customer: 1, Key: "b", Body: body}, // expired
			{Order: 52, Sale: 8, Customer: 1, Key: "c", Body: body, Used: 1},
		},
	})
	if want := []string{"8/101=6"}; !slices.Equal(g.pools(), want) {
		g.t.Errorf("levels %v, want %v", g.pools(), want)
	}
	g.want(inventory.NotLoaded, g.claim(drop, 1, "a", line(shoe, 1)))
	g.same(50, g.claim(8, 1, "a", line(hat, 1)))
	g.same(51, g.claim(8, 1, "b", line(hat, 1)))
	g.want(inventory.LimitReached, g.claim(8, 1, "d", line(hat, 2)))
	g.want(inventory.Reserved, g.claim(8, 1, "d", line(hat, 1)))
	g.apply(moved(20, inventory.Moved{Sale: 8, SKU: hat, Kind: inventory.Allocate, Units: 9, Available: 9})) // known already
	g.apply(moved(21, inventory.Moved{Sale: 8, SKU: hat, Kind: inventory.Allocate, Units: 9, Available: 9}))
	g.level(8, hat, 14)
	if !g.holds(9) {
		g.t.Error("a sale without orders is loaded, too")
	}
}
