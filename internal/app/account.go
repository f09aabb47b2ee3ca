package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"time"

	"github.com/tidegate/tidegate/internal/account"
	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/redis/session"
)

// newAccount reads the signing keys, making one where there is none, and returns the module, what signs without a
// session, and what signs the tickets of queued orders.
func (a *App) newAccount() (*account.Service, *account.Tokens, *account.Signer, error) {
	ring, err := account.OpenKeyring(signingKeyPath(a.config, a.folder.Path))
	if err != nil {
		return nil, nil, nil, err
	}
	kept, err := a.accountStore()
	if err != nil {
		return nil, nil, nil, err
	}
	service, err := account.NewService(a.config.Account, kept, ring, a.clock, a.mint)
	return service, account.NewTokens(ring, a.config.Account, a.clock), account.NewSigner(ring, "ticket"), err
}

// accountStore is where accounts are: all in the database, or their sessions in Redis.
func (a *App) accountStore() (account.Store, error) {
	if a.config.Account.Sessions == account.SessionsInSQL {
		return a.store, nil
	}
	if a.redis == nil {
		return nil, errors.New("account.sessions is redis, and no Redis is named: set redis.addresses, or leave account.sessions out")
	}
	for _, s := range a.redis.Servers() {
		if !s.AppendOnly {
			a.log.Warn("sessions are lost with this Redis: set its appendonly to yes, or account.sessions to sql", "address", s.Address)
		}
	}
	return sessionsInRedis{a.store, a.store, a.store, a.store, session.New(a.redis)}, nil
}

// sessionsInRedis is the database, but for the sessions.
type sessionsInRedis struct {
	account.CustomerStore
	account.KeyStore
	account.ConsoleStore
	account.LogStore
	account.SessionStore
}

// NeedsKey reports, after Ready, whether there was no admin key at the start: nobody could steer the shop from elsewhere.
func (a *App) NeedsKey() bool { return a.needsKey }

// keysPerRead bounds one read of the keys.
const keysPerRead = 200

// lacksKey reports whether no admin key is good.
func (a *App) lacksKey(ctx context.Context) (bool, error) {
	after := id.AdminKey(0)
	for {
		page, err := a.account.Keys(ctx, after, keysPerRead)
		if err != nil {
			return false, err
		}
		for _, key := range page {
			if key.RevokedAt.IsZero() {
				return false, nil
			}
			after = key.ID
		}
		if len(page) < keysPerRead {
			return true, nil
		}
	}
}

func signingKeyPath(c Config, dir string) string {
	if filepath.IsAbs(c.Account.SigningKeyFile) {
		return c.Account.SigningKeyFile
	}
	return filepath.Join(dir, c.Account.SigningKeyFile)
}

// TestToken is an access token for a load test.
type TestToken struct {
	Customer id.Customer `json:"customer_id"`
	Token    string      `json:"token"`
	Expires  time.Time   `json:"expires_at"`
}

// TestTokensMax bounds one run of TestTokens.
const TestTokensMax = 10_000_000

// TestTokens makes tokens for the customer of the id and for those of the ids after it, count in all, and hands each to
// yield. It needs nothing but the signing key, so it works beside a process that holds the folder. It returns a
// fault.Invalid of the field customer, count or ttl, and what yield returns.
func TestTokens(c Config, customer string, count int, lifetime time.Duration, yield func(TestToken) error) error {
	first, err := id.Parse[id.Customer](customer)
	if err != nil {
		return fault.Bad("customer", "%s", err)
	}
	if count < 1 || count > TestTokensMax {
		return fault.Bad("count", "%d is out of range: 1 to %d", count, TestTokensMax)
	}
	if int64(first) > math.MaxInt64-int64(count) {
		return fault.Bad("customer", "there are no %d ids from %d on", count, first)
	}
	ring, err := account.ReadKeyring(signingKeyPath(c, c.Data))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: the key is made when the shop starts for the first time; name its folder with --data", err)
	}
	if err != nil {
		return err
	}
	tokens := account.NewTokens(ring, c.Account, clock.System{})
	for i := range count {
		customer := first + id.Customer(i)
		token, expires, err := tokens.SignTest(customer, lifetime)
		if err != nil {
			return err
		}
		if err := yield(TestToken{Customer: customer, Token: token, Expires: expires}); err != nil {
			return err
		}
	}
	return nil
}
