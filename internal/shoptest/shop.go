// Package shoptest opens shops for tests, in the process of the test: the real modules over the real store, with a clock that tests
// move, and steps that tests drive. Each kind of shop stands on the one before: Open has a database, Sell has goods, sales and a gate on
// it, Orders takes orders. What meets the binary, its processes and their deaths is driven from outside, by test/blackbox.
//
// Methods end the test where something goes wrong that the test did not ask for.
package shoptest

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/encryption"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/store"
)

// Opening is the time of a shop whose test does not say another.
var Opening = time.Date(2026, 11, 27, 19, 0, 0, 0, time.UTC)

// Shop is a database of the newest schema with a clock and a mint before it. It ends with the test.
type Shop struct {
	T     testing.TB
	Clock *clock.Manual
	Mint  *id.Mint
	Store *store.Store
	// Path is the database's file.
	Path string
}

// Open opens a shop in a folder of its own. Its clock shows at, or Opening. Secrets are kept under a key of its own.
func Open(t testing.TB, at ...time.Time) *Shop {
	t.Helper()
	now := Opening
	if len(at) > 0 {
		now = at[0]
	}
	c := store.DefaultConfig()
	c.Path = filepath.Join(t.TempDir(), "shop.db")
	s := &Shop{T: t, Clock: clock.NewManual(now), Path: c.Path}
	s.Mint = Must(id.NewMint(s.Clock, 1))(t)
	Migrated(t, c.Path)
	s.Store = Must(store.Open(t.Context(), c))(t)
	t.Cleanup(func() {
		if err := s.Store.Close(); err != nil {
			t.Error(err)
		}
	})
	_, _, err := s.Store.UseKeys(t.Context(), Must(encryption.Parse(encryption.NewText()))(t))
	Check(t, err)
	return s
}

// retryAfter is the pause after a step that failed.
const retryAfter = 2 * time.Millisecond

// Drive repeats a step until the test ends, as a loop of the shop does: at once while there is something to do, else when it is
// woken.
func (s *Shop) Drive(wake <-chan struct{}, step func(context.Context) (int, error)) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			n, err := step(ctx)
			var failed <-chan time.Time
			switch {
			case err != nil:
				failed = time.After(retryAfter)
			case n > 0:
				continue
			}
			select {
			case <-wake:
			case <-failed:
			case <-ctx.Done():
			}
		}
	}()
	s.T.Cleanup(func() { cancel(); <-done })
}

// Check ends the test on an error.
func Check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Must returns what was got without an error, and ends the test on one.
func Must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		Check(t, err)
		return v
	}
}
