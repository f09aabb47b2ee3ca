package security

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/await"
	"github.com/tidegate/tidegate/test/blackbox"
)

// consoleCookie is the cookie of a sign-in to the console, behind TLS.
const consoleCookie = "__Host-tg_console"

// TestAccessEndsAtTheServer: a cookie that was copied opens nothing any more, and a stream that is open ends, once its owner has
// signed out, its key was revoked or its customer was blocked: at the process that was asked and at another one.
func TestAccessEndsAtTheServer(t *testing.T) {
	t.Parallel()
	blackbox.EachEngines(t, func(t *testing.T, env []string) {
		env = append(append([]string{"TIDEGATE_WEB_HTTPS=true"}, attempts...), env...)
		one := blackbox.New(t, env...)
		one.Start()
		other := one
		if one.Setting("TIDEGATE_STORE_PRIMARY") != "" {
			other = blackbox.New(t, env...)
			other.Start()
		}
		sku := one.Stocked("RIGHT", 50)
		sale := one.Open(blackbox.Terms{SKUs: []string{sku}, Allocation: 10, PaymentSeconds: 3600})
		live := "/console/live-sales/" + sale.ID + "/live"
		await.Until(t, "the sale is known everywhere", func() bool { return other.Ask("GET", "/v1/sales/"+sale.ID, "", "").Status == 200 })

		key := func() (id, text string) {
			var made struct{ ID, Key string }
			one.Admin("POST", "/v1/admin/keys", map[string]any{"name": "a desk", "roles": []string{"all"}}, &made)
			return made.ID, made.Key
		}
		operator := func(key string) *browser {
			b := &browser{T: t, base: one.Running().Public, cookies: map[string]string{}}
			if a, text := b.do("POST", "/console/signin", "key="+url.QueryEscape(key)); a.StatusCode != http.StatusSeeOther {
				t.Fatalf("signing in to the console: %d %s", a.StatusCode, text)
			}
			return b
		}
		for _, way := range []struct {
			name string
			end  func(b *browser, keyID string)
		}{
			{"signing out", func(b *browser, _ string) { b.do("POST", "/console/signout", "x=") }},
			{"revoking the key", func(_ *browser, keyID string) { one.Admin("DELETE", "/v1/admin/keys/"+keyID, nil, nil) }},
			{"revoking the key in the console", func(b *browser, keyID string) { b.do("POST", "/console/keys/"+keyID+"/revoke", "reason=a+test") }},
			{"signing in anew", func(b *browser, _ string) {
				_, text := key()
				b.do("POST", "/console/signin", "key="+url.QueryEscape(text))
			}},
		} {
			keyID, text := key()
			b := operator(text)
			copied := b.cookies[consoleCookie]
			at := []string{one.Running().Public, other.Running().Public}
			var streams []<-chan struct{}
			for _, base := range at {
				streams = append(streams, openStream(t, base+live, consoleCookie+"="+copied))
			}
			imported := openImport(t, other.Running().Public+"/v1/admin/products/import", text)
			way.end(b, keyID)
			began := time.Now()
			for i, base := range at {
				thief := &browser{T: t, base: base, cookies: map[string]string{consoleCookie: copied}}
				for _, page := range []string{"/console/live-sales", "/console/keys", "/console/orders"} {
					await.Until(t, way.name+" closes "+page, func() bool {
						a, _ := thief.do("GET", page, "")
						return a.StatusCode == http.StatusSeeOther && strings.HasPrefix(a.Header.Get("Location"), "/console/signin")
					})
				}
				await.Until(t, way.name+" ends the stream", func() bool { return ended(streams[i]) })
			}
			if strings.HasPrefix(way.name, "revoking") {
				await.Until(t, way.name+" ends the import", func() bool { return ended(imported) })
			} else if ended(imported) {
				t.Errorf("%s ended what the key itself had begun", way.name)
			}
			t.Logf("%s: all that stood on it had ended after %v", way.name, time.Since(began)) // the tests' machine is busy: not held to a second
		}

		// A shopper's cookies, copied as well: the access token and the refresh token.
		for _, way := range []string{"signing out", "a block"} {
			b := &browser{T: t, base: one.Running().Public, cookies: map[string]string{}}
			who := strings.ReplaceAll(way, " ", ".") + "@shopper.example"
			b.do("POST", "/signup", url.Values{"email": {who}, "password": {password}}.Encode())
			copied := map[string]string{}
			for name, value := range b.cookies {
				copied[name] = value
			}
			if way == "signing out" {
				b.do("POST", "/signout", "x=")
			} else {
				var found struct{ Items []struct{ ID string } }
				one.Admin("GET", "/v1/admin/customers?email="+url.QueryEscape(who), nil, &found)
				one.Admin("POST", "/v1/admin/customers/"+found.Items[0].ID+"/block", nil, nil)
			}
			for _, shop := range []*blackbox.Shop{one, other} {
				await.Until(t, way+" closes the shopper's pages", func() bool {
					thief := &browser{T: t, base: shop.Running().Public, cookies: map[string]string{}}
					for name, value := range copied {
						thief.cookies[name] = value
					}
					a, _ := thief.do("GET", "/orders", "")
					return a.StatusCode == http.StatusSeeOther && strings.HasPrefix(a.Header.Get("Location"), "/signin")
				})
			}
		}
	})
}

func ended(stream <-chan struct{}) bool {
	select {
	case <-stream:
		return true
	default:
		return false
	}
}

// openStream opens a stream of server-sent events, waits for its first line, and returns what is closed at its end.
func openStream(t *testing.T, address, cookie string) <-chan struct{} {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*await.Max)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Cookie", cookie)
	a, err := http.DefaultTransport.RoundTrip(r)
	if err != nil || a.StatusCode != http.StatusOK {
		t.Fatalf("%s: %v %v", address, a, err)
	}
	lines := bufio.NewReader(a.Body)
	if _, err := lines.ReadString('\n'); err != nil {
		t.Fatalf("%s says nothing: %v", address, err)
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		defer func() { _ = a.Body.Close() }()
		_, _ = io.Copy(io.Discard, lines)
	}()
	return over
}

// openImport begins an import whose file does not end, and returns what is closed when the shop has ended it.
func openImport(t *testing.T, address, key string) <-chan struct{} {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*await.Max)
	t.Cleanup(cancel)
	file, more := io.Pipe()
	go func() { _, _ = io.WriteString(more, "handle,title,status,sku,price\n") }()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, file)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+key)
	r.Header.Set("Content-Type", "text/csv")
	over := make(chan struct{})
	go func() {
		defer close(over)
		defer func() { _ = more.Close() }()
		a, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, a.Body)
		_ = a.Body.Close()
	}()
	return over
}
