// Package statemachine lets rapid do anything in any order to the shop's state machines, compares them with the plainest
// model that can be written, and shrinks what fails to the shortest way there.
package statemachine

import (
	"context"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/redis"
	"github.com/tidegate/tidegate/internal/redis/gate"
	"github.com/tidegate/tidegate/internal/redis/gate/gatefixture"
	"github.com/tidegate/tidegate/test/engine"
)

// processes are a gate, as each of the processes that share it has it.
type processes []inventory.Gate

// load rebuilds the gate by one of them.
type load func(by int, s inventory.Snapshot) error

// gates are the engines that are held to the model. Another joins by a line.
var gates = []struct {
	name string
	// open returns a gate that holds nothing, again for each run.
	open func(t *testing.T) func() (processes, load)
}{{"memory", inMemory}, {"Redis", inRedis}}

func inMemory(*testing.T) func() (processes, load) {
	return func() (processes, load) {
		g := inventory.NewMemoryGate()
		return processes{g}, func(_ int, s inventory.Snapshot) error { return g.Load(context.Background(), s) }
	}
}

// inRedis has two processes share a gate. What one of them is told by Redis of the other's changes comes a moment late, and is
// left to the histories: these ask before they refuse.
func inRedis(t *testing.T) func() (processes, load) {
	client := gatefixture.Connect(t, redis.Config{Addresses: []string{engine.Redis(t).Address}})
	runs := 0
	return func() (processes, load) {
		runs++
		book := &gatefixture.FakeStore{}
		prefix := fmt.Sprint("run", runs)
		pair := []*gate.Gate{gatefixture.OpenUntracked(client, book, prefix), gatefixture.OpenUntracked(client, book, prefix)}
		return processes{pair[0], pair[1]}, func(by int, s inventory.Snapshot) error {
			return gatefixture.Load(context.Background(), s, pair[by], pair[1-by])
		}
	}
}

const (
	drop id.Sale = 7
	mug  id.SKU  = 1
)

// reservation is what the model knows of an accepted claim.
type reservation struct {
	claim    inventory.Claim
	settled  bool // committed
	released bool // its units came back by the outbox
}

// gateModel is a gate in the plainest words: a count, a limit, a list.
type gateModel struct {
	gates    processes
	rebuild  load
	position int64
	left     int64
	limit    int64
	open     bool
	orders   id.Order
	held     []*reservation
}

// TestGate: stock, limit and keys of a sale (I1, I3, I7, I8).
func TestGate(t *testing.T) {
	for _, g := range gates {
		t.Run(g.name, func(t *testing.T) {
			open := g.open(t)
			check(t, func(rt *rapid.T) {
				gates, rebuild := open()
				m := &gateModel{gates: gates, rebuild: rebuild, left: rapid.Int64Range(0, 8).Draw(rt, "units"), limit: rapid.Int64Range(0, 4).Draw(rt, "limit"), open: true}
				m.load(rt)
				rt.Repeat(map[string]func(*rapid.T){
					"reserve": m.reserve, "settle": m.settle, "release": m.release, "allocate": m.allocate, "terms": m.terms, "rebuild": m.load, "repeat a change": m.repeat, "": m.check,
				})
			})
		})
	}
}

func must(t *rapid.T, err error) {
	if err != nil {
		t.Fatal(err)
	}
}

// one draws one of the processes.
func (m *gateModel) one(t *rapid.T) int {
	if len(m.gates) == 1 {
		return 0
	}
	return rapid.IntRange(0, len(m.gates)-1).Draw(t, "process")
}

// asked is the gate as one of the processes has it.
func (m *gateModel) asked(t *rapid.T) inventory.Gate { return m.gates[m.one(t)] }

// load rebuilds the gate from what the database would hold: what was not committed is not in it, and given back.
func (m *gateModel) load(t *rapid.T) {
	var kept []*reservation
	snap := inventory.Snapshot{Position: m.position, Terms: []inventory.Terms{{Sale: drop, Limit: m.limit, Open: m.open}}}
	for _, r := range m.held {
		if !r.settled {
			m.left += r.claim.Units()
			continue
		}
		kept = append(kept, r)
		h := inventory.KeyedOrder{Order: r.claim.Order, Sale: drop, Customer: r.claim.Customer, Key: r.claim.Key, Body: r.claim.Body, Used: r.claim.Units()}
		if r.released {
			h.Used = 0
		}
		snap.KeyedOrders = append(snap.KeyedOrders, h)
	}
	m.held = kept
	snap.Stock = []inventory.Stock{{Pool: inventory.Pool{Sale: drop, SKU: mug}, OnHand: m.left}}
	must(t, m.rebuild(m.one(t), snap))
}

func (m *gateModel) reserve(t *rapid.T) {
	m.orders++
	c := inventory.Claim{
		Order: m.orders, Sale: drop, Customer: id.Customer(rapid.IntRange(1, 2).Draw(t, "customer")), Key: fmt.Sprint("k", rapid.IntRange(1, 3).Draw(t, "key")),
		Body: inventory.Digest{byte(rapid.IntRange(0, 1).Draw(t, "body"))}, Lines: []inventory.Line{{SKU: mug, Units: rapid.Int64Range(1, 3).Draw(t, "units")}},
	}
	got, err := m.asked(t).Reserve(context.Background(), &c)
	must(t, err)
	want := m.verdict(&c)
	if got.Verdict != want.Verdict || want.Verdict == inventory.Replay && got.Order != want.Order {
		t.Fatalf("%+v: the gate says %s of order %s, the model %s of order %s", c, got.Verdict, got.Order, want.Verdict, want.Order)
	}
	if want.Verdict == inventory.Reserved {
		m.left -= c.Units()
		m.held = append(m.held, &reservation{claim: c})
	}
}

// verdict is what the model says: the key first, then whether the sale is open, then units and limit, of which either may be said.
func (m *gateModel) verdict(c *inventory.Claim) inventory.Answer {
	var used int64
	for _, r := range m.held {
		if r.claim.Customer != c.Customer {
			continue
		}
		if r.claim.Key == c.Key {
			if r.claim.Body != c.Body {
				return inventory.Answer{Verdict: inventory.KeyReused}
			}
			return inventory.Answer{Verdict: inventory.Replay, Order: r.claim.Order}
		}
		if !r.released {
			used += r.claim.Units()
		}
	}
	switch {
	case !m.open:
		return inventory.Answer{Verdict: inventory.Closed}
	case m.left < c.Units():
		return inventory.Answer{Verdict: inventory.SoldOut}
	case m.limit > 0 && used+c.Units() > m.limit:
		return inventory.Answer{Verdict: inventory.LimitReached}
	}
	return inventory.Answer{Verdict: inventory.Reserved}
}

// settle ends a reservation that is under way; settling twice is once.
func (m *gateModel) settle(t *rapid.T) {
	for i, r := range m.held {
		if r.settled {
			continue
		}
		committed := rapid.Bool().Draw(t, "committed")
		for range rapid.IntRange(1, 2).Draw(t, "times") {
			decide := m.asked(t).Release
			if committed {
				decide = m.asked(t).Confirm
			}
			must(t, decide(context.Background(), &r.claim))
		}
		if committed {
			r.settled = true
			return
		}
		m.left += r.claim.Units()
		m.held = append(m.held[:i:i], m.held[i+1:]...)
		return
	}
	t.Skip("nothing is under way")
}

func (m *gateModel) apply(t *rapid.T, c inventory.Change) {
	m.position++
	c.Position = m.position
	// Every process tells the gate, which carries it out once (I10).
	for _, g := range m.gates {
		must(t, g.Apply(context.Background(), []inventory.Change{c}))
	}
}

// release gives back what a committed order held.
func (m *gateModel) release(t *rapid.T) {
	for _, r := range m.held {
		if r.settled && !r.released {
			r.released = true
			m.left += r.claim.Units()
			m.apply(t, inventory.Change{Moved: &inventory.Moved{Sale: drop, SKU: mug, Kind: inventory.Release, Customer: r.claim.Customer, Available: r.claim.Units(), Allowance: -r.claim.Units()}})
			return
		}
	}
	t.Skip("nothing is held")
}

func (m *gateModel) allocate(t *rapid.T) {
	units := rapid.Int64Range(-2, 3).Draw(t, "units")
	m.left += units
	m.apply(t, inventory.Change{Moved: &inventory.Moved{Sale: drop, SKU: mug, Kind: inventory.Allocate, Available: units}})
}

func (m *gateModel) terms(t *rapid.T) {
	m.limit, m.open = rapid.Int64Range(0, 4).Draw(t, "limit"), rapid.Bool().Draw(t, "open")
	m.apply(t, inventory.Change{Terms: &inventory.Terms{Sale: drop, Limit: m.limit, Open: m.open}})
}

// repeat tells a change once more, which must change nothing (I10).
func (m *gateModel) repeat(t *rapid.T) {
	must(t, m.asked(t).Apply(context.Background(), []inventory.Change{{Position: m.position, Moved: &inventory.Moved{Sale: drop, SKU: mug, Available: 100}}}))
}

func (m *gateModel) check(t *rapid.T) {
	for i, g := range m.gates {
		if level, held := g.Available(inventory.Pool{Sale: drop, SKU: mug}); !held || level != m.left {
			t.Fatalf("process %d: the gate has %d (held %t), the model %d", i, level, held, m.left)
		}
	}
}
