package gate_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
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
	return nil, after, nil
}

func (b *book) KnownOrders(context.Context, []id.Order) (map[id.Order]bool, error) { return nil, nil }

func (b *book) Now(context.Context) (time.Time, error) { return time.Now(), nil }

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
	gatetest.Gate(t, func(t *testing.T) inventory.Gate { return open(client, &book{}, false) })
}

// open returns a gate with keys of its own.
func open(client *redis.Client, b *book, cluster bool) *gate.Gate {
	return gate.New(gate.Parts{
		Client: client, Store: b, Log: slog.New(slog.DiscardHandler), Config: unhurried(), Prefix: fmt.Sprintf("test%x", rand.Uint64()), Holder: "test", Cluster: cluster,
	})
}
