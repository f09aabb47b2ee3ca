package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/tidegate/tidegate/internal/bus"
	"github.com/tidegate/tidegate/internal/bus/broker"
)

// publisher is a channel in confirm mode. One publish at a time uses it.
type publisher struct {
	ch       *amqp.Channel
	returned chan amqp.Return
}

// outgoing is a message for an exchange, with its routing key.
type outgoing struct {
	exchange, key string
	message       amqp.Publishing
}

const (
	headerKey = "tidegate-key"
	headerAt  = "tidegate-at" // milliseconds since 1970
	headerTry = "tidegate-try"
)

func publishing(m *bus.Message, try int) amqp.Publishing {
	headers := amqp.Table{headerAt: m.At.UnixMilli()}
	if m.Key != "" {
		headers[headerKey] = m.Key
	}
	if try > 1 {
		headers[headerTry] = int64(try)
	}
	return amqp.Publishing{
		Headers: headers, DeliveryMode: amqp.Persistent, MessageId: strconv.FormatInt(m.ID, 10), Type: m.Type, Body: m.Payload,
	}
}

// Publish implements bus.Publisher. It drops a message whose type no group wants. If a group wants it and no queue
// takes it, somebody has deleted the queue: Publish returns an error, and creates the queue for the next publish.
func (b *Bus) Publish(ctx context.Context, topic string, batch []bus.Message) error {
	at := slices.IndexFunc(b.topics, func(t bus.Topic) bool { return t.Name == topic })
	if at < 0 {
		return fmt.Errorf("the bus was not opened with a topic %q", topic)
	}
	letters := make([]outgoing, 0, len(batch))
	for i := range batch {
		if slices.ContainsFunc(b.topics[at].Groups, func(g bus.Group) bool { return g.Wants(batch[i].Type) }) {
			letters = append(letters, outgoing{b.exchange(topic), batch[i].Type, publishing(&batch[i], 1)})
		}
	}
	return b.send(ctx, letters)
}

// Redeliver implements bus.Bus.
func (b *Bus) Redeliver(ctx context.Context, topic, group string, batch []bus.Message) error {
	if _, err := bus.FindGroup(b.topics, topic, group); err != nil {
		return err
	}
	letters := make([]outgoing, len(batch))
	for i := range batch {
		letters[i] = outgoing{"", b.queue(topic, group), publishing(&batch[i], 1)}
	}
	return b.send(ctx, letters)
}

// send publishes messages and returns when all are confirmed.
func (b *Bus) send(ctx context.Context, letters []outgoing) error {
	ctx, cancel := context.WithTimeout(ctx, publishMax)
	defer cancel()
	for sent := false; len(letters) > 0; sent = true {
		n := min(len(letters), batchMax)
		p, err := b.publisher(ctx)
		if err != nil {
			return broker.Refused(sent, err)
		}
		began, err := p.send(ctx, letters[:n])
		b.done(p, err)
		if errors.Is(err, errUnroutable) {
			err = errors.Join(err, b.makeAgain(ctx))
		}
		if err != nil {
			return broker.Refused(sent || began, err)
		}
		letters = letters[n:]
	}
	return nil
}

var errUnroutable = errors.New("no queue is bound to the exchange: it was deleted")

// makeAgain creates missing queues for the next publish.
func (b *Bus) makeAgain(ctx context.Context) error {
	conn, err := b.connection(ctx)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.make(conn)
}

// send publishes messages and waits for their confirms. began reports whether the broker may have one of them.
func (p *publisher) send(ctx context.Context, letters []outgoing) (began bool, err error) {
	confirms := make([]*amqp.DeferredConfirmation, len(letters))
	for i, l := range letters {
		// Mandatory: the broker returns a message that no queue takes.
		if confirms[i], err = p.ch.PublishWithDeferredConfirm(l.exchange, l.key, true, false, l.message); err != nil {
			return i > 0 || !errors.Is(err, amqp.ErrClosed), err
		}
	}
	for _, c := range confirms {
		acked, err := c.WaitContext(ctx)
		if err != nil {
			return true, err
		}
		if !acked {
			return true, errors.New("RabbitMQ has not confirmed a message")
		}
	}
	select {
	case r := <-p.returned: // it comes before its confirm
		return len(letters) > 1, fmt.Errorf("%w: %q as %s (%s)", errUnroutable, r.Exchange, r.RoutingKey, r.ReplyText)
	default:
		return true, nil
	}
}

// publisher returns an unused channel.
func (b *Bus) publisher(ctx context.Context) (*publisher, error) {
	conn, err := b.connection(ctx)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	if n := len(b.idle); n > 0 {
		p := b.idle[n-1]
		b.idle = b.idle[:n-1]
		b.mu.Unlock()
		return p, nil
	}
	b.mu.Unlock()
	ch, err := conn.Channel()
	if err != nil {
		return nil, err
	}
	if err := ch.Confirm(false); err != nil {
		return nil, errors.Join(err, ch.Close())
	}
	return &publisher{ch, ch.NotifyReturn(make(chan amqp.Return, batchMax))}, nil
}

// done returns a channel to the pool. It closes a channel that had an error.
func (b *Bus) done(p *publisher, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err == nil && !p.ch.IsClosed() && len(b.idle) < publishersMax && b.conn != nil && !b.conn.IsClosed() {
		b.idle = append(b.idle, p)
		return
	}
	go func() { _ = p.ch.Close() }() // it may wait for an unavailable broker
}

// take reads a received message. The error says what a message of the shop must have and this one lacks.
func take(d *amqp.Delivery) (t broker.Received, err error) {
	t.Token = d.DeliveryTag
	t.Message = bus.Message{Type: d.Type, Payload: d.Body}
	t.Key, _ = d.Headers[headerKey].(string)
	t.Try = 1
	if try, ok := d.Headers[headerTry].(int64); ok {
		t.Try = int(try)
	}
	at, ok := d.Headers[headerAt].(int64)
	t.At = time.UnixMilli(at).UTC()
	t.ID, err = strconv.ParseInt(d.MessageId, 10, 64)
	if err == nil && !ok {
		err = errors.New("it does not say when it happened")
	}
	return t, err
}
