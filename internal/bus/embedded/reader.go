package embedded

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/tidegate/tidegate/internal/bus"
	"github.com/tidegate/tidegate/internal/delivery"
	"github.com/tidegate/tidegate/internal/kernel/crashpoint"
	"github.com/tidegate/tidegate/internal/kernel/lease"
)

// Subscribe implements bus.Bus. One process of a group reads under the lease; the others wait for it.
func (b *Bus) Subscribe(ctx context.Context, topic, group string, handle bus.Handler) error {
	g, err := bus.FindGroup(b.parts.Topics, topic, group)
	if err != nil {
		return err
	}
	r := &reader{Parts: b.parts, group: g, topic: topic, handle: handle}
	r.turn = lease.NewKeeper(r.Store, "bus/"+group, r.Holder, r.LeaseTTL)

	// A running batch may finish after the subscription stops, within the grace period.
	working, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancel) })()

	var keeping sync.WaitGroup
	keep, stopKeeping := context.WithCancel(working)
	keeping.Go(func() { r.keepTurn(keep) })
	failures := 0
	for ctx.Err() == nil {
		did, err := r.step(ctx, working)
		switch {
		case err != nil:
			failures++
			if failures&(failures-1) == 0 { // the 1st, 2nd, 4th, ...: log less and less often
				r.Log.ErrorContext(ctx, "a group of consumers stands still", "group", group, "failures", failures, "error", err)
			}
			pause(ctx, min(pauseMax, idle<<min(failures, 10)))
		case did == 0:
			failures = 0
			pause(ctx, idle)
		default:
			failures = 0
		}
	}
	stopKeeping()
	keeping.Wait()
	if err := r.turn.Release(working); err != nil {
		r.Log.WarnContext(ctx, "the lease of a group was not given free; it ends by itself", "group", group, "error", err)
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// reader reads for one group. One goroutine uses it.
type reader struct {
	Parts
	group  bus.Group
	topic  string
	handle bus.Handler
	turn   *lease.Keeper

	fence      int64 // of the lease under which the rest was read; zero: nothing was read
	position   int64 // everything up to here is settled or parked
	recorded   int64 // the position that is stored
	recordedAt time.Time
	parked     int64
	keys       map[string]bool // keys with a parked message
	looked     time.Time       // when no parked message was due
}

// keepTurn takes and prolongs the lease.
func (r *reader) keepTurn(ctx context.Context) {
	for ctx.Err() == nil {
		if _, err := r.turn.Step(ctx); err != nil && ctx.Err() == nil {
			r.Log.WarnContext(ctx, "the lease of a group was not prolonged", "group", r.group.Name, "error", err)
		}
		every := r.turn.RenewEvery()
		if _, held := r.turn.Held(); !held {
			every = min(every, time.Second) // the holder may release it early
		}
		pause(ctx, every)
	}
}

// step delivers one batch. It returns how many messages it settled or skipped. until ends its rest.
func (r *reader) step(until, ctx context.Context) (int, error) {
	l, held := r.turn.Held()
	if !held {
		r.fence = 0
		return 0, nil
	}
	if r.fence != l.Fence {
		if err := r.begin(ctx, l.Fence); err != nil {
			return 0, err
		}
	}
	began := time.Now()
	did, err := r.due(ctx)
	if did == 0 && err == nil {
		did, err = r.fresh(ctx)
	}
	if errors.Is(err, delivery.ErrFenced) {
		r.fence = 0
		return 0, nil
	}
	if did > 0 && err == nil && r.Rest != nil {
		pause(until, r.Rest(time.Since(began)))
	}
	return did, err
}

// begin reads the group's cursor.
func (r *reader) begin(ctx context.Context, fence int64) error {
	c, err := r.Store.Cursor(ctx, r.group.Name)
	if err != nil {
		return err
	}
	r.position, r.recorded, r.recordedAt = c.Position, c.Position, time.Now()
	if err := r.count(ctx); err != nil {
		return err
	}
	r.fence = fence
	return nil
}

// count reads the parked messages.
func (r *reader) count(ctx context.Context) error {
	c, err := r.Store.Cursor(ctx, r.group.Name)
	if err != nil {
		return err
	}
	keys, err := r.Store.ParkedKeys(ctx, r.group.Name)
	if err != nil {
		return err
	}
	r.parked, r.keys = c.Parked, make(map[string]bool, len(keys))
	for _, k := range keys {
		r.keys[k] = true
	}
	return nil
}

// due delivers parked messages that are due.
func (r *reader) due(ctx context.Context) (int, error) {
	if time.Since(r.looked) < idle {
		return 0, nil
	}
	waiting, err := r.Store.ParkedDue(ctx, r.group.Name, r.Clock.Now(), r.group.BatchMax)
	if err != nil {
		return 0, err
	}
	if len(waiting) == 0 {
		r.looked = time.Now()
		return 0, nil
	}
	batch := make([]bus.Delivery, len(waiting))
	for i, p := range waiting {
		batch[i] = bus.Delivery{Message: bus.Message(p.Message), Try: p.Try}
	}
	if err := r.deliver(ctx, batch, r.settlement(), true); err != nil {
		return 0, err
	}
	return len(batch), r.count(ctx)
}

// recordEvery is how often a cursor that only skips unwanted events is stored.
const recordEvery = 500 * time.Millisecond

// fresh delivers new events from the outbox. It parks messages behind waiting messages of their key.
func (r *reader) fresh(ctx context.Context) (int, error) {
	room := int64(r.group.InFlightMax) - r.parked
	if room <= 0 {
		return 0, nil
	}
	types, err := r.types(ctx)
	if err != nil {
		return 0, err
	}
	events, upTo, err := r.Store.EventsOf(ctx, r.position, int(min(room, int64(r.group.BatchMax))), types)
	if err != nil {
		return 0, err
	}
	s := r.settlement()
	s.Position = upTo
	if len(events) == 0 {
		return r.pass(ctx, s)
	}
	var batch []bus.Delivery
	for _, d := range deliveries(events) {
		if r.keys[d.Key] {
			s.Park = append(s.Park, r.behind(d))
			continue
		}
		batch = append(batch, d)
	}
	if err := r.deliver(ctx, batch, s, false); err != nil {
		return 0, err
	}
	return len(events), nil
}

// types returns the types to read; empty: all.
func (r *reader) types(ctx context.Context) ([]string, error) {
	if r.group.TypesNow == nil {
		return r.group.Types, nil
	}
	types, err := r.group.TypesNow(ctx)
	if len(types) == 0 {
		types = []string{"none"} // no event has this type, so all are skipped
	}
	return types, err
}

// pass moves the cursor over unwanted events, and stores it from time to time.
func (r *reader) pass(ctx context.Context, s delivery.Progress) (int, error) {
	passed := s.Position - r.position
	r.position = s.Position
	if r.position == r.recorded || time.Since(r.recordedAt) < recordEvery {
		return int(passed), nil
	}
	return int(passed), r.settle(ctx, s)
}

func (r *reader) settlement() delivery.Progress {
	return delivery.Progress{Group: r.group.Name, Fence: r.fence, Position: r.position}
}

// behind parks a message behind an earlier one of its key. It is due as soon as that one is gone.
func (r *reader) behind(d bus.Delivery) delivery.RetryMessage {
	return delivery.RetryMessage{Message: delivery.Message(d.Message), Try: d.Try, DueAt: r.Clock.Now()}
}

// deliver hands a batch to the handler and records the result. Dead letters are stored before the messages are settled.
// If the process dies in between, they are delivered and given up again.
func (r *reader) deliver(ctx context.Context, batch []bus.Delivery, s delivery.Progress, parked bool) error {
	if err := crashpoint.Fail(crashpoint.DeliverBefore); err != nil {
		return err
	}
	verdicts, err := r.group.Deliver(ctx, r.handle, batch)
	if err != nil {
		return err
	}
	if err := crashpoint.Fail(crashpoint.DeliverAfter); err != nil {
		return err
	}
	now := r.Clock.Now()
	var letters []bus.DeadLetter
	for i, v := range verdicts {
		d := batch[i]
		switch v.Outcome {
		case bus.Again:
			s.Park = append(s.Park, delivery.RetryMessage{Message: delivery.Message(d.Message), Try: d.Try + 1, Reason: v.Reason, DueAt: now.Add(r.group.Delay(d.Try))})
			continue
		case bus.Held:
			s.Park = append(s.Park, r.behind(d))
			continue
		case bus.Dead:
			letters = append(letters, bus.DeadLetter{Topic: r.topic, Group: r.group.Name, Message: d.Message, Tries: d.Try, Reason: v.Reason, DiedAt: now})
		case bus.Applied:
		}
		if parked {
			s.Done = append(s.Done, d.ID)
		}
	}
	if len(letters) > 0 {
		if err := r.DeadLetters.Add(ctx, letters); err != nil {
			return err
		}
	}
	if err := crashpoint.Fail(crashpoint.DeliverRecorded); err != nil {
		return err
	}
	if err := r.settle(ctx, s); err != nil {
		return err
	}
	crashpoint.Pass(crashpoint.DeliverSettled)
	return nil
}

// settle stores progress and remembers it.
func (r *reader) settle(ctx context.Context, s delivery.Progress) error {
	if err := r.Store.SettleDelivery(ctx, s); err != nil {
		return err
	}
	r.position, r.recorded, r.recordedAt = s.Position, s.Position, time.Now()
	if len(s.Park) > 0 {
		return r.count(ctx)
	}
	return nil
}
