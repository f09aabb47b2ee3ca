package browser

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/tidegate/tidegate/test/blackbox"
)

// TestForeignForms: what another site has a shopper's browser send is refused, and cookies open nothing of the API.
func TestForeignForms(t *testing.T) {
	t.Parallel()
	shop := blackbox.New(t)
	shop.Start()
	sku := shop.Stocked("FORM", 5)
	sale := shop.Open(blackbox.Terms{SKUs: []string{sku}, Allocation: 5})
	base := shop.Running().Public
	ask := func(method, path, body string, headers ...string) *http.Response {
		t.Helper()
		r, err := http.NewRequest(method, base+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if body != "" {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		for i := 0; i+1 < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		answer, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		return answer
	}
	form := url.Values{"email": {"form@shopper.example"}, "password": {"a long sentence of my own"}}.Encode()
	signedUp := ask("POST", "/signup", form)
	if signedUp.StatusCode != http.StatusSeeOther {
		t.Fatalf("signing up: %d", signedUp.StatusCode)
	}
	var cookies []string
	for _, c := range signedUp.Cookies() {
		if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" {
			t.Errorf("the cookie %s is not kept to the shop: %+v", c.Name, c)
		}
		cookies = append(cookies, c.Name+"="+c.Value)
	}
	cookie := strings.Join(cookies, "; ")
	order := "sku=" + sku + "&key=page-after-0"
	address := "/sales/" + sale.ID + "/orders"
	for _, tt := range []struct {
		name    string
		method  string
		path    string
		body    string
		headers []string
		status  int
	}{
		{"from another site", "POST", address, order, []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"from a neighbour", "POST", address, order, []string{"Sec-Fetch-Site", "same-site"}, 403},
		{"from another origin, an old browser", "POST", address, order, []string{"Origin", "https://evil.example"}, 403},
		{"signing in from another site", "POST", "/signin", form, []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"signing out from another site", "POST", "/signout", "", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"cookies at the API", "GET", "/v1/orders", "", nil, 401},
		{"cookies at the API, to buy", "POST", "/v1/sales/" + sale.ID + "/orders", "", nil, 401},
		{"the same, from the page itself", "POST", address, order, []string{"Sec-Fetch-Site", "same-origin", "Origin", base}, 303},
	} {
		if a := ask(tt.method, tt.path, tt.body, append(tt.headers, "Cookie", cookie)...); a.StatusCode != tt.status {
			t.Errorf("%s: %d, not %d", tt.name, a.StatusCode, tt.status)
		}
	}
	if n := len(shop.Orders(sale.ID, "")); n != 1 {
		t.Errorf("%d orders, not the one from the page itself", n)
	}
	// Whoever makes up a link sends nobody elsewhere.
	for _, next := range []string{"https://evil.example", "//evil.example", `/\evil.example`, "javascript:alert(1)"} {
		if to := ask("GET", "/signin?next="+url.QueryEscape(next), "", "Cookie", cookie).Header.Get("Location"); to != "/" {
			t.Errorf("after signing in, %q leads to %q", next, to)
		}
	}
	if to := ask("POST", "/signout", "", "Cookie", cookie, "Sec-Fetch-Site", "same-origin"); to.StatusCode != 303 {
		t.Errorf("signing out: %d", to.StatusCode)
	}
	if a := ask("GET", "/orders", "", "Cookie", cookie); a.StatusCode != 303 || !strings.HasPrefix(a.Header.Get("Location"), "/signin") {
		t.Errorf("the cookies of a session that was ended still open the orders: %d", a.StatusCode)
	}
}

// TestWithoutScripts: everything but the countdown and the live numbers works without JavaScript.
func TestWithoutScripts(t *testing.T) {
	t.Parallel()
	shop := newShop(t)
	sku := shop.Stocked("PLAIN", 5)
	sale := shop.Open(blackbox.Terms{SKUs: []string{sku}, Allocation: 5, Limit: 1})
	s := NewShopper(t, shop.Running().Public)
	s.WithoutScripts()
	s.SignUp("plain@shopper.example")
	s.Go("/sales/" + sale.ID)
	s.Press(buy)
	s.Await("the order", order)
	s.Press(`form[action$="/pay"] button`)
	s.Await("the cashier", `location.pathname.startsWith("/sandbox/")`)
	s.Press(`button[value="pay"]`)
	s.Await("paid", `document.querySelector(".back a.pay")`)
	paid := func() bool {
		s.Go("/orders")
		return eval[bool](s, `document.querySelector(".badge.paid") !== null`)
	}
	blackbox.Eventually(t, "the order is paid", paid)
	s.Go("/sales/" + sale.ID)
	s.Await("they had their share", state+` === "limit"`)
}
