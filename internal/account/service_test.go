package account_test

import (
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/account"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/shoptest"
)

var (
	noon   = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	client = netip.MustParseAddr("192.0.2.7")
)

const (
	email    = "ann@example.com"
	password = "correct horse"
)

// shop is one database and one clock for any number of processes.
type shop struct {
	*shoptest.Shop
	ring account.Keyring
}

func newShop(t *testing.T) *shop {
	t.Helper()
	return &shop{shoptest.Open(t, noon), account.NewKeyring()}
}

// process returns a service with cheap password hashes.
func (s *shop) process(t *testing.T, change func(*account.Config)) *account.Service {
	t.Helper()
	return s.processOn(t, change, s.Store)
}

// processOn is process with another store for accounts.
func (s *shop) processOn(t *testing.T, change func(*account.Config), kept account.Store) *account.Service {
	t.Helper()
	c := account.DefaultConfig()
	c.PasswordMemoryKiB, c.PasswordPasses = 64, 1
	if change != nil {
		change(&c)
	}
	service, err := account.NewService(c, kept, s.ring, s.Clock, s.Mint)
	if err != nil {
		t.Fatal(err)
	}
	if err := service.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return service
}

func register(t *testing.T, s *account.Service) account.Customer {
	t.Helper()
	c, err := s.Register(t.Context(), account.Registration{Email: " Ann@Example.com", Password: password}, client)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func login(t *testing.T, s *account.Service) account.Grant {
	t.Helper()
	g, err := s.Login(t.Context(), email, password, client, "")
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func wants(t *testing.T, what string, err error, code fault.Code) {
	t.Helper()
	if err == nil || !errors.Is(err, code) {
		t.Errorf("%s: %v, want %s", what, err, code)
	}
}

func TestRegisterLogInAndOut(t *testing.T) {
	shop := newShop(t)
	s := shop.process(t, nil)
	c := register(t, s)
	if c.Email != email || !c.CreatedAt.Equal(noon) {
		t.Errorf("registered %+v", c)
	}
	_, err := s.Register(t.Context(), account.Registration{Email: "ANN@example.com", Password: password}, client)
	wants(t, "registering again", err, fault.Conflict)

	g := login(t, s)
	p, err := s.Authenticate(g.Access)
	if err != nil || p.Customer != c.ID || p.Session != g.Session || !p.Expires.Equal(noon.Add(15*time.Minute)) {
		t.Errorf("Authenticate = %+v, %v", p, err)
	}
	me, err := s.Me(t.Context(), p)
	if err != nil || me != c {
		t.Errorf("Me = %+v, %v; want %+v", me, err, c)
	}
	if err := s.Logout(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	_, err = s.Authenticate(g.Access)
	wants(t, "the access token after logging out", err, fault.Unauthenticated)
	_, err = s.Refresh(t.Context(), g.Refresh)
	wants(t, "the refresh token after logging out", err, fault.Unauthenticated)
	if err := s.Logout(t.Context(), p); err != nil {
		t.Errorf("logging out twice: %v", err)
	}
	wants(t, "logging out of no session", s.Logout(t.Context(), account.Principal{Customer: c.ID}), fault.Invalid)
	_, err = s.Me(t.Context(), account.Principal{Customer: 5})
	wants(t, "a customer who was never registered", err, fault.NotFound)
}

func TestRegisterRefusesBadInput(t *testing.T) {
	s := newShop(t).process(t, nil)
	for field, r := range map[string]account.Registration{
		"email":    {Email: "ann", Password: password},
		"password": {Email: email, Password: "short"},
	} {
		_, err := s.Register(t.Context(), r, client)
		if fault.As(err).Field != field || !errors.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", field, err)
		}
	}
	_, err := s.Login(t.Context(), email, password, client, "")
	wants(t, "nothing was registered", err, fault.Unauthenticated)
}

func TestLoginAnswersAlike(t *testing.T) {
	s := newShop(t).process(t, nil)
	register(t, s)
	_, wrong := s.Login(t.Context(), email, "wrong password", client, "")
	_, unknown := s.Login(t.Context(), "bob@example.com", password, client, "")
	wants(t, "wrong password", wrong, fault.Unauthenticated)
	wants(t, "unknown address", unknown, fault.Unauthenticated)
	if wrong.Error() != unknown.Error() {
		t.Errorf("%q and %q differ", wrong, unknown)
	}
}

func TestLoginIsLimited(t *testing.T) {
	shop := newShop(t)
	s := shop.process(t, func(c *account.Config) {
		c.AccountAttemptsMax, c.AccountAttemptEvery = 3, time.Minute
		c.ClientAttemptsMax, c.ClientAttemptEvery = 6, time.Minute
	})
	register(t, s) // one attempt of the client
	other := netip.MustParseAddr("2001:db8::1")
	for range 3 {
		_, err := s.Login(t.Context(), email, "wrong password", client, "")
		wants(t, "wrong password", err, fault.Unauthenticated)
	}
	_, err := s.Login(t.Context(), email, password, client, "")
	wants(t, "the fourth from there", err, fault.TooManyRequests)
	if fault.As(err).RetryAfter <= 0 {
		t.Error("it does not say when to try again")
	}
	if _, err := s.Login(t.Context(), email, password, other, ""); err != nil {
		t.Errorf("the right password from elsewhere: %v", err)
	}
	for _, other := range []string{"bob@example.com", "bert@example.com"} {
		_, err = s.Login(t.Context(), other, password, client, "")
		wants(t, "another account", err, fault.Unauthenticated)
	}
	_, err = s.Login(t.Context(), "carol@example.com", password, client, "")
	wants(t, "the client's seventh", err, fault.TooManyRequests)
	_, err = s.Register(t.Context(), account.Registration{Email: "dave@example.com", Password: password}, client)
	wants(t, "registering from there", err, fault.TooManyRequests)

	shop.Clock.Advance(time.Minute)
	login(t, s)
	shop.Clock.Advance(3 * time.Minute)
	for range 3 { // success forgave the account's failures
		_, err := s.Login(t.Context(), email, "wrong password", other, "")
		wants(t, "wrong password", err, fault.Unauthenticated)
	}
}

func TestLoginRehashesWhenTheCostChanges(t *testing.T) {
	shop := newShop(t)
	register(t, shop.process(t, nil))
	dearer := shop.process(t, func(c *account.Config) { c.PasswordMemoryKiB = 128 })
	login(t, dearer)
	_, hash, err := shop.Store.CustomerByEmail(t.Context(), email)
	if err != nil || !strings.Contains(hash, "m=128,") {
		t.Errorf("the hash is %q, %v", hash, err)
	}
	login(t, dearer)
}

func TestRefresh(t *testing.T) {
	shop := newShop(t)
	s := shop.process(t, nil)
	register(t, s)
	first := login(t, s)
	shop.Clock.Advance(10 * time.Minute)
	second, err := s.Refresh(t.Context(), first.Refresh)
	if err != nil || second.Refresh == first.Refresh || second.Access == first.Access || second.Session != first.Session {
		t.Fatalf("Refresh = %+v, %v", second, err)
	}
	if p, err := s.Authenticate(second.Access); err != nil || !p.Expires.Equal(noon.Add(25*time.Minute)) {
		t.Errorf("the new access token: %+v, %v", p, err)
	}

	// The reply was lost: for some seconds the same answer is repeated, also by another process.
	shop.Clock.Advance(3 * time.Second)
	again, err := shop.process(t, nil).Refresh(t.Context(), first.Refresh)
	if err != nil || again.Refresh != second.Refresh {
		t.Fatalf("the repeated refresh: %+v, %v", again, err)
	}
	third, err := s.Refresh(t.Context(), second.Refresh)
	if err != nil {
		t.Fatal(err)
	}

	// A stolen token comes back: the session ends for every holder.
	shop.Clock.Advance(time.Minute)
	_, err = s.Refresh(t.Context(), second.Refresh)
	wants(t, "an old token", err, fault.Unauthenticated)
	_, err = s.Refresh(t.Context(), third.Refresh)
	wants(t, "the current token, after an old one came", err, fault.Unauthenticated)
	_, err = s.Authenticate(third.Access)
	wants(t, "the access token, after an old one came", err, fault.Unauthenticated)
}

// Every spelling of an address belongs to one account and signs in to it.
func TestOneAccountForAllSpellingsOfAnAddress(t *testing.T) {
	shop := newShop(t)
	s := shop.process(t, nil)
	spellings := []string{"anna@käse.example", "anna@xn--kse-qla.example", "ANNA@KA\u0308SE.example.", "ａｎｎａ@ｋäse。example", " anna@XN--KSE-QLA.EXAMPLE"}
	made, err := s.Register(t.Context(), account.Registration{Email: spellings[0], Password: password}, client)
	if err != nil || made.Email != "anna@xn--kse-qla.example" {
		t.Fatalf("registered as %q, %v", made.Email, err)
	}
	for _, spelling := range spellings {
		_, err := s.Register(t.Context(), account.Registration{Email: spelling, Password: password}, client)
		wants(t, spelling+" registered again", err, fault.Conflict)
		grant, err := s.Login(t.Context(), spelling, password, client, "")
		if err != nil || grant.Customer != made.ID {
			t.Errorf("signing in as %q: customer %s, %v; want %s", spelling, grant.Customer, err, made.ID)
		}
		found, err := s.Find(t.Context(), spelling, 0, 10)
		if err != nil || len(found) != 1 || found[0].ID != made.ID {
			t.Errorf("finding %q: %v, %v", spelling, found, err)
		}
	}
}

func TestAMadeUpRefreshTokenEndsNothing(t *testing.T) {
	shop := newShop(t)
	s := shop.process(t, nil)
	register(t, s)
	victim, attacker := login(t, s), login(t, s)
	shop.Clock.Advance(time.Minute)
	forged := strings.Replace(attacker.Refresh, attacker.Session.String(), victim.Session.String(), 1)
	_, err := s.Refresh(t.Context(), forged)
	wants(t, "another session's secret", err, fault.Unauthenticated)
	_, err = s.Refresh(t.Context(), strings.Replace(attacker.Refresh, attacker.Session.String(), "123", 1))
	wants(t, "a session that is not there", err, fault.Unauthenticated)
	if _, err := s.Refresh(t.Context(), victim.Refresh); err != nil {
		t.Errorf("the victim's session: %v", err)
	}
}

func TestRefreshesAtOnceAgree(t *testing.T) {
	shop := newShop(t)
	s := shop.process(t, nil)
	register(t, s)
	g := login(t, s)
	for round := range 5 {
		shop.Clock.Advance(time.Minute)
		next := make([]account.Grant, 16)
		var wg sync.WaitGroup
		for i := range next {
			wg.Go(func() {
				var err error
				if next[i], err = s.Refresh(t.Context(), g.Refresh); err != nil {
					t.Errorf("round %d: %v", round, err)
				}
			})
		}
		wg.Wait()
		for _, other := range next {
			if other.Refresh != next[0].Refresh {
				t.Fatalf("round %d: two refreshes at once got different tokens", round)
			}
		}
		g = next[0]
	}
}

// A refresh that races with a log-out must not leave a valid token.
func TestRefreshAgainstLogout(t *testing.T) {
	shop := newShop(t)
	s := shop.process(t, nil)
	register(t, s)
	for range 20 {
		g := login(t, s)
		var wg sync.WaitGroup
		var refreshed account.Grant
		wg.Go(func() { refreshed, _ = s.Refresh(t.Context(), g.Refresh) })
		wg.Go(func() {
			if err := s.Logout(t.Context(), account.Principal{Customer: g.Customer, Session: g.Session}); err != nil {
				t.Error(err)
			}
		})
		wg.Wait()
		for _, token := range []string{g.Access, refreshed.Access} {
			if _, err := s.Authenticate(token); !errors.Is(err, fault.Unauthenticated) {
				t.Fatalf("a token outlived its session: %v", err)
			}
		}
	}
}

func TestRevocationReachesEveryProcess(t *testing.T) {
	shop := newShop(t)
	here, there := shop.process(t, nil), shop.process(t, nil)
	register(t, here)
	var grants []account.Grant
	for range 3 {
		grants = append(grants, login(t, here))
	}
	for _, g := range grants {
		if _, err := there.Authenticate(g.Access); err != nil {
			t.Fatal(err)
		}
	}
	n, err := here.LogoutEverywhere(t.Context(), account.Principal{Customer: grants[0].Customer, Session: grants[0].Session})
	if err != nil || n != 3 {
		t.Fatalf("LogoutEverywhere = %d, %v", n, err)
	}
	if did, err := there.RevocationStep(t.Context()); err != nil || did != 3 {
		t.Errorf("RevocationStep = %d, %v; want 3", did, err)
	}
	if did, err := there.RevocationStep(t.Context()); err != nil || did != 0 {
		t.Errorf("RevocationStep again = %d, %v; want 0", did, err)
	}
	for name, process := range map[string]*account.Service{"here": here, "there": there, "started later": shop.process(t, nil)} {
		for _, g := range grants {
			_, err := process.Authenticate(g.Access)
			wants(t, name, err, fault.Unauthenticated)
		}
	}
	shop.Clock.Advance(account.AccessLifetimeMax)
	if did, err := here.CleanStep(t.Context()); err != nil || did != 6 {
		t.Errorf("CleanStep = %d, %v; want 3 sessions and 3 revocations", did, err)
	}
}

func TestTheOldestSessionEnds(t *testing.T) {
	s := newShop(t).process(t, func(c *account.Config) { c.SessionsPerCustomerMax = 2 })
	register(t, s)
	first, second, third := login(t, s), login(t, s), login(t, s)
	_, err := s.Authenticate(first.Access)
	wants(t, "the oldest of three", err, fault.Unauthenticated)
	for _, g := range []account.Grant{second, third} {
		if _, err := s.Authenticate(g.Access); err != nil {
			t.Error(err)
		}
	}
}

func TestAdminKeys(t *testing.T) {
	shop := newShop(t)
	here, there := shop.process(t, nil), shop.process(t, nil)
	key, text, err := here.CreateKey(t.Context(), " Warehouse ", []string{"orders", "catalog"})
	if err != nil || key.Name != "Warehouse" || !strings.HasPrefix(text, "tgk_"+key.ID.String()+"_") {
		t.Fatalf("CreateKey = %+v, %v", key, err)
	}
	for _, process := range []*account.Service{here, there, here} {
		admin, err := process.AuthenticateAdmin(t.Context(), text)
		if err != nil || admin.Key != key.ID || admin.Name != "Warehouse" || !admin.May(account.RoleCatalog) || admin.May(account.RoleSales) {
			t.Fatalf("AuthenticateAdmin = %+v, %v", admin, err)
		}
	}
	other, _, err := here.CreateKey(t.Context(), "other", []string{"all"})
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]string{
		"empty":             "",
		"no prefix":         strings.TrimPrefix(text, "tgk_"),
		"no secret":         "tgk_" + key.ID.String() + "_",
		"secret cut":        text[:len(text)-1],
		"secret in capital": strings.ToUpper(text[:len(text)-4]) + text[len(text)-4:],
		"another key's id":  strings.Replace(text, key.ID.String(), other.ID.String(), 1),
		"no such key":       strings.Replace(text, key.ID.String(), "12345", 1),
		"id zero":           strings.Replace(text, key.ID.String(), "0", 1),
		"a longer secret":   text + "a",
		"far too long":      text + strings.Repeat("a", 10_000),
	} {
		_, err := here.AuthenticateAdmin(t.Context(), bad)
		wants(t, name, err, fault.Unauthenticated)
	}
	listed, err := here.Keys(t.Context(), 0, 10)
	if err != nil || len(listed) != 2 || listed[0].ID != key.ID {
		t.Errorf("Keys = %+v, %v", listed, err)
	}
	if _, err := here.RevokeKey(t.Context(), key.ID); err != nil {
		t.Fatal(err)
	}
	_, err = here.AuthenticateAdmin(t.Context(), text)
	wants(t, "revoked here", err, fault.Unauthenticated)
	shop.Clock.Advance(time.Second)
	_, err = there.AuthenticateAdmin(t.Context(), text)
	wants(t, "revoked a second ago elsewhere", err, fault.Unauthenticated)
	_, err = here.RevokeKey(t.Context(), 99)
	wants(t, "revoking no key", err, fault.NotFound)
	for _, bad := range []struct {
		name  string
		roles []string
		field string
	}{{"", []string{"all"}, "name"}, {"x\ny", []string{"all"}, "name"}, {strings.Repeat("x", 101), []string{"all"}, "name"}, {"x", nil, "roles"}, {"x", []string{"root"}, "roles"}} {
		_, _, err := here.CreateKey(t.Context(), bad.name, bad.roles)
		if fault.As(err).Field != bad.field {
			t.Errorf("CreateKey(%q, %q) = %v", bad.name, bad.roles, err)
		}
	}
}

func TestTheLocalKeyIsOfThisProcess(t *testing.T) {
	shop := newShop(t)
	here, there := shop.process(t, nil), shop.process(t, nil)
	text := here.AddLocalKey()
	admin, err := here.AuthenticateAdmin(t.Context(), text)
	if err != nil || !admin.May(account.RoleAll) || !admin.Key.IsZero() {
		t.Errorf("AuthenticateAdmin = %+v, %v", admin, err)
	}
	_, err = there.AuthenticateAdmin(t.Context(), text)
	wants(t, "in another process", err, fault.Unauthenticated)
	if listed, err := here.Keys(t.Context(), 0, 10); err != nil || len(listed) != 0 {
		t.Errorf("the local key was written: %+v, %v", listed, err)
	}
}
