package app

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidegate/tidegate/internal/bus"
	"github.com/tidegate/tidegate/internal/delivery"
	"github.com/tidegate/tidegate/internal/kernel/event"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/store"
)

// BusConfig is how events reach those who follow them.
type BusConfig struct {
	Address    string        `koanf:"address" secret:"true" help:"broker that carries events and queued orders: amqp://user:password@host:5672 (RabbitMQ), nats://host:4222 (NATS JetStream) or kafka://host:9092,host:9092; empty is the embedded bus, which needs none"`
	Prefix     string        `koanf:"prefix" help:"what the names of queues, streams and topics begin with, 1 to 40 lower-case letters, digits and hyphens; two shops on one broker need two"`
	Replicas   int           `koanf:"replicas" help:"copies of each message in NATS and in Kafka topics that are made, 1 to 7"`
	Partitions int           `koanf:"partitions" help:"partitions of Kafka topics that are made, 1 to 1000: so many processes of a group can work at once"`
	Retention  time.Duration `koanf:"retention" help:"how long events are kept after every group of consumers has had them, 1h to 8760h"`
}

// Validate returns what is out of range.
func (c BusConfig) Validate() error {
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

// consumer is a group and what it does with events.
type consumer struct {
	group bus.Group
	// apply applies a batch in one transaction, each event once however often it comes.
	apply func(ctx context.Context, batch []event.Event) error
}

// newBus opens the bus with the groups of these consumers.
func (a *App) newBus(ctx context.Context, consumers []consumer) error {
	events := bus.Topic{Name: bus.Events}
	for _, c := range consumers {
		events.Groups = append(events.Groups, c.group)
	}
	var err error
	a.consumers = consumers
	err = a.openBuses(ctx, events)
	a.letters = delivery.NewService(a.store, redelivery{a.bus, a.queue.log})
	return err
}

// holder names this process to the leases. One process at a time has the folder and the file in it, so the next one goes on
// with its leases; a database that processes share knows them by names of their own.
func (a *App) holder() string {
	if a.store.Shared() {
		return a.process
	}
	return "folder"
}

// While orders wait for their commit, or a crowd is told that nothing is left, a consumer works one part in ordersShare of the time,
// and rests restMax at most: there are several, and all of them together cost the shoppers a few hundredths of a small machine,
// and still come on.
const (
	ordersShare = 25
	restMax     = 2 * time.Second
)

// restOfConsumers is how long a consumer pauses after a batch.
func (a *App) restOfConsumers(took time.Duration) time.Duration {
	if a.intake.Depth() == 0 && !a.crowd.isHere(time.Now()) {
		return 0
	}
	return min(took*(ordersShare-1), restMax)
}

// crowd tells whether many ask for orders, whatever they are answered. Safe for concurrent use.
type crowd struct {
	asked atomic.Int64

	mu     sync.Mutex
	looked time.Time
	before int64 // asked, when it was looked
	here   bool
}

// A crowd is crowdPerSecond requests for an order, over crowdLook at least: a hundredth of what one small machine answers.
const (
	crowdPerSecond = 1000
	crowdLook      = 50 * time.Millisecond
)

// isHere reports whether a crowd has asked since it was last looked, at most crowdLook ago or whenever that was.
func (c *crowd) isHere(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if took := now.Sub(c.looked); took >= crowdLook {
		asked := c.asked.Load()
		c.here = float64(asked-c.before) >= crowdPerSecond*took.Seconds()
		c.before, c.looked = asked, now
	}
	return c.here
}

// subscriptions are the consumers that run in this process.
type subscriptions struct {
	running sync.WaitGroup
	stop    context.CancelFunc
}

// subscribe starts every consumer.
func (a *App) subscribe(ctx context.Context) *subscriptions {
	s := &subscriptions{}
	ctx, s.stop = context.WithCancel(ctx)
	for _, c := range a.consumers {
		s.running.Go(func() {
			if err := a.bus.Subscribe(ctx, bus.Events, c.group.Name, c.handle); err != nil {
				a.log.ErrorContext(ctx, "a consumer does not run", "group", c.group.Name, "error", err)
			}
		})
	}
	if a.outbox != nil {
		s.running.Go(func() {
			if err := a.outbox.Subscribe(ctx, bus.Events, relay.Name, a.relayBatch); err != nil {
				a.log.ErrorContext(ctx, "the relay does not run", "error", err)
			}
		})
	}
	return s
}

// handle implements bus.Handler: what the database refuses for the moment is nobody's fault, and what cannot be read never
// will be.
func (c consumer) handle(ctx context.Context, batch []bus.Delivery) error {
	events := make([]event.Event, len(batch))
	for i, d := range batch {
		var err error
		if events[i], err = delivery.Message(d.Message).Event(); err != nil {
			return bus.Poison(err)
		}
	}
	err := c.apply(ctx, events)
	switch fault.CodeOf(err) {
	case fault.StoreUnavailable, fault.StoreFull, fault.TimedOut, fault.ShuttingDown:
		return bus.NotNow(err)
	case fault.Invalid:
		return bus.Poison(err)
	}
	return err
}

// letters keeps dead letters in the database.
type letters struct{ store *store.Store }

// Bury implements bus.DeadLetters.
func (l letters) Bury(ctx context.Context, all []bus.DeadLetter) error {
	kept := make([]delivery.Letter, len(all))
	for i, d := range all {
		kept[i] = delivery.Letter{
			Topic: d.Topic, Group: d.Group, Message: delivery.Message(d.Message), Tries: d.Tries, Reason: d.Reason, DiedAt: d.DiedAt,
		}
	}
	return l.store.BuryLetters(ctx, kept)
}

// redelivery implements delivery.Bus over the bus.
type redelivery struct{ events, intents bus.Bus }

// Redeliver implements delivery.Bus.
func (r redelivery) Redeliver(ctx context.Context, topic, group string, m delivery.Message) error {
	to := r.events
	if topic == bus.Intents && r.intents != nil {
		to = r.intents
	}
	return to.Redeliver(ctx, topic, group, []bus.Message{bus.Message(m)})
}

// How often the bus is looked after.
const (
	trimEvery = 10 * time.Second
	lagEvery  = 2 * time.Second
)

func (a *App) busLoops() []loop {
	return append(a.alone(loop{name: "trim_events", every: trimEvery, step: a.trimEvents}),
		loop{name: "consumer_lag", every: lagEvery, step: onceAndRest(a.lags.step)})
}

// trimEvents deletes events that every group has passed and whose time is over.
func (a *App) trimEvents(ctx context.Context) (int, error) {
	groups := a.outboxGroups()
	if len(groups) == 0 {
		return 0, nil
	}
	return a.store.TrimOutbox(ctx, groups, a.clock.Now().Add(-a.config.Bus.Retention))
}

// lags remembers how far each group is behind, for the metrics. Safe for concurrent use.
type lags struct {
	bus    bus.Bus
	outbox bus.Bus // of the relay
	groups []string
	now    func() time.Time

	mu      sync.Mutex
	behind  map[string]bus.Backlog
	letters int64
	count   func(context.Context) (int64, error)
}

// step reads the backlog of every group.
func (l *lags) step(ctx context.Context) (int, error) {
	for _, g := range l.groups {
		from := l.bus
		if g == relay.Name {
			from = l.outbox
		}
		left, err := from.Backlog(ctx, bus.Events, g)
		if err != nil {
			return 0, err
		}
		l.mu.Lock()
		l.behind[g] = left
		l.mu.Unlock()
	}
	n, err := l.count(ctx)
	if err != nil {
		return 0, err
	}
	l.mu.Lock()
	l.letters = n
	l.mu.Unlock()
	return len(l.groups), nil
}

// each yields how far each group was behind at the last look.
func (l *lags) each(yield func(group string, events int64, age time.Duration)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, g := range l.groups {
		left := l.behind[g]
		age := time.Duration(0)
		if !left.Oldest.IsZero() {
			age = max(0, l.now().Sub(left.Oldest))
		}
		yield(g, left.Messages, age)
	}
}

func (l *lags) deadLetters() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.letters
}

// observeBus gives the metrics how far the consumers are behind.
func (a *App) observeBus() error {
	a.lags = &lags{bus: a.bus, outbox: a.outbox, now: a.clock.Now, behind: map[string]bus.Backlog{}, count: a.store.CountLetters}
	for _, c := range a.consumers {
		a.lags.groups = append(a.lags.groups, c.group.Name)
	}
	if a.outbox != nil {
		a.lags.groups = append(a.lags.groups, relay.Name)
	}
	if err := a.metrics.ObserveConsumers(a.lags.each); err != nil {
		return err
	}
	return a.metrics.ObserveCount("tidegate.dead_letters", "Messages that groups of consumers have given up.", a.lags.deadLetters)
}
