package account

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/tidegate/tidegate/internal/admission/limit"
	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// Service signs customers in and out and authenticates callers. It is safe for concurrent use.
type Service struct {
	config Config
	store  Store
	clock  clock.Clock
	mint   *id.Mint
	tokens *Tokens

	cost      argon
	decoy     string
	turnstile *turnstile
	guesses   guesses

	remembered *remembered
	revoked    *revoked
	cursor     atomic.Int64
	admins     *admins
	consoles   consoles
	rights     rights
}

// NewService returns a Service. Call Load before it serves requests.
func NewService(c Config, store Store, ring Keyring, now clock.Clock, mint *id.Mint) (*Service, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if len(ring.keys) == 0 {
		return nil, errors.New("account needs a signing key")
	}
	s := &Service{
		config:     c,
		store:      store,
		clock:      now,
		mint:       mint,
		tokens:     NewTokens(ring, c, now),
		cost:       c.argon(),
		decoy:      c.argon().decoy(),
		turnstile:  newTurnstile(c.hashesMax(), c.PasswordWaitingMax, c.PasswordWait),
		remembered: newRemembered(c.TokensRememberedMax),
		revoked:    newRevoked(c.RevocationsRememberedMax),
		admins:     newAdmins(),
		consoles:   consoles{known: map[id.Session]knownConsole{}},
		rights:     rights{watched: map[*right]struct{}{}},
	}
	s.CountAttempts(func() limit.Counter { return limit.NewMemory(now, c.AttemptsTrackedMax) })
	return s, nil
}

// CountAttempts sets the counters of log-in attempts, one for each kind. Without it this process counts alone. Call it
// before requests arrive.
func (s *Service) CountAttempts(counter func() limit.Counter) {
	s.guesses = newGuesses(s.config, counter)
}

// now returns the current time to the millisecond, as it is stored.
func (s *Service) now() time.Time { return s.clock.Now().Truncate(time.Millisecond) }

// Authenticate returns the customer of an access token. It does no I/O; for a token seen before it computes no
// signature and does not allocate. It returns an Unauthenticated fault if the token is not ours, has expired, or
// belongs to an ended session.
func (s *Service) Authenticate(token string) (Principal, error) {
	return s.AuthenticateAt(token, s.clock.Now())
}

// AuthenticateAt is Authenticate for a caller that has just read the shop's clock.
func (s *Service) AuthenticateAt(token string, now time.Time) (Principal, error) {
	known, hash := s.remembered.get(token)
	if known == nil {
		fresh, err := s.tokens.verify(token)
		if err != nil {
			return Principal{}, err
		}
		s.remembered.put(token, hash, fresh, now)
		known = &fresh
	}
	if !now.Before(known.principal.Expires) {
		return Principal{}, errExpired()
	}
	if s.revoked.refuses(known.principal.Session, known.issued) {
		return Principal{}, errEnded()
	}
	return known.principal, nil
}

// Registration holds the data of a new customer.
type Registration struct {
	Email    string
	Password string
}

// Register adds a customer. It returns an Invalid fault of the field email or password, Conflict if the address has an
// account, TooManyRequests, and the errors of Store.
func (s *Service) Register(ctx context.Context, r Registration, client netip.Addr) (Customer, error) {
	email, err := NormaliseEmail(r.Email)
	if err != nil {
		return Customer{}, err
	}
	password, err := preparePassword(r.Password)
	if err != nil {
		return Customer{}, err
	}
	if err := checkPassword(password, email); err != nil {
		return Customer{}, err
	}
	giveBack, err := s.guesses.byClient.take(ctx, clientKey(client))
	if err != nil {
		return Customer{}, err
	}
	if err := s.turnstile.enter(ctx, place{name: clientKey(client)}); err != nil {
		giveBack() // turned away by load, not through a fault of the caller
		return Customer{}, err
	}
	hash := s.cost.hash(password)
	s.turnstile.leave()
	c := Customer{ID: id.New[id.Customer](s.mint), Email: email, CreatedAt: s.now()}
	err = s.store.InsertCustomer(ctx, c, hash)
	if err == nil {
		return c, nil
	}
	if !errors.Is(err, fault.Conflict) { // this reveals that the address has an account
		giveBack()
	}
	return Customer{}, err
}

// Login opens a session. For an unknown address and for a wrong password it returns the same Unauthenticated fault
// after the same work. device is Grant.Device of an earlier sign-in, or empty: with it, other callers' attempts do not
// delay this one. It also returns an Invalid fault of the field email or password for impossible values,
// TooManyRequests, Forbidden of the field account for a blocked customer, and the errors of Store. If too many sessions
// are open, the customer's oldest ends.
func (s *Service) Login(ctx context.Context, email, password string, client netip.Addr, device string) (Grant, error) {
	email, err := NormaliseEmail(email)
	if err != nil {
		return Grant{}, err
	}
	if password, err = preparePassword(password); err != nil {
		return Grant{}, err
	}
	customer, err := s.checkPassword(ctx, email, password, client, device)
	if err != nil {
		return Grant{}, err
	}
	now := s.now()
	session, token := openSession(id.New[id.Session](s.mint), customer, now, s.config)
	ended, err := s.store.InsertSession(ctx, session, s.config.SessionsPerCustomerMax, now.Add(AccessLifetimeMax))
	if err != nil {
		return Grant{}, err
	}
	s.refuse(ended, now)
	// After the session is written: of a concurrent sign-in and block, one sees the other.
	if err := s.admit(ctx, session, now); err != nil {
		return Grant{}, err
	}
	grant, err := s.grant(session, token, now)
	grant.Device = s.newDevice(email)
	return grant, err
}

// checkPassword returns the customer of the address if the password is right.
func (s *Service) checkPassword(ctx context.Context, email, password string, client netip.Addr, device string) (id.Customer, error) {
	guess, err := s.begin(ctx, email, client, device)
	if err != nil {
		return 0, err
	}
	if err := s.turnstile.enter(ctx, guess.place); err != nil {
		guess.uncount()
		return 0, err
	}
	defer s.turnstile.leave()
	customer, hash, err := s.store.CustomerByEmail(ctx, email)
	unknown := errors.Is(err, fault.NotFound)
	if err != nil && !unknown {
		guess.uncount()
		return 0, err
	}
	if unknown {
		hash = s.decoy
	}
	fits, cost, err := matches(password, hash)
	if err != nil {
		return 0, fmt.Errorf("customer %s: %w", customer.ID, err)
	}
	if !fits || unknown {
		return 0, fault.New(fault.Unauthenticated, "The email address or the password is wrong.")
	}
	guess.right()
	if cost != s.cost {
		if err := s.store.ReplacePasswordHash(ctx, customer.ID, hash, s.cost.hash(password)); err != nil {
			return 0, err
		}
	}
	return customer.ID, nil
}

// admit ends the session of a blocked customer and returns Forbidden for the field account.
func (s *Service) admit(ctx context.Context, session Session, now time.Time) error {
	c, err := s.store.Customer(ctx, session.Customer)
	if err != nil && !errors.Is(err, fault.NotFound) { // shops may share sessions without sharing customers
		return err
	}
	if c.BlockedAt.IsZero() {
		return nil
	}
	if err := s.end(ctx, session.ID, now); err != nil {
		return err
	}
	return errBlocked()
}

// grant makes the shopper's tokens for a session.
func (s *Service) grant(session Session, token refreshToken, now time.Time) (Grant, error) {
	expires := now.Add(s.config.AccessLifetime).Truncate(time.Second)
	if session.ExpiresAt.Before(expires) {
		expires = session.ExpiresAt.Truncate(time.Second)
	}
	access, err := s.tokens.Sign(session.Customer, session.ID, expires)
	if err != nil {
		return Grant{}, fmt.Errorf("sign an access token: %w", err)
	}
	return Grant{
		Customer:       session.Customer,
		Session:        session.ID,
		Access:         access,
		AccessExpires:  expires,
		Refresh:        token.text(),
		RefreshExpires: session.ExpiresAt,
	}, nil
}

// refreshTriesMax bounds how often a refresh restarts because a concurrent refresh of the session was faster. The
// second try already sees the other's result.
const refreshTriesMax = 3

// Refresh exchanges a refresh token for the next one and a new access token. Repeated within Config.RefreshRepeat it
// returns the same refresh token again; later it ends the session (see Session.judge). It returns an Unauthenticated
// fault, Forbidden of the field account for a blocked customer, Overloaded, and the errors of Store.
func (s *Service) Refresh(ctx context.Context, text string) (Grant, error) {
	token, err := parseRefreshToken(text)
	if err != nil {
		return Grant{}, err
	}
	for range refreshTriesMax {
		session, err := s.store.Session(ctx, token.session)
		if errors.Is(err, fault.NotFound) {
			return Grant{}, errBadRefresh()
		}
		if err != nil {
			return Grant{}, err
		}
		now := s.now()
		switch session.judge(token, now, s.config.RefreshRepeat) {
		case rotate:
			// Before the token is spent, because the customer may be in another store that does not answer. A block
			// that comes in between ends the session, which is then not rotated.
			if err := s.admit(ctx, session, now); err != nil {
				return Grant{}, err
			}
			rotated, next := session.rotate(token, now, s.config)
			done, err := s.store.RotateSession(ctx, rotated, session.Current)
			if err != nil {
				return Grant{}, err
			}
			if done {
				return s.grant(rotated, next, now)
			}
		case repeat:
			if err := s.admit(ctx, session, now); err != nil {
				return Grant{}, err
			}
			return s.grant(session, session.successor(token), now)
		case revoke:
			if err := s.end(ctx, session.ID, now); err != nil {
				return Grant{}, err
			}
			return Grant{}, errBadRefresh()
		default:
			return Grant{}, errBadRefresh()
		}
	}
	return Grant{}, fault.New(fault.Overloaded, "The session is being refreshed elsewhere; try again.").After(time.Second)
}

// Logout ends the principal's session. Its tokens are refused immediately in this process, and within a second in
// others. It returns an Invalid fault for a token without a session, and the errors of Store.
func (s *Service) Logout(ctx context.Context, p Principal) error {
	if p.Session.IsZero() {
		return fault.New(fault.Invalid, "This access token belongs to no session; it ends by itself.")
	}
	return s.end(ctx, p.Session, s.now())
}

// LogoutEverywhere ends every session of the principal's customer, as Logout does, and returns their number. It returns
// the errors of Store.
func (s *Service) LogoutEverywhere(ctx context.Context, p Principal) (int, error) {
	return s.EndSessions(ctx, p.Customer)
}

// Me returns the customer. It returns NotFound for an unregistered one, which a load-test token allows, and the errors
// of Store.
func (s *Service) Me(ctx context.Context, p Principal) (Customer, error) {
	return s.store.Customer(ctx, p.Customer)
}

func (s *Service) end(ctx context.Context, session id.Session, now time.Time) error {
	if err := s.store.RevokeSession(ctx, session, now, now.Add(AccessLifetimeMax)); err != nil {
		return err
	}
	s.refuse([]id.Session{session}, now)
	return nil
}

// refuse makes this process refuse the sessions' tokens immediately, before it reads its own revocations.
func (s *Service) refuse(sessions []id.Session, now time.Time) {
	for _, session := range sessions {
		s.revoked.add(session, now.Add(AccessLifetimeMax), now)
	}
}
