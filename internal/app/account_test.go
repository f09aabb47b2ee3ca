package app

import (
	"errors"
	"io/fs"
	"math"
	"strconv"
	"testing"
	"time"

	"github.com/tidegate/tidegate/api"
	"github.com/tidegate/tidegate/internal/account"
	"github.com/tidegate/tidegate/internal/adminclient"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// oneShop returns the configuration of a folder in which a shop has been started, and the shop, which holds it.
func oneShop(t *testing.T) (Config, *App) {
	t.Helper()
	c := DefaultConfig()
	c.Data = t.TempDir()
	a, err := New(t.Context(), c, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	return c, a
}

func TestTokensForALoadTest(t *testing.T) {
	c, shop := oneShop(t) // which holds the folder: that must not matter
	next := id.Customer(1000)
	err := TestTokens(c, "1000", 5, time.Hour, func(token TestToken) error {
		p, err := shop.account.Authenticate(token.Token)
		if err != nil || p.Customer != next || p.Customer != token.Customer || !p.Session.IsZero() {
			t.Errorf("the token of %s: %+v, %v", token.Customer, p, err)
		}
		next++
		return nil
	})
	if err != nil || next != 1005 {
		t.Fatalf("tokens up to customer %s, %v", next, err)
	}
	for _, bad := range []struct {
		customer string
		count    int
		lifetime time.Duration
		field    string
	}{
		{"", 1, time.Hour, "customer"},
		{"0", 1, time.Hour, "customer"},
		{"-5", 1, time.Hour, "customer"},
		{"ann", 1, time.Hour, "customer"},
		{strconv.FormatInt(math.MaxInt64, 10), 2, time.Hour, "customer"},
		{"1", 0, time.Hour, "count"},
		{"1", TestTokensMax + 1, time.Hour, "count"},
		{"1", 1, 0, "ttl"},
		{"1", 1, 25 * time.Hour, "ttl"},
	} {
		err := TestTokens(c, bad.customer, bad.count, bad.lifetime, func(TestToken) error {
			t.Errorf("%+v: a token was made", bad)
			return nil
		})
		if fault.As(err).Field != bad.field {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	c.Data = t.TempDir()
	err = TestTokens(c, "1", 1, time.Hour, func(TestToken) error { return nil })
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a signing key: %v", err)
	}
}

// onShop connects as a command does and hands fn the shop.
func onShop(t *testing.T, c Config, target adminclient.Target, fn func(*adminclient.Client)) {
	t.Helper()
	shop, err := Connect(t.Context(), c, Options{}, target)
	if err != nil {
		t.Fatal(err)
	}
	fn(shop)
	if err := shop.Close(); err != nil {
		t.Error(err)
	}
}

func TestKeysOnAFolderThatNobodyHolds(t *testing.T) {
	c, shop := oneShop(t)
	ctx := t.Context()
	if err := shop.Close(); err != nil {
		t.Fatal(err)
	}
	var created api.CreatedKey
	onShop(t, c, adminclient.Target{}, func(shop *adminclient.Client) {
		var err error
		if created, err = shop.CreateKey(ctx, "warehouse", []string{"catalog", "orders"}); err != nil || created.Key == "" || len(created.Roles) != 2 {
			t.Fatalf("CreateKey = %+v, %v", created, err)
		}
		if _, err := shop.CreateKey(ctx, "warehouse", []string{"king"}); !adminclient.IsInvalid(err) || fault.As(err).Field != "roles" {
			t.Errorf("a role that is none: %v", err)
		}
		listed, err := shop.Keys(ctx)
		if err != nil || len(listed) != 1 || listed[0].Id != created.Id || !listed[0].RevokedAt.IsZero() {
			t.Errorf("Keys = %+v, %v", listed, err)
		}
	})
	onShop(t, c, adminclient.Target{}, func(shop *adminclient.Client) {
		if err := shop.RevokeKey(ctx, created.Id.String()); err != nil {
			t.Fatal(err)
		}
		if err := shop.RevokeKey(ctx, "12345"); !errors.Is(err, fault.NotFound) {
			t.Errorf("revoking no key: %v", err)
		}
		if err := shop.RevokeKey(ctx, "../x"); !adminclient.IsInvalid(err) {
			t.Errorf("revoking what is no id: %v", err)
		}
	})
	again, err := New(ctx, c, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = again.Close() }()
	if _, err := again.account.AuthenticateAdmin(ctx, created.Key); !errors.Is(err, fault.Unauthenticated) {
		t.Errorf("the revoked key: %v", err)
	}
	if admin, err := again.account.AuthenticateAdmin(ctx, again.localKey); err != nil || !admin.May(account.RoleAll) {
		t.Errorf("the local key: %+v, %v", admin, err)
	}
}
