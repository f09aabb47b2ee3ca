package app

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/account"
	"github.com/tidegate/tidegate/internal/await"
	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/test/engine"
)

func placeOne(t *testing.T, base, path, token string) (status int, retryAfter string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+path, strings.NewReader(`{"lines":[{"sku_id":"1","quantity":1}]}`))
	noError(t, err)
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", "k")
	answer, err := http.DefaultClient.Do(r)
	noError(t, err)
	noError(t, answer.Body.Close())
	return answer.StatusCode, answer.Header.Get("Retry-After")
}

func shopperOf(t *testing.T, c Config, customer int64) string {
	t.Helper()
	ring, err := account.ReadKeyring(signingKeyPath(c, c.Data))
	noError(t, err)
	token, _, err := account.NewTokens(ring, c.Account, clock.System{}).SignTest(id.Customer(id.NeverMintedFirst+customer), time.Hour)
	noError(t, err)
	return token
}

// A customer who asks too often is refused on both lanes, counted together; another one is not.
func TestRequestsAreLimited(t *testing.T) {
	t.Parallel()
	a, at := opened(t, Options{}, func(c *Config) { c.HTTP.RateLimit.CustomerPerSecond, c.HTTP.RateLimit.CustomerBurst = 1, 4 })
	ann, bob := shopperOf(t, a.config, 1), shopperOf(t, a.config, 2)
	lanes := []string{at.Public, at.Express}
	refused := 0
	for i := range 12 {
		if status, after := placeOne(t, lanes[i%2], "/v1/sales/77/orders", ann); status == http.StatusTooManyRequests {
			refused++
			if after == "" {
				t.Error("a refusal does not say when to come back")
			}
		}
	}
	if refused < 6 { // 4 and those that came back meanwhile
		t.Errorf("%d of 12 were refused", refused)
	}
	for _, lane := range lanes {
		if status, _ := placeOne(t, lane, "/v1/sales/77/orders", bob); status == http.StatusTooManyRequests {
			t.Error("another customer is refused")
		}
	}
}

// A client address is limited over all it asks for, on both lanes.
func TestClientsAreLimited(t *testing.T) {
	t.Parallel()
	_, at := opened(t, Options{}, func(c *Config) { c.HTTP.RateLimit.ClientPerSecond, c.HTTP.RateLimit.ClientBurst = 1, 4 })
	refused := 0
	for i := range 12 {
		answer, err := http.Get([]string{at.Public, at.Express}[i%2] + "/v1/products/77")
		noError(t, err)
		noError(t, answer.Body.Close())
		if answer.StatusCode == http.StatusTooManyRequests {
			refused++
		}
	}
	if refused < 6 {
		t.Errorf("%d of 12 were refused", refused)
	}
}

// Two processes over one Redis count together: who has used up their rate at one is refused at the other, and tries to log in
// are counted one by one.
func TestLimitsAreShared(t *testing.T) {
	t.Parallel()
	server := engine.Redis(t)
	var apps [2]*App
	var at [2]Addresses
	for i := range apps {
		apps[i], at[i] = opened(t, Options{}, func(c *Config) {
			c.Redis.Addresses = []string{server.Address}
			c.HTTP.RateLimit.CustomerPerSecond, c.HTTP.RateLimit.CustomerBurst = 1, 40
			c.Account.AccountAttemptsMax, c.Account.AccountAttemptEvery = 3, time.Hour
		})
	}
	for range 40 {
		placeOne(t, at[0].Public, "/v1/sales/77/orders", shopperOf(t, apps[0].config, 1))
	}
	await.Until(t, "the other process refuses them", func() bool {
		status, _ := placeOne(t, at[1].Public, "/v1/sales/77/orders", shopperOf(t, apps[1].config, 1))
		return status == http.StatusTooManyRequests
	})
	logIn := func(i int) int {
		t.Helper()
		answer, err := http.Post(at[i].Public+"/v1/sessions", "application/json", strings.NewReader(`{"email":"ann@example.com","password":"not the one she has"}`))
		noError(t, err)
		noError(t, answer.Body.Close())
		return answer.StatusCode
	}
	for i := range 3 {
		if status := logIn(i % 2); status != http.StatusUnauthorized {
			t.Fatal(status)
		}
	}
	for i := range 2 {
		if status := logIn(i); status != http.StatusTooManyRequests {
			t.Errorf("the fourth try, at process %d: %d", i, status)
		}
	}
	server.Kill()
	if status := logIn(0); status != http.StatusUnauthorized {
		t.Errorf("without Redis a process does not count for itself: %d", status)
	}
}
