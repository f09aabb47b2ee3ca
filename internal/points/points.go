// Package points owns the points that customers earn when an order is paid, and lose when it is refunded. It is a
// ledger with at most one entry of each kind for an order. It learns of orders from their events.
package points

import (
	"context"
	"encoding/json"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/event"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
)

// Config is the points part of the configuration.
type Config struct {
	Enabled       bool  `koanf:"enabled" help:"customers earn points with paid orders"`
	MinorPerPoint int64 `koanf:"minor_per_point" help:"minor units of money that earn one point, 1 to 1000000; what is left over earns nothing"`
}

// DefaultConfig returns the defaults: one point for each whole pound, euro or dollar.
func DefaultConfig() Config { return Config{Enabled: true, MinorPerPoint: 100} }

// Validate returns a fault if a value is out of range.
func (c Config) Validate() error {
	if c.MinorPerPoint < 1 || c.MinorPerPoint > 1_000_000 {
		return fault.Bad("minor_per_point", "a number from 1 to 1000000, not %d", c.MinorPerPoint)
	}
	return nil
}

// Kind is the kind of an entry.
type Kind string

// The kinds.
const (
	Earned    Kind = "earned"
	TakenBack Kind = "taken_back"
)

// Entry is a row of the ledger.
type Entry struct {
	Order    id.Order
	Kind     Kind
	Customer id.Customer
	// Points are negative if they were taken back.
	Points int64
	At     time.Time
}

// Balance is a customer's balance.
type Balance struct {
	Points int64
	// Orders are the orders that it comes from, newest first.
	Orders []OrderPoints
}

// OrderPoints are the points that an order earned and lost.
type OrderPoints struct {
	Order             id.Order
	Earned, TakenBack int64
	// At is the time of its first entry.
	At time.Time
}

// Types returns the types of events that the module consumes.
func Types() []string { return []string{orderPaid, orderRefunded} }

const (
	orderPaid     = "order.paid.v1"
	orderRefunded = "order.refunded.v1"
)

// Store is the database as points need it. It is safe for concurrent use.
type Store interface {
	// AddPoints records entries in one transaction, one for each order and kind. It takes back what the order earned,
	// if that is recorded.
	AddPoints(ctx context.Context, entries []Entry) error
	// Points returns a customer's balance with up to limit of the latest orders. before, if not zero, selects older
	// ones.
	Points(ctx context.Context, c id.Customer, before id.Order, limit int) (Balance, error)
}

// Service records points and returns balances. It is safe for concurrent use.
type Service struct {
	store  Store
	config Config
}

// NewService returns a Service.
func NewService(s Store, c Config) *Service { return &Service{store: s, config: c} }

// Points returns a customer's balance with up to limit of the latest orders. before, if not zero, selects older ones.
func (s *Service) Points(ctx context.Context, c id.Customer, before id.Order, limit int) (Balance, error) {
	return s.store.Points(ctx, c, before, limit)
}

// Apply applies events in one transaction. A repeated event has no further effect. It returns fault.Invalid for an
// unreadable event.
func (s *Service) Apply(ctx context.Context, events []event.Event) error {
	entries := make([]Entry, 0, len(events))
	for _, e := range events {
		entry, err := s.entry(e)
		if err != nil {
			return err
		}
		if entry.Points != 0 {
			entries = append(entries, entry)
		}
	}
	if len(entries) == 0 {
		return nil
	}
	return s.store.AddPoints(ctx, entries)
}

// entry returns the entry of an event; without points if it earns none.
func (s *Service) entry(e event.Event) (Entry, error) {
	if e.Type != orderPaid && e.Type != orderRefunded {
		return Entry{}, nil
	}
	var o struct {
		ID       id.Order     `json:"id"`
		Customer id.Customer  `json:"customer_id"`
		Total    money.Amount `json:"total"`
	}
	if err := json.Unmarshal(e.Payload, &o); err != nil || o.ID.IsZero() || o.Customer.IsZero() {
		return Entry{}, fault.Wrap(fault.Invalid, err, "Event %d (%s) has no order or no customer.", e.Position, e.Type)
	}
	entry := Entry{Order: o.ID, Kind: Earned, Customer: o.Customer, Points: o.Total.Minor / s.config.MinorPerPoint, At: e.At}
	if e.Type == orderRefunded {
		entry.Kind, entry.Points = TakenBack, -entry.Points
	}
	return entry, nil
}
