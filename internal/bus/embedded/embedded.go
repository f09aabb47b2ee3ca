// Package embedded is the bus without a broker: the outbox is the log, and each group keeps its cursor, retries and
// dead letters in SQL.
//
// One process at a time reads for a group, under a lease; progress under an older lease is rejected. A waiting message
// holds back the later ones of its key, but no other key, until so many wait that the group stops reading.
package embedded

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/tidegate/tidegate/internal/bus"
	"github.com/tidegate/tidegate/internal/delivery"
	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/event"
)

// Parts holds the dependencies of a Bus.
type Parts struct {
	Store       Store
	DeadLetters bus.DeadLetters
	// Topics must contain only bus.Events: the outbox is one log.
	Topics []bus.Topic
	// Holder identifies this process among those that share the database. A process restarted on the same data may keep
	// its name: then it continues without waiting.
	Holder string
	Clock  clock.Clock
	Log    *slog.Logger
	// LeaseTTL is how long a group waits for a dead process; zero: leaseTTL.
	LeaseTTL time.Duration
	// Rest, if set, returns the pause after a batch that took that long. It leaves the machine to orders when they are
	// many.
	Rest func(took time.Duration) time.Duration
}

const (
	// leaseTTL is how long a group waits after its process was killed.
	leaseTTL = 10 * time.Second
	// idle is the pause after a read that found no events.
	idle = 50 * time.Millisecond
	// pauseMax bounds the pause after an error, so that a database that is back is used again within seconds.
	pauseMax = 5 * time.Second
	// grace is how long a running batch may take after its subscription was stopped.
	grace = 15 * time.Second
)

// Bus implements bus.Bus over the outbox. It is safe for concurrent use.
type Bus struct{ parts Parts }

// Open adds cursors for new groups and returns the bus. It returns the store's errors, and an error for inconsistent
// topics.
func Open(ctx context.Context, p Parts) (*Bus, error) {
	var err error
	if p.Topics, err = bus.CheckTopics(p.Topics); err != nil {
		return nil, err
	}
	if len(p.Topics) != 1 || p.Topics[0].Name != bus.Events {
		return nil, fmt.Errorf("the embedded bus has one topic, %q", bus.Events)
	}
	if p.LeaseTTL == 0 {
		p.LeaseTTL = leaseTTL
	}
	if p.Log == nil {
		p.Log = slog.New(slog.DiscardHandler)
	}
	var names []string
	for _, g := range p.Topics[0].Groups {
		names = append(names, g.Name)
	}
	return &Bus{p}, p.Store.EnterGroups(ctx, names)
}

// Features implements bus.Bus.
func (b *Bus) Features() bus.Features { return bus.Features{Numbers: true, HoldsKey: true} }

// Publish implements bus.Publisher. A key must be the number of the event's subject. The shop's own events go into the
// outbox in the transaction that causes them; Publish is for all others.
func (b *Bus) Publish(ctx context.Context, topic string, batch []bus.Message) error {
	if topic != bus.Events {
		return fmt.Errorf("the outbox is the topic %q, not %q", bus.Events, topic)
	}
	events := make([]event.Event, len(batch))
	for i, m := range batch {
		e, err := delivery.Message(m).Event()
		if err != nil {
			return err
		}
		events[i] = e
	}
	if err := b.parts.Store.AppendEvents(ctx, events); err != nil {
		return fmt.Errorf("%w: %w", bus.ErrUnavailable, err)
	}
	return nil
}

// Redeliver implements bus.Bus.
func (b *Bus) Redeliver(ctx context.Context, topic, group string, batch []bus.Message) error {
	if _, err := bus.FindGroup(b.parts.Topics, topic, group); err != nil {
		return err
	}
	parked := make([]delivery.RetryMessage, len(batch))
	for i, m := range batch {
		parked[i] = delivery.RetryMessage{Message: delivery.Message(m), Try: 1, DueAt: b.parts.Clock.Now()}
	}
	if err := b.parts.Store.Park(ctx, group, parked); err != nil {
		return fmt.Errorf("%w: %w", bus.ErrUnavailable, err)
	}
	return nil
}

// Backlog implements bus.Bus.
func (b *Bus) Backlog(ctx context.Context, topic, group string) (bus.Backlog, error) {
	if _, err := bus.FindGroup(b.parts.Topics, topic, group); err != nil {
		return bus.Backlog{}, err
	}
	// Read the cursor first: later it might have passed the newest event.
	c, err := b.parts.Store.Cursor(ctx, group)
	if err != nil {
		return bus.Backlog{}, err
	}
	newest, err := b.parts.Store.NewestEvent(ctx)
	if err != nil {
		return bus.Backlog{}, err
	}
	left := bus.Backlog{Messages: newest - c.Position + c.Parked}
	if newest > c.Position {
		first, _, err := b.parts.Store.EventsOf(ctx, c.Position, 1, nil)
		if err != nil {
			return bus.Backlog{}, err
		}
		if len(first) > 0 {
			left.Oldest = first[0].At
		}
	}
	return left, nil
}

// Close implements bus.Bus. It does not close the database.
func (b *Bus) Close() error { return nil }

// deliveries makes a batch from events, each at its first try.
func deliveries(events []event.Event) []bus.Delivery {
	batch := make([]bus.Delivery, len(events))
	for i, e := range events {
		batch[i] = bus.Delivery{Message: bus.Message(delivery.MessageOf(e)), Try: 1}
	}
	return batch
}
