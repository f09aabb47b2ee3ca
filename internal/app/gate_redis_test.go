package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/await"
	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/test/engine"
)

// sharedNight is a sale over a gate in Redis.
type sharedNight struct {
	t    *testing.T
	app  *App
	apps []*App // app, and what shares its database and its gate
	sale id.Sale
	sku  id.SKU

	mu       sync.Mutex
	placed   map[id.Order]string // accepted orders and their keys
	soldOut  atomic.Int64
	customer atomic.Int64
}

// newSharedNight opens a shop with its gate at an address, and puts units on sale.
func newSharedNight(t *testing.T, address string, units int64) *sharedNight {
	t.Helper()
	c := testConfig(t)
	c.Redis.Addresses = []string{address}
	c.Gate.Hold = 5 * time.Second // what a fault leaves behind is found soon
	return sharedNightOf(t, c, units)
}

func sharedNightOf(t *testing.T, c Config, units int64) *sharedNight {
	t.Helper()
	n := &sharedNight{t: t, placed: map[id.Order]string{}}
	c.Orders.AnswerWithin = order.DefaultConfig().AnswerWithin // who waits for a gate that is lost asks again
	n.app = n.join(c)
	n.sale, n.sku = stocked(t, n.app, units)
	n.until("the gate has the sale", func() bool {
		level, ok := n.app.front.Gate.Available(inventory.Pool{Sale: n.sale, SKU: n.sku})
		return ok && level == units
	})
	return n
}

// join opens one more process, under a node number of its own that no stall can take away.
func (n *sharedNight) join(c Config) *App {
	n.t.Helper()
	c.Process.Node = len(n.apps)
	log := slog.New(slog.NewTextHandler(n.t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	a, _ := opened(n.t, Options{Log: log}, func(its *Config) { *its = c })
	n.apps = append(n.apps, a)
	return a
}

// until waits for a condition.
func (n *sharedNight) until(what string, holds func() bool) {
	n.t.Helper()
	await.Until(n.t, what, holds, func() any { return fmt.Sprintf("%d orders, %d sold out", n.orders(), n.soldOut.Load()) })
}

// buy places an order of one unit and asks again with the same key while it is told to come back.
func (n *sharedNight) buy(c id.Customer, key string) (order.Placed, error) {
	for try := int(c); ; try++ { // another process is asked the next time
		p, err := n.apps[try%len(n.apps)].orders.Place(context.Background(), order.Request{Customer: c, Sale: n.sale, Key: key, Lines: []inventory.Line{{SKU: n.sku, Units: 1}}})
		if code := fault.CodeOf(err); code == fault.Overloaded || code == fault.TimedOut || err == nil && p.Undecided {
			time.Sleep(5 * time.Millisecond)
			continue
		}
		return p, err
	}
}

// crowd lets shoppers buy, a unit each, until n orders were placed or the sale is sold out for every one of them.
func (n *sharedNight) crowd(shoppers int, orders int64) *sync.WaitGroup {
	var wg sync.WaitGroup
	for range shoppers {
		wg.Go(func() {
			for {
				c := n.customer.Add(1)
				if c > orders {
					return
				}
				p, err := n.buy(id.Customer(c), "first")
				switch {
				case errors.Is(err, fault.SoldOut):
					n.soldOut.Add(1)
				case err != nil:
					n.t.Errorf("customer %d: %v", c, err)
				default:
					n.mu.Lock()
					n.placed[p.Order.ID] = fmt.Sprint(c)
					n.mu.Unlock()
				}
			}
		})
	}
	return &wg
}

func (n *sharedNight) orders() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.placed)
}

// ends checks the night: every accepted order is there, as many as there were units, the audit is clean, and the gate is the
// database.
func (n *sharedNight) ends(units int64) {
	n.t.Helper()
	if got := int64(n.orders()); got != units {
		n.t.Errorf("%d orders were accepted for %d units", got, units)
	}
	for o := range n.placed {
		if _, err := n.app.store.Order(n.t.Context(), o); err != nil {
			n.t.Fatalf("accepted order %s: %v", o, err)
		}
	}
	var differ []inventory.Difference
	n.until("the gate is the database", func() bool {
		found, quiet, err := n.app.gateCheck().Compare(n.t.Context())
		differ = found
		return err == nil && quiet && len(found) == 0
	})
	if len(differ) > 0 {
		n.t.Errorf("the gate differs: %v", differ)
	}
	report, err := n.app.auditor.Run(n.t.Context(), nil)
	if err != nil {
		n.t.Fatal(err)
	}
	if !report.OK {
		n.t.Errorf("the audit found: %+v", report)
	}
	// The key comes before every refusal, whoever decided about the order.
	for c := id.Customer(1); c <= 5; c++ {
		if p, err := n.buy(c, "first"); err != nil || !p.Replayed {
			n.t.Errorf("customer %s asks again: %+v, %v", c, p, err)
		}
	}
}

// What happens to Redis in mid-sale, each with the night's end as if nothing had.
func TestGateInRedisLosesNothing(t *testing.T) {
	const units, shoppers, customers = 1500, 16, 2000
	for _, c := range []struct {
		name string
		harm func(*sharedNight, *engine.RedisServer, *engine.Proxy)
	}{
		{"nothing", func(*sharedNight, *engine.RedisServer, *engine.Proxy) {}},
		{"FLUSHALL", func(n *sharedNight, r *engine.RedisServer, _ *engine.Proxy) {
			engine.RedisDo(n.t, r.Address, "FLUSHALL")
		}},
		{"killed and started empty", func(_ *sharedNight, r *engine.RedisServer, _ *engine.Proxy) { r.Kill(); r.Start() }},
		{"killed and started empty later", func(n *sharedNight, r *engine.RedisServer, _ *engine.Proxy) {
			r.Kill()
			more := n.orders() + 200
			n.until("orders go on without Redis", func() bool { return n.orders() >= more })
			r.Start()
		}},
		{"paused past every timeout", func(n *sharedNight, r *engine.RedisServer, _ *engine.Proxy) {
			r.Pause()
			more := n.orders() + 200
			n.until("orders go on without Redis", func() bool { return n.orders() >= more })
			time.Sleep(2 * time.Second)
			r.Resume()
		}},
		{"replies lost after the script ran", func(n *sharedNight, _ *engine.RedisServer, p *engine.Proxy) {
			p.LoseReplies()
			more := n.orders() + 100
			n.until("orders go on without Redis", func() bool { return n.orders() >= more })
			p.Mend()
		}},
		{"connections cut", func(n *sharedNight, _ *engine.RedisServer, p *engine.Proxy) {
			for range 5 {
				p.Cut()
				more := n.orders() + 50
				n.until("orders go on", func() bool { return n.orders() >= more })
			}
		}},
		{"half-open", func(n *sharedNight, _ *engine.RedisServer, p *engine.Proxy) {
			p.Freeze()
			more := n.orders() + 200
			n.until("orders go on without Redis", func() bool { return n.orders() >= more })
			p.Mend()
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := engine.Redis(t)
			p := engine.NewProxy(t, r.Address)
			n := newSharedNight(t, p.Address, units)
			crowd := n.crowd(shoppers, customers)
			n.until("a first part is sold", func() bool { return n.orders() >= units/10 })
			c.harm(n, r, p)
			crowd.Wait()
			n.until("the gate is trusted", n.app.front.Trusted)
			n.ends(units)
		})
	}
}

// A replica that lacks the last second is promoted: it has the epoch, and not the last reservations.
func TestGateSurvivesAFailover(t *testing.T) {
	t.Parallel()
	const units = 1500
	set := engine.RedisSentinel(t)
	c := testConfig(t)
	c.Redis.Addresses, c.Redis.SentinelMaster = []string{set.Sentinel}, set.Name
	c.Gate.Hold = 5 * time.Second
	n := sharedNightOf(t, c, units)
	crowd := n.crowd(8, 2000)
	n.until("a first part is sold", func() bool { return n.orders() >= units/10 })
	set.FailOver(time.Second)
	crowd.Wait()
	n.until("the gate is trusted", n.app.front.Trusted)
	n.ends(units)
}

// A Cluster of three: a sale lies on one of them, the general pools on all.
func TestGateInACluster(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	c.Redis.Addresses, c.Redis.Cluster = engine.RedisCluster(t, 0).Addresses, true
	n := sharedNightOf(t, c, 300)
	n.crowd(8, 500).Wait()
	n.ends(300)
}

// A Cluster loses the master that the sale lies on, in mid-sale: its replica takes over without the last second, or there is
// none, and it comes back empty later.
func TestGateSurvivesTheLossOfAMaster(t *testing.T) {
	t.Parallel()
	const units = 1500
	for _, c := range []struct {
		name     string
		replicas int
		lose     func(n *sharedNight, nodes *engine.RedisNodes, master int)
	}{
		{"a replica takes over", 1, func(_ *sharedNight, nodes *engine.RedisNodes, master int) { nodes.FailOver(master, time.Second) }},
		{"it comes back empty", 0, func(n *sharedNight, nodes *engine.RedisNodes, master int) {
			nodes.Masters[master].Kill()
			more := n.orders() + 200
			n.until("orders go on without it", func() bool { return n.orders() >= more })
			nodes.Masters[master].Start()
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			nodes := engine.RedisCluster(t, c.replicas)
			config := testConfig(t)
			config.Redis.Addresses, config.Redis.Cluster = nodes.Addresses, true
			config.Gate.Hold = 5 * time.Second
			n := sharedNightOf(t, config, units)
			crowd := n.crowd(8, 2000)
			n.until("a first part is sold", func() bool { return n.orders() >= units/10 })
			c.lose(n, nodes, nodes.Owner(n.app.redis.Key("gate", "{s"+n.sale.String()+"}", "head")))
			crowd.Wait()
			n.until("the gate is trusted", n.app.front.Trusted)
			n.until("changes are heard of", n.app.cache.Live)
			n.ends(units)
		})
	}
}

// Two processes on one database and one Redis sell from one stock; what happens to Redis happens to both.
func TestTwoProcessesShareAGate(t *testing.T) {
	t.Parallel()
	for _, d := range engine.Databases {
		t.Run(d.Name, func(t *testing.T) {
			t.Parallel()
			twoShareAGate(t, d.Make(t))
		})
	}
}

func twoShareAGate(t *testing.T, database string) {
	const units = 600
	r := engine.Redis(t)
	c := testConfig(t)
	c.Store.Primary, c.Redis.Addresses = database, []string{r.Address}
	c.Gate.Hold = 5 * time.Second
	c.Encryption.KeyFile = filepath.Join(t.TempDir(), encryptionKeyFile)
	n := sharedNightOf(t, c, units)
	second := c
	second.Data = t.TempDir()
	other := n.join(second)
	n.until("the other process has the sale", func() bool {
		_, err := other.saleCache.Sale(t.Context(), n.sale)
		return err == nil && other.front.Trusted()
	})
	crowd := n.crowd(16, 900)
	n.until("a first part is sold", func() bool { return n.orders() >= units/10 })
	engine.RedisDo(t, r.Address, "FLUSHALL")
	more := n.orders() + 100
	n.until("orders go on", func() bool { return n.orders() >= more })
	r.Pause()
	more = n.orders() + 100
	n.until("orders go on without Redis", func() bool { return n.orders() >= more })
	r.Resume()
	crowd.Wait()
	for _, a := range n.apps {
		n.until("every process trusts the gate", a.front.Trusted)
	}
	n.ends(units)
}
