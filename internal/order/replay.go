package order

import (
	"context"
	"errors"
	"time"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// pollMin and pollMax bound the interval between polls for an order that another request or process is placing.
const (
	pollMin = time.Millisecond
	pollMax = 50 * time.Millisecond
)

// replay answers with the order of the key. It waits while that order is pending. If it is refused and another request,
// in any process, has reserved the key meanwhile, replay continues with that one. again says that the key is free.
func (s *Service) replay(ctx context.Context, until time.Time, c *inventory.Claim, a inventory.Answer) (placed Placed, again bool, err error) {
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	o, its := a.Order, s.reservingClaim(c, a)
	for pause := pollMin; ; pause = min(2*pause, pollMax) {
		if s.intake.Queued(o, c.Customer) {
			placed := s.undecided(its, o) // it is durable in the queue: waiting here is useless
			placed.Replayed = true
			return placed, false, nil
		}
		out, here, err := s.intake.Wait(ctx, o, c.Customer)
		switch {
		case errors.Is(err, ErrUndecided):
			return s.answerLate(ctx, its, o)
		case err != nil:
			return Placed{}, false, err
		case here && out.Result == Declined:
			return Placed{}, true, nil // the key is free
		case here && out.Result.insufficient():
			_, _, refusal := s.answer(c, nil, out)
			return s.replayOrRefuse(ctx, until, c, refusal)
		case here && out.Result != Accepted && out.Result != Enqueued:
			return s.answer(c, nil, out)
		}
		found, err := s.store.Order(ctx, o)
		if err == nil {
			return Placed{Order: found.AsCreated(), Replayed: true}, false, nil
		}
		if ctx.Err() != nil {
			return s.answerLate(ctx, its, o) // the deadline passed during the query
		}
		if !errors.Is(err, fault.NotFound) {
			return Placed{}, false, err
		}
		// The key is reserved but its draft is not submitted yet: the first request is still between these steps.
		a, err = s.gate.Find(ctx, c)
		if err != nil && ctx.Err() == nil || err == nil && a.Verdict != inventory.Replay {
			return Placed{}, true, err
		}
		if err == nil {
			o, its = a.Order, s.reservingClaim(c, a)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return s.answerLate(ctx, its, o)
		}
	}
}

// reservingClaim returns the claim that holds the key of c, from the gate's answer.
func (s *Service) reservingClaim(c *inventory.Claim, a inventory.Answer) *inventory.Claim {
	its := *c
	switch {
	case a.Deadline > 0:
		its.Deadline, its.Queued = a.Deadline, false
	case a.Deadline == inventory.NoDeadline:
		its.Deadline, its.Queued = 0, true
	default:
		return s.foreignClaim(c)
	}
	return &its
}

// clocksApart bounds the difference between two processes' estimates of the database's clock.
const clocksApart = 10 * time.Second

// foreignClaim returns a stand-in for a claim that another process made earlier under the same key. Its deadline is at
// least as late as that of the real claim. It counts as queued if this shop has a queue.
func (s *Service) foreignClaim(c *inventory.Claim) *inventory.Claim {
	its := *c
	if _, direct := s.intake.(*Committer); !direct {
		its.Queued = true
	}
	if its.Deadline != 0 {
		its.Deadline += (s.config.Now().AnswerWithin + clocksApart).Milliseconds()
	}
	return &its
}

// lateMax bounds the last query before an order is answered as undecided, so that an unresponsive database delays the
// shopper no further.
const lateMax = 250 * time.Millisecond

// answerLate answers after the deadline: with the order that the key has by now, under any id, otherwise with the id of
// the pending one.
func (s *Service) answerLate(ctx context.Context, c *inventory.Claim, o id.Order) (placed Placed, again bool, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lateMax)
	defer cancel()
	if placed, known, err := s.findByKey(ctx, c); known {
		return placed, false, err
	}
	return s.undecided(c, o), false, nil
}

// replayOrRefuse answers with the order of the key if there is one, otherwise with the refusal. An existing order
// always takes precedence.
func (s *Service) replayOrRefuse(ctx context.Context, until time.Time, c *inventory.Claim, refusal error) (placed Placed, again bool, err error) {
	a, err := s.gate.Find(ctx, c)
	if err != nil {
		return Placed{}, false, err
	}
	switch a.Verdict {
	case inventory.Replay:
		return s.replay(ctx, until, c, a)
	case inventory.KeyReused:
		return Placed{}, false, keyReused()
	case inventory.KeyUnknown:
		return Placed{}, false, refusal
	}
	if a.Uncertain {
		return s.recordRefusal(ctx, until, c, refusal)
	}
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	placed, known, err := s.findByKey(ctx, c)
	if err == nil && !known {
		err = refusal
	}
	return placed, false, err
}

// findByKey answers with the order that the database has for a key. known is false if there is none or the query
// failed; err is then the database's error.
func (s *Service) findByKey(ctx context.Context, c *inventory.Claim) (placed Placed, known bool, err error) {
	found, digest, err := s.store.OrderByKey(ctx, c.Sale, c.Customer, c.Key)
	switch {
	case errors.Is(err, fault.NotFound):
		return Placed{}, false, nil
	case err != nil:
		return Placed{}, false, err
	case digest != c.Body:
		return Placed{}, true, keyReused()
	}
	return Placed{Order: found.AsCreated(), Replayed: true}, true, nil
}

// replayCommittedMax bounds the check whether a key of general stock has an order. An unresponsive database must not
// delay a shopper whose order goes to the queue.
const replayCommittedMax = 500 * time.Millisecond

// replayCommitted checks whether the key of a reserved draft already has an order, before the draft is queued. If so,
// it answers with that order and releases the reservation. It is needed because the gate forgets keys of general stock
// after their commit: each repetition of the key would be queued again and get a new ticket. If the database does not
// answer, the worker detects the repetition.
func (s *Service) replayCommitted(ctx context.Context, d *Draft) (placed Placed, known bool, err error) {
	bounded, cancel := context.WithTimeout(ctx, replayCommittedMax)
	defer cancel()
	placed, known, err = s.findByKey(bounded, &d.Claim)
	if !known {
		return Placed{}, false, nil
	}
	return placed, true, errors.Join(err, s.gate.Release(ctx, &d.Claim))
}
