package gate_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/inventory/gatetest"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/lease"
	"github.com/tidegate/tidegate/internal/redis"
	"github.com/tidegate/tidegate/internal/redis/gate"
	"github.com/tidegate/tidegate/test/engine"
)

// book is the little of a database that a gate under test needs: the epoch, and leases that nobody else wants.
type book struct {
	mu       sync.Mutex
	epoch    inventory.Epoch
	snapshot inventory.Snapshot
	placed   []inventory.Placed // in the order of their positions
	late     time.Duration      // how far the database's clock is ahead
}

func (b *book) GateSnapshot(context.Context) (inventory.Snapshot, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.snapshot, nil
}

func (b *book) GateEpoch(context.Context) (inventory.Epoch, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.epoch, nil
}

func (b *book) BeginGateEpoch(_ context.Context, after int64) (bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.epoch.Number != after {
		return false, nil
	}
	b.epoch = inventory.Epoch{Number: after + 1}
	return true, nil
}

func (b *book) OpenGateEpoch(_ context.Context, e inventory.Epoch) (bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.epoch.Number != e.Number {
		return false, nil
	}
	b.epoch = e
	return true, nil
}

func (b *book) GateChanges(context.Context, int64, int) ([]inventory.Change, error) { return nil, nil }

func (b *book) GatePlaced(_ context.Context, after int64, _ int) ([]inventory.Placed, int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, p := range b.placed {
		if p.Position > after {
			return slices.Clone(b.placed[i:]), b.placed[len(b.placed)-1].Position, nil
		}
	}
	return nil, after, nil
}

func (b *book) KnownOrders(_ context.Context, orders []id.Order) (map[id.Order]bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	known := map[id.Order]bool{}
	for _, p := range b.placed {
		known[p.Order] = slices.Contains(orders, p.Order)
	}
	return known, nil
}

func (b *book) Now(context.Context) (time.Time, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return time.Now().Add(b.late), nil
}

// place commits a claim's order.
func (b *book) place(c *inventory.Claim) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.placed = append(b.placed, inventory.Placed{
		Position: b.snapshot.Position + int64(len(b.placed)) + 1, Order: c.Order, Sale: c.Sale, Customer: c.Customer, Key: c.Key, Body: c.Body, Lines: c.Lines,
	})
}

func (b *book) AcquireLease(_ context.Context, name, holder string, ttl time.Duration) (lease.Lease, bool, error) {
	return lease.Lease{Name: name, Holder: holder, Until: time.Now().Add(ttl)}, true, nil
}

func (b *book) RenewLease(_ context.Context, l lease.Lease, _ time.Duration) (lease.Lease, bool, error) {
	return l, true, nil
}

func (b *book) ReleaseLease(context.Context, lease.Lease) error { return nil }

// connect connects to a Redis of the test's own.
func connect(t testing.TB, c redis.Config) *redis.Client {
	t.Helper()
	if c.Prefix == "" {
		c.Prefix = redis.DefaultConfig().Prefix
	}
	d := redis.DefaultConfig()
	c.DialTimeout, c.ReplyTimeout, c.Connections, c.ClockApartMax = d.DialTimeout, d.ReplyTimeout, d.Connections, d.ClockApartMax
	client, err := redis.Connect(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// unhurried is the configuration of a gate on a machine that may be busy.
func unhurried() gate.Config { return gate.Config{AskTimeout: 20 * time.Second, Hold: time.Minute} }

func TestGate(t *testing.T) {
	client := connect(t, redis.Config{Addresses: []string{engine.Redis(t).Address}})
	gatetest.Gate(t, func(t *testing.T) inventory.Gate { return open(t, client, &book{}, false) })
}

func TestGateInACluster(t *testing.T) {
	client := connect(t, redis.Config{Addresses: engine.RedisCluster(t), Cluster: true})
	gatetest.Gate(t, func(t *testing.T) inventory.Gate { return open(t, client, &book{}, true) })
}

func TestGateBehindASentinel(t *testing.T) {
	set := engine.RedisSentinel(t)
	client := connect(t, redis.Config{Addresses: []string{set.Sentinel}, SentinelMaster: set.Name})
	gatetest.Gate(t, func(t *testing.T) inventory.Gate { return open(t, client, &book{}, false) })
	if t.Failed() {
		return
	}
	set.FailOver(0)
	for deadline := time.Now().Add(time.Minute); client.Ping(t.Context()) != nil; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the client has not found the new master")
		}
	}
	gatetest.Gate(t, func(t *testing.T) inventory.Gate { return open(t, client, &book{}, false) })
}

// open returns a gate with keys of its own.
func open(t testing.TB, client *redis.Client, b *book, cluster bool) *gate.Gate {
	return opened(t, client, b, fmt.Sprintf("test%x", rand.Uint64()), cluster)
}

func opened(t testing.TB, client *redis.Client, b *book, prefix string, cluster bool) *gate.Gate {
	tracking, err := client.Tracking()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tracking.Close)
	return gate.New(gate.Parts{
		Client: client, Tracking: tracking, Store: b, Log: slog.New(slog.DiscardHandler), Config: unhurried(), Prefix: prefix, Holder: "test", Cluster: cluster,
	})
}
