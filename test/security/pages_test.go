package security

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tidegate/tidegate/test/blackbox"
)

// browser asks for pages with the cookies that it was given.
type browser struct {
	*testing.T
	base    string
	cookies map[string]string
	seen    []string // the pages that were looked at
}

// do sends a request, keeps its cookies and holds them to what cookies must be.
func (b *browser) do(method, path, form string) (*http.Response, string) {
	b.Helper()
	r, err := http.NewRequest(method, b.base+path, strings.NewReader(form))
	if err != nil {
		b.Fatal(err)
	}
	if form != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	r.Header.Set("Accept", "text/html")
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	a, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = a.Body.Close() }()
	text, err := io.ReadAll(a.Body)
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range a.Cookies() {
		b.cookies[c.Name] = c.Value
		if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode && c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" {
			b.Errorf("%s %s: the cookie %s is not kept to the shop's own pages: %s", method, path, c.Name, c.Raw)
		}
		if !c.Secure || !strings.HasPrefix(c.Name, "__Host-") {
			b.Errorf("%s %s: behind TLS the cookie %s must say so: %s", method, path, c.Name, c.Raw)
		}
	}
	return a, string(text)
}

// pagesMax bounds how many pages are followed from one beginning.
const pagesMax = 60

var (
	links     = regexp.MustCompile(`(?:href|action)="(/[^"]*)"`)
	numbers   = regexp.MustCompile(`\d{6,}`)
	inline    = regexp.MustCompile(`(?i)<style|\sstyle=|\son[a-z]+=|javascript:|<script[^>]*>\s*[^<\s]|<script(?:\s+defer)?>`)
	directive = regexp.MustCompile(`(?:^|; )([a-z-]+) ([^;]*)`)
)

// follow looks at the pages that can be reached from a path; of those that differ by a number alone, at one.
func (b *browser) follow(from string) {
	b.Helper()
	next, known := []string{from}, map[string]bool{}
	for len(next) > 0 && len(known) < pagesMax {
		path := next[0]
		next = next[1:]
		address, _, _ := strings.Cut(path, "?")
		kind := numbers.ReplaceAllString(address, "#")
		if known[kind] || strings.HasSuffix(path, "/live") {
			continue
		}
		known[kind] = true
		a, text := b.do("GET", path, "")
		if to := a.Header.Get("Location"); strings.HasPrefix(to, "/") {
			next = append(next, to)
		}
		if !strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") {
			continue
		}
		b.seen = append(b.seen, kind)
		b.hold(path, a, text)
		for _, l := range links.FindAllStringSubmatch(text, -1) {
			next = append(next, strings.ReplaceAll(l[1], "&amp;", "&"))
		}
	}
}

// hold holds a page to what every page must say.
func (b *browser) hold(path string, a *http.Response, text string) {
	b.Helper()
	policy := map[string]string{}
	for _, d := range directive.FindAllStringSubmatch(a.Header.Get("Content-Security-Policy"), -1) {
		policy[d[1]] = d[2]
	}
	for name, want := range map[string]string{"default-src": "'none'", "base-uri": "'none'", "frame-ancestors": "'none'"} {
		if policy[name] != want {
			b.Errorf("%s: %s is %q, not %s", path, name, policy[name], want)
		}
	}
	if policy["form-action"] == "" {
		b.Errorf("%s: forms may be sent anywhere", path)
	}
	for name, sources := range policy {
		if strings.Contains(sources, "unsafe") || strings.Contains(sources, "*") || strings.Contains(sources, "data:") && name == "script-src" {
			b.Errorf("%s: %s is %q", path, name, sources)
		}
	}
	if a.Header.Get("X-Content-Type-Options") != "nosniff" {
		b.Errorf("%s: a browser may guess what it is", path)
	}
	referrer := a.Header.Get("Referrer-Policy")
	if !slices.Contains([]string{"same-origin", "no-referrer", "strict-origin"}, referrer) && !strings.Contains(text, `<meta name="referrer" content="same-origin">`) {
		b.Errorf("%s: its address is told to other sites (%q)", path, referrer)
	}
	if found := inline.FindString(text); found != "" && !strings.Contains(policy["style-src"], "'sha256-") {
		b.Errorf("%s: %q stands in the page", path, found)
	}
}

// TestEveryPageSaysWhatItMayDo walks through every page that a visitor, a shopper and an operator can reach, and holds each to
// its Content-Security-Policy, its other headers and its cookies. A new page is found by its link.
func TestEveryPageSaysWhatItMayDo(t *testing.T) {
	t.Parallel()
	shop := blackbox.New(t, "TIDEGATE_WEB_HTTPS=true")
	shop.Start()
	sku := shop.Stocked("PAGE", 50)
	sale := shop.Open(blackbox.Terms{SKUs: []string{sku}, Allocation: 10, PaymentSeconds: 3600})

	visitor := &browser{T: t, base: shop.Running().Public, cookies: map[string]string{}}
	for _, from := range []string{"/", "/docs", "/sales/" + sale.ID, "/no/such/page", "/products/no-such-product"} {
		visitor.follow(from)
	}

	shopper := &browser{T: t, base: shop.Running().Public, cookies: map[string]string{}}
	form := url.Values{"email": {"pages@shopper.example"}, "password": {"a long sentence of my own"}}.Encode()
	if a, text := shopper.do("POST", "/signup", form); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("signing up: %d %s", a.StatusCode, text)
	}
	bought, _ := shopper.do("POST", "/sales/"+sale.ID+"/orders", "sku="+sku+"&key=page-after-0")
	if bought.StatusCode != http.StatusSeeOther {
		t.Fatalf("buying: %d", bought.StatusCode)
	}
	for _, from := range []string{"/orders", bought.Header.Get("Location"), "/checkout?sku=" + sku, "/sales/" + sale.ID} {
		shopper.follow(from)
	}
	pay, _ := shopper.do("POST", "/orders/"+shop.Orders(sale.ID, "")[0].ID+"/pay", "x=1")
	cashier := strings.TrimPrefix(pay.Header.Get("Location"), shop.Running().Public)
	if pay.StatusCode != http.StatusSeeOther || !strings.HasPrefix(cashier, "/") {
		t.Fatalf("paying: %d to %q", pay.StatusCode, pay.Header.Get("Location"))
	}
	shopper.follow(cashier)

	operator := &browser{T: t, base: shop.Running().Public, cookies: map[string]string{}}
	if a, text := operator.do("POST", "/console/signin", "key="+url.QueryEscape(shop.Running().AdminKey)); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("signing in to the console: %d %s", a.StatusCode, text)
	}
	operator.follow("/console")
	// A reason that the log does not take is refused with what is wrong, and nothing is changed.
	long := strings.Repeat("x", 500)
	for _, c := range []struct{ reason, wrong string }{
		{"%ff" + long[1:], "is not UTF-8"}, {long + "x", "501 characters"}, {"a%1b[2Jb", "a control character"}, {"", "is required"},
	} {
		a, text := operator.do("POST", "/console/sales/"+sale.ID+"/pause", "reason="+c.reason)
		if a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(text, c.wrong) {
			t.Errorf("pausing with a reason that %s: %d %s", c.wrong, a.StatusCode, text)
		}
	}
	if a, text := operator.do("POST", "/console/sales/"+sale.ID+"/pause", "reason="+long); a.StatusCode != http.StatusSeeOther {
		t.Errorf("pausing with a long reason: %d %s", a.StatusCode, text)
	}
	var log struct{ Items []struct{ Reason string } }
	if shop.Admin("GET", "/v1/admin/audit-log?limit=2", nil, &log); len(log.Items) == 0 || log.Items[0].Reason != long || len(log.Items) > 1 && log.Items[1].Reason != "" {
		t.Errorf("the log has %+v", log)
	}
	a, text := operator.do("POST", "/console/products/import", "do=preview")
	if a.StatusCode != http.StatusOK || a.Header.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(text, "cannot be read") {
		t.Errorf("an import without a file: %d %v %s", a.StatusCode, a.Header, text)
	}
	for _, page := range []string{"live-sales", "orders", "products", "sales", "keys", "dead-letters", "audit", "log"} {
		operator.follow("/console/" + page)
	}
	for who, b := range map[string]*browser{"a visitor": visitor, "a shopper": shopper, "an operator": operator} {
		slices.Sort(b.seen)
		b.seen = slices.Compact(b.seen)
		t.Logf("%s: %d pages: %s", who, len(b.seen), fmt.Sprint(b.seen))
	}
	if len(visitor.seen) < 8 || len(shopper.seen) < 9 || len(operator.seen) < 20 {
		t.Error("too few pages were reached: is the way to them another one?")
	}
}
