package nats

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/tidegate/tidegate/internal/bus"
	"github.com/tidegate/tidegate/internal/bus/broker"
)

// Subscribe implements bus.Bus.
func (b *Bus) Subscribe(ctx context.Context, topic, group string, handle bus.Handler) error {
	g, err := bus.FindGroup(b.topics, topic, group)
	if err != nil {
		return err
	}
	p := broker.Pump{Topic: topic, Group: g, Handle: handle, DeadLetters: b.letters, Log: b.log, HoldEvery: holdEvery}
	p.Run(ctx, func(ctx context.Context) (broker.Source, error) { return b.place(ctx, topic, g) })
	return nil
}

// place is a group's consumer, with the hold on the group if the order by key requires one process at a time.
type place struct {
	bus      *Bus
	topic    string
	group    bus.Group
	consumer jetstream.Consumer
	held     *holder // nil if any order will do
}

var _ broker.Source = (*place)(nil)

func (b *Bus) place(ctx context.Context, topic string, g bus.Group) (broker.Source, error) {
	p := &place{bus: b, topic: topic, group: g}
	var err error
	if !g.AnyOrder {
		if p.held, err = b.hold(ctx, topic, g.Name); err != nil {
			return nil, err
		}
	}
	asking, cancel := context.WithTimeout(ctx, connectMax)
	defer cancel()
	if p.consumer, err = b.js.Consumer(asking, b.stream(topic), g.Name); err != nil {
		p.Close()
		return nil, fmt.Errorf("the NATS consumer %s cannot be reached: %w", g.Name, err)
	}
	return p, nil
}

// fetchWait is how long a fetch waits at the server.
const fetchWait = 2 * time.Second

// Receive implements broker.Source. It returns the available messages, or waits for the first.
func (p *place) Receive(ctx context.Context, limit int) ([]broker.Received, error) {
	if p.held != nil && !p.held.holds() {
		return nil, errHoldLost
	}
	batch, err := p.consumer.FetchNoWait(limit)
	taken, err := p.read(batch, err)
	if err != nil || len(taken) > 0 || ctx.Err() != nil {
		return taken, err
	}
	waiting, cancel := context.WithTimeout(ctx, fetchWait)
	defer cancel()
	batch, err = p.consumer.Fetch(1, jetstream.FetchContext(waiting))
	taken, err = p.read(batch, err)
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return taken, nil
	}
	return taken, err
}

func (p *place) read(batch jetstream.MessageBatch, err error) ([]broker.Received, error) {
	if err != nil {
		return nil, err
	}
	var taken []broker.Received
	for m := range batch.Messages() {
		t, err := p.taken(m)
		if err != nil {
			return nil, err
		}
		taken = append(taken, t)
	}
	if err := batch.Error(); err != nil && len(taken) == 0 && !errors.Is(err, jetstream.ErrNoMessages) {
		return nil, err
	}
	return taken, nil
}

func (p *place) taken(m jetstream.Msg) (broker.Received, error) {
	meta, err := m.Metadata()
	if err != nil {
		return broker.Received{}, err
	}
	h := m.Headers()
	t := broker.Received{Token: m}
	t.Message = bus.Message{Key: h.Get(headerKey), Type: h.Get(headerType), Payload: m.Data()}
	t.NotOurs = m.Subject() != p.bus.subject(p.topic) && m.Subject() != p.bus.to(p.topic, p.group.Name)
	at := int64(0)
	if t.ID, err = strconv.ParseInt(h.Get(headerID), 10, 64); err == nil {
		at, err = strconv.ParseInt(h.Get(headerAt), 10, 64)
	}
	t.At = time.UnixMilli(at).UTC()
	if err != nil && !t.NotOurs {
		t.Unreadable, t.ID, t.At = "it has not the headers of a message: "+err.Error(), int64(meta.Sequence.Stream), meta.Timestamp.UTC()
	}
	t.Try = max(1, int(meta.NumDelivered)-p.bus.uncountedOf(p.group.Name, meta.Sequence.Stream))
	return t, nil
}

func (b *Bus) uncountedOf(group string, sequence uint64) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.uncounted[tried{group, sequence}]
}

// note records that a delivery does not count as a try; settled forgets the message.
func (b *Bus) note(group string, m jetstream.Msg, settled bool) {
	meta, err := m.Metadata()
	if err != nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if settled {
		delete(b.uncounted, tried{group, meta.Sequence.Stream})
		return
	}
	b.uncounted[tried{group, meta.Sequence.Stream}]++
}

// Ack implements broker.Source. The server processes a connection's messages in order, so the answer to the last
// acknowledgement covers all.
func (p *place) Ack(ctx context.Context, batch []broker.Received, verdicts []bus.Verdict) error {
	var last jetstream.Msg
	for i, t := range batch {
		m := t.Token.(jetstream.Msg)
		var err error
		switch verdicts[i].Outcome {
		case bus.Again:
			err = m.NakWithDelay(p.group.Delay(t.Try))
		case bus.Held:
			p.bus.note(p.group.Name, m, false)
			err = m.NakWithDelay(p.group.Delay(t.Try))
		default:
			if last != nil {
				err = last.Ack()
			}
			last = m
			p.bus.note(p.group.Name, m, true)
		}
		if err != nil {
			return err
		}
	}
	if last == nil {
		return nil
	}
	return last.DoubleAck(ctx)
}

// ExtendLease implements broker.Source.
func (p *place) ExtendLease(batch []broker.Received) {
	for _, t := range batch {
		_ = t.Token.(jetstream.Msg).InProgress() // other calls report a lost connection
	}
	if p.held != nil {
		p.held.renew()
	}
}

// Close implements broker.Source. Unsettled messages come again after ackWait.
func (p *place) Close() {
	if p.held != nil {
		p.held.release()
	}
}
