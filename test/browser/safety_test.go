package browser

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/tidegate/tidegate/internal/await"
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
	await.Until(t, "the order is paid", paid)
	s.Go("/sales/" + sale.ID)
	s.Await("they had their share", state+` === "limit"`)
}

// TestWithTheKeyboard: from the front page to a paid order without a mouse, with the focus always to be seen.
func TestWithTheKeyboard(t *testing.T) {
	t.Parallel()
	shop := newShop(t)
	sku := shop.Stocked("KEYS", 5)
	shop.Open(blackbox.Terms{SKUs: []string{sku}, Allocation: 5, Limit: 1})
	s := NewShopper(t, shop.Running().Public)
	s.Go("/")
	s.Reach(".drop .button")
	s.Await("the sale", onSale)
	s.Reach(`[data-item] a[data-when="live"]`)
	s.Await("signing in", `location.pathname === "/signin"`)
	s.Reach(".links a")
	s.Await("signing up, in its first field", `location.pathname === "/signup" && document.activeElement.id === "email"`)
	s.do(chromedp.KeyEvent("keys@shopper.example"), chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent("a long sentence of my own"), chromedp.KeyEvent(kb.Enter))
	s.Await("back at the sale, signed in", onSale+` && document.querySelector('form[action="/signout"]')`)
	s.Reach(buy)
	s.Await("the order", order+" && "+status+` === "pending"`)
	s.Reach(`form[action$="/pay"] button`)
	s.Await("the cashier", `location.pathname.startsWith("/sandbox/")`)
	s.Reach(`button[value="pay"]`)
	s.Await("paid at the cashier", `document.querySelector(".back a.pay")`)
	s.Reach(".back a")
	s.Await("the order is paid", order+" && "+status+` === "paid"`)
}

// focusable bounds the stops of a page on the way to what is looked for.
const focusable = 60

// Reach goes to what a selector finds with the tab key, where each stop must be seen to have the focus, and presses it with the enter key.
func (s *Shopper) Reach(selector string) {
	s.t.Helper()
	for range focusable {
		s.do(chromedp.KeyEvent(kb.Tab))
		at := eval[struct {
			Is   bool   `json:"is"`
			Ring string `json:"ring"`
			What string `json:"what"`
		}](s, `(e => ({is: e.matches("`+strings.ReplaceAll(selector, `"`, `\"`)+`"), ring: getComputedStyle(e).outlineStyle, what: e.outerHTML.slice(0, 80)}))(document.activeElement)`)
		if at.Ring == "none" && !strings.HasPrefix(at.What, "<body") {
			s.t.Errorf("%s has the focus and does not show it", at.What)
		}
		if at.Is {
			s.do(chromedp.KeyEvent(kb.Enter))
			return
		}
	}
	s.t.Fatalf("the tab key does not lead to %s. The page says:\n%s", selector, s.text())
}

// TestHeaders: what pages say to the browser. No page allows what stands in it to run, cookies are kept to HTTPS where the shop is
// reached by it, and the language is the browser's until the switch is used.
func TestHeaders(t *testing.T) {
	t.Parallel()
	shop := blackbox.New(t, "TIDEGATE_WEB_HTTPS=true")
	shop.Start()
	sku := shop.Stocked("HEAD", 5)
	sale := shop.Open(blackbox.Terms{SKUs: []string{sku}, Allocation: 5})
	for _, path := range []string{"/", "/search", "/signin", "/signup", "/sales/" + sale.ID, "/nothing/here", "/console/signin"} {
		a := shop.Ask("GET", path, "", "", "Accept-Language", "zh-CN,zh;q=0.9,en;q=0.5")
		policy := a.Header.Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, "default-src 'none'; script-src 'self'; style-src 'self'; ") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: the policy is %q", path, policy)
		}
		if a.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: headers %v", path, a.Header)
		}
		if body := string(a.Body); !strings.Contains(body, `<html lang="zh">`) || strings.Contains(body, "<style") || strings.Contains(body, " style=") || strings.Contains(body, " onclick=") {
			t.Errorf("%s: not in the browser's language, or with a style or a script in it", path)
		}
		if a := shop.Ask("GET", path, "", "", "Accept-Language", "zh-CN", "Cookie", "tg_lang=en"); !strings.Contains(string(a.Body), `<html lang="en">`) {
			t.Errorf("%s: not in the language that was chosen", path)
		}
	}
	form := url.Values{"email": {"head@shopper.example"}, "password": {"a long sentence of my own"}}.Encode()
	r, err := http.NewRequest("POST", shop.Running().Public+"/signup", strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if len(answer.Cookies()) != 3 { // access, refresh, and the device
		t.Errorf("cookies: %v", answer.Cookies())
	}
	for _, c := range answer.Cookies() {
		if !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Domain != "" || !strings.HasPrefix(c.Name, "__Host-") {
			t.Errorf("over HTTPS the cookie %s is %+v", c.Name, c)
		}
	}
}
