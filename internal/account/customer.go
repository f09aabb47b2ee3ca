package account

import (
	"context"
	"errors"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// Find returns customers for an operator: the one with an e-mail address, or, if email is empty, all, newest first, at
// most limit. before, if not zero, selects older ones only. An unknown address finds none. It returns an Invalid fault
// of the field email, and the errors of Store.
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

// Customer returns a customer. It returns NotFound, and the errors of Store.
func (s *Service) Customer(ctx context.Context, customer id.Customer) (Customer, error) {
	return s.store.Customer(ctx, customer)
}

// Sessions returns a customer's open sessions, newest first, at most Config.SessionsPerCustomerMax. It returns the
// errors of Store.
func (s *Service) Sessions(ctx context.Context, customer id.Customer) ([]Session, error) {
	return s.store.OpenSessions(ctx, customer, s.now(), s.config.SessionsPerCustomerMax)
}

// EndSession ends a session of a customer, as Logout does. An ended session stays as it is. It returns NotFound for
// another customer's session, and the errors of Store.
func (s *Service) EndSession(ctx context.Context, customer id.Customer, session id.Session) error {
	found, err := s.store.Session(ctx, session)
	if err != nil {
		return err
	}
	if found.Customer != customer {
		return fault.New(fault.NotFound, "There is no session %s of the customer %s.", session, customer)
	}
	if err := s.store.NoteDeed(ctx); err != nil { // sessions may be in another store, so first make sure that the audit log has the entry
		return err
	}
	return s.end(ctx, session, s.now())
}

// EndSessions ends every session of a customer, as Logout does, and returns their number. It returns the errors of
// Store.
func (s *Service) EndSessions(ctx context.Context, customer id.Customer) (int, error) {
	if err := s.store.NoteDeed(ctx); err != nil { // as in EndSession
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

// Block stops a customer from signing in and refreshing, and ends every session. Their access tokens are refused
// immediately in this process, and within a second in others, so they can place no more orders. Existing orders stay: a
// payment that has begun is accepted, and an unpaid order expires. A load-test token has no session, and stays valid.
//
// Block stores the block before it ends the sessions, which may be in another store. After an error in between nobody
// can sign in or refresh, and blocking again ends the sessions. It returns NotFound, and the errors of Store.
func (s *Service) Block(ctx context.Context, customer id.Customer) (Customer, error) {
	c, err := s.store.SetBlocked(ctx, customer, s.now())
	if err != nil {
		return Customer{}, err
	}
	_, err = s.EndSessions(ctx, customer)
	return c, err
}

// Unblock lets a customer sign in again; ended sessions stay ended. It returns NotFound, and the errors of Store.
func (s *Service) Unblock(ctx context.Context, customer id.Customer) (Customer, error) {
	return s.store.SetBlocked(ctx, customer, time.Time{})
}

func errBlocked() error {
	return fault.New(fault.Forbidden, "The account is blocked. Ask the shop.").In("account")
}
