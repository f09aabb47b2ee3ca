package store

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/store/mysql"
)

// Lists may come from a replica that is at most store.replica_lag_max behind. What decides anything comes from the primary: a
// price, an order, a key. So does a list of which this process has written something in the last seconds: who writes sees it.

// topic is what a list is about. What is written of a topic is read from the primary for a while.
type topic any

// The topics, beside a customer's own orders, whose topic is their id.
const (
	catalogueTopic = "catalogue"
	ordersTopic    = "orders"
	refundsTopic   = "refunds"
	stockTopic     = "stock"
)

// ownWritesFor is for how long at least a topic is read from the primary after a write: longer than a replica in use may
// be behind.
func (c Config) ownWritesFor() time.Duration { return c.ReplicaLagMax + 4*mysql.PulseEvery }

// recent remembers the topics that were written in the last seconds, in two halves: the older one is forgotten at once. It
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

// wrote notes topics. A nil recent notes nothing.
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

// has reports whether a topic was written of.
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

// wrote notes that a transaction changes something of topics. It is noted before the commit: to read too much from the
// primary harms nobody.
func (tx *Tx) wrote(topics ...topic) {
	if tx.my != nil {
		tx.my.w.recent.wrote(topics...)
	}
}

// CatalogueChanged says that another process has changed the catalogue: for a while it is read from the primary alone, so
// that what a replica has not heard of yet is not kept by a cache.
func (s *Store) CatalogueChanged() {
	if s.my != nil {
		s.my.recent.wrote(catalogueTopic)
	}
}

// replica returns a replica that may answer a list; nil where the primary has to.
func (s *Store) replica(t topic) *mysql.Replica {
	if s.replicas == nil || s.my.recent.has(t) {
		return nil
	}
	return s.replicas.Pick()
}

// list runs a SELECT on a replica or a reader and collects its rows. A replica that fails is left out, and the primary asked.
func list[T any](ctx context.Context, s *Store, t topic, scan func(*sql.Rows) (T, error), text string, args ...any) ([]T, error) {
	if r := s.replica(t); r != nil {
		rows, err := r.DB.QueryContext(ctx, s.dialect.text(text), args...)
		found, err := collect(rows, err, scan)
		if err == nil || ctx.Err() != nil {
			return found, readError(err)
		}
		r.Leave()
	}
	rows, err := s.query(ctx, text, args...)
	return collect(rows, err, scan)
}

// listSnapshot is snapshot for lists. fn sets all that it sets anew: it may be run twice.
func (s *Store) listSnapshot(ctx context.Context, t topic, fn func(now view) error) error {
	if r := s.replica(t); r != nil {
		err := s.snapshotOf(ctx, r.DB, fn)
		if err == nil || ctx.Err() != nil || !errors.Is(err, fault.StoreUnavailable) {
			return err
		}
		r.Leave()
	}
	return s.snapshot(ctx, fn)
}

// PulseEvery is how often PulseStep should be called.
func (s *Store) PulseEvery() time.Duration { return mysql.PulseEvery }

// PulseStep finds out how far the replicas are behind. Without replicas there is nothing to do.
func (s *Store) PulseStep(ctx context.Context) (int, error) {
	if s.replicas == nil {
		return 0, nil
	}
	return 0, readError(s.replicas.Pulse(ctx, s.db))
}

// Replicas calls fn with every replica's address and whether lists are read from it at the moment.
func (s *Store) Replicas(fn func(address string, used bool)) {
	if s.replicas != nil {
		s.replicas.Each(fn)
	}
}
