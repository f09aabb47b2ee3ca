package storetest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/lease"
	"github.com/tidegate/tidegate/internal/store"
)

// leaseLong does not end while a test runs; a test waits for the end of leaseShort.
const (
	leaseLong  = time.Hour
	leaseShort = 20 * time.Millisecond
)

// Lease checks the contract of lease.Store.
func Lease(t *testing.T, open func(t *testing.T) *store.Store) {
	for _, c := range []struct {
		name  string
		check func(*testing.T, lease.Store)
	}{
		{"one holder at a time", oneHolder},
		{"a lease whose time is over", leaseOver},
		{"a lease that was given free", leaseReleased},
		{"many ask at once", manyAsk},
		{"a keeper", keeper},
	} {
		t.Run(c.name, func(t *testing.T) { c.check(t, open(t)) })
	}
}

func acquired(t *testing.T, s lease.Store, name, holder string, ttl time.Duration) lease.Lease {
	t.Helper()
	l, ok, err := s.AcquireLease(t.Context(), name, holder, ttl)
	must(t, err)
	if !ok || l.Name != name || l.Holder != holder || l.Fence < 1 {
		t.Fatalf("%s asks for %q: %+v, %t", holder, name, l, ok)
	}
	return l
}

func oneHolder(t *testing.T, s lease.Store) {
	ctx := t.Context()
	a := acquired(t, s, "work", "a", leaseLong)
	if away := time.Until(a.Until); away < leaseLong-time.Minute || away > leaseLong+time.Minute {
		t.Errorf("it ends in %s", away)
	}
	other, ok, err := s.AcquireLease(ctx, "work", "b", leaseLong)
	must(t, err)
	if ok || other.Holder != "a" || other.Fence != a.Fence {
		t.Errorf("b asks: %+v, %t", other, ok)
	}
	again := acquired(t, s, "work", "a", leaseLong)
	renewed, ok, err := s.RenewLease(ctx, a, 2*leaseLong)
	must(t, err)
	if !ok || again.Fence != a.Fence || renewed.Fence != a.Fence || !renewed.Until.After(a.Until) {
		t.Errorf("a asks again: %+v, renews: %+v, %t", again, renewed, ok)
	}
	acquired(t, s, "other work", "b", leaseLong)
	never := lease.Lease{Name: "no work", Holder: "a", Fence: 1}
	if _, ok, err := s.RenewLease(ctx, never, leaseLong); ok || err != nil {
		t.Errorf("a lease that never was is renewed: %t, %v", ok, err)
	}
	must(t, s.ReleaseLease(ctx, never))
}

// over waits until the lease has expired by the database's clock.
func over(t *testing.T, s lease.Store, l lease.Lease) {
	t.Helper()
	for {
		_, ok, err := s.RenewLease(t.Context(), l, leaseShort)
		must(t, err)
		if !ok {
			return
		}
		time.Sleep(2 * leaseShort)
	}
}

func leaseOver(t *testing.T, s lease.Store) {
	a := acquired(t, s, "work", "a", leaseShort)
	over(t, s, a)
	b := acquired(t, s, "work", "b", leaseShort)
	if b.Fence <= a.Fence {
		t.Errorf("fence %d after %d", b.Fence, a.Fence)
	}
	over(t, s, b)
	again := acquired(t, s, "work", "b", leaseLong)
	if again.Fence <= b.Fence {
		t.Errorf("b, whose time was over, has fence %d after %d", again.Fence, b.Fence)
	}
	must(t, s.ReleaseLease(t.Context(), a)) // it does not belong to a
	if _, ok, err := s.RenewLease(t.Context(), again, leaseLong); !ok || err != nil {
		t.Errorf("b renews after a has let go: %t, %v", ok, err)
	}
}

func leaseReleased(t *testing.T, s lease.Store) {
	a := acquired(t, s, "work", "a", leaseLong)
	must(t, s.ReleaseLease(t.Context(), a))
	if _, ok, err := s.RenewLease(t.Context(), a, leaseLong); ok || err != nil {
		t.Errorf("renewed after it was given free: %t, %v", ok, err)
	}
	if b := acquired(t, s, "work", "b", leaseLong); b.Fence <= a.Fence {
		t.Errorf("fence %d after %d", b.Fence, a.Fence)
	}
}

func manyAsk(t *testing.T, s lease.Store) {
	var wg sync.WaitGroup
	var got atomic.Int64
	for i := range 8 {
		wg.Go(func() {
			_, ok, err := s.AcquireLease(t.Context(), "work", fmt.Sprint("holder ", i), leaseLong)
			if err != nil {
				t.Error(err)
			}
			if ok {
				got.Add(1)
			}
		})
	}
	wg.Wait()
	if got.Load() != 1 {
		t.Errorf("%d have it", got.Load())
	}
}

func keeper(t *testing.T, s lease.Store) {
	ctx := t.Context()
	a, b := lease.NewKeeper(s, "work", "a", leaseLong), lease.NewKeeper(s, "work", "b", leaseLong)
	step := func(k *lease.Keeper, want int, holds bool) {
		t.Helper()
		did, err := k.Step(ctx)
		must(t, err)
		if _, held := k.Held(); did != want || held != holds {
			t.Errorf("did %d, holds %t; want %d, %t", did, held, want, holds)
		}
	}
	step(a, 1, true)
	step(a, 0, true)
	step(b, 0, false)
	must(t, a.Release(ctx))
	must(t, a.Release(ctx))
	if _, held := a.Held(); held {
		t.Error("a holds what it gave free")
	}
	step(b, 1, true)
	step(a, 0, false)

	short := lease.NewKeeper(s, "short work", "a", leaseShort)
	gone, cancel := context.WithCancel(ctx)
	if _, err := short.Step(gone); err != nil {
		t.Fatal(err)
	}
	cancel()
	time.Sleep(2 * leaseShort)
	if _, err := short.Step(gone); err == nil {
		t.Error("a step without a database succeeds")
	}
	if _, held := short.Held(); held {
		t.Error("it holds what it could not prolong")
	}
}
