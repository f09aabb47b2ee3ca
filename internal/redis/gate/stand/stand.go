// Package stand sets gates over Redis up without a shop: for the suite of the gates, for histories and for state machines.
package stand

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/lease"
	"github.com/tidegate/tidegate/internal/redis"
	"github.com/tidegate/tidegate/internal/redis/gate"
)

var _ gate.Store = (*Book)(nil)

// Book is the little of a database that a gate needs: the epoch, what a rebuild reads, the orders that were placed, and leases
// that nobody else wants. Safe for concurrent use, but for its exported fields, which are set before or between.
type Book struct {
	// Snapshot is what a rebuild reads, Late how far the database's clock is ahead, Queue that something is queued.
	Snapshot inventory.Snapshot
	Late     time.Duration
	Queue    bool
	// Refused are the queued orders that were refused because no intent stands for them.
	Refused []id.Order

	mu     sync.Mutex
	epoch  inventory.Epoch
	placed []inventory.Placed // in the order of their positions
}

// GateSnapshot implements gate.Store: what the book says.
func (b *Book) GateSnapshot(context.Context) (inventory.Snapshot, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Snapshot, nil
}

// GateEpoch implements gate.Store.
func (b *Book) GateEpoch(context.Context) (inventory.Epoch, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.epoch, nil
}

// BeginGateEpoch implements gate.Store.
func (b *Book) BeginGateEpoch(_ context.Context, after int64) (bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.epoch.Number != after {
		return false, nil
	}
	b.epoch = inventory.Epoch{Number: after + 1}
	return true, nil
}

// OpenGateEpoch implements gate.Store.
func (b *Book) OpenGateEpoch(_ context.Context, e inventory.Epoch) (bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.epoch.Number != e.Number {
		return false, nil
	}
	b.epoch = e
	return true, nil
}

// GateChanges implements gate.Store: no change is ahead.
func (b *Book) GateChanges(context.Context, int64, int) ([]inventory.Change, error) { return nil, nil }

// GatePlaced implements gate.Store, as if each order had been committed by itself.
func (b *Book) GatePlaced(_ context.Context, after int64, _ int) ([]inventory.Placed, int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, p := range b.placed {
		if p.Position > after {
			var brief []inventory.Placed
			for _, p := range b.placed[i:] {
				brief = append(brief, inventory.Placed{Position: p.Position, Order: p.Order, Sale: p.Sale})
			}
			return brief, b.placed[len(b.placed)-1].Position, nil
		}
	}
	return nil, after, nil
}

// FillPlaced implements gate.Store.
func (b *Book) FillPlaced(_ context.Context, placed []*inventory.Placed) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range placed {
		i := slices.IndexFunc(b.placed, func(one inventory.Placed) bool { return one.Position == p.Position })
		*p = b.placed[i]
	}
	return nil
}

// NewestEvent implements gate.Store.
func (b *Book) NewestEvent(context.Context) (int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.placed) == 0 {
		return b.Snapshot.Position, nil
	}
	return b.placed[len(b.placed)-1].Position, nil
}

// Unstamped implements gate.Store: each order has its position at once.
func (b *Book) Unstamped(context.Context) (bool, error) { return false, nil }

// KnownOrders implements gate.Store.
func (b *Book) KnownOrders(_ context.Context, orders []id.Order) (map[id.Order]bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	known := map[id.Order]bool{}
	for _, p := range b.placed {
		known[p.Order] = slices.Contains(orders, p.Order)
	}
	return known, nil
}

// Now implements gate.Store.
func (b *Book) Now(context.Context) (time.Time, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return time.Now().Add(b.Late), nil
}

// Placed returns the orders that were placed, in the order of their positions.
func (b *Book) Placed() []inventory.Placed {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.placed)
}

// Place commits a claim's order.
func (b *Book) Place(c *inventory.Claim) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.placed = append(b.placed, inventory.Placed{
		Position: b.Snapshot.Position + int64(len(b.placed)) + 1, Order: c.Order, Sale: c.Sale, Customer: c.Customer, Key: c.Key, Body: c.Body, Lines: c.Lines,
	})
}

// AcquireLease implements gate.Store: it is always free.
func (b *Book) AcquireLease(_ context.Context, name, holder string, ttl time.Duration) (lease.Lease, bool, error) {
	return lease.Lease{Name: name, Holder: holder, Until: time.Now().Add(ttl)}, true, nil
}

// RenewLease implements gate.Store.
func (b *Book) RenewLease(_ context.Context, l lease.Lease, _ time.Duration) (lease.Lease, bool, error) {
	return l, true, nil
}

// ReleaseLease implements gate.Store.
func (b *Book) ReleaseLease(context.Context, lease.Lease) error { return nil }

func (b *Book) drained(context.Context) bool { return !b.Queue }

func (b *Book) refuse(_ context.Context, lost []inventory.Lost) (refused []id.Order, err error) {
	for _, l := range lost {
		refused = append(refused, l.Order)
	}
	b.Refused = append(b.Refused, refused...)
	return refused, nil
}

// Connect connects to a Redis. The prefix may be empty. The client ends with the test.
func Connect(t testing.TB, c redis.Config) *redis.Client {
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
var unhurried = gate.Config{AskTimeout: 20 * time.Second, Hold: time.Minute}

// Open returns the gate of a process: those with the same book and prefix share one. It ends with the test.
func Open(t testing.TB, client *redis.Client, b *Book, prefix string, cluster bool) *gate.Gate {
	t.Helper()
	tracking, err := client.Tracking()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tracking.Close)
	return gate.New(gate.Parts{
		Client: client, Tracking: tracking, Store: b, Log: slog.New(slog.DiscardHandler), Config: unhurried, Prefix: prefix, Holder: "test", Cluster: cluster,
		Drained: b.drained, Refuse: b.refuse,
	})
}

// OpenAsking is Open for a gate that is told of no change: it asks Redis for the version of a sale before it refuses from what
// it remembers. So no refusal of it is late.
func OpenAsking(client *redis.Client, b *Book, prefix string) *gate.Gate {
	return gate.New(gate.Parts{
		Client: client, Tracking: &untold{Client: client}, Store: b, Log: slog.New(slog.DiscardHandler), Config: unhurried, Prefix: prefix, Holder: "test",
	})
}

// untold is a client that is told of no change: nothing that it has answered stays true.
type untold struct {
	*redis.Client
	changes atomic.Uint64
}

// Changes implements gate.Tracking.
func (u *untold) Changes() uint64 { return u.changes.Add(1) }

// takeUpTries bounds how often a gate looks before it has the epoch that another process has built.
const takeUpTries = 3

// Load has one process's gate rebuilt from a snapshot, and the others take it up.
func Load(ctx context.Context, s inventory.Snapshot, by *gate.Gate, others ...*gate.Gate) error {
	if err := by.Load(ctx, s); err != nil {
		return err
	}
	for _, g := range others {
		if err := takeUp(ctx, g); err != nil {
			return err
		}
		g.Resume(s.Position)
	}
	return nil
}

func takeUp(ctx context.Context, g *gate.Gate) error {
	for range takeUpTries {
		if n, err := g.Step(ctx); err != nil || n > 0 {
			return err
		}
	}
	return errors.New("the gate that another process has built is not taken up")
}
