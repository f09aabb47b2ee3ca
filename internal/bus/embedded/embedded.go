// Package embedded is the bus that needs no broker: the outbox is the log, and each group keeps its cursor, what waits for
// another try and what it has given up in SQL.
//
// One process at a time reads for a group, by lease; a settlement under an older lease is refused. A message that waits
// holds back the later ones of its key, and never another key, until so many wait that the group reads no further.
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

// Parts is what a Bus is made of.
type Parts struct {
	Store       Store
	DeadLetters bus.DeadLetters
	// Topics must hold bus.Events alone: the outbox is one log.
	Topics []bus.Topic
	// Holder names this process among those that share the database. A process that is started again on the same data may
	// have the name it had: it then continues without a wait.
	Holder string
	Clock  clock.Clock
	Log    *slog.Logger
	// LeaseTTL is how long a group waits for a process that died; leaseTTL where zero.
	LeaseTTL time.Duration
	// Rest, where set, returns how long to pause after a batch that took so long: a shop that is busy taking orders gives
	// them the machine.
	Rest func(took time.Duration) time.Duration
}

const (
	// leaseTTL is how long a group is not consumed after its process was killed.
	leaseTTL = 10 * time.Second
	// idle is the pause after a read that found no events.
	idle = 50 * time.Millisecond
	// pauseMax bounds the pause after an error: a database that is back is used again within seconds.
	pauseMax = 5 * time.Second
	// grace is how long a running batch may take after its subscription was stopped.
	grace = 15 * time.Second
)

// Bus implements bus.Bus over the outbox. Safe for concurrent use.
type Bus struct{ parts Parts }

// Open gives new groups their cursors and returns the bus. It returns the store's errors, and one for topics that contradict
// themselves.
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

// Publish implements bus.Publisher. A key must be the number of what the event is about. What the shop announces goes into
// the outbox in the transaction that makes it true; this is for everything else.
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
	// The cursor first: it may pass the newest event that was read before it.
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

// Close implements bus.Bus. The database is not the bus's to close.
func (b *Bus) Close() error { return nil }

// deliveries makes a batch of events, each at its first try.
func deliveries(events []event.Event) []bus.Delivery {
	batch := make([]bus.Delivery, len(events))
	for i, e := range events {
		batch[i] = bus.Delivery{Message: bus.Message(delivery.MessageOf(e)), Try: 1}
	}
	return batch
}
