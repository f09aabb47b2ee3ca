package app

import (
	"context"

	"github.com/tidegate/tidegate/internal/bus"
	"github.com/tidegate/tidegate/internal/bus/embedded"
	"github.com/tidegate/tidegate/internal/kernel/crashpoint"
)

// relay is the group that carries the outbox to a broker: to the embedded bus a consumer like any other, with its cursor, its
// lease and its lag. It tries for ever: what the broker does not take stays where it is.
var relay = bus.Group{Name: "relay", BatchMax: 1000}

// openBuses opens the bus of the consumers, and where that is a broker also the outbox that the relay reads.
func (a *App) openBuses(ctx context.Context, events bus.Topic) (err error) {
	if a.config.Bus.Address == "" {
		a.bus, err = a.openOutbox(ctx, events)
		return err
	}
	if a.bus, err = a.openBroker(ctx, []bus.Topic{events}); err != nil || len(events.Groups) == 0 {
		return err
	}
	a.outbox, err = a.openOutbox(ctx, bus.Topic{Name: bus.Events, Groups: []bus.Group{relay}})
	return err
}

func (a *App) openOutbox(ctx context.Context, events bus.Topic) (bus.Bus, error) {
	b, err := embedded.Open(ctx, embedded.Parts{
		Store: a.store, Letters: letters{a.store}, Topics: []bus.Topic{events}, Holder: a.holder(),
		Clock: a.clock, Log: a.log, Rest: a.restOfConsumers,
	})
	if err != nil {
		return nil, err
	}
	return b, nil
}

// relayBatch implements bus.Handler: it publishes events as they are. Published twice, they are applied once.
func (a *App) relayBatch(ctx context.Context, batch []bus.Delivery) error {
	messages := make([]bus.Message, len(batch))
	for i, d := range batch {
		messages[i] = d.Message
	}
	if err := crashpoint.Fail(crashpoint.RelayBefore); err != nil {
		return bus.NotNow(err)
	}
	if err := a.bus.Publish(ctx, bus.Events, messages); err != nil {
		return bus.NotNow(err)
	}
	if err := crashpoint.Fail(crashpoint.RelayAfter); err != nil {
		return bus.NotNow(err)
	}
	return nil
}

// outboxGroups are the groups that read the outbox itself: it is trimmed behind the last of them.
func (a *App) outboxGroups() []string {
	if a.outbox != nil {
		return []string{relay.Name}
	}
	if a.config.Bus.Address != "" {
		return nil
	}
	groups := make([]string, len(a.consumers))
	for i, c := range a.consumers {
		groups[i] = c.group.Name
	}
	return groups
}
