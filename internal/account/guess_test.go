package account_test

import (
	"context"
	"fmt"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/account"
	"github.com/tidegate/tidegate/internal/admission/limit"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	redislimit "github.com/tidegate/tidegate/internal/redis/limit"
	"github.com/tidegate/tidegate/internal/store"
	"github.com/tidegate/tidegate/test/engine"
)

// counters are the counters of password attempts; each returns two processes of one shop that count together.
var counters = map[string]func(t *testing.T, change func(*account.Config)) (*shop, [2]*account.Service){
	"memory": func(t *testing.T, change func(*account.Config)) (*shop, [2]*account.Service) {
		shop := newShop(t)
		s := shop.process(t, change)
		return shop, [2]*account.Service{s, s}
	},
	"redis": func(t *testing.T, change func(*account.Config)) (*shop, [2]*account.Service) {
		shop := newShop(t)
		server := engine.Redis(t)
		var at [2]*account.Service
		for i := range at {
			at[i] = shop.process(t, change)
			counter := redislimit.New(connect(t, server.Address))
			at[i].CountAttempts(func() limit.Counter { return counter })
		}
		return shop, at
	},
}

// stranger returns the nth client address.
func stranger(n int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})
}

// TestStrangersLockNobodyOut: whatever others try with an account from elsewhere, its owner signs in, at every process
// and with every counter. A known device also signs in from the strangers' address.
func TestStrangersLockNobodyOut(t *testing.T) {
	t.Parallel()
	for counter, open := range counters {
		t.Run(counter, func(t *testing.T) {
			t.Parallel()
			shop, at := open(t, func(c *account.Config) { c.ClientAttemptsMax, c.ClientAttemptEvery = 120, time.Hour })
			register(t, at[0])
			tries := 0
			wrong := func(from netip.Addr) {
				t.Helper()
				tries++
				if _, err := at[tries%2].Login(t.Context(), email, "a wrong password", from, ""); fault.CodeOf(err) != fault.Unauthenticated && fault.CodeOf(err) != fault.TooManyRequests {
					t.Fatal(err)
				}
			}
			var device string
			for round := range 35 { // three every five seconds
				for i := range 3 {
					wrong(stranger(3*round + i))
				}
				shop.Clock.Advance(5 * time.Second)
				grant, err := at[round%2].Login(t.Context(), email, password, client, "")
				if err != nil {
					t.Fatalf("round %d: the owner: %v", round, err)
				}
				device = grant.Device
			}
			for i := range 300 {
				wrong(stranger(1000 + i))
			}
			if _, err := at[0].Login(t.Context(), email, password, stranger(9999), ""); err != nil {
				t.Errorf("the owner, at an address of which nothing is known: %v", err)
			}

			for range 130 { // every possible attempt from the owner's own address
				wrong(client)
			}
			_, err := at[1].Login(t.Context(), email, password, client, "")
			wants(t, "a device of which nothing is known, at an address that has tried too often", err, fault.TooManyRequests)
			for _, s := range at {
				if _, err := s.Login(t.Context(), email, password, client, device); err != nil {
					t.Errorf("the owner's device: %v", err)
				}
			}
			for name, forged := range map[string]string{"another account's": at[0].DeviceOf("bob@example.com"), "edited": "B" + device[1:], "made up": "AAAA.BBBB"} {
				_, err := at[1].Login(t.Context(), email, password, client, forged)
				wants(t, "a device token that is "+name, err, fault.TooManyRequests)
			}
			shop.Clock.Advance(account.DeviceLifetime)
			if counter == "memory" {
				return // a year later nothing is counted any more
			}
			_, err = at[1].Login(t.Context(), email, password, client, device)
			wants(t, "a device that has not signed in for a year", err, fault.TooManyRequests)
		})
	}
}

// TestGuessesTellNothing: existing and unknown accounts get the same answers, attempt by attempt.
func TestGuessesTellNothing(t *testing.T) {
	t.Parallel()
	for counter, open := range counters {
		t.Run(counter, func(t *testing.T) {
			t.Parallel()
			_, at := open(t, func(c *account.Config) { c.AccountAttemptsMax, c.AccountAttemptEvery = 3, time.Hour })
			register(t, at[0])
			answers := func(who string, from netip.Addr) string {
				var all string
				for i := range 6 {
					_, err := at[i%2].Login(t.Context(), who, "a wrong password", from, "")
					all += fmt.Sprintln(fault.CodeOf(err), err)
					if fault.CodeOf(err) == fault.TooManyRequests {
						all = all[:len(all)-1] + " after some time\n"
					}
				}
				return all
			}
			if there, not := answers(email, stranger(1)), answers("nobody@example.com", stranger(2)); there != not {
				t.Errorf("an account that is there is answered\n%s, one that is not\n%s", there, not)
			}
		})
	}
}

// TestAGoodKeyAlwaysOpensTheConsole: wrong keys are counted and never reject a valid one.
func TestAGoodKeyAlwaysOpensTheConsole(t *testing.T) {
	t.Parallel()
	for counter, open := range counters {
		t.Run(counter, func(t *testing.T) {
			t.Parallel()
			_, at := open(t, func(c *account.Config) { c.ClientAttemptsMax, c.ClientAttemptEvery = 5, time.Hour })
			_, key, err := at[0].CreateKey(t.Context(), "the desk", []string{"all"})
			if err != nil {
				t.Fatal(err)
			}
			for i := range 7 {
				_, err := at[i%2].OpenConsole(t.Context(), key[:len(key)-3]+"aaa", client)
				if want := []fault.Code{fault.Unauthenticated, fault.TooManyRequests}[i/5]; fault.CodeOf(err) != want {
					t.Errorf("wrong key %d: %v, want %s", i+1, err, want)
				}
			}
			for _, s := range at {
				if _, err := s.OpenConsole(t.Context(), key, client); err != nil {
					t.Errorf("the good key: %v", err)
				}
			}
		})
	}
}

// awayAtTimes is a store whose customers are unavailable while it is down.
type awayAtTimes struct {
	*store.Store
	down atomic.Bool
}

func (a *awayAtTimes) err() error {
	if a.down.Load() {
		return fault.New(fault.StoreUnavailable, "The database does not answer.")
	}
	return nil
}

func (a *awayAtTimes) CustomerByEmail(ctx context.Context, email string) (account.Customer, string, error) {
	if err := a.err(); err != nil {
		return account.Customer{}, "", err
	}
	return a.Store.CustomerByEmail(ctx, email)
}

func (a *awayAtTimes) InsertCustomer(ctx context.Context, c account.Customer, hash string) error {
	if err := a.err(); err != nil {
		return err
	}
	return a.Store.InsertCustomer(ctx, c, hash)
}

func (a *awayAtTimes) KeyWithHash(ctx context.Context, key id.AdminKey) (account.Key, account.Hash, error) {
	if err := a.err(); err != nil {
		return account.Key{}, account.Hash{}, err
	}
	return a.Store.KeyWithHash(ctx, key)
}

// TestOnlyWrongTriesCount: an attempt that the database could not answer, or that was turned away before its password
// was checked, does not count. The right password is accepted afterwards.
func TestOnlyWrongTriesCount(t *testing.T) {
	t.Parallel()
	few := func(c *account.Config) {
		c.AccountAttemptsMax, c.AccountAttemptEvery = 3, time.Hour
		c.ClientAttemptsMax, c.ClientAttemptEvery = 6, time.Hour
	}
	for name, tries := range map[string]func(t *testing.T, s *account.Service, kept *awayAtTimes, key, device string){
		"sign-ins while the database is away": func(t *testing.T, s *account.Service, kept *awayAtTimes, _, _ string) {
			for range 20 {
				_, err := s.Login(t.Context(), email, password, client, "")
				wants(t, "a sign-in", err, fault.StoreUnavailable)
			}
		},
		"sign-ins of a known device while the database is away": func(t *testing.T, s *account.Service, kept *awayAtTimes, _, device string) {
			for range 20 {
				_, err := s.Login(t.Context(), email, password, client, device)
				wants(t, "a sign-in", err, fault.StoreUnavailable)
			}
		},
		"registrations while the database is away": func(t *testing.T, s *account.Service, kept *awayAtTimes, _, _ string) {
			for range 20 {
				_, err := s.Register(t.Context(), account.Registration{Email: "bob@example.com", Password: password}, client)
				wants(t, "a registration", err, fault.StoreUnavailable)
			}
		},
		"admins while the database is away": func(t *testing.T, s *account.Service, kept *awayAtTimes, key, _ string) {
			for range 20 {
				_, err := s.OpenConsole(t.Context(), key, client)
				wants(t, "a sign-in to the console", err, fault.StoreUnavailable)
			}
		},
		"one who insists on one account": func(t *testing.T, s *account.Service, kept *awayAtTimes, _, _ string) {
			kept.down.Store(false)
			for i := range 20 {
				_, err := s.Login(t.Context(), "carl@example.com", "a wrong password", client, "")
				if want := fault.Unauthenticated; i < 3 {
					wants(t, "a wrong password", err, want)
				} else {
					wants(t, "one too many", err, fault.TooManyRequests)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			shop := newShop(t)
			kept := &awayAtTimes{Store: shop.Store}
			s := shop.processOn(t, few, kept)
			register(t, s)
			device := login(t, s).Device
			_, key, err := s.CreateKey(t.Context(), "night", []string{"sales"})
			if err != nil {
				t.Fatal(err)
			}
			kept.down.Store(true)
			tries(t, s, kept, key, device)
			kept.down.Store(false)
			if _, err := s.Login(t.Context(), email, password, client, ""); err != nil {
				t.Errorf("the right password afterwards: %v", err)
			}
		})
	}
}
