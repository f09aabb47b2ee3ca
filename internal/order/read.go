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

// ListMax is the most that a list returns: a page of the contract, and one more to tell whether there is a next page.
const ListMax = 201

// Get reads a customer's order. While the order's commit is not known it waits for up to wait, and then answers Undecided
// and no error. Who waits for an order that is then refused is told why; afterwards, and for an order that does not exist
// or is another customer's, it returns fault.NotFound.
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
		return s.undecided(&inventory.Claim{Customer: c, Queued: s.intake.Queued(o, c)}, o), nil
	case waitErr != nil:
		return Placed{}, waitErr // why the order was not taken
	case here && out.Result == SoldOut:
		return Placed{}, soldOut(out.SKU)
	case here && out.Result == LimitReached:
		return Placed{}, limitReached()
	}
	// Read again also where nothing is under way: the order may have been committed between the two questions.
	return s.fate(ctx, c, o)
}

// fate reads what became of a customer's order. It returns fault.NotFound where it has no row, and for a queued order that
// was refused the reason.
func (s *Service) fate(ctx context.Context, c id.Customer, o id.Order) (Placed, error) {
	found, err := s.own(ctx, c, o)
	if err == nil || !errors.Is(err, fault.NotFound) {
		return Placed{Order: found}, err
	}
	refusal, missing := s.store.Refusal(ctx, o)
	switch {
	case errors.Is(missing, fault.NotFound), missing == nil && refusal.Customer != c:
		return Placed{}, err
	case missing != nil:
		return Placed{}, missing
	case refusal.Instead != 0: // its key had made that order already
		found, err = s.own(ctx, c, refusal.Instead)
		return Placed{Order: found, Replayed: true}, err
	}
	return Placed{}, refusal.Reason()
}

// Follow reads what became of the order of a ticket, and waits for up to wait while that is not decided: in whichever process,
// and also while the database is away. It returns what Get does, but never fault.NotFound: without a row the order is queued,
// or undecided where it was when the ticket was signed.
func (s *Service) Follow(ctx context.Context, t Ticket, wait time.Duration) (Placed, error) {
	ctx, cancel := context.WithTimeout(ctx, followLooksFor+min(max(wait, 0), WaitMax))
	defer cancel()
	until := time.Now().Add(wait)
	for {
		found, err := s.fate(ctx, t.Customer, t.Order)
		if !unknown(err) {
			return found, err
		}
		left := time.Until(until)
		if left <= 0 || ctx.Err() != nil {
			break
		}
		waiting, cancel := context.WithTimeout(ctx, left)
		s.intake.Decided(waiting, t.Order)
		cancel()
	}
	p := Placed{Order: Order{ID: t.Order, Status: Undecided}, Undecided: true}
	if t.Queued || s.intake.Queued(t.Order, t.Customer) {
		p.Order.Status = Queued
	}
	return p, nil
}

// followLooksFor bounds how long Follow waits for a database that does not answer, beside what its caller waits.
const followLooksFor = time.Second

// unknown reports whether an error leaves open what became of an order.
func unknown(err error) bool {
	switch fault.CodeOf(err) {
	case fault.NotFound, fault.StoreUnavailable, fault.StoreFull, fault.TimedOut, fault.OutcomeUnknown:
		return err != nil
	case fault.Internal:
		return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
	}
	return false
}

func (s *Service) own(ctx context.Context, c id.Customer, o id.Order) (Order, error) {
	found, err := s.store.Order(ctx, o)
	if err == nil && found.Customer != c {
		return Order{}, fault.New(fault.NotFound, "There is no order %s.", o)
	}
	return found, err
}

// Find reads any order. It returns fault.NotFound.
func (s *Service) Find(ctx context.Context, o id.Order) (Order, error) { return s.store.Order(ctx, o) }

// List lists a customer's orders, newest first, older than before where that is not zero; limit is 1 to ListMax.
func (s *Service) List(ctx context.Context, c id.Customer, before id.Order, limit int) ([]Order, error) {
	return s.store.OrdersOf(ctx, c, before, min(max(limit, 1), ListMax))
}

// Search lists orders for an operator, newest first.
func (s *Service) Search(ctx context.Context, f Filter) ([]Order, error) {
	f.Limit = min(max(f.Limit, 1), ListMax)
	return s.store.Orders(ctx, f)
}

// Fulfil notes that a paid order was delivered. It returns fault.NotFound or fault.BadTransition.
func (s *Service) Fulfil(ctx context.Context, o id.Order) (Order, error) {
	return s.store.FulfilOrder(ctx, o, s.clock.Now())
}
