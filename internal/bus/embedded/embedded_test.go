package embedded_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/bus"
	"github.com/tidegate/tidegate/internal/bus/bustest"
	"github.com/tidegate/tidegate/internal/bus/embedded"
	"github.com/tidegate/tidegate/internal/delivery"
	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/event"
	"github.com/tidegate/tidegate/internal/kernel/lease"
	"github.com/tidegate/tidegate/internal/store"
	"github.com/tidegate/tidegate/test/engine"
)

// TestBus runs the suite on SQLite. The broker that is stopped is the database: it is closed, and opened again from its
// file.
func TestBus(t *testing.T) {
	t.Parallel()
	suite(t, func(t *testing.T, c *store.Config) { c.Path = filepath.Join(t.TempDir(), "tidegate.db") })
}

// TestBusOnServers runs the suite on each shared database.
func TestBusOnServers(t *testing.T) {
	t.Parallel()
	for _, d := range engine.Databases {
		t.Run(d.Name, func(t *testing.T) {
			t.Parallel()
			suite(t, func(t *testing.T, c *store.Config) { c.Primary = d.Make(t) })
		})
	}
}

func suite(t *testing.T, where func(*testing.T, *store.Config)) {
	bustest.Suite(t, func(t *testing.T) bustest.Engine {
		db := &database{config: store.DefaultConfig()}
		where(t, &db.config)
		db.start(t)
		t.Cleanup(func() { db.stop(t) })
		var process atomic.Int64
		return bustest.Engine{
			Open: func(t *testing.T, topics []bus.Topic, letters bus.DeadLetters) bus.Bus {
				b, err := embedded.Open(t.Context(), embedded.Parts{
					Store: db, DeadLetters: letters, Topics: topics, Holder: fmt.Sprint("process ", process.Add(1)), Clock: clock.System{}, LeaseTTL: 2 * time.Second,
				})
				if err != nil {
					t.Fatal(err)
				}
				return b
			},
			Stop: db.stop, Start: db.start,
		}
	})
}

// database is a store that can be closed and reopened.
type database struct {
	mu     sync.RWMutex
	config store.Config
	store  *store.Store
}

var errAway = errors.New("the database is away")

func (d *database) start(t *testing.T) {
	s, err := store.Open(context.Background(), d.config)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Migrate(context.Background()); err != nil {
		t.Fatal(err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.store = s
}

func (d *database) stop(t *testing.T) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.store != nil {
		if err := d.store.Close(); err != nil {
			t.Error(err)
		}
	}
	d.store = nil
}

// with runs fn on the store, or returns an error while it is closed.
func with[T any](d *database, fn func(*store.Store) (T, error)) (T, error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.store == nil {
		var zero T
		return zero, errAway
	}
	return fn(d.store)
}

func do(d *database, fn func(*store.Store) error) error {
	_, err := with(d, func(s *store.Store) (struct{}, error) { return struct{}{}, fn(s) })
	return err
}

// stamp gives every event its position, as the shop's loop does.
func stamp(ctx context.Context, s *store.Store) error {
	for {
		if n, err := s.StampStep(ctx); err != nil || n == 0 {
			return err
		}
	}
}

type granted struct {
	lease lease.Lease
	ok    bool
}

func (d *database) AcquireLease(ctx context.Context, name, holder string, ttl time.Duration) (lease.Lease, bool, error) {
	g, err := with(d, func(s *store.Store) (granted, error) {
		l, ok, err := s.AcquireLease(ctx, name, holder, ttl)
		return granted{l, ok}, err
	})
	return g.lease, g.ok, err
}

func (d *database) RenewLease(ctx context.Context, l lease.Lease, ttl time.Duration) (lease.Lease, bool, error) {
	g, err := with(d, func(s *store.Store) (granted, error) {
		l, ok, err := s.RenewLease(ctx, l, ttl)
		return granted{l, ok}, err
	})
	return g.lease, g.ok, err
}

func (d *database) ReleaseLease(ctx context.Context, l lease.Lease) error {
	return do(d, func(s *store.Store) error { return s.ReleaseLease(ctx, l) })
}

type found struct {
	events []event.Event
	upTo   int64
}

func (d *database) EventsOf(ctx context.Context, after int64, limit int, types []string) ([]event.Event, int64, error) {
	f, err := with(d, func(s *store.Store) (found, error) {
		if err := stamp(ctx, s); err != nil {
			return found{}, err
		}
		events, upTo, err := s.EventsOf(ctx, after, limit, types)
		return found{events, upTo}, err
	})
	return f.events, f.upTo, err
}

func (d *database) NewestEvent(ctx context.Context) (int64, error) {
	return with(d, func(s *store.Store) (int64, error) {
		if err := stamp(ctx, s); err != nil {
			return 0, err
		}
		return s.NewestEvent(ctx)
	})
}

func (d *database) AppendEvents(ctx context.Context, events []event.Event) error {
	return do(d, func(s *store.Store) error { return s.AppendEvents(ctx, events) })
}

func (d *database) EnterGroups(ctx context.Context, groups []string) error {
	return do(d, func(s *store.Store) error { return s.EnterGroups(ctx, groups) })
}

func (d *database) Cursor(ctx context.Context, group string) (delivery.Cursor, error) {
	return with(d, func(s *store.Store) (delivery.Cursor, error) { return s.Cursor(ctx, group) })
}

func (d *database) ParkedDue(ctx context.Context, group string, now time.Time, limit int) ([]delivery.RetryMessage, error) {
	return with(d, func(s *store.Store) ([]delivery.RetryMessage, error) { return s.ParkedDue(ctx, group, now, limit) })
}

func (d *database) ParkedKeys(ctx context.Context, group string) ([]string, error) {
	return with(d, func(s *store.Store) ([]string, error) { return s.ParkedKeys(ctx, group) })
}

func (d *database) SettleDelivery(ctx context.Context, settled delivery.Progress) error {
	return do(d, func(s *store.Store) error { return s.SettleDelivery(ctx, settled) })
}

func (d *database) Park(ctx context.Context, group string, all []delivery.RetryMessage) error {
	return do(d, func(s *store.Store) error { return s.Park(ctx, group, all) })
}
