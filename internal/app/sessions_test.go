package app

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/tidegate/tidegate/internal/account"
	"github.com/tidegate/tidegate/internal/await"
	"github.com/tidegate/tidegate/test/engine"
)

// With sessions in Redis a sign-in at one process is good at the other, and a sign-out is seen there within a second.
func TestSessionsInRedisAreShared(t *testing.T) {
	t.Parallel()
	server := engine.Redis(t)
	key := t.TempDir() + "/signing.key"
	var at [2]Addresses
	for i := range at {
		_, at[i] = opened(t, Options{}, func(c *Config) {
			c.Redis.Addresses = []string{server.Address}
			c.Account.Sessions, c.Account.SigningKeyFile = account.SessionsInRedis, key
			c.Account.PasswordMemoryKiB, c.Account.PasswordPasses = 64, 1
		})
	}
	ask := func(method, url, token, body string) (int, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
		noError(t, err)
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		r.Header.Set("Content-Type", "application/json")
		answer, err := http.DefaultClient.Do(r)
		noError(t, err)
		text, err := io.ReadAll(answer.Body)
		noError(t, err)
		noError(t, answer.Body.Close())
		return answer.StatusCode, string(text)
	}
	const who = `{"email":"ann@example.com","password":"a long enough phrase"}`
	if status, text := ask("POST", at[0].Public+"/v1/customers", "", who); status != http.StatusCreated {
		t.Fatal(status, text)
	}
	status, text := ask("POST", at[0].Public+"/v1/sessions", "", who)
	var grant struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
	}
	if err := json.Unmarshal([]byte(text), &grant); err != nil || grant.Access == "" {
		t.Fatal(status, text, err)
	}
	// A refresh at the other process, which has not seen the session before.
	if status, text = ask("POST", at[1].Public+"/v1/sessions/refresh", "", `{"refresh_token":"`+grant.Refresh+`"}`); status != http.StatusOK {
		t.Fatal(status, text)
	}
	if status, text := ask("GET", at[1].Public+"/v1/orders", grant.Access, ""); status != http.StatusOK {
		t.Fatal(status, text)
	}
	if status, text := ask("DELETE", at[0].Public+"/v1/sessions/current", grant.Access, ""); status != http.StatusNoContent {
		t.Fatal(status, text)
	}
	await.Equal(t, "the other process takes no token of a session that has ended", http.StatusUnauthorized, func() int {
		status, _ := ask("GET", at[1].Public+"/v1/orders", grant.Access, "")
		return status
	})
}
