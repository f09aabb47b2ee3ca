package account

import (
	"context"
	"errors"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// Find returns customers for an operator: the one of an e-mail address where that is given, else all, newest first, older than
// before where that is not zero, at most limit. An address that nobody has finds nobody. It returns an Invalid fault of the field
// email, and what Store returns.
func (s *Service) Find(ctx context.Context, email string, before id.Customer, limit int) ([]Customer, error) {
	if email == "" {
		return s.store.Customers(ctx, before, limit)
	}
	email, err := NormaliseEmail(email)
	if err != nil {
		return nil, err
	}
	c, _, err := s.store.CustomerByEmail(ctx, email)
	if errors.Is(err, fault.NotFound) {
		return nil, nil
	}
	return []Customer{c}, err
}

// Customer returns a customer. It returns NotFound, and what Store returns.
func (s *Service) Customer(ctx context.Context, customer id.Customer) (Customer, error) {
	return s.store.Customer(ctx, customer)
}

// Sessions returns a customer's open sessions, newest first; Config.SessionsPerCustomerMax bounds them. It returns what Store
// returns.
func (s *Service) Sessions(ctx context.Context, customer id.Customer) ([]Session, error) {
	return s.store.OpenSessions(ctx, customer, s.now(), s.config.SessionsPerCustomerMax)
}

// EndSession ends a session of a customer, as Logout does. One that has ended stays as it is. It returns NotFound for one that is
// not theirs, and what Store returns.
func (s *Service) EndSession(ctx context.Context, customer id.Customer, session id.Session) error {
	found, err := s.store.Session(ctx, session)
	if err != nil {
		return err
	}
	if found.Customer != customer {
		return fault.New(fault.NotFound, "There is no session %s of the customer %s.", session, customer)
	}
	if err := s.store.NoteDeed(ctx); err != nil { // sessions may be kept elsewhere: none ends that the log does not tell of
		return err
	}
	return s.end(ctx, session, s.now())
}

// EndSessions ends every session of a customer, as Logout does, and returns how many. It returns what Store returns.
func (s *Service) EndSessions(ctx context.Context, customer id.Customer) (int, error) {
	if err := s.store.NoteDeed(ctx); err != nil { // as EndSession
		return 0, err
	}
	now := s.now()
	ended, err := s.store.RevokeSessions(ctx, customer, now, now.Add(AccessLifetimeMax))
	if err != nil {
		return 0, err
	}
	s.refuse(ended, now)
	return len(ended), nil
}

// Block has a customer neither sign in nor refresh any more, and ends every session: their access tokens are refused at once here
// and within a second in other processes, so nothing more is ordered with them. What they have ordered stays as it is: a payment
// that was begun is taken, and what is not paid for expires. A token for a load test has no session, and is not ended.
//
// The block is written before the sessions end, which may be kept elsewhere: where an error comes between, nobody signs in or
// refreshes, and blocking again ends the sessions. It returns NotFound, and what Store returns.
func (s *Service) Block(ctx context.Context, customer id.Customer) (Customer, error) {
	c, err := s.store.SetBlocked(ctx, customer, s.now())
	if err != nil {
		return Customer{}, err
	}
	_, err = s.EndSessions(ctx, customer)
	return c, err
}

// Unblock lets a customer sign in again; the sessions that were ended stay ended. It returns NotFound, and what Store returns.
func (s *Service) Unblock(ctx context.Context, customer id.Customer) (Customer, error) {
	return s.store.SetBlocked(ctx, customer, time.Time{})
}

func errBlocked() error {
	return fault.New(fault.Forbidden, "The account is blocked. Ask the shop.").In("account")
}
