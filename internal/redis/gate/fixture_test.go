package gate_test

import (
	"fmt"
	"regexp"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/redis"
	"github.com/tidegate/tidegate/internal/redis/gate"
	"github.com/tidegate/tidegate/internal/redis/gate/gatefixture"
	"github.com/tidegate/tidegate/test/engine"
)

const (
	drop id.Sale = 7
	shoe id.SKU  = 100
	hat  id.SKU  = 101
)

// house is several processes' gates over one database.
type house struct {
	t      testing.TB
	server *engine.RedisServer
	client *redis.Client
	book   *gatefixture.FakeStore
	gates  []*gate.Gate
	order  atomic.Int64
}

// newHouse opens n gates over a database with so many units of each SKU in the drop and in general stock.
func newHouse(t testing.TB, n int, units, limit int64) *house {
	t.Helper()
	stock := func(s id.Sale, sku id.SKU) inventory.Stock {
		return inventory.Stock{Pool: inventory.Pool{Sale: s, SKU: sku}, OnHand: units}
	}
	h := &house{t: t, server: engine.Redis(t), book: &gatefixture.FakeStore{HasQueue: true, Snapshot: inventory.Snapshot{
		Position: 10,
		Stock:    []inventory.Stock{stock(drop, shoe), stock(drop, hat), stock(0, shoe), stock(0, hat)},
		Terms:    []inventory.Terms{{Sale: drop, Limit: limit, Open: true}},
	}}}
	h.client = gatefixture.Connect(t, redis.Config{Addresses: []string{h.server.Address}})
	for range n {
		g := gatefixture.Open(t, h.client, h.book, "test", false)
		h.gates = append(h.gates, g)
		h.step(g)
	}
	return h
}

// step has a gate look, until it is trusted.
func (h *house) step(g *gate.Gate) {
	h.t.Helper()
	for range 3 {
		if _, err := g.Step(h.t.Context()); err != nil {
			h.t.Fatal(err)
		}
		if g.Trusted() {
			return
		}
	}
	h.t.Fatal("the gate is not trusted")
}

func (h *house) claim(s id.Sale, c id.Customer, lines ...inventory.Line) *inventory.Claim {
	return &inventory.Claim{
		Order: id.Order(h.order.Add(1)), Sale: s, Customer: c, Key: "k", Body: inventory.KeyDigest(fmt.Sprint(lines)), Lines: lines, Deadline: time.Now().Add(time.Minute).UnixMilli(),
	}
}

func (h *house) want(v inventory.Verdict, g *gate.Gate, c *inventory.Claim) inventory.Answer {
	h.t.Helper()
	a, err := g.Reserve(h.t.Context(), c)
	if err != nil {
		h.t.Fatal(err)
	}
	if a.Verdict != v {
		h.t.Errorf("order %s: %s, want %s", c.Order, a.Verdict, v)
	}
	return a
}

func (h *house) level(s id.Sale, sku id.SKU, want int64) {
	h.t.Helper()
	for i, g := range h.gates {
		if got, ok := g.Available(inventory.Pool{Sale: s, SKU: sku}); !ok || got != want {
			h.t.Errorf("gate %d: %d units of SKU %s in sale %s, %v; want %d", i, got, sku, s, ok, want)
		}
	}
}

// keep drives the steps of the process that looks after the gate.
func (h *house) keep(g *gate.Gate) {
	h.t.Helper()
	for _, step := range []func() (int, error){
		func() (int, error) { return g.LeaseStep(h.t.Context()) },
		func() (int, error) { return g.ConfirmStep(h.t.Context()) },
		func() (int, error) { return g.SweepStep(h.t.Context()) },
	} {
		if _, err := step(); err != nil {
			h.t.Fatal(err)
		}
	}
}

func line(sku id.SKU, units int64) inventory.Line { return inventory.Line{SKU: sku, Units: units} }

var scripts = regexp.MustCompile(`cmdstat_(?:evalsha|eval|hget|lrange):calls=(\d+)`)

// asked counts the questions that Redis was asked.
func (h *house) asked() (n int64) {
	for _, m := range scripts.FindAllStringSubmatch(engine.RedisDo(h.t, h.server.Address, "INFO", "commandstats"), -1) {
		calls, err := strconv.ParseInt(m[1], 10, 64)
		if err != nil {
			h.t.Fatal(err)
		}
		n += calls
	}
	return n
}
