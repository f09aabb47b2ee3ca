package order

import (
	"context"
	"errors"
	"time"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// WaitMax is the longest that Get waits for an outcome.
const WaitMax = 30 * time.Second

// ListMax bounds a list: one page of the API, plus one order that shows whether another page follows.
const ListMax = 201

// Get returns a customer's order. While the outcome is unknown it waits for at most wait, then answers Undecided
// without an error. If the order is refused during the wait, Get returns the reason. Later, and for an unknown order or
// another customer's order, it returns fault.NotFound.
func (s *Service) Get(ctx context.Context, c id.Customer, o id.Order, wait time.Duration) (Placed, error) {
	found, err := s.fate(ctx, c, o)
	if !errors.Is(err, fault.NotFound) {
		return found, err
	}
	waiting, cancel := context.WithTimeout(ctx, min(max(wait, 0), WaitMax))
	defer cancel()
	out, here, waitErr := s.intake.Wait(waiting, o, c)
	switch {
	case errors.Is(waitErr, ErrUndecided):
		if claim := s.intake.Claim(o, c); claim != nil {
			return s.undecided(claim, o), nil
		}
		return s.undecided(&inventory.Claim{Customer: c, Queued: true}, o), nil // in the queue: this process knows nothing more
	case waitErr != nil:
		return Placed{}, waitErr // the reason for the refusal
	case here && out.Result == SoldOut:
		return Placed{}, soldOut(out.SKU)
	case here && out.Result == NotSold:
		return Placed{}, notSold(out.SKU)
	case here && out.Result == LimitReached:
		return Placed{}, limitReached()
	case here && out.Result == TooManyUnpaid:
		return Placed{}, tooManyUnpaid(s.config.Now().UnpaidMax(), out.Unpaid)
	}
	// Read again even if nothing is pending: the order may have been committed between the two reads.
	return s.fate(ctx, c, o)
}

// fate reads the outcome of a customer's order. For a refused queued order it returns the reason. It returns
// fault.NotFound if the order has no row.
func (s *Service) fate(ctx context.Context, c id.Customer, o id.Order) (Placed, error) {
	found, err := s.ownedBy(ctx, c, o)
	if err == nil || !errors.Is(err, fault.NotFound) {
		return Placed{Order: found}, err
	}
	refusal, missing := s.store.Refusal(ctx, o)
	switch {
	case errors.Is(missing, fault.NotFound), missing == nil && refusal.Customer != c:
		return Placed{}, err
	case missing != nil:
		return Placed{}, missing
	case refusal.Instead != 0: // the key already had that order
		found, err = s.ownedBy(ctx, c, refusal.Instead)
		return Placed{Order: found, Replayed: true}, err
	}
	return Placed{}, refusal.Reason()
}

// Follow returns the order of a ticket, of any process. While it is undecided, or the database is unavailable, Follow
// waits for at most wait. It returns the same as Get, but never fault.NotFound: an order without a row is queued or
// undecided until it can no longer be committed, and is then refused with fault.OrderClosed. If the key has made
// another order meanwhile, Follow returns that one.
func (s *Service) Follow(ctx context.Context, t Ticket, wait time.Duration) (Placed, error) {
	ctx, cancel := context.WithTimeout(ctx, followLooksFor+min(max(wait, 0), WaitMax))
	defer cancel()
	until := time.Now().Add(wait)
	for {
		found, err := s.fate(ctx, t.Customer, t.Order)
		if unknown(err) && fault.CodeOf(err) == fault.NotFound {
			found, err = s.end(ctx, t, err)
		}
		if !unknown(err) {
			return found, err
		}
		left := time.Until(until)
		if left <= 0 || ctx.Err() != nil {
			break
		}
		waiting, cancel := context.WithTimeout(ctx, left)
		s.intake.AwaitDecision(waiting, t.Order)
		cancel()
	}
	t.Queued = t.Queued || s.intake.Queued(t.Order, t.Customer)
	return s.undecidedTicket(t), nil
}

// end decides the order of a ticket without a row, if that is possible: its key has made another order, or the order
// can no longer be committed. Otherwise it returns none, the error that was passed in.
//
// The commit inserts a draft before it compares the database's clock with the draft's deadline. So if the deadline has
// passed, and a probe that waits for running inserts finds nothing, the order will never exist. A single process has no
// deadline: an order that is not pending in it was not committed, or its process died.
func (s *Service) end(ctx context.Context, t Ticket, none error) (Placed, error) {
	if t.Key == "" {
		return Placed{}, none
	}
	c := &inventory.Claim{Order: t.Order, Sale: t.Sale, Customer: t.Customer, Key: t.Key}
	existing, _, err := s.store.OrderByKey(ctx, c.Sale, c.Customer, c.Key)
	if err == nil {
		return Placed{Order: existing, Replayed: existing.ID != t.Order}, nil
	}
	if !errors.Is(err, fault.NotFound) || t.Through || s.intake.Claim(t.Order, t.Customer) != nil {
		return Placed{}, none
	}
	if _, alone := s.gate.(*inventory.MemoryGate); t.Deadline == 0 && !alone {
		return Placed{}, none
	}
	if t.Deadline != 0 {
		if now, err := s.store.Now(ctx); err != nil || now.UnixMilli() <= t.Deadline {
			return Placed{}, none
		}
	}
	out, err := s.store.Probe(ctx, c)
	switch {
	case err != nil:
		return Placed{}, none
	case out.Existing != nil:
		return Placed{Order: *out.Existing, Replayed: out.Existing.ID != t.Order}, nil
	}
	refusal := Refusal{Code: fault.OrderClosed}
	return Placed{}, refusal.Reason()
}

// followLooksFor is how long Follow waits for an unresponsive database, in addition to the caller's wait.
const followLooksFor = time.Second

// unknown reports whether an error leaves the outcome of an order open.
func unknown(err error) bool {
	switch fault.CodeOf(err) {
	case fault.NotFound, fault.StoreUnavailable, fault.StoreFull, fault.TimedOut, fault.OutcomeUnknown:
		return err != nil
	case fault.Internal:
		return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
	}
	return false
}

func (s *Service) ownedBy(ctx context.Context, c id.Customer, o id.Order) (Order, error) {
	found, err := s.store.Order(ctx, o)
	if err == nil && found.Customer != c {
		return Order{}, fault.New(fault.NotFound, "There is no order %s.", o)
	}
	return found, err
}

// Find returns any customer's order. It returns fault.NotFound.
func (s *Service) Find(ctx context.Context, o id.Order) (Order, error) { return s.store.Order(ctx, o) }

// List returns a customer's orders, newest first. If before is not zero, it lists only orders older than that one.
// limit is 1 to ListMax.
func (s *Service) List(ctx context.Context, c id.Customer, before id.Order, limit int) ([]Order, error) {
	return s.store.OrdersOf(ctx, c, before, min(max(limit, 1), ListMax))
}

// Search returns orders for an administrator, newest first.
func (s *Service) Search(ctx context.Context, f Filter) ([]Order, error) {
	f.Limit = min(max(f.Limit, 1), ListMax)
	return s.store.Orders(ctx, f)
}

// Fulfil marks a paid order as fulfilled. It returns fault.NotFound or fault.BadTransition.
func (s *Service) Fulfil(ctx context.Context, o id.Order) (Order, error) {
	return s.store.FulfilOrder(ctx, o, s.clock.Now())
}
