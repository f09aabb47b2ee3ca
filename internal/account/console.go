package account

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

const (
	// ConsoleLifetime is how long a sign-in to the console is valid: through a sale in the evening and the morning
	// after.
	ConsoleLifetime = 16 * time.Hour
	// consolesPerKeyMax bounds the open sign-ins of one key; the oldest ends beyond it.
	consolesPerKeyMax = 100
)

// consoleForm precedes the token's text in the signed bytes. So no other text signed by the same keys can pass for a
// console token.
const consoleForm = "tidegate console 2\n"

// Console is a sign-in to the console. It is valid while it is stored, until it expires, and as long as its key.
type Console struct {
	ID        id.Session
	Key       id.AdminKey
	ExpiresAt time.Time
}

// OpenConsole signs an administrator in with a key. It returns a token for a browser's cookie, so that the key is
// stored nowhere. The token expires after ConsoleLifetime, and within a second of CloseConsole and of the key's
// revocation. It returns an Unauthenticated fault, TooManyRequests, and the errors of Store.
func (s *Service) OpenConsole(ctx context.Context, keyText string, client netip.Addr) (string, error) {
	if _, err := s.AuthenticateAdmin(ctx, keyText); err != nil {
		if !errors.Is(err, fault.Unauthenticated) {
			return "", err
		}
		// Only invalid keys count, so attempts by others at the same address never reject a valid key.
		if _, over := s.guesses.byClient.take(ctx, clientKey(client)); over != nil {
			return "", over
		}
		return "", err
	}
	key, err := parseKeyText(keyText)
	if err != nil {
		return "", err
	}
	c := Console{ID: id.New[id.Session](s.mint), Key: key, ExpiresAt: s.now().Add(ConsoleLifetime)}
	if err := s.store.InsertConsole(ctx, c, consolesPerKeyMax); err != nil {
		return "", err
	}
	text := c.ID.String()
	return text + "." + s.tokens.signText(consoleForm+text), nil
}

// CloseConsole ends a sign-in to the console: immediately in this process, within a second in others. An invalid token
// is ignored. It returns the errors of Store.
func (s *Service) CloseConsole(ctx context.Context, token string) error {
	session, err := s.parseConsole(token)
	if err != nil {
		return nil // nobody can use it
	}
	err = s.store.DeleteConsole(ctx, session)
	s.consoles.forget(session)
	return err
}

// AuthenticateConsole returns the administrator of a console token. Like a key, a sign-in is trusted briefly without
// asking the store again. It returns an Unauthenticated fault, and the errors of Store.
func (s *Service) AuthenticateConsole(ctx context.Context, token string) (Admin, error) {
	session, err := s.parseConsole(token)
	if err != nil {
		return Admin{}, err
	}
	asked := s.clock.Now() // before the read, as in holder
	c, known := s.consoles.get(session, asked)
	if !known {
		c, err = s.store.Console(ctx, session)
		if errors.Is(err, fault.NotFound) {
			return Admin{}, errBadConsole()
		}
		if err != nil {
			return Admin{}, err
		}
		s.consoles.put(c, asked.Add(keyRememberedFor))
	}
	if !asked.Before(c.ExpiresAt) {
		return Admin{}, errBadConsole()
	}
	holder, err := s.holder(ctx, c.Key)
	return holder.admin, err
}

// parseConsole returns the sign-in of a token signed by the shop.
func (s *Service) parseConsole(token string) (id.Session, error) {
	text, signature, found := strings.Cut(token, ".")
	if !found || len(token) > tokenBytesMax || !s.tokens.signed(consoleForm+text, signature) {
		return 0, errBadConsole()
	}
	session, err := id.Parse[id.Session](text)
	if err != nil {
		return 0, errBadConsole()
	}
	return session, nil
}

func errBadConsole() error {
	return fault.New(fault.Unauthenticated, "Sign in to the console with an admin key.")
}

func (t *Tokens) signText(text string) string {
	mac := hmac.New(sha256.New, t.ring.keys[0])
	mac.Write([]byte(text))
	return strictBase64.EncodeToString(mac.Sum(nil))
}

// consoles briefly remembers sign-ins to the console. It is bounded and safe for concurrent use.
type consoles struct {
	mu    sync.Mutex
	known map[id.Session]knownConsole
}

type knownConsole struct {
	Console
	until time.Time
}

func (c *consoles) get(session id.Session, now time.Time) (Console, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	known, found := c.known[session]
	return known.Console, found && now.Before(known.until)
}

func (c *consoles) put(console Console, until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.known) >= keysRememberedMax {
		clear(c.known) // each comes back with one read
	}
	c.known[console.ID] = knownConsole{console, until}
}

func (c *consoles) forget(session id.Session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.known, session)
}
