package eventbus

import (
	"context"
	"slices"

	"github.com/tidegate/tidegate/internal/bus"
	"github.com/tidegate/tidegate/internal/bus/embedded"
	"github.com/tidegate/tidegate/internal/kernel/crashpoint"
	"github.com/tidegate/tidegate/internal/kernel/event"
)

// relay is the group that carries the outbox to a broker: to the embedded bus a consumer like any other, with its cursor, its
// lease and its lag. It tries for ever: what the broker does not take stays where it is.
var relay = bus.Group{Name: "relay", BatchMax: 1000}

// openBuses opens the bus of the consumers, and where that is a broker also the outbox that the relay reads.
func (e *Events) openBuses(ctx context.Context, events, rehearsals bus.Topic) (err error) {
	if e.Config.Address == "" {
		e.bus, err = e.openOutbox(ctx, events)
		return err
	}
	topics := []bus.Topic{events}
	if len(rehearsals.Groups) > 0 {
		topics = append(topics, rehearsals)
	}
	if e.bus, err = OpenBroker(ctx, e.Config, e.Store, e.Log, topics); err != nil || len(events.Groups) == 0 {
		return err
	}
	e.outbox, err = e.openOutbox(ctx, bus.Topic{Name: bus.Events, Groups: []bus.Group{relay}})
	return err
}

func (e *Events) openOutbox(ctx context.Context, events bus.Topic) (bus.Bus, error) {
	b, err := embedded.Open(ctx, embedded.Parts{
		Store: e.Store, DeadLetters: letters{e.Store}, Topics: []bus.Topic{events}, Holder: e.Holder,
		Clock: e.Clock, Log: e.Log, Rest: e.Pace.Rest,
	})
	if err != nil {
		return nil, err
	}
	return b, nil
}

// relayBatch implements bus.Handler: it publishes events as they are, those of rehearsals to a topic of their own, which nobody reads
// but the shop's own groups. Published twice, they are applied once.
func (e *Events) relayBatch(ctx context.Context, batch []bus.Delivery) error {
	messages, rehearsals := make([]bus.Message, 0, len(batch)), []bus.Message(nil)
	for _, d := range batch {
		if (&event.Event{Payload: d.Payload}).OfRehearsal() {
			rehearsals = append(rehearsals, d.Message)
			continue
		}
		messages = append(messages, d.Message)
	}
	if err := crashpoint.Fail(crashpoint.RelayBefore); err != nil {
		return bus.RetryLater(err)
	}
	if len(messages) > 0 {
		if err := e.bus.Publish(ctx, bus.Events, messages); err != nil {
			return bus.RetryLater(err)
		}
	}
	if len(rehearsals) > 0 && slices.ContainsFunc(e.Consumers, Consumer.takesRehearsals) {
		if err := e.bus.Publish(ctx, bus.Rehearsals, rehearsals); err != nil {
			return bus.RetryLater(err)
		}
	}
	if err := crashpoint.Fail(crashpoint.RelayAfter); err != nil {
		return bus.RetryLater(err)
	}
	return nil
}

// outboxGroups are the groups that read the outbox itself: it is trimmed behind the last of them.
func (e *Events) outboxGroups() []string {
	if e.outbox != nil {
		return []string{relay.Name}
	}
	if e.Config.Address != "" {
		return nil
	}
	groups := make([]string, len(e.Consumers))
	for i, c := range e.Consumers {
		groups[i] = c.Group.Name
	}
	return groups
}
