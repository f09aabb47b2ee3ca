package security

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/tidegate/tidegate/test/blackbox"
)

// TestStrangersLockNobodyOut: wrong passwords from changing addresses keep the right one out at no door and no process. At an address
// that has tried too often itself, whoever signed in from there before still signs in.
func TestStrangersLockNobodyOut(t *testing.T) {
	t.Parallel()
	blackbox.EachEngines(t, func(t *testing.T, env []string) {
		env = append([]string{"TIDEGATE_WEB_HTTPS=true", "TIDEGATE_HTTP_TRUSTED_PROXIES=127.0.0.1/32", "TIDEGATE_ACCOUNT_PASSWORD_MEMORY_KIB=64"}, env...)
		shops := []*blackbox.Shop{blackbox.New(t, env...)}
		shops[0].Start()
		if shops[0].Setting("TIDEGATE_STORE_PRIMARY") != "" {
			shops = append(shops, blackbox.New(t, env...))
			shops[1].Start()
		}
		at := func(i int) *blackbox.Shop { return shops[i%len(shops)] }
		login := func(i int, from, password, device string) blackbox.Answer {
			body := fmt.Sprintf(`{"email":%q,"password":%q%s}`, email, password, device)
			return at(i).Ask("POST", "/v1/sessions", "", body, "X-Forwarded-For", from)
		}
		b := &browser{T: t, base: shops[0].Running().Public, cookies: map[string]string{}}
		form := url.Values{"email": {email}, "password": {password}}.Encode()
		if a, text := b.do("POST", "/signup", form); a.StatusCode != http.StatusSeeOther {
			t.Fatalf("signing up: %d %s", a.StatusCode, text)
		}
		const home = "203.0.113.7"
		var device struct {
			Token string `json:"device_token"`
		}
		for i := range 12 {
			if a := login(i, fmt.Sprintf("192.0.2.%d", i+1), "a wrong password", ""); a.Status != 401 {
				t.Errorf("a stranger's try %d, the first of its address: %s", i+1, a)
			}
		}
		for round := range 10 {
			for i := range 3 {
				if a := login(round+i, fmt.Sprintf("198.51.100.%d", 3*round+i), "a wrong password", ""); a.Status != 401 {
					t.Fatalf("a stranger's: %s", a)
				}
			}
			a := login(round, home, password, "")
			if a.Status != 201 {
				t.Fatalf("round %d: the owner is kept out: %s", round, a)
			}
			if err := json.Unmarshal(a.Body, &device); err != nil {
				t.Fatal(err)
			}
			for i := range shops { // the form's door, at the address that no proxy has named
				page := &browser{T: t, base: at(i).Running().Public, cookies: map[string]string{}}
				if a, text := page.do("POST", "/signin", form); a.StatusCode != http.StatusSeeOther {
					t.Fatalf("round %d: the owner is kept out of the pages: %d %.300s", round, a.StatusCode, text)
				}
			}
		}

		for i := range 12 {
			login(i, home, "a wrong password", "")
			login(i, "127.0.0.1", "a wrong password", "")
		}
		for i := range shops {
			if a := login(i, home, password, ""); a.Status != 429 {
				t.Errorf("from an address that has tried too often: %s", a)
			}
			if a := login(i, home, password, fmt.Sprintf(`,"device_token":%q`, device.Token)); a.Status != 201 {
				t.Errorf("from a device that has signed in there before: %s", a)
			}
			for _, c := range []struct {
				name    string
				cookies map[string]string
				want    int
			}{{"a new browser", map[string]string{}, 429}, {"the browser that signed in before", maps.Clone(b.cookies), 303}} {
				page := &browser{T: t, base: at(i).Running().Public, cookies: c.cookies}
				page.do("POST", "/signout", "x=")
				if a, text := page.do("POST", "/signin", form); a.StatusCode != c.want {
					t.Errorf("%s: %d, want %d: %.300s", c.name, a.StatusCode, c.want, text)
				}
			}
		}
	})
}

// TestNobodyElseSignsInOrOut: a page of another site neither signs a browser in, as somebody else, nor out; and what was in its cookies
// before a sign-in is not what stands for it afterwards.
func TestNobodyElseSignsInOrOut(t *testing.T) {
	t.Parallel()
	shop := blackbox.New(t, append([]string{"TIDEGATE_WEB_HTTPS=true"}, attempts...)...)
	shop.Start()
	b := &browser{T: t, base: shop.Running().Public, cookies: map[string]string{
		"__Host-tg_access": "planted", "__Host-tg_refresh": "planted", consoleCookie: "planted", "__Host-tg_device": "planted",
	}}
	form := url.Values{"email": {"csrf@shopper.example"}, "password": {password}}.Encode()
	if a, text := b.do("POST", "/signup", form); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("signing up: %d %s", a.StatusCode, text)
	}
	key := "key=" + url.QueryEscape(shop.Running().AdminKey)
	if a, text := b.do("POST", "/console/signin", key); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("signing in to the console: %d %s", a.StatusCode, text)
	}
	for name, value := range b.cookies {
		if value == "planted" || value == "" {
			t.Errorf("the cookie %s is %q after signing in", name, value)
		}
	}
	for path, body := range map[string]string{"/signin": form, "/signup": form, "/signout": "x=", "/console/signin": key, "/console/signout": "x="} {
		for _, from := range [][2]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://elsewhere.example"}} {
			r, err := http.NewRequest(http.MethodPost, b.base+path, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set(from[0], from[1])
			for name, value := range b.cookies {
				r.AddCookie(&http.Cookie{Name: name, Value: value})
			}
			a, err := http.DefaultTransport.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = a.Body.Close()
			if a.StatusCode != http.StatusForbidden || len(a.Cookies()) != 0 {
				t.Errorf("%s with %s %s: %d, %d cookies", path, from[0], from[1], a.StatusCode, len(a.Cookies()))
			}
		}
	}
	for _, path := range []string{"/orders", "/console/keys"} {
		if a, _ := b.do("GET", path, ""); a.StatusCode != http.StatusOK {
			t.Errorf("%s afterwards: %d", path, a.StatusCode)
		}
	}
}
