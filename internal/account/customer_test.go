package account_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/account"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/store"
)

// A blocked customer neither signs in nor refreshes. Their access tokens end immediately in this process, and in
// another once it has read the revocations. After unblocking they sign in again.
func TestBlock(t *testing.T) {
	shop := newShop(t)
	s, other := shop.process(t, nil), shop.process(t, nil)
	c := register(t, s)
	first, second := login(t, s), login(t, s)
	shop.Clock.Advance(time.Minute)
	for range 2 { // blocking twice has the effect of once
		blocked, err := s.Block(t.Context(), c.ID)
		if err != nil || !blocked.BlockedAt.Equal(noon.Add(time.Minute)) {
			t.Fatalf("blocked %+v, %v", blocked, err)
		}
	}
	for _, g := range []account.Grant{first, second} {
		_, err := s.Authenticate(g.Access)
		wants(t, "an access token", err, fault.Unauthenticated)
		_, err = s.Refresh(t.Context(), g.Refresh)
		wants(t, "a refresh token", err, fault.Unauthenticated)
	}
	if _, err := other.RevocationStep(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err := other.Authenticate(first.Access)
	wants(t, "an access token in another process", err, fault.Unauthenticated)
	_, err = s.Login(t.Context(), email, password, client, "")
	wants(t, "signing in", err, fault.Forbidden)
	_, err = s.Login(t.Context(), email, "not the password", client, "")
	wants(t, "signing in with another password", err, fault.Unauthenticated)
	if open, err := s.Sessions(t.Context(), c.ID); err != nil || len(open) != 0 {
		t.Errorf("open sessions: %+v, %v", open, err)
	}
	if after, err := s.Unblock(t.Context(), c.ID); err != nil || after != c {
		t.Errorf("unblocked %+v, %v", after, err)
	}
	login(t, s)
	_, err = s.Refresh(t.Context(), first.Refresh)
	wants(t, "a refresh token of before", err, fault.Unauthenticated)
	_, err = s.Block(t.Context(), 5)
	wants(t, "a customer who is not there", err, fault.NotFound)
}

// An open session of a blocked customer ends at its next refresh. It exists if the process ended half-way through
// Block.
func TestBlockHalfDone(t *testing.T) {
	shop := newShop(t)
	s := shop.process(t, nil)
	c := register(t, s)
	g := login(t, s)
	if _, err := shop.Store.SetBlocked(t.Context(), c.ID, noon); err != nil {
		t.Fatal(err)
	}
	_, err := s.Refresh(t.Context(), g.Refresh)
	wants(t, "refreshing", err, fault.Forbidden)
	_, err = s.Authenticate(g.Access)
	wants(t, "the access token afterwards", err, fault.Unauthenticated)
}

// away is a store with sessions, whose customers and log are unavailable.
type away struct{ *store.Store }

var errAway = errors.New("the database is away")

func (away) Customer(context.Context, id.Customer) (account.Customer, error) {
	return account.Customer{}, errAway
}
func (away) NoteDeed(context.Context) error { return errAway }

// If customers cannot be read, no refresh token is spent. If the log cannot be written, no session ends.
func TestNothingIsDoneHalf(t *testing.T) {
	shop := newShop(t)
	s := shop.process(t, nil)
	c := register(t, s)
	g := login(t, s)
	half, err := account.NewService(account.DefaultConfig(), away{shop.Store}, shop.ring, shop.Clock, shop.Mint)
	if err != nil {
		t.Fatal(err)
	}
	_, refreshing := half.Refresh(t.Context(), g.Refresh)
	_, all := half.EndSessions(t.Context(), c.ID)
	for what, err := range map[string]error{"refreshing": refreshing, "ending one": half.EndSession(t.Context(), c.ID, g.Session), "ending all": all} {
		if !errors.Is(err, errAway) {
			t.Errorf("%s: %v", what, err)
		}
	}
	shop.Clock.Advance(account.DefaultConfig().RefreshRepeat + time.Second)
	if _, err := s.Refresh(t.Context(), g.Refresh); err != nil {
		t.Errorf("the refresh token afterwards: %v", err)
	}
}

func TestFindAndEndSessions(t *testing.T) {
	s := newShop(t).process(t, nil)
	c := register(t, s)
	found, err := s.Find(t.Context(), " ANN@example.com", 0, 9)
	if err != nil || len(found) != 1 || found[0] != c {
		t.Errorf("by address: %+v, %v", found, err)
	}
	if found, err := s.Find(t.Context(), "bob@example.com", 0, 9); err != nil || len(found) != 0 {
		t.Errorf("by an address that nobody has: %+v, %v", found, err)
	}
	_, err = s.Find(t.Context(), "bob", 0, 9)
	wants(t, "by no address", err, fault.Invalid)
	if found, err := s.Find(t.Context(), "", 0, 9); err != nil || len(found) != 1 {
		t.Errorf("all: %+v, %v", found, err)
	}

	first, second, third := login(t, s), login(t, s), login(t, s)
	open, err := s.Sessions(t.Context(), c.ID)
	if err != nil || len(open) != 3 || open[0].ID != third.Session {
		t.Errorf("sessions: %+v, %v", open, err)
	}
	wants(t, "ending a session of somebody else", s.EndSession(t.Context(), c.ID+1, first.Session), fault.NotFound)
	wants(t, "ending a session that is not there", s.EndSession(t.Context(), c.ID, id.Session(5)), fault.NotFound)
	if err := s.EndSession(t.Context(), c.ID, first.Session); err != nil {
		t.Error(err)
	}
	_, err = s.Authenticate(first.Access)
	wants(t, "the token of the session that was ended", err, fault.Unauthenticated)
	if _, err := s.Authenticate(second.Access); err != nil {
		t.Errorf("another session: %v", err)
	}
	if n, err := s.EndSessions(t.Context(), c.ID); err != nil || n != 2 {
		t.Errorf("%d ended, %v", n, err)
	}
	_, err = s.Authenticate(second.Access)
	wants(t, "after all were ended", err, fault.Unauthenticated)
}
