package security

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tidegate/tidegate/internal/await"
	"github.com/tidegate/tidegate/test/blackbox"
)

// stage is a shop, and tokens of every kind.
type stage struct {
	T                         *testing.T
	shop                      *blackbox.Shop
	sku                       string
	owner, other              string
	expired, revoked, foreign string
	revokedKey                string
	keys                      map[string]string // by role
	orders                    int
}

// The customer whom the tests register.
const (
	email    = "ada.lovelace@example.test"
	password = "correct horse battery staple 7"
)

// attempts lifts the limits on log-ins that the tests would meet.
var attempts = []string{
	"TIDEGATE_ACCOUNT_ACCOUNT_ATTEMPTS_MAX=1000", "TIDEGATE_ACCOUNT_CLIENT_ATTEMPTS_MAX=1000", "TIDEGATE_EXPRESS_ADDRESS=127.0.0.1:0",
}

func open(t *testing.T) *stage {
	t.Helper()
	s := &stage{T: t, shop: blackbox.New(t, blackbox.ManyUnpaid(attempts...)...), keys: map[string]string{}}
	s.shop.Start()
	s.shop.Secret(password)
	s.shop.Secret(email)
	s.sku = s.shop.Stocked("MUG", 100_000)
	if a := s.shop.Ask("POST", "/v1/customers", "", fmt.Sprintf(`{"email":%q,"password":%q}`, email, password)); a.Status != 201 {
		t.Fatalf("a customer cannot register: %s", a)
	}
	s.owner, s.other = s.session(), s.shop.Tokens(2_000_001, 1)[0]
	s.revoked = s.session()
	if a := s.shop.Ask("DELETE", "/v1/sessions/current", s.revoked, ""); a.Status != 204 {
		t.Fatalf("a session cannot be ended: %s", a)
	}
	s.expired = s.forge(func(c jwt.MapClaims) { c["exp"] = time.Now().Add(-time.Hour).Unix() }, nil)
	s.foreign = s.forge(func(jwt.MapClaims) {}, []byte("another shop's key, which is as long as ours is"))
	for _, role := range roles {
		s.keys[role] = s.key(role)
	}
	s.revokedKey = s.key("all")
	var all struct {
		Items []struct{ ID, Name string }
	}
	s.shop.Admin("GET", "/v1/admin/keys?limit=200", nil, &all)
	for _, k := range all.Items {
		if k.Name == "the all desk 6" {
			s.shop.Admin("DELETE", "/v1/admin/keys/"+k.ID, nil, nil)
		}
	}
	await.Until(t, "what was revoked is refused", func() bool {
		return s.shop.Ask("GET", "/v1/orders", s.revoked, "").Status == 401 && s.shop.Ask("GET", "/v1/admin/keys", s.revokedKey, "").Status == 401
	})
	return s
}

// key makes an admin key of a role.
func (s *stage) key(role string) string {
	s.T.Helper()
	s.orders++
	var made struct{ Key string }
	s.shop.Admin("POST", "/v1/admin/keys", map[string]any{"name": fmt.Sprintf("the %s desk %d", role, s.orders), "roles": []string{role}}, &made)
	s.shop.Secret(made.Key)
	return made.Key
}

// session logs the customer in, and returns the access token.
func (s *stage) session() string {
	s.T.Helper()
	a := s.shop.Ask("POST", "/v1/sessions", "", fmt.Sprintf(`{"email":%q,"password":%q}`, email, password))
	var tokens struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
	}
	if err := json.Unmarshal(a.Body, &tokens); err != nil || a.Status != 201 || tokens.Access == "" {
		s.T.Fatalf("the customer cannot log in: %s", a)
	}
	s.shop.Secret(tokens.Access)
	s.shop.Secret(tokens.Refresh)
	return tokens.Access
}

// order places an order of the customer's.
func (s *stage) order() string {
	s.T.Helper()
	s.orders++
	var o blackbox.Order
	await.Until(s.T, "an order is taken", func() bool {
		a := s.shop.Buy(blackbox.Buying("", 1, 0, s.owner, fmt.Sprintf("order-%d", s.orders), s.sku))
		return a.Status == 201 && json.Unmarshal(a.Body, &o) == nil
	})
	return o.ID
}
