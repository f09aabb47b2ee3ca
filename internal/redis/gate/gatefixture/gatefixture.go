// Package gatefixture sets up Redis gates without a shop, for conformance suites, histories and state-machine tests.
package gatefixture

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

var _ gate.Store = (*FakeStore)(nil)

// FakeStore implements gate.Store in memory: the epoch, the snapshot of a rebuild, placed orders, and leases without
// competitors. It is safe for concurrent use, except for its exported fields: set those while no gate runs.
type FakeStore struct {
	// Snapshot is what a rebuild reads. ClockAhead is how far the database's clock is ahead of this machine's.
	Snapshot   inventory.Snapshot
	ClockAhead time.Duration
	// HasQueue says that the shop has a queue, for which a rebuild waits. Queued says that the queue is not empty.
	HasQueue, Queued bool
	// Refused lists the queued orders that were refused because they have no intent.
	Refused []id.Order

	// Leased says that another process holds every lease.
	Leased bool

	mu     sync.Mutex
	epoch  inventory.Epoch
	placed []inventory.Placed // in the order of their positions
}

// GateSnapshot implements gate.Store: it returns Snapshot.
func (b *FakeStore) GateSnapshot(context.Context) (inventory.Snapshot, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Snapshot, nil
}

// GateEpoch implements gate.Store.
func (b *FakeStore) GateEpoch(context.Context) (inventory.Epoch, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.epoch, nil
}

// BeginGateEpoch implements gate.Store.
func (b *FakeStore) BeginGateEpoch(_ context.Context, after int64) (bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.epoch.Number != after {
		return false, nil
	}
	b.epoch = inventory.Epoch{Number: after + 1, Opened: b.epoch.Opened}
	return true, nil
}

// OpenGateEpoch implements gate.Store.
func (b *FakeStore) OpenGateEpoch(_ context.Context, e inventory.Epoch) (bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.epoch.Number != e.Number || b.epoch.Opened == e.Number {
		return false, nil
	}
	b.epoch = e
	b.epoch.Opened = e.Number
	return true, nil
}

// CloseGateEpoch implements gate.Store.
func (b *FakeStore) CloseGateEpoch(_ context.Context, number int64) (bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	was := b.epoch
	b.epoch.Ready = was.Ready && was.Number != number
	return was.Ready && was.Number == number, nil
}

// AwaitBatches implements gate.Store. It returns immediately: Place takes no time.
func (b *FakeStore) AwaitBatches(context.Context) error { return nil }

// GateChanges implements gate.Store: there are no changes.
func (b *FakeStore) GateChanges(context.Context, int64, int) ([]inventory.Change, error) {
	return nil, nil
}

// GatePlaced implements gate.Store, with one commit for each order.
func (b *FakeStore) GatePlaced(_ context.Context, after int64, _ int) ([]inventory.Placed, int64, error) {
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
func (b *FakeStore) FillPlaced(_ context.Context, placed []*inventory.Placed) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range placed {
		i := slices.IndexFunc(b.placed, func(one inventory.Placed) bool { return one.Position == p.Position })
		*p = b.placed[i]
	}
	return nil
}

// NewestEvent implements gate.Store.
func (b *FakeStore) NewestEvent(context.Context) (int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.placed) == 0 {
		return b.Snapshot.Position, nil
	}
	return b.placed[len(b.placed)-1].Position, nil
}

// Unstamped implements gate.Store: every order already has its position.
func (b *FakeStore) Unstamped(context.Context) (bool, error) { return false, nil }

// KnownOrders implements gate.Store.
func (b *FakeStore) KnownOrders(_ context.Context, orders []id.Order) (map[id.Order]bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	known := map[id.Order]bool{}
	for _, p := range b.placed {
		known[p.Order] = slices.Contains(orders, p.Order)
	}
	return known, nil
}

// Now implements gate.Store.
func (b *FakeStore) Now(context.Context) (time.Time, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return time.Now().Add(b.ClockAhead), nil
}

// Placed returns the placed orders in the order of their positions.
func (b *FakeStore) Placed() []inventory.Placed {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.placed)
}

// Place commits the order of a claim.
func (b *FakeStore) Place(c *inventory.Claim) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.placed = append(b.placed, inventory.Placed{
		Position: b.Snapshot.Position + int64(len(b.placed)) + 1, Order: c.Order, Sale: c.Sale, Customer: c.Customer, Key: c.Key, Body: c.Body, Lines: c.Lines,
	})
}

// AcquireLease implements gate.Store. It succeeds unless Leased is set.
func (b *FakeStore) AcquireLease(_ context.Context, name, holder string, ttl time.Duration) (lease.Lease, bool, error) {
	return lease.Lease{Name: name, Holder: holder, Until: time.Now().Add(ttl)}, !b.Leased, nil
}

// RenewLease implements gate.Store.
func (b *FakeStore) RenewLease(_ context.Context, l lease.Lease, _ time.Duration) (lease.Lease, bool, error) {
	return l, true, nil
}

// ReleaseLease implements gate.Store.
func (b *FakeStore) ReleaseLease(context.Context, lease.Lease) error { return nil }

func (b *FakeStore) drained(context.Context) bool { return !b.Queued }

func (b *FakeStore) refuse(_ context.Context, lost []inventory.OrphanedReservation) (refused []id.Order, err error) {
	for _, l := range lost {
		refused = append(refused, l.Order)
	}
	b.Refused = append(b.Refused, refused...)
	return refused, nil
}

// Connect connects to Redis. The prefix may be empty. The client is closed when the test ends.
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

// patientConfig is a gate configuration with timeouts for a busy machine.
var patientConfig = gate.Config{AskTimeout: 20 * time.Second, Hold: time.Minute}

// Open returns a gate like that of one process. Gates with the same store and prefix share their state. The gate is
// closed when the test ends.
func Open(t testing.TB, client *redis.Client, b *FakeStore, prefix string, cluster bool) *gate.Gate {
	t.Helper()
	tracking, err := client.Tracking()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tracking.Close)
	parts := gate.Parts{
		Client: client, Tracking: tracking, Store: b, Log: slog.New(slog.DiscardHandler), Config: patientConfig, Prefix: prefix, Holder: "test", Cluster: cluster,
	}
	if b.HasQueue {
		parts.Drained, parts.RefuseOrphans = b.drained, b.refuse
	}
	return gate.New(parts)
}

// OpenUntracked is Open for a gate that receives no invalidations. It reads the version of a sale before each refusal
// from memory, so its refusals are never outdated.
func OpenUntracked(client *redis.Client, b *FakeStore, prefix string) *gate.Gate {
	return gate.New(gate.Parts{
		Client: client, Tracking: &untracked{Client: client}, Store: b, Log: slog.New(slog.DiscardHandler), Config: patientConfig, Prefix: prefix, Holder: "test",
	})
}

// untracked is a client without invalidations: it reports each of its answers as outdated.
type untracked struct {
	*redis.Client
	changes atomic.Uint64
}

// Changes implements gate.Tracking.
func (u *untracked) Changes() uint64 { return u.changes.Add(1) }

// takeUpTries bounds the checks until a gate adopts an epoch that another process has built.
const takeUpTries = 3

// Load rebuilds one gate from a snapshot and lets the others adopt its epoch.
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
