// Package gatetest is the conformance suite for implementations of inventory.Gate.
package gatetest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// Gate checks an implementation of inventory.Gate. Each call of open must return an empty gate.
func Gate(t *testing.T, open func(t *testing.T) inventory.Gate) {
	for _, c := range []struct {
		name  string
		check func(*gate)
	}{
		{"what is not loaded is never sold out", notLoaded},
		{"units are taken until there are none", takes},
		{"several lines, all or nothing", allOrNothing},
		{"the key comes before sold out", keyBeforeSoldOut},
		{"the key comes before the limit", keyBeforeLimit},
		{"the key comes before a closed sale", keyBeforeClosed},
		{"the key comes before a SKU that is not loaded", keyBeforeNotLoaded},
		{"keys compare by bytes, and belong to a customer and a sale", keysAreExact},
		{"the limit is for a customer and a sale", limit},
		{"a limit that is lowered or lifted holds from then on", limitChanges},
		{"the general pools have no limit", generalPools},
		{"a customer's orders in a sale are bounded, ended ones included", ordersMax},
		{"what was not committed is given back", givesBack},
		{"settling twice gives back once", settlesOnce},
		{"a committed order keeps its key and its allowance", keepsCommitted},
		{"settling what was never reserved does nothing", settlesNothing},
		{"changes are applied once", appliesOnce},
		{"a release gives units and allowance back", releases},
		{"a late payment takes units and allowance again", holdsAgain},
		{"a sale comes and goes with the outbox", saleComesAndGoes},
		{"a sale that is not loaded is not made so by an order of it", staysNotLoaded},
		{"an adjustment below what is reserved sells out", adjustsBelow},
		{"loading replaces everything", loads},
		{"the levels are those of the pools", levels},
		{"1,000 buyers of 100 units, at once", crowd},
		{"1,000 buyers of 100 units in orders of several lines, at once", crowdOfLines},
		{"one unit a shopper, who asks many times at once", crowdOfOneShopper},
		{"the same key 50 times at once", crowdOfOneKey},
		{"reserving, settling and changing at once ends where it should", crowdOfEverything},
	} {
		t.Run(c.name, func(t *testing.T) { c.check(&gate{t: t, gate: open(t)}) })
	}
}

// Most cases use a sale of two SKUs with a limit, and general stock of one of them.
const (
	drop   id.Sale = 7
	shoe   id.SKU  = 100
	hat    id.SKU  = 101
	absent id.SKU  = 404
)

// gate is a gate under test.
type gate struct {
	t     *testing.T
	gate  inventory.Gate
	order id.Order
}

// stage loads the gate with units of each SKU in the sale and in general stock.
func (g *gate) stage(units, limit int64) {
	g.t.Helper()
	g.load(inventory.Snapshot{
		Position: 10,
		Stock:    []inventory.Stock{stock(drop, shoe, units), stock(drop, hat, units), stock(0, shoe, units)},
		Terms:    []inventory.Terms{{Sale: drop, Limit: limit, Open: true}},
	})
}

func stock(s id.Sale, sku id.SKU, available int64) inventory.Stock {
	return inventory.Stock{Pool: inventory.Pool{Sale: s, SKU: sku}, OnHand: available + 3, Reserved: 3}
}

func (g *gate) load(s inventory.Snapshot) {
	g.t.Helper()
	if err := g.gate.Load(g.t.Context(), s); err != nil {
		g.t.Fatal(err)
	}
}

// claim returns a claim for units of one SKU, with a new id. Its body digest depends on its lines.
func (g *gate) claim(s id.Sale, c id.Customer, key string, lines ...inventory.Line) *inventory.Claim {
	g.order++
	return newClaim(g.order, s, c, key, lines...)
}

func newClaim(o id.Order, s id.Sale, c id.Customer, key string, lines ...inventory.Line) *inventory.Claim {
	return &inventory.Claim{Order: o, Sale: s, Customer: c, Key: key, Body: inventory.KeyDigest(fmt.Sprint(s, lines)), Lines: lines}
}

func line(sku id.SKU, units int64) inventory.Line { return inventory.Line{SKU: sku, Units: units} }

func (g *gate) reserve(c *inventory.Claim) inventory.Answer {
	g.t.Helper()
	a, err := g.gate.Reserve(g.t.Context(), c)
	if err != nil {
		g.t.Fatal(err)
	}
	return a
}

// want reserves and checks the verdict.
func (g *gate) want(v inventory.Verdict, c *inventory.Claim) inventory.Answer {
	g.t.Helper()
	a := g.reserve(c)
	if a.Verdict != v {
		g.t.Errorf("order %s of customer %s with key %q: %s, want %s", c.Order, c.Customer, c.Key, a.Verdict, v)
	}
	return a
}

// same checks that the claim's key replays order o.
func (g *gate) same(o id.Order, c *inventory.Claim) {
	g.t.Helper()
	if a := g.want(inventory.Replay, c); a.Order != o {
		g.t.Errorf("the key's order is %s, want %s", a.Order, o)
	}
	if a := g.find(c); a.Verdict != inventory.Replay || a.Order != o {
		g.t.Errorf("Find: %s, order %s; want order %s", a.Verdict, a.Order, o)
	}
}

// holds reports whether the gate knows every key of the sale: it answers that an unused key is free.
func (g *gate) holds(s id.Sale) bool {
	g.t.Helper()
	return g.find(g.claim(s, 99, "of nobody", line(shoe, 1))).Verdict == inventory.KeyUnknown
}

func (g *gate) find(c *inventory.Claim) inventory.Answer {
	g.t.Helper()
	a, err := g.gate.Find(g.t.Context(), c)
	if err != nil {
		g.t.Fatal(err)
	}
	return a
}

func (g *gate) settle(c *inventory.Claim, committed bool) {
	g.t.Helper()
	decide := g.gate.Release
	if committed {
		decide = g.gate.Confirm
	}
	if err := decide(g.t.Context(), c); err != nil {
		g.t.Fatal(err)
	}
}

func (g *gate) apply(changes ...inventory.Change) {
	g.t.Helper()
	if err := g.gate.Apply(g.t.Context(), changes); err != nil {
		g.t.Fatal(err)
	}
}

func moved(position int64, m inventory.Moved) inventory.Change {
	m.Movement = id.Movement(position)
	return inventory.Change{Position: position, Moved: &m}
}

func terms(position int64, t inventory.Terms) inventory.Change {
	return inventory.Change{Position: position, Terms: &t}
}

// level checks the availability of a pool; a negative want means not loaded.
func (g *gate) level(s id.Sale, sku id.SKU, want int64) {
	g.t.Helper()
	got, held := g.gate.Available(inventory.Pool{Sale: s, SKU: sku})
	if !held {
		got = -1
	}
	if got != want {
		g.t.Errorf("SKU %s in sale %s: %d available, want %d", sku, s, got, want)
	}
}

// pools lists the pools in the gate.
func (g *gate) pools() []string {
	var all []string
	g.gate.Availability(func(p inventory.Pool, units int64) { all = append(all, fmt.Sprintf("%s/%s=%d", p.Sale, p.SKU, units)) })
	slices.Sort(all)
	return all
}
