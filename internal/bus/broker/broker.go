// Package broker is the common part of the brokers' adapters: the loop between a group's place at a broker and its
// handler. An adapter supplies how its broker hands messages out and takes them back.
package broker

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/tidegate/tidegate/internal/bus"
	"github.com/tidegate/tidegate/internal/kernel/crashpoint"
)

// Received is a message that this process has taken and not settled.
type Received struct {
	bus.Delivery
	// Token belongs to the adapter.
	Token any
	// NotOurs says that the message is not for this group: it is settled without being handled.
	NotOurs bool
	// Unreadable says why the message is not a message of a bus: it becomes a dead letter.
	Unreadable string
}

// Source is a group's place at a broker. One goroutine calls its methods, except ExtendLease.
type Source interface {
	// Receive waits for messages and returns those available, 1 to limit, in their order. It returns an error if the
	// place is lost or ctx has ended.
	Receive(ctx context.Context, limit int) ([]Received, error)
	// Ack carries out the verdicts on a batch. After an error the place is lost, and messages that were not settled are
	// delivered again.
	Ack(ctx context.Context, batch []Received, verdicts []bus.Verdict) error
	// ExtendLease tells the broker that a batch is still being handled.
	ExtendLease(batch []Received)
	// Close returns the messages that were not settled. It is called once.
	Close()
}

// Pump hands the messages of a group to its handler.
type Pump struct {
	Topic       string
	Group       bus.Group
	Handle      bus.Handler
	DeadLetters bus.DeadLetters
	Log         *slog.Logger
	// HoldEvery is the interval of ExtendLease while a batch is handled.
	HoldEvery time.Duration
}

const (
	// retryMin and retryMax are the pauses between retries after a failure that no message caused.
	retryMin = 50 * time.Millisecond
	retryMax = 5 * time.Second
	// stopGrace is how long a batch may take after the subscription was stopped.
	stopGrace = 10 * time.Second
	// settleMax bounds the time to settle a batch.
	settleMax = 15 * time.Second
)

// Run opens a place, pumps its messages, and opens the next place when one is lost, until ctx ends. It returns once the
// current batch is settled.
func (p *Pump) Run(ctx context.Context, open func(context.Context) (Source, error)) {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(stopGrace, cancel) })()
	failures := 0
	for pause := retryMin; ctx.Err() == nil; pause = min(2*pause, retryMax) {
		source, err := open(ctx)
		if err == nil {
			pause, failures = retryMin, 0
			err = p.drain(ctx, work, source)
			source.Close()
		}
		if ctx.Err() != nil {
			return
		}
		if failures++; err != nil && failures&(failures-1) == 0 { // the 1st, 2nd, 4th, ...: log less and less often
			p.Log.WarnContext(ctx, "a subscription is opened again", "topic", p.Topic, "group", p.Group.Name, "retry_in", pause.String(), "error", err)
		}
		Sleep(ctx, pause)
	}
}

// drain pumps until the place is lost or ctx ends.
func (p *Pump) drain(ctx, work context.Context, source Source) error {
	for ctx.Err() == nil {
		batch, err := source.Receive(ctx, p.Group.BatchMax)
		if err != nil {
			return err
		}
		if len(batch) == 0 {
			continue
		}
		release := p.hold(source, batch)
		verdicts, err := p.deliver(ctx, work, batch)
		if err == nil {
			err = settle(work, source, batch, verdicts)
		}
		release()
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

func settle(work context.Context, source Source, batch []Received, verdicts []bus.Verdict) error {
	if err := crashpoint.Fail(crashpoint.DeliverRecorded); err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(work, settleMax)
	defer cancel()
	if err := source.Ack(bounded, batch, verdicts); err != nil {
		return err
	}
	crashpoint.Pass(crashpoint.DeliverSettled)
	return nil
}

// hold extends a batch's lease until release is called.
func (p *Pump) hold(source Source, batch []Received) (release func()) {
	if p.HoldEvery == 0 {
		return func() {}
	}
	ticker, done, ended := time.NewTicker(p.HoldEvery), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-ticker.C:
				source.ExtendLease(batch)
			case <-done:
				return
			}
		}
	}()
	return func() {
		ticker.Stop()
		close(done)
		<-ended
	}
}

// deliver returns the verdicts on a batch. If the handler's database is unavailable, it retries the same batch with
// growing pauses until ctx ends. Then it returns an error, and nothing is settled.
func (p *Pump) deliver(ctx, work context.Context, batch []Received) ([]bus.Verdict, error) {
	if err := crashpoint.Fail(crashpoint.DeliverBefore); err != nil {
		return nil, err
	}
	verdicts := make([]bus.Verdict, len(batch))
	var part []bus.Delivery
	var at []int
	for i, t := range batch {
		switch {
		case t.Unreadable != "":
			verdicts[i] = bus.Verdict{Outcome: bus.Dead, Reason: t.Unreadable}
		case !t.NotOurs && p.Group.Wants(t.Type):
			part, at = append(part, t.Delivery), append(at, i)
		}
	}
	for pause := retryMin; len(part) > 0; pause = min(2*pause, retryMax) {
		found, err := p.Group.Deliver(work, p.Handle, part)
		if err == nil {
			for i, v := range found {
				verdicts[at[i]] = v
			}
			break
		}
		if !Sleep(ctx, pause) {
			return nil, err
		}
	}
	if err := crashpoint.Fail(crashpoint.DeliverAfter); err != nil {
		return nil, err
	}
	return verdicts, p.deadLetter(ctx, work, batch, verdicts)
}

// deadLetter stores the dead letters of a batch. It retries until ctx ends, because an unstored letter would be a lost
// message.
func (p *Pump) deadLetter(ctx, work context.Context, batch []Received, verdicts []bus.Verdict) error {
	var letters []bus.DeadLetter
	for i, v := range verdicts {
		if v.Outcome == bus.Dead {
			letters = append(letters, bus.DeadLetter{
				Topic: p.Topic, Group: p.Group.Name, Message: batch[i].Message, Tries: batch[i].Try, Reason: v.Reason, DiedAt: time.Now().UTC().Truncate(time.Millisecond),
			})
		}
	}
	for pause := retryMin; len(letters) > 0; pause = min(2*pause, retryMax) {
		err := p.DeadLetters.Add(work, letters)
		if err == nil {
			return nil
		}
		p.Log.WarnContext(ctx, "dead letters cannot be kept yet", "topic", p.Topic, "group", p.Group.Name, "letters", len(letters), "error", err)
		if !Sleep(ctx, pause) {
			return err
		}
	}
	return nil
}

// Sleep waits. It reports whether the pause is over before ctx ends.
func Sleep(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// Refused returns the error of a publish: bus.ErrUnavailable if nothing was sent, otherwise bus.ErrUndecided.
func Refused(sent bool, cause error) error {
	if sent {
		return errors.Join(bus.ErrUndecided, cause)
	}
	return errors.Join(bus.ErrUnavailable, cause)
}
