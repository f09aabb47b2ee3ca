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

// RabbitMQ counts what is ready in a queue, and tells no client what its consumers have taken and not settled. Each consumer
// of a group knows that of itself, so it is asked: through an exchange of the group, by way of a queue that ends with it.

// answerMax bounds how long consumers are waited for that do not say what they have in hand.
const answerMax = 2 * time.Second

func (b *Bus) asking(topic, group string) string { return b.queue(topic, group) + ".inhand" }

// answerAsked answers requests for the number of unacknowledged messages here, until its channel closes. The group must not be consumed
// before: the asking process expects one answer for each consumer.
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
			time.Sleep(countAgain) // what the broker has just handed out is counted first
			// A channel that closes loses the answer, and gives back what was in hand.
			_ = p.ch.PublishWithContext(context.Background(), "", d.ReplyTo, false, false, amqp.Publishing{
				CorrelationId: d.CorrelationId, Body: strconv.AppendInt(nil, p.mine.Load(), 10),
			})
		}
	}()
	return nil
}

var questions atomic.Int64

// inHands asks this many consumers of a group, in whichever process, and adds up what they have in hand. One that does not answer
// counts as one message: it may have any number.
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

// Backlog implements bus.Bus. The broker counts what waits in its queues. Where that is nothing, and nothing is in this
// process's hands, the group's consumers are asked what is in theirs, so that zero is true of all processes; in any other number
// what other processes have in hand is missing, at most Group.InFlightMax for each.
func (b *Bus) Backlog(ctx context.Context, topic, group string) (bus.Backlog, error) {
	g, err := bus.FindGroup(b.topics, topic, group)
	if err != nil {
		return bus.Backlog{}, err
	}
	n, _, err := b.count(ctx, topic, g)
	if err != nil || n > 0 {
		return bus.Backlog{Messages: n}, err
	}
	// A message on its way from the broker to a consumer is counted by neither for a moment.
	broker.Sleep(ctx, countAgain)
	n, consumers, err := b.count(ctx, topic, g)
	if err != nil || n > 0 || consumers == 0 {
		return bus.Backlog{Messages: n}, err
	}
	if n, err = b.inHands(ctx, topic, g, consumers); err != nil || n > 0 {
		return bus.Backlog{Messages: n}, err
	}
	// What one of them had, and gave back before it was asked, is ready again.
	n, _, err = b.count(ctx, topic, g)
	return bus.Backlog{Messages: n}, err
}

const countAgain = 20 * time.Millisecond

// count adds up what is ready in a group's queues and in this process's hands, and returns how many consumers the group has.
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
		consumers += q.Consumers // of the group's own queue: nobody consumes what waits
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return total + b.inHand[name].Load(), consumers, nil
}
