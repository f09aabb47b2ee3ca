package order

import (
	"context"
	"errors"
	"time"

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
	found, err := s.own(ctx, c, o)
	if err == nil || !errors.Is(err, fault.NotFound) {
		return Placed{Order: found}, err
	}
	waiting, cancel := context.WithTimeout(ctx, min(max(wait, 0), WaitMax))
	defer cancel()
	out, here, waitErr := s.intake.Wait(waiting, o, c)
	switch {
	case errors.Is(waitErr, ErrUndecided):
		return undecided(o), nil
	case waitErr != nil:
		return Placed{}, waitErr // why the order was not taken
	case here && out.Result == SoldOut:
		return Placed{}, soldOut(out.SKU)
	case here && out.Result == LimitReached:
		return Placed{}, limitReached()
	}
	// Read again also where nothing is under way: the order may have been committed between the two questions.
	found, err = s.own(ctx, c, o)
	return Placed{Order: found}, err
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
