package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/tidegate/tidegate/internal/bus"
	"github.com/tidegate/tidegate/internal/bus/broker"
)

// Subscribe implements bus.Bus.
func (b *Bus) Subscribe(ctx context.Context, topic, group string, handle bus.Handler) error {
	g, err := bus.FindGroup(b.topics, topic, group)
	if err != nil {
		return err
	}
	p := broker.Pump{Topic: topic, Group: g, Handle: handle, DeadLetters: b.letters, Log: b.log}
	p.Run(ctx, func(ctx context.Context) (broker.Source, error) { return b.place(ctx, topic, g) })
	return nil
}

// place is a consumer of a group's queue.
type place struct {
	bus    *Bus
	topic  string
	group  bus.Group
	ch     *amqp.Channel
	in     chan amqp.Delivery // as many as the prefetch allows
	inHand *atomic.Int64
	mine   atomic.Int64 // this place's part of inHand
}

var _ broker.Source = (*place)(nil)

var errLost = errors.New("the channel to RabbitMQ is closed")

func (b *Bus) place(ctx context.Context, topic string, g bus.Group) (broker.Source, error) {
	conn, err := b.connection(ctx)
	if err != nil {
		return nil, err
	}
	ch, err := conn.Channel()
	if err != nil {
		return nil, err
	}
	name := b.queue(topic, g.Name)
	p := &place{bus: b, topic: topic, group: g, ch: ch, in: make(chan amqp.Delivery, g.InFlightMax)}
	b.mu.Lock()
	p.inHand = b.inHand[name]
	b.mu.Unlock()
	if err := ch.Qos(g.InFlightMax, 0, false); err != nil {
		return nil, errors.Join(err, ch.Close())
	}
	if err := p.answerAsked(); err != nil {
		return nil, errors.Join(fmt.Errorf("report the unacknowledged messages of %s: %w", name, err), ch.Close())
	}
	from, err := ch.Consume(name, "", false, false, false, false, nil)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("consume %s: %w", name, err), ch.Close())
	}
	go func() {
		defer close(p.in)
		for d := range from {
			p.mine.Add(1)
			p.inHand.Add(1)
			p.in <- d // never blocks: the broker respects the prefetch
		}
	}()
	return p, nil
}

// gather is how long a batch waits for more messages after its first.
const gather = time.Millisecond

// Receive implements broker.Source.
func (p *place) Receive(ctx context.Context, limit int) ([]broker.Received, error) {
	var batch []broker.Received
	for wait := (<-chan time.Time)(nil); len(batch) < limit; {
		select {
		case d, ok := <-p.in:
			if !ok {
				return nil, errLost
			}
			t, err := take(&d)
			if err != nil {
				t.Unreadable = "it is not a message of ours: " + err.Error()
			}
			if batch = append(batch, t); wait == nil {
				wait = time.After(gather)
			}
		case <-wait:
			return batch, nil
		case <-ctx.Done():
			return nil, ctx.Err() // the channel returns what was taken
		}
	}
	return batch, nil
}

// Ack implements broker.Source. It first publishes retries into the queues of their pauses. Then one acknowledgement
// covers the whole batch.
func (p *place) Ack(ctx context.Context, batch []broker.Received, verdicts []bus.Verdict) error {
	var again []outgoing
	for i, v := range verdicts {
		t := &batch[i]
		pause := p.bus.waiting(p.topic, p.group.Name, p.group.Delay(min(t.Try, max(p.group.TriesMax-1, 1))))
		switch v.Outcome {
		case bus.Again:
			again = append(again, outgoing{"", pause, publishing(&t.Message, t.Try+1)})
		case bus.Held:
			again = append(again, outgoing{"", pause, publishing(&t.Message, t.Try)})
		}
	}
	if err := p.bus.send(ctx, again); err != nil {
		return err
	}
	if err := p.ch.Ack(batch[len(batch)-1].Token.(uint64), true); err != nil {
		return err
	}
	p.mine.Add(-int64(len(batch)))
	p.inHand.Add(-int64(len(batch)))
	return nil
}

// ExtendLease implements broker.Source. It does nothing, because RabbitMQ waits for half an hour.
func (p *place) ExtendLease([]broker.Received) {}

// Close implements broker.Source.
func (p *place) Close() {
	_ = p.ch.Close() // unsettled messages are ready again
	for range p.in {
	}
	p.inHand.Add(-p.mine.Load())
}
