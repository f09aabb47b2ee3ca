// Package model is the database of the simulation: what the modules' needs.go ask of a store, in memory, in one lock, with
// transactions that are whole or nothing. It keeps the rules that internal/store writes in SQL; a test drives both with the
// same calls and compares them.
package model

import (
	"sync"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/payment"
	"github.com/tidegate/tidegate/internal/sale"
)

var (
	_ order.Store     = (*Store)(nil)
	_ payment.Store   = (*Store)(nil)
	_ inventory.Store = (*Store)(nil)
	_ sale.Store      = (*Store)(nil)
)

// Store is a database in memory. What it holds outlives any number of processes. Safe for concurrent use.
type Store struct {
	mu          sync.Mutex
	orders      map[id.Order]row
	keys        map[keyed]id.Order
	stock       map[inventory.Pool]inventory.Stock
	ledger      map[inventory.Pool]inventory.Delta
	received    map[id.SKU]int64
	attempts    map[id.Attempt]payment.Attempt
	refunds     map[id.Refund]payment.Refund
	sales       map[id.Sale]sale.Sale
	adjustments map[string]inventory.Adjustment
	changes     []inventory.Change
	movements   []inventory.Movement
	refusals    map[id.Order]order.Refusal
	fences      map[keyed]int64 // the refusal of each key
	fence       int64           // the newest
	undo        []func()
}

// row is an order and what it was asked with.
type row struct {
	order.Order
	key  string
	body inventory.Digest
}

type keyed struct {
	sale     id.Sale
	customer id.Customer
	key      string
}

// New returns a database without rows.
func New() *Store {
	return &Store{
		orders: map[id.Order]row{}, keys: map[keyed]id.Order{}, stock: map[inventory.Pool]inventory.Stock{}, ledger: map[inventory.Pool]inventory.Delta{},
		received: map[id.SKU]int64{}, attempts: map[id.Attempt]payment.Attempt{}, refunds: map[id.Refund]payment.Refund{},
		sales: map[id.Sale]sale.Sale{}, adjustments: map[string]inventory.Adjustment{}, refusals: map[id.Order]order.Refusal{}, fences: map[keyed]int64{},
	}
}

// write runs fn in a transaction: where it returns an error nothing of it has happened.
func (s *Store) write(fn func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.undo = s.undo[:0]
	return s.apart(fn)
}

// apart runs fn and undoes what it did where it fails, and nothing else of the transaction.
func (s *Store) apart(fn func() error) error {
	from := len(s.undo)
	err := fn()
	if err == nil {
		return nil
	}
	for i := len(s.undo) - 1; i >= from; i-- {
		s.undo[i]()
	}
	s.undo = s.undo[:from]
	return err
}

// put sets a row, for as long as the transaction stands.
func put[K comparable, V any](s *Store, rows map[K]V, k K, v V) {
	old, had := rows[k]
	s.undo = append(s.undo, func() {
		if had {
			rows[k] = old
		} else {
			delete(rows, k)
		}
	})
	rows[k] = v
}

// announce appends what the gate has to follow.
func (s *Store) announce(c inventory.Change) {
	n := len(s.changes)
	s.undo = append(s.undo, func() { s.changes = s.changes[:n] })
	c.Position = int64(n + 1)
	s.changes = append(s.changes, c)
}
