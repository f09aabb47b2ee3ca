package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/account"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// consolesEnd: an admin session ends when it is deleted, when it expires, and when there are too many newer ones.
func consolesEnd(t *testing.T, s account.Store) {
	ctx := t.Context()
	ended := func(session id.Session) bool {
		t.Helper()
		_, err := s.Console(ctx, session)
		if err != nil && !errors.Is(err, fault.NotFound) {
			t.Fatal(err)
		}
		return err != nil
	}
	for i := range id.Session(4) {
		must(t, s.InsertConsole(ctx, account.Console{ID: i + 1, Key: 7, ExpiresAt: accountNoon.Add(time.Duration(i) * time.Hour)}, 3))
	}
	other := account.Console{ID: 9, Key: 8, ExpiresAt: accountNoon.Add(24 * time.Hour)}
	must(t, s.InsertConsole(ctx, other, 3))
	if !ended(1) || ended(2) {
		t.Error("of four sign-ins of a key the oldest ends, and it alone")
	}
	must(t, s.DeleteConsole(ctx, 3))
	must(t, s.DeleteConsole(ctx, 3))
	if !ended(3) {
		t.Error("a sign-in that was deleted is good")
	}
	n, err := s.DeleteEndedConsoles(ctx, accountNoon.Add(time.Hour), 10)
	if err != nil || n != 1 || !ended(2) || ended(4) {
		t.Errorf("of the rest one has expired: %d, %v", n, err)
	}
	n, err = s.DeleteEndedConsoles(ctx, accountNoon.Add(time.Hour), 10)
	if err != nil || n != 0 {
		t.Errorf("deleted again: %d, %v", n, err)
	}
	got, err := s.Console(ctx, 9)
	must(t, err)
	same(t, "another key's", got, other)
}
