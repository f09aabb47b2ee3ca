package account

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// newService returns a Service that never uses its store.
func newService(tb testing.TB, change func(*Config)) (*Service, *clock.Manual) {
	tb.Helper()
	now := clock.NewManual(noon)
	return newServiceAt(tb, now, change), now
}

func newServiceAt(tb testing.TB, now clock.Clock, change func(*Config)) *Service {
	tb.Helper()
	mint, err := id.NewMint(now, 1)
	if err != nil {
		tb.Fatal(err)
	}
	c := DefaultConfig()
	if change != nil {
		change(&c)
	}
	s, err := NewService(c, nil, NewKeyring(), now, mint)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func sign(tb testing.TB, s *Service, customer id.Customer, session id.Session, expires time.Time) string {
	tb.Helper()
	token, err := s.tokens.Sign(customer, session, expires)
	if err != nil {
		tb.Fatal(err)
	}
	return token
}

func TestAuthenticateChecksTheClockAtEachUse(t *testing.T) {
	s, now := newService(t, nil)
	token := sign(t, s, 1, 2, noon.Add(time.Minute))
	for _, step := range []struct {
		at   time.Duration
		good bool
	}{{0, true}, {59 * time.Second, true}, {time.Minute - 1, true}, {time.Minute, false}, {time.Hour, false}} {
		now.Set(noon.Add(step.at))
		_, err := s.Authenticate(token)
		if step.good != (err == nil) || !step.good && !errors.Is(err, fault.Unauthenticated) {
			t.Errorf("after %s: %v, want good = %t", step.at, err, step.good)
		}
	}
}

func TestAuthenticateRefusesAnEndedSession(t *testing.T) {
	s, now := newService(t, nil)
	ended, other, test := sign(t, s, 1, 2, noon.Add(time.Hour)), sign(t, s, 1, 3, noon.Add(time.Hour)), sign(t, s, 1, 0, noon.Add(time.Hour))
	for _, token := range []string{ended, other, test} {
		if _, err := s.Authenticate(token); err != nil {
			t.Fatal(err)
		}
	}
	s.refuse([]id.Session{2, 0}, noon)
	if _, err := s.Authenticate(ended); !errors.Is(err, fault.Unauthenticated) {
		t.Errorf("the ended session: %v", err)
	}
	for _, token := range []string{other, test} {
		if _, err := s.Authenticate(token); err != nil {
			t.Errorf("another session: %v", err)
		}
	}
	now.Advance(AccessLifetimeMax)
	for range revokedShards {
		s.revoked.forget(now.Now())
	}
	if n := s.revoked.count.Load(); n != 0 {
		t.Errorf("%d revocations are remembered after every token has expired", n)
	}
}

func TestAFullListOfRevocationsRefusesWhatIsOlder(t *testing.T) {
	s, now := newService(t, func(c *Config) { c.RevocationsRememberedMax = 16 })
	first, innocent, test := sign(t, s, 1, 1000, noon.Add(time.Hour)), sign(t, s, 1, 2000, noon.Add(time.Hour)), sign(t, s, 1, 0, noon.Add(time.Hour))
	s.refuse([]id.Session{1000}, noon)
	now.Advance(time.Second)
	for i := range id.Session(40) {
		s.refuse([]id.Session{i + 1}, now.Now())
	}
	if n := s.revoked.count.Load(); n > 16 {
		t.Errorf("%d revocations are remembered, 16 are allowed", n)
	}
	for name, token := range map[string]string{"ended before the list was full": first, "not ended, but older": innocent} {
		if _, err := s.Authenticate(token); !errors.Is(err, fault.Unauthenticated) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s.Authenticate(test); err != nil {
		t.Errorf("a token without a session: %v", err)
	}
	if _, err := s.Authenticate(sign(t, s, 1, 2000, noon.Add(time.Hour))); err != nil {
		t.Errorf("the refreshed token: %v", err)
	}
}

func TestRememberedTokensAreBounded(t *testing.T) {
	s, _ := newService(t, func(c *Config) { c.TokensRememberedMax = 16 })
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := range 50 {
				customer := id.Customer(1 + worker*50 + i)
				token := sign(t, s, customer, 1, noon.Add(time.Hour))
				for range 3 {
					p, err := s.Authenticate(token)
					if err != nil || p.Customer != customer {
						t.Errorf("customer %s: %+v, %v", customer, p, err)
					}
				}
			}
		})
	}
	wg.Wait()
	if n := len(s.remembered.sets) * rememberedWays; n != 16 {
		t.Errorf("%d slots, want 16", n)
	}
}

// TestTokensThatComeInTurns: shoppers who return again and again, one after the other, are remembered and do not evict
// each other.
func TestTokensThatComeInTurns(t *testing.T) {
	r := newRemembered(DefaultConfig().TokensRememberedMax)
	const shoppers, rounds = 20_000, 4
	v := verified{principal: Principal{Expires: noon.Add(time.Hour)}}
	for round := range rounds {
		unknown := 0
		for shopper := range shoppers {
			token := fmt.Sprint("token of ", shopper)
			known, hash := r.get(token)
			if known == nil {
				unknown++
				r.put(token, hash, v, noon)
			}
		}
		if round >= 2 && unknown > shoppers/10 {
			t.Errorf("%d of %d are unknown when they come the time after %d", unknown, shoppers, round)
		}
	}
}

func TestAuthenticateHitDoesNotAllocate(t *testing.T) {
	s, _ := newService(t, nil)
	token := sign(t, s, 1, 2, noon.Add(time.Minute))
	s.refuse([]id.Session{77}, noon)
	for range 2 { // noted the first time, remembered the second time
		if _, err := s.Authenticate(token); err != nil {
			t.Fatal(err)
		}
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = s.Authenticate(token) }); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

func BenchmarkAuthenticate(b *testing.B) {
	const shoppers = 10_000
	s := newServiceAt(b, clock.System{}, nil)
	s.refuse([]id.Session{77}, time.Now())
	tokens := make([]string, shoppers)
	for i := range tokens {
		tokens[i] = sign(b, s, id.Customer(i+1), id.Session(i+100), time.Now().Add(time.Hour))
		for range 2 {
			if _, err := s.Authenticate(tokens[i]); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("hit", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if _, err := s.Authenticate(tokens[i%shoppers]); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("hit-parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for i := 0; pb.Next(); i++ {
				if _, err := s.Authenticate(tokens[i%shoppers]); err != nil {
					b.Error(err)
				}
			}
		})
	})
	b.Run("miss", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if _, err := s.tokens.verify(tokens[i%shoppers]); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("forged", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if _, err := s.Authenticate(fmt.Sprint(tokens[i%shoppers], "A")); err == nil {
				b.Fatal("let through")
			}
		}
	})
}
