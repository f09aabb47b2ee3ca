package app

import (
	"net/http"
	"testing"
)

// TestAnotherOriginMayUseTheAPI checks, on both lanes, what scripts of an allowed origin may do, and that no others may anything.
func TestAnotherOriginMayUseTheAPI(t *testing.T) {
	t.Parallel()
	const friend = "https://www.shop.example"
	_, at := opened(t, Options{}, func(c *Config) { c.HTTP.CORSOrigins = []string{friend} })
	_, without := opened(t, Options{})
	for _, c := range []struct {
		name, base, method, path, origin, asks string
		status                                 int
		allowed                                string
	}{
		{"a preflight", at.Public, "OPTIONS", "/v1/sales/7/orders", friend, "POST", 204, friend},
		{"a preflight on the express lane", at.Express, "OPTIONS", "/v1/sales/7/orders", friend, "POST", 204, friend},
		{"an answer", at.Public, "GET", "/v1/sales/7", friend, "", 404, friend},
		{"an answer on the express lane", at.Express, "GET", "/v1/sales/7", friend, "", 404, friend},
		{"OPTIONS that is no preflight", at.Public, "OPTIONS", "/v1/sales/7", friend, "", 405, friend},
		{"a stranger's preflight", at.Public, "OPTIONS", "/v1/sales/7/orders", "https://evil.example", "POST", 405, ""},
		{"a stranger's preflight on the express lane", at.Express, "OPTIONS", "/v1/sales/7/orders", "https://evil.example", "POST", 405, ""},
		{"a stranger", at.Public, "GET", "/v1/sales/7", "https://www.shop.example.evil.example", "", 404, ""},
		{"no origin", at.Public, "GET", "/v1/sales/7", "", "", 404, ""},
		{"an opaque origin", at.Public, "GET", "/v1/sales/7", "null", "", 404, ""},
		{"an admin route", at.Public, "OPTIONS", "/v1/admin/sales", friend, "POST", 405, ""},
		{"a page", at.Public, "GET", "/signin", friend, "", 200, ""},
		{"where none is allowed", without.Public, "OPTIONS", "/v1/sales/7/orders", friend, "POST", 405, ""},
		{"where none is allowed, on the express lane", without.Express, "GET", "/v1/sales/7", friend, "", 404, ""},
	} {
		r, err := http.NewRequestWithContext(t.Context(), c.method, c.base+c.path, http.NoBody)
		noError(t, err)
		if c.origin != "" {
			r.Header.Set("Origin", c.origin)
		}
		if c.asks != "" {
			r.Header.Set("Access-Control-Request-Method", c.asks)
			r.Header.Set("Access-Control-Request-Headers", "authorization,idempotency-key")
		}
		a, err := http.DefaultTransport.RoundTrip(r)
		noError(t, err)
		noError(t, a.Body.Close())
		if a.StatusCode != c.status || a.Header.Get("Access-Control-Allow-Origin") != c.allowed || a.Header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: %d %v, want %d and %q", c.name, a.StatusCode, a.Header, c.status, c.allowed)
		}
		if preflight := a.Header.Get("Access-Control-Allow-Methods") != ""; preflight != (c.status == http.StatusNoContent) {
			t.Errorf("%s: answered as a preflight: %t", c.name, preflight)
		}
	}
}
