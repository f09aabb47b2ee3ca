package store

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/store/engine"
)

// Lists may be read from a replica that is at most store.replica_lag_max behind. Reads that decide something use the
// primary: a price, an order, a key. So do lists that this process has written to in the last seconds, so that a caller
// sees its own writes.

// topic names what a list is about. After a write to a topic, the primary answers its lists for a while.
type topic any

// The topics. The topic of a customer's orders is the customer's id.
const (
	catalogueTopic = "catalogue"
	ordersTopic    = "orders"
	refundsTopic   = "refunds"
	stockTopic     = "stock"
)

// ownWritesFor is how long at least the primary answers a topic's lists after a write. It exceeds the allowed lag of a
// replica.
func (c Config) ownWritesFor() time.Duration { return c.ReplicaLagMax + 4*engine.PulseEvery }

// recent remembers the topics written in the last seconds, in two generations; the older one is dropped as a whole. It
// is safe for concurrent use.
type recent struct {
	keep time.Duration

	mu           sync.Mutex
	began        time.Time
	newer, older map[topic]struct{}
}

func newRecent(keep time.Duration) *recent {
	return &recent{keep: keep, began: time.Now(), newer: map[topic]struct{}{}, older: map[topic]struct{}{}}
}

// wrote records topics. A nil recent records nothing.
func (r *recent) wrote(topics ...topic) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.turn()
	for _, t := range topics {
		r.newer[t] = struct{}{}
	}
}

// has reports whether a topic was written recently.
func (r *recent) has(t topic) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.turn()
	_, newer := r.newer[t]
	_, older := r.older[t]
	return newer || older
}

func (r *recent) turn() {
	since := time.Since(r.began)
	if since < r.keep {
		return
	}
	r.older = r.newer
	if since >= 2*r.keep {
		r.older = map[topic]struct{}{}
	}
	r.newer, r.began = map[topic]struct{}{}, time.Now()
}

// wrote records that the transaction changes topics. It does so before the commit; an unnecessary read from the primary
// does no harm.
func (tx *Tx) wrote(topics ...topic) {
	tx.s.recent.wrote(topics...)
}

// CatalogueChanged records that another process has changed the catalogue. For a while it is read from the primary
// only, so that no cache keeps an outdated answer of a replica.
func (s *Store) CatalogueChanged() {
	s.recent.wrote(catalogueTopic)
}

// replica returns a replica that may answer a list, or nil if the primary must.
func (s *Store) replica(t topic) *engine.Replica {
	if s.recent == nil || s.recent.has(t) {
		return nil
	}
	return s.engine.Replicas().Pick()
}

// list runs a SELECT on a replica or the primary and collects its rows. If a replica fails, it is left out and the
// primary is asked.
func list[T any](ctx context.Context, s *Store, t topic, scan func(*sql.Rows) (T, error), text string, args ...any) ([]T, error) {
	if r := s.replica(t); r != nil {
		rows, err := r.Query(ctx, text, args...)
		found, err := collect(rows, err, scan)
		if err == nil || ctx.Err() != nil {
			return found, readError(err)
		}
		r.Leave()
	}
	rows, err := s.query(ctx, text, args...)
	return collect(rows, err, scan)
}

// listSnapshot is snapshot for lists. fn may run twice, so it must reset its results.
func (s *Store) listSnapshot(ctx context.Context, t topic, fn func(now view) error) error {
	if r := s.replica(t); r != nil {
		err := s.snapshotOf(ctx, r, fn)
		if err == nil || ctx.Err() != nil || !errors.Is(err, fault.StoreUnavailable) {
			return err
		}
		r.Leave()
	}
	return s.snapshot(ctx, fn)
}

// PulseEvery is the interval at which to call PulseStep.
func (s *Store) PulseEvery() time.Duration { return engine.PulseEvery }

// PulseStep measures the lag of the replicas. Without replicas it does nothing.
func (s *Store) PulseStep(ctx context.Context) (int, error) {
	r := s.engine.Replicas()
	if r == nil {
		return 0, nil
	}
	return 0, readError(r.Pulse(ctx))
}

// Replicas calls fn with every replica's address and whether it currently answers lists.
func (s *Store) Replicas(fn func(address string, used bool)) {
	if r := s.engine.Replicas(); r != nil {
		r.Each(fn)
	}
}
