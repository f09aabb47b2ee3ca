package httpapi

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/account"
	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/shoptest"
	"github.com/tidegate/tidegate/internal/telemetry"
	"github.com/tidegate/tidegate/internal/wire"
)

// accountShop is a server whose account routes work, over a real store.
type accountShop struct {
	server  *Server
	service *account.Service
	clock   *clock.Manual
}

func newAccountShop(t *testing.T) accountShop {
	t.Helper()
	s := shoptest.Open(t, time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC))
	db, now, mint := s.Store, s.Clock, s.Mint
	settings := account.DefaultConfig()
	settings.PasswordMemoryKiB, settings.PasswordPasses = 64, 1
	settings.ClientAttemptsMax, settings.ClientAttemptEvery = 8, time.Minute
	service, err := account.NewService(settings, db, account.NewKeyring(), now, mint)
	if err != nil {
		t.Fatal(err)
	}
	metrics, err := telemetry.NewMetrics()
	if err != nil {
		t.Fatal(err)
	}
	server, err := New(Parts{
		Callers:  service,
		Accounts: service,
		Clock:    now,
		Log:      slog.New(slog.DiscardHandler),
		Config:   DefaultConfig(),
		Record:   func(method, pattern string) Recorder { return metrics.Route(method, pattern) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return accountShop{server: server, service: service, clock: now}
}

// do sends a request and returns the answer's status and its JSON.
func (s accountShop) do(t *testing.T, method, path, token, body string) (int, map[string]any, http.Header) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	s.server.ServeHTTP(w, r)
	text, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	var answer map[string]any
	if len(text) > 0 {
		if err := json.Unmarshal(text, &answer); err != nil {
			t.Fatalf("%s %s: %s: %v", method, path, text, err)
		}
	}
	return w.Code, answer, w.Result().Header
}

const ann = `{"email":"Ann@example.com","password":"correct horse"}`

func TestACustomersWay(t *testing.T) {
	s := newAccountShop(t)
	status, me, _ := s.do(t, "POST", "/v1/customers", "", ann)
	if status != http.StatusCreated || me["email"] != "ann@example.com" || me["created_at"] != "2026-11-27T12:00:00.000Z" || len(me) != 3 {
		t.Fatalf("registered: %d %v", status, me)
	}
	if status, answer, _ := s.do(t, "POST", "/v1/customers", "", ann); status != http.StatusConflict || answer["code"] != "conflict" {
		t.Errorf("registered again: %d %v", status, answer)
	}
	status, first, header := s.do(t, "POST", "/v1/sessions", "", ann)
	if status != http.StatusCreated || first["token_type"] != "Bearer" || first["expires_in"] != 900.0 || first["customer_id"] != me["id"] {
		t.Fatalf("logged in: %d %v", status, first)
	}
	if got := header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("tokens may be cached: %q", got)
	}
	if status, again, _ := s.do(t, "GET", "/v1/customers/me", first["access_token"].(string), ""); status != http.StatusOK || again["id"] != me["id"] {
		t.Errorf("me: %d %v", status, again)
	}
	status, second, _ := s.do(t, "POST", "/v1/sessions/refresh", "", `{"refresh_token":"`+first["refresh_token"].(string)+`"}`)
	if status != http.StatusOK || second["refresh_token"] == first["refresh_token"] {
		t.Fatalf("refreshed: %d %v", status, second)
	}
	_, other, _ := s.do(t, "POST", "/v1/sessions", "", ann)
	if status, answer, _ := s.do(t, "DELETE", "/v1/sessions/current", second["access_token"].(string), ""); status != http.StatusNoContent {
		t.Errorf("logged out: %d %v", status, answer)
	}
	for name, token := range map[string]any{"before the refresh": first["access_token"], "after it": second["access_token"]} {
		if status, answer, header := s.do(t, "GET", "/v1/customers/me", token.(string), ""); status != http.StatusUnauthorized || header.Get("Www-Authenticate") == "" {
			t.Errorf("the token from %s, logged out: %d %v", name, status, answer)
		}
	}
	if status, _, _ := s.do(t, "DELETE", "/v1/sessions", other["access_token"].(string), ""); status != http.StatusNoContent {
		t.Errorf("logged out everywhere: %d", status)
	}
	if status, _, _ := s.do(t, "GET", "/v1/customers/me", other["access_token"].(string), ""); status != http.StatusUnauthorized {
		t.Errorf("logged out everywhere, and still in: %d", status)
	}
}

func TestAccountRefusals(t *testing.T) {
	s := newAccountShop(t)
	local := s.service.AddLocalKey()
	_, sales, err := s.service.CreateKey(t.Context(), "sales", []string{"sales"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, method, path, token, body string
		status                          int
		code, field                     string
	}{
		{"no body", "POST", "/v1/customers", "", "", 415, "unsupported_media_type", "Content-Type"},
		{"not JSON", "POST", "/v1/customers", "", "email=ann", 400, "bad_request", ""},
		{"an unknown field", "POST", "/v1/customers", "", `{"email":"a@b.example","password":"correct horse","admin":true}`, 400, "bad_request", "admin"},
		{"a number for a text", "POST", "/v1/customers", "", `{"email":5,"password":"correct horse"}`, 400, "bad_request", "email"},
		{"a field twice", "POST", "/v1/customers", "", `{"email":"a@b.example","email":"c@d.example","password":"correct horse"}`, 400, "bad_request", "email"},
		{"no address", "POST", "/v1/customers", "", `{"password":"correct horse"}`, 422, "invalid", "email"},
		{"no password", "POST", "/v1/customers", "", `{"email":"a@b.example"}`, 422, "invalid", "password"},
		{"a short password", "POST", "/v1/customers", "", `{"email":"a@b.example","password":"short"}`, 422, "invalid", "password"},
		{"an unknown customer", "POST", "/v1/sessions", "", ann, 401, "unauthenticated", ""},
		{"no refresh token", "POST", "/v1/sessions/refresh", "", `{}`, 401, "unauthenticated", ""},
		{"a made-up refresh token", "POST", "/v1/sessions/refresh", "", `{"refresh_token":"tgr_1_x"}`, 401, "unauthenticated", ""},
		{"nobody", "GET", "/v1/customers/me", "", "", 401, "unauthenticated", ""},
		{"an admin key for a customer's route", "GET", "/v1/customers/me", local, "", 401, "unauthenticated", ""},
		{"nobody's keys", "GET", "/v1/admin/keys", "", "", 401, "unauthenticated", ""},
		{"a key that is none", "GET", "/v1/admin/keys", "tgk_1_x", "", 401, "unauthenticated", ""},
		{"a key without the role", "GET", "/v1/admin/keys", sales, "", 403, "forbidden", ""},
		{"a key without the role makes a key", "POST", "/v1/admin/keys", sales, `{"name":"x","roles":["all"]}`, 403, "forbidden", ""},
		{"a key without a name", "POST", "/v1/admin/keys", local, `{"name":"","roles":["all"]}`, 422, "invalid", "name"},
		{"a key without roles", "POST", "/v1/admin/keys", local, `{"name":"x","roles":[]}`, 422, "invalid", "roles"},
		{"a role that is none", "POST", "/v1/admin/keys", local, `{"name":"x","roles":["king"]}`, 422, "invalid", "roles"},
		{"no such key", "DELETE", "/v1/admin/keys/5", local, "", 404, "not_found", ""},
		{"not an id", "DELETE", "/v1/admin/keys/x", local, "", 422, "invalid", "id"},
		{"a page of none", "GET", "/v1/admin/keys?limit=0", local, "", 422, "invalid", "limit"},
	} {
		status, answer, _ := s.do(t, c.method, c.path, c.token, c.body)
		field, _ := answer["field"].(string)
		if status != c.status || answer["code"] != c.code || field != c.field {
			t.Errorf("%s: %d %v, want %d %s %q", c.name, status, answer, c.status, c.code, c.field)
		}
	}
	if keys, err := s.service.Keys(t.Context(), 0, 10); err != nil || len(keys) != 1 {
		t.Errorf("a refused request made a key: %v, %v", keys, err)
	}
}

func TestAttemptsAreLimitedByAddress(t *testing.T) {
	s := newAccountShop(t)
	for i := range 8 {
		body := `{"email":"a` + strconv.Itoa(i) + `@b.example","password":"wrong password"}`
		if status, answer, _ := s.do(t, "POST", "/v1/sessions", "", body); status != http.StatusUnauthorized {
			t.Fatalf("try %d: %d %v", i, status, answer)
		}
	}
	status, answer, header := s.do(t, "POST", "/v1/sessions", "", ann)
	if status != http.StatusTooManyRequests || header.Get("Retry-After") != "60" {
		t.Errorf("the ninth: %d %v, Retry-After %q", status, answer, header.Get("Retry-After"))
	}
}

func TestKeysOverHTTP(t *testing.T) {
	s := newAccountShop(t)
	local := s.service.AddLocalKey()
	status, made, _ := s.do(t, "POST", "/v1/admin/keys", local, `{"name":"Warehouse","roles":["orders","catalog"]}`)
	if status != http.StatusCreated || made["name"] != "Warehouse" || !strings.HasPrefix(made["key"].(string), "tgk_") {
		t.Fatalf("made: %d %v", status, made)
	}
	for range 2 {
		if status, answer, _ := s.do(t, "POST", "/v1/admin/keys", local, `{"name":"other","roles":["all"]}`); status != http.StatusCreated {
			t.Fatalf("made: %d %v", status, answer)
		}
	}
	seen, cursor := 0, ""
	for range 3 {
		status, page, _ := s.do(t, "GET", "/v1/admin/keys?limit=1&cursor="+cursor, local, "")
		items := page["items"].([]any)
		if status != http.StatusOK || len(items) != 1 || items[0].(map[string]any)["key"] != nil {
			t.Fatalf("listed: %d %v", status, page)
		}
		seen++
		cursor, _ = page["next_cursor"].(string)
	}
	if seen != 3 || cursor != "" {
		t.Errorf("%d keys seen, and then the cursor %q", seen, cursor)
	}
	if status, answer, _ := s.do(t, "DELETE", "/v1/admin/keys/"+made["id"].(string), local, ""); status != http.StatusNoContent {
		t.Errorf("revoked: %d %v", status, answer)
	}
	if status, _, _ := s.do(t, "GET", "/v1/admin/keys", made["key"].(string), ""); status != http.StatusUnauthorized {
		t.Errorf("the revoked key: %d", status)
	}
}

func TestClientAddress(t *testing.T) {
	for _, c := range []struct {
		name, peer string
		forwarded  []string
		want       string
	}{
		{"no proxy", "192.0.2.1:4000", nil, "192.0.2.1"},
		{"a client that makes a header up", "192.0.2.1:4000", []string{"198.51.100.9"}, "192.0.2.1"},
		{"a proxy", "10.0.0.1:4000", []string{"198.51.100.9"}, "198.51.100.9"},
		{"a proxy, and a made-up header before it", "10.0.0.1:4000", []string{"203.0.113.5, 198.51.100.9"}, "198.51.100.9"},
		{"two proxies", "10.0.0.1:4000", []string{"203.0.113.5, 198.51.100.9", "10.0.0.2"}, "198.51.100.9"},
		{"a proxy in another range", "[2001:db8::1]:4000", []string{"2001:db8:5::7"}, "2001:db8:5::7"},
		{"a range that is not trusted", "[2001:db8::2]:4000", []string{"198.51.100.9"}, "2001:db8::2"},
		{"with ports", "10.0.0.1:4000", []string{"198.51.100.9:1234"}, "198.51.100.9"},
		{"with brackets", "10.0.0.1:4000", []string{"[2001:db8:5::7]:1234"}, "2001:db8:5::7"},
		{"IPv4 in IPv6", "[::ffff:10.0.0.1]:4000", []string{"::ffff:198.51.100.9"}, "198.51.100.9"},
		{"no header", "10.0.0.1:4000", nil, "10.0.0.1"},
		{"not an address", "10.0.0.1:4000", []string{"198.51.100.9, unknown"}, "10.0.0.1"},
		{"proxies alone", "10.0.0.1:4000", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
	} {
		proxies, err := wire.ParseProxies([]string{"10.0.0.0/8", "2001:db8::1"})
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest(http.MethodPost, "/v1/sessions", nil)
		r.RemoteAddr = c.peer
		r.Header["X-Forwarded-For"] = c.forwarded
		if got := ClientAddress(proxies, r); got != netip.MustParseAddr(c.want) {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	c := DefaultConfig()
	for _, bad := range []string{"", "proxy.local", "10.0.0.0/33", "*"} {
		c.TrustedProxies = []string{bad}
		if err := c.Validate(); err == nil {
			t.Errorf("trusted_proxies took %q", bad)
		}
	}
}
