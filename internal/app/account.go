package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"net/http"
	"path/filepath"
	"time"

	"github.com/tidegate/tidegate/api"
	"github.com/tidegate/tidegate/internal/account"
	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/store"
)

// newAccount reads the signing keys, making one where there is none, and returns the module.
func (a *App) newAccount() (*account.Service, error) {
	ring, err := account.OpenKeyring(signingKeyPath(a.config, a.folder.path))
	if err != nil {
		return nil, err
	}
	return account.NewService(a.config.Account, a.store, ring, a.clock, a.mint)
}

func signingKeyPath(c Config, folder string) string {
	if filepath.IsAbs(c.Account.SigningKeyFile) {
		return c.Account.SigningKeyFile
	}
	return filepath.Join(folder, c.Account.SigningKeyFile)
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

// Key and CreatedKey are an admin key as it is listed, and as it is shown the one time that its secret is.
type (
	Key        = api.Key
	CreatedKey = api.CreatedKey
)

// CreateKey makes an admin key of the shop that target and c name. It returns what account.Service.CreateKey returns,
// and why the shop could not be reached.
func CreateKey(ctx context.Context, c Config, target Target, name string, roles []string) (CreatedKey, error) {
	return reach(ctx, c, target,
		func(shop *api.Client) (created CreatedKey, err error) {
			input := api.KeyInput{Name: name, Roles: make([]api.Role, len(roles))}
			for i, role := range roles {
				input.Roles[i] = api.Role(role)
			}
			response, err := shop.CreateKey(ctx, input)
			return created, answer(response, err, &created)
		},
		func(keys *account.Service) (CreatedKey, error) {
			key, text, err := keys.CreateKey(ctx, name, roles)
			listed := keyOf(key)
			return CreatedKey{Id: listed.Id, Name: listed.Name, Roles: listed.Roles, CreatedAt: listed.CreatedAt, Key: text}, err
		})
}

// keysPage is how many keys are asked for at once.
const keysPage = 200

// Keys returns every admin key of the shop, revoked ones too, oldest first.
func Keys(ctx context.Context, c Config, target Target) ([]Key, error) {
	return reach(ctx, c, target,
		func(shop *api.Client) (all []Key, err error) {
			params := api.ListKeysParams{Limit: keysPage}
			for {
				var page api.KeyPage
				response, err := shop.ListKeys(ctx, &params)
				if err := answer(response, err, &page); err != nil {
					return nil, err
				}
				all = append(all, page.Items...)
				if page.NextCursor == "" {
					return all, nil
				}
				params.Cursor = page.NextCursor
			}
		},
		func(keys *account.Service) (all []Key, err error) {
			after := id.AdminKey(0)
			for {
				page, err := keys.Keys(ctx, after, keysPage)
				for _, key := range page {
					all = append(all, keyOf(key))
					after = key.ID
				}
				if err != nil || len(page) < keysPage {
					return all, err
				}
			}
		})
}

// RevokeKey ends the admin key of the id. It returns fault.Invalid for what is no id, and fault.NotFound for a key that
// is not there.
func RevokeKey(ctx context.Context, c Config, target Target, number string) error {
	key, err := id.Parse[id.AdminKey](number)
	if err != nil {
		return fault.Bad("id", "%s", err)
	}
	_, err = reach(ctx, c, target,
		func(shop *api.Client) (struct{}, error) {
			response, err := shop.RevokeKey(ctx, key)
			return struct{}{}, answer(response, err, nil)
		},
		func(keys *account.Service) (struct{}, error) {
			_, err := keys.RevokeKey(ctx, key)
			return struct{}{}, err
		})
	return err
}

func keyOf(k account.Key) Key {
	listed := Key{Id: k.ID, Name: k.Name, CreatedAt: api.At(k.CreatedAt), RevokedAt: api.At(k.RevokedAt)}
	for _, role := range k.Roles {
		listed.Roles = append(listed.Roles, api.Role(role))
	}
	return listed
}

// reach works on the keys of a shop: through its admin API where it runs, on its folder where no process holds that.
func reach[T any](ctx context.Context, c Config, target Target, remote func(*api.Client) (T, error), local func(*account.Service) (T, error)) (out T, err error) {
	if target.URL == "" {
		out, err = onDatabase(ctx, c, false, func(s *store.Store) (none T, err error) {
			keys, err := folderKeys(ctx, c, s)
			if err != nil {
				return none, err
			}
			return local(keys)
		})
		if _, held := errors.AsType[*HeldError](err); !held {
			return out, err
		}
		if target, err = runningTarget(c, err); err != nil {
			return out, err
		}
	}
	shop, err := target.client(http.DefaultTransport)
	if err != nil {
		return out, err
	}
	return remote(shop)
}

// folderKeys makes the module over the database of a folder that is not served.
func folderKeys(ctx context.Context, c Config, s *store.Store) (*account.Service, error) {
	schema, err := s.Schema(ctx)
	if err != nil {
		return nil, err
	}
	if schema.Version != schema.Latest {
		return nil, fmt.Errorf("the database has schema version %d, this binary works on %d: see \"tidegate migrate\"", schema.Version, schema.Latest)
	}
	mint, err := id.NewMint(clock.System{}, c.Process.Node)
	if err != nil {
		return nil, err
	}
	ring, err := account.OpenKeyring(signingKeyPath(c, c.Data))
	if err != nil {
		return nil, err
	}
	return account.NewService(c.Account, s, ring, clock.System{}, mint)
}
