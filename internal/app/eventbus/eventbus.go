// Package eventbus carries events from the outbox to the modules that follow them: by the embedded bus, or over a broker behind a relay.
package eventbus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/tidegate/tidegate/internal/app/loop"
	"github.com/tidegate/tidegate/internal/bus"
	"github.com/tidegate/tidegate/internal/delivery"
	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/event"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/store"
)

// Config is how events reach those who follow them.
type Config struct {
	Address    string        `koanf:"address" secret:"true" help:"broker that carries events and queued orders: amqp://user:password@host:5672 (RabbitMQ), nats://host:4222 (NATS JetStream) or kafka://host:9092,host:9092; empty is the embedded bus, which needs none"`
	Prefix     string        `koanf:"prefix" help:"what the names of queues, streams and topics begin with, 1 to 40 lower-case letters, digits and hyphens; two shops on one broker need two"`
	Replicas   int           `koanf:"replicas" help:"copies of each message in NATS and in Kafka topics that are made, 1 to 7"`
	Partitions int           `koanf:"partitions" help:"partitions of Kafka topics that are made, 1 to 1000: so many processes of a group can work at once"`
	Retention  time.Duration `koanf:"retention" help:"how long events are kept after every group of consumers has had them, 1h to 8760h"`
}

// Validate returns what is out of range.
func (c Config) Validate() error {
	if _, err := brokerName(c.Address); err != nil {
		return err
	}
	switch {
	case c.Prefix == "" || len(c.Prefix) > 40 || strings.Trim(c.Prefix, "abcdefghijklmnopqrstuvwxyz0123456789-") != "":
		return fault.Bad("prefix", "1 to 40 lower-case letters, digits and hyphens, not %q", c.Prefix)
	case c.Replicas < 1 || c.Replicas > 7:
		return fault.Bad("replicas", "a number from 1 to 7, not %d", c.Replicas)
	case c.Partitions < 1 || c.Partitions > 1000:
		return fault.Bad("partitions", "a number from 1 to 1000, not %d", c.Partitions)
	}
	if c.Retention < time.Hour || c.Retention > 8760*time.Hour {
		return fault.Bad("retention", "a duration from 1h to 8760h, not %s", c.Retention)
	}
	return nil
}

// Consumer is a group and what it does with events.
type Consumer struct {
	Group      bus.Group
	Rehearsals Treatment
	// Apply applies a batch in one transaction, each event once however often it comes.
	Apply func(ctx context.Context, batch []event.Event) error
}

func (c Consumer) takesRehearsals() bool { return c.Rehearsals == OnRequest }

// Treatment says what a consumer does with the events of rehearsals. Every consumer has to say it: the zero value is refused.
type Treatment uint8

const (
	// LeavesOut: it is told of none.
	LeavesOut Treatment = iota + 1
	// OnRequest: it is told of them, and hands them on only to whoever asked for them.
	OnRequest
)

// Parts are what the bus needs.
type Parts struct {
	Config    Config
	Store     *store.Store
	Consumers []Consumer
	// Holder names this process to the leases of the groups.
	Holder string
	Pace   *Pace
	Clock  clock.Clock
	Log    *slog.Logger
}

// Events is the bus with the groups of the consumers, in this process.
type Events struct {
	Parts
	bus    bus.Bus
	outbox bus.Bus // what the relay reads; nil where the bus is the outbox itself
	lags   *lags
}

// Open opens the bus with the groups of the consumers. Close what it returns, also on an error.
func Open(ctx context.Context, p Parts) (*Events, error) {
	e := &Events{Parts: p}
	events, rehearsals := bus.Topic{Name: bus.Events}, bus.Topic{Name: bus.Rehearsals}
	for _, c := range p.Consumers {
		events.Groups = append(events.Groups, c.Group)
		switch c.Rehearsals {
		case LeavesOut:
		case OnRequest:
			rehearsals.Groups = append(rehearsals.Groups, c.Group)
		default:
			return e, fmt.Errorf("the consumer %s does not say what it does with rehearsals", c.Group.Name)
		}
	}
	err := e.openBuses(ctx, events, rehearsals)
	e.lags = e.newLags()
	return e, err
}

// Close ends the connections.
func (e *Events) Close() error {
	var errs []error
	for _, b := range []bus.Bus{e.bus, e.outbox} {
		if b != nil {
			errs = append(errs, b.Close())
		}
	}
	return errors.Join(errs...)
}

// Subscriptions are the consumers that run in this process.
type Subscriptions struct {
	running sync.WaitGroup
	cancel  context.CancelFunc
}

// Stop ends the subscriptions; Wait returns when the batches under way are done.
func (s *Subscriptions) Stop() { s.cancel() }

// Wait returns when every consumer has ended.
func (s *Subscriptions) Wait() { s.running.Wait() }

// Subscribe starts every consumer.
func (e *Events) Subscribe(ctx context.Context) *Subscriptions {
	s := &Subscriptions{}
	ctx, s.cancel = context.WithCancel(ctx)
	for _, c := range e.Consumers {
		for _, topic := range e.topicsOf(c) {
			s.running.Go(func() {
				if err := e.bus.Subscribe(ctx, topic, c.Group.Name, c.Handle); err != nil {
					e.Log.ErrorContext(ctx, "a consumer does not run", "group", c.Group.Name, "topic", topic, "error", err)
				}
			})
		}
	}
	if e.outbox != nil {
		s.running.Go(func() {
			if err := e.outbox.Subscribe(ctx, bus.Events, relay.Name, e.relayBatch); err != nil {
				e.Log.ErrorContext(ctx, "the relay does not run", "error", err)
			}
		})
	}
	return s
}

// topicsOf lists what a consumer subscribes to. Over a broker the events of rehearsals have a topic of their own.
func (e *Events) topicsOf(c Consumer) []string {
	if e.outbox != nil && c.takesRehearsals() {
		return []string{bus.Events, bus.Rehearsals}
	}
	return []string{bus.Events}
}

// Handle implements bus.Handler: what the database refuses for the moment is nobody's fault, and what cannot be read never
// will be.
func (c Consumer) Handle(ctx context.Context, batch []bus.Delivery) error {
	events := make([]event.Event, 0, len(batch))
	for _, d := range batch {
		e, err := delivery.Message(d.Message).Event()
		if err != nil {
			return bus.Permanent(err)
		}
		if c.Rehearsals == LeavesOut && e.OfRehearsal() {
			continue
		}
		events = append(events, e)
	}
	if len(events) == 0 {
		return nil
	}
	err := c.Apply(ctx, events)
	switch fault.CodeOf(err) {
	case fault.StoreUnavailable, fault.StoreFull, fault.TimedOut, fault.ShuttingDown:
		return bus.RetryLater(err)
	case fault.Invalid:
		return bus.Permanent(err)
	}
	return err
}

// letters keeps dead letters in the database.
type letters struct{ store *store.Store }

// Add implements bus.DeadLetters.
func (l letters) Add(ctx context.Context, all []bus.DeadLetter) error {
	kept := make([]delivery.DeadLetter, len(all))
	for i, d := range all {
		kept[i] = delivery.DeadLetter{
			Topic: d.Topic, Group: d.Group, Message: delivery.Message(d.Message), Tries: d.Tries, Reason: d.Reason, DiedAt: d.DiedAt,
		}
	}
	return l.store.AddDeadLetters(ctx, kept)
}

// Redeliver publishes a message of a topic of events to one group again.
func (e *Events) Redeliver(ctx context.Context, topic, group string, m bus.Message) error {
	return e.bus.Redeliver(ctx, topic, group, []bus.Message{m})
}

// How often the bus is looked after.
const (
	trimEvery = 10 * time.Second
	lagEvery  = 2 * time.Second
)

// Loops returns what looks after the bus.
func (e *Events) Loops(leases *loop.Leases) []loop.Loop {
	return append(leases.Singleton(loop.Loop{Name: "trim_events", Every: trimEvery, Ends: true, Step: e.trim}),
		loop.Loop{Name: "consumer_lag", Every: lagEvery, Step: loop.OnceAndRest(e.lags.step)})
}

// trim deletes events that every group has passed and whose time is over.
func (e *Events) trim(ctx context.Context) (int, error) {
	groups := e.outboxGroups()
	if len(groups) == 0 {
		return 0, nil
	}
	return e.Store.TrimOutbox(ctx, groups, e.Clock.Now().Add(-e.Config.Retention))
}
