package rabbitmq

import (
	"context"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/tidegate/tidegate/internal/bus"
	"github.com/tidegate/tidegate/internal/bus/broker"
)

// RabbitMQ counts the ready messages of a queue, but tells no client what consumers have taken and not settled. Each
// consumer of a group knows its own number, so the bus asks them: through an exchange of the group, with a queue that
// lives as long as the consumer.

// answerMax bounds the wait for consumers that do not answer.
const answerMax = 2 * time.Second

func (b *Bus) asking(topic, group string) string { return b.queue(topic, group) + ".inhand" }

// answerAsked answers requests for the number of unacknowledged messages here, until its channel closes. Call it before
// the group is consumed: the asking process expects one answer from each consumer.
func (p *place) answerAsked() error {
	q, err := p.ch.QueueDeclare("", false, true, true, false, nil)
	if err == nil {
		err = p.ch.QueueBind(q.Name, "", p.bus.asking(p.topic, p.group.Name), false, nil)
	}
	if err != nil {
		return err
	}
	asked, err := p.ch.Consume(q.Name, "", true, true, false, false, nil)
	if err != nil {
		return err
	}
	go func() {
		for d := range asked {
			time.Sleep(countAgain) // include what the broker has just delivered
			// A channel that closes loses the answer, and returns the messages in hand.
			_ = p.ch.PublishWithContext(context.Background(), "", d.ReplyTo, false, false, amqp.Publishing{
				CorrelationId: d.CorrelationId, Body: strconv.AppendInt(nil, p.mine.Load(), 10),
			})
		}
	}()
	return nil
}

var questions atomic.Int64

// inHands asks this many consumers of a group, in all processes, for their numbers and adds them up. A consumer that
// does not answer counts as one message: it may have any number.
func (b *Bus) inHands(ctx context.Context, topic string, g bus.Group, consumers int) (int64, error) {
	conn, err := b.connection(ctx)
	if err != nil {
		return 0, err
	}
	ch, err := conn.Channel()
	if err != nil {
		return 0, err
	}
	defer func() { _ = ch.Close() }()
	const direct = "amq.rabbitmq.reply-to"
	answers, err := ch.Consume(direct, "", true, false, false, false, nil)
	if err != nil {
		return 0, err
	}
	question := strconv.FormatInt(questions.Add(1), 10)
	if err := ch.PublishWithContext(ctx, b.asking(topic, g.Name), "", false, false, amqp.Publishing{ReplyTo: direct, CorrelationId: question}); err != nil {
		return 0, err
	}
	total := int64(0)
	for until := time.After(answerMax); consumers > 0; consumers-- {
		select {
		case d, open := <-answers:
			n, err := strconv.ParseInt(string(d.Body), 10, 64)
			if !open || err != nil || d.CorrelationId != question {
				return 0, fmt.Errorf("ask the consumers of %s for their unacknowledged messages: an answer cannot be read", b.queue(topic, g.Name))
			}
			total += n
		case <-until:
			return total + int64(consumers), nil
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	return total, nil
}

// Backlog implements bus.Bus. The broker counts the messages in its queues. If there are none, and this process has
// none in hand, Backlog asks the group's consumers for theirs, so that zero holds for all processes. Any other number
// omits what other processes have in hand, at most Group.InFlightMax for each.
func (b *Bus) Backlog(ctx context.Context, topic, group string) (bus.Backlog, error) {
	g, err := bus.FindGroup(b.topics, topic, group)
	if err != nil {
		return bus.Backlog{}, err
	}
	n, _, err := b.count(ctx, topic, g)
	if err != nil || n > 0 {
		return bus.Backlog{Messages: n}, err
	}
	// For a moment, neither side counts a message on its way from the broker to a consumer.
	broker.Sleep(ctx, countAgain)
	n, consumers, err := b.count(ctx, topic, g)
	if err != nil || n > 0 || consumers == 0 {
		return bus.Backlog{Messages: n}, err
	}
	if n, err = b.inHands(ctx, topic, g, consumers); err != nil || n > 0 {
		return bus.Backlog{Messages: n}, err
	}
	// A message that a consumer returned before it was asked is ready again.
	n, _, err = b.count(ctx, topic, g)
	return bus.Backlog{Messages: n}, err
}

const countAgain = 20 * time.Millisecond

// count adds up the ready messages in a group's queues and those in this process's hands. It returns the sum and the
// group's number of consumers.
func (b *Bus) count(ctx context.Context, topic string, g bus.Group) (total int64, consumers int, err error) {
	conn, err := b.connection(ctx)
	if err != nil {
		return 0, 0, err
	}
	ch, err := conn.Channel()
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = ch.Close() }()
	name := b.queue(topic, g.Name)
	names := []string{name}
	for _, pause := range pauses(g) {
		names = append(names, b.waiting(topic, g.Name, pause))
	}
	for _, one := range names {
		q, err := ch.QueueDeclarePassive(one, true, false, false, false, nil)
		if err != nil {
			return 0, 0, fmt.Errorf("ask RabbitMQ how much %s holds: %w", one, err)
		}
		total += int64(q.Messages)
		consumers += q.Consumers // of the group's own queue: nobody consumes waiting messages
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return total + b.inHand[name].Load(), consumers, nil
}
