package app

import (
	"compress/gzip"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/account"
	"github.com/tidegate/tidegate/internal/await"
	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
)

// pageShop is a running shop with a sale that is on.
type pageShop struct {
	*testing.T
	app  *App
	base string
	sale id.Sale
	sku  id.SKU
	path string // of the sale's page
}

func newPageShop(t *testing.T) *pageShop {
	t.Helper()
	a, at := opened(t, Options{}, func(c *Config) { c.Account.PasswordMemoryKiB, c.Account.PasswordPasses = 64, 1 })
	s := &pageShop{T: t, app: a, base: at.Public}
	s.sale, s.sku = stocked(t, a, 50)
	s.path = "/sales/" + s.sale.String()
	await.Until(t, "the gate has the sale", func() bool {
		_, known := a.gate.Available(inventory.Pool{Sale: s.sale, SKU: s.sku})
		return known
	})
	return s
}

// shopper signs up and in, and returns who they are and the cookies of their browser.
func (s *pageShop) shopper(name string) (account.Principal, string) {
	s.Helper()
	client := netip.MustParseAddr("192.0.2.1")
	email, password := name+"@shopper.example", "a long sentence of my own"
	_, err := s.app.account.Register(s.Context(), account.Registration{Email: email, Password: password}, client)
	noError(s.T, err)
	grant, err := s.app.account.Login(s.Context(), email, password, client, "")
	noError(s.T, err)
	who, err := s.app.account.Authenticate(grant.Access)
	noError(s.T, err)
	return who, "tg_access=" + grant.Access
}

// buy places an order, and returns the path of its page.
func (s *pageShop) buy(who account.Principal) string {
	s.Helper()
	placed, err := s.app.orders.Place(s.Context(), order.Request{
		Sale: s.sale, Customer: who.Customer, Key: "k", Lines: []inventory.Line{{SKU: s.sku, Units: 1}},
	})
	noError(s.T, err)
	return "/orders/" + placed.Order.ID.String()
}

// look asks for something with header lines such as "Cookie: a=b".
func (s *pageShop) look(method, address string, lines ...string) (*http.Response, string) {
	s.Helper()
	r, err := http.NewRequestWithContext(s.Context(), method, s.base, http.NoBody)
	noError(s.T, err)
	r.URL.Opaque = address // as it is: a client would write some addresses anew
	r.Header.Set("Accept-Encoding", "identity")
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Set(name, value)
	}
	a, err := http.DefaultTransport.RoundTrip(r)
	noError(s.T, err)
	body, err := io.ReadAll(a.Body)
	noError(s.T, err)
	noError(s.T, a.Body.Close())
	return a, string(body)
}

const signedIn, kept, personal = `action="/signout"`, "private, no-cache", "no-store"

// TestTheKeptPageIsNobodysOwn: what is kept of a sale's page says whether its reader is signed in, in their language, and nothing else of
// them; a session that has ended, and whoever has bought, get another page at once.
func TestTheKeptPageIsNobodysOwn(t *testing.T) {
	t.Parallel()
	s := newPageShop(t)
	ann, annCookie := s.shopper("ann")
	bob, bobCookie := s.shopper("bob")
	eve, eveCookie := s.shopper("eve")
	tags := map[string]string{}
	for _, tt := range []struct{ who, cookie, accept, lang string }{
		{"nobody", "", "", "en"},
		{"nobody, Chinese", "", "zh-CN,zh;q=0.9", "zh"},
		{"signed in", annCookie, "", "en"},
		{"signed in", bobCookie, "", "en"},
		{"signed in, Chinese", annCookie, "zh-CN", "zh"},
		{"signed in, Chinese", "tg_lang=zh; " + bobCookie, "en", "zh"},
		{"nobody, Chinese", "tg_lang=zh", "en", "zh"},
		{"nobody", "tg_lang=en", "zh", "en"},
		{"nobody", "tg_access=" + annCookie, "", "en"},
		{"nobody", "xtg_access" + strings.TrimPrefix(annCookie, "tg_access"), "", "en"},
	} {
		for range 2 { // made, and kept
			a, body := s.look("GET", s.path, "Cookie: "+tt.cookie, "Accept-Language: "+tt.accept)
			name := fmt.Sprintf("%s, cookie %.20s", tt.who, tt.cookie)
			if a.StatusCode != 200 || a.Header.Get("Cache-Control") != kept || len(a.Cookies()) > 0 {
				t.Errorf("%s: %d %v", name, a.StatusCode, a.Header)
			}
			if strings.Contains(body, signedIn) != strings.HasPrefix(tt.who, "signed in") || !strings.Contains(body, `<html lang="`+tt.lang+`">`) {
				t.Errorf("%s: not the page of whoever asked", name)
			}
			for _, secret := range []string{"shopper.example", ann.Customer.String(), bob.Customer.String(), ann.Session.String()} {
				if strings.Contains(body, secret) {
					t.Errorf("%s: the page that all get says %s", name, secret)
				}
			}
			tag := a.Header.Get("ETag")
			if before := tags[tt.who]; before != "" && before != tag {
				t.Errorf("%s: not the page that others got", name)
			}
			tags[tt.who] = tag
		}
	}
	for who, tag := range tags {
		for other := range tags {
			if other != who && tags[other] == tag {
				t.Errorf("%s and %s have one ETag: a browser would show one the other's page", who, other)
			}
		}
	}

	own := s.buy(ann)
	if a, body := s.look("GET", s.path, "Cookie: "+annCookie, "If-None-Match: "+tags["signed in"]); a.StatusCode != 200 || a.Header.Get("Cache-Control") != personal || !strings.Contains(body, own) {
		t.Errorf("the page of whoever has bought: %d %v", a.StatusCode, a.Header)
	}
	for who, cookie := range map[string]string{"another shopper": bobCookie, "nobody": ""} {
		if a, body := s.look("GET", s.path, "Cookie: "+cookie); a.StatusCode != 200 || a.Header.Get("Cache-Control") != kept || strings.Contains(body, own) {
			t.Errorf("%s, after somebody's order: %d %v", who, a.StatusCode, a.Header)
		}
	}

	noError(t, s.app.account.Logout(t.Context(), bob))
	_, err := s.app.account.Block(t.Context(), eve.Customer)
	noError(t, err)
	for who, cookie := range map[string]string{"who signed out": bobCookie, "who was blocked": eveCookie} {
		if a, body := s.look("GET", s.path, "Cookie: "+cookie); a.StatusCode != 200 || strings.Contains(body, signedIn) {
			t.Errorf("%s: %d, still signed in", who, a.StatusCode)
		}
	}
}

// TestTheKeptPageInEveryForm: compressed or not, asked for again, its head alone, and at every address that it has or might have.
func TestTheKeptPageInEveryForm(t *testing.T) {
	t.Parallel()
	s := newPageShop(t)
	first, plain := s.look("GET", s.path)
	tag := first.Header.Get("ETag")

	zipped, packed := s.look("GET", s.path, "Accept-Encoding: br, gzip")
	z, err := gzip.NewReader(strings.NewReader(packed))
	noError(t, err)
	unpacked, err := io.ReadAll(z)
	noError(t, err)
	if zipped.Header.Get("Content-Encoding") != "gzip" || string(unpacked) != plain || zipped.Header.Get("ETag") != tag {
		t.Errorf("compressed: %v", zipped.Header)
	}
	head, none := s.look("HEAD", s.path)
	for _, name := range []string{"Content-Type", "Content-Length", "Content-Security-Policy", "X-Content-Type-Options", "ETag", "Cache-Control"} {
		if got := head.Header.Get(name); got == "" || got != first.Header.Get(name) {
			t.Errorf("the head has %s %q, the page %q", name, got, first.Header.Get(name))
		}
	}
	if head.StatusCode != 200 || none != "" || head.ContentLength != int64(len(plain)) {
		t.Errorf("the head: %d, %d bytes", head.StatusCode, len(none))
	}
	if at, err := http.ParseTime(first.Header.Get("Date")); err != nil || time.Since(at).Abs() > time.Minute || len(first.Header["Date"]) != 1 {
		t.Errorf("the date: %v", first.Header["Date"])
	}
	for given, status := range map[string]int{
		tag: 304, `"x", W/` + tag: 304, "*": 304, `"x"`: 200, strings.Trim(tag, `"`): 200,
	} {
		if a, body := s.look("GET", s.path, "If-None-Match: "+given); a.StatusCode != status || status == 304 && (body != "" || a.Header.Get("ETag") != tag) {
			t.Errorf("If-None-Match %s: %d, not %d", given, a.StatusCode, status)
		}
	}

	number := s.sale.String()
	for address, status := range map[string]int{
		s.path + "?utm_source=x": 200, s.path + "?from=0": 200, s.path + "?from=1": 404, s.path + "?from=x": 404,
		"/sales/%3" + number[:1] + number[1:]: 200, s.base + s.path: 200,
		s.path + "/": 404, "/sales/": 404, "/sales": 404, "/sales/0" + number: 404, "/sales/x": 404, "/sales/1": 404, "/sales/9223372036854775808": 404,
		"/sales/%2e%2e": 404, "/sales/" + number + "%2Fnow": 404, s.path + "/now": 200, "/products/mug": 200, "/products/Mug": 404, "/products/none": 404,
	} {
		a, body := s.look("GET", address)
		if a.StatusCode != status {
			t.Errorf("%s: %d, not %d", address, a.StatusCode, status)
		}
		if status == 200 && strings.Contains(address, "utm_source") && body != plain {
			t.Errorf("%s is another page", address)
		}
	}
	if a, _ := s.look("POST", s.path); a.StatusCode != 405 {
		t.Errorf("sending something to the page of a sale: %d", a.StatusCode)
	}

	scraped := httptest.NewRecorder()
	s.app.metrics.Handler().ServeHTTP(scraped, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
	for _, want := range []string{
		`http_request_method="GET",http_response_status_code="200",http_route="/sales/{id}"`, `http_response_status_code="304",http_route="/sales/{id}"`,
		`http_response_status_code="404",http_route="/sales/{id}"`, `http_response_status_code="200",http_route="/products/{handle}"`,
	} {
		if !strings.Contains(scraped.Body.String(), want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
}

// TestVisitsAreNotMixed: many shoppers at once, of whom each gets their own page and nobody another's, whoever was answered before with
// the same memory.
func TestVisitsAreNotMixed(t *testing.T) {
	t.Parallel()
	s := newPageShop(t)
	type reader struct{ cookie, lang, own string }
	readers := []reader{{"", "en", ""}, {"tg_lang=zh", "zh", ""}}
	for i := range 4 {
		who, cookie := s.shopper(fmt.Sprint("reader-", i))
		r := reader{cookie, "en", ""}
		if i%2 == 1 {
			r.cookie, r.lang = "tg_lang=zh; "+cookie, "zh"
		}
		if i > 1 {
			r.own = s.buy(who)
		}
		readers = append(readers, r)
	}
	var all sync.WaitGroup
	for i := range 3 * len(readers) {
		me := readers[i%len(readers)]
		all.Go(func() {
			for range 40 {
				for _, path := range []string{s.path, "/orders", "/nothing/here"} {
					r := httptest.NewRequestWithContext(t.Context(), "GET", path, nil)
					r.Header.Set("Cookie", me.cookie)
					w := httptest.NewRecorder()
					s.app.handler.ServeHTTP(w, r)
					body := w.Body.String()
					if path == "/orders" && !strings.Contains(me.cookie, "tg_access") {
						if to, _ := url.Parse(w.Header().Get("Location")); w.Code != http.StatusSeeOther || to.Path != "/signin" {
							t.Errorf("the orders of nobody: %d", w.Code)
						}
						continue
					}
					if strings.Contains(body, signedIn) != strings.Contains(me.cookie, "tg_access") || !strings.Contains(body, `<html lang="`+me.lang+`">`) {
						t.Errorf("%s: not the page of whoever asked", path)
					}
					for _, r := range readers {
						if mine := r.own == me.own && path != "/nothing/here"; r.own != "" && strings.Contains(body, r.own) != mine {
							t.Errorf("%s: %s is there: %v", path, r.own, !mine)
						}
					}
				}
			}
		})
	}
	all.Wait()
}

// TestAKeptPageAllocatesNoMoreThanAProductRead: for nobody, and for whoever is signed in and has bought nothing.
func TestAKeptPageAllocatesNoMoreThanAProductRead(t *testing.T) {
	s := newPageShop(t)
	_, cookie := s.shopper("ann")
	product, _, err := s.app.reader.Offer(t.Context(), s.sku)
	noError(t, err)
	allocations := func(path, cookie string) float64 {
		r := httptest.NewRequestWithContext(t.Context(), "GET", path, nil)
		r.Header.Set("Accept-Encoding", "gzip")
		r.Header.Set("Cookie", cookie)
		w := &discarded{header: http.Header{}}
		n := math.Inf(1)
		for range 5 { // the shop's loops allocate beside it: the least is the page's own
			n = min(n, testing.AllocsPerRun(200, func() {
				clear(w.header)
				s.app.handler.ServeHTTP(w, r)
			}))
		}
		if w.status != 200 || w.bytes == 0 {
			t.Fatalf("%s answers %d", path, w.status)
		}
		return n
	}
	most := allocations("/v1/products/"+product.String(), "")
	for _, cookie := range []string{"", cookie} {
		if n := allocations(s.path, cookie); n > most {
			t.Errorf("the page of a sale, cookie %.10s: %.0f allocations, a product read %.0f", cookie, n, most)
		}
	}
}

// TestPagesOfLists: the address of a page of a list with a cursor that the list has not given out is refused, and says what to do.
func TestPagesOfLists(t *testing.T) {
	s := newPageShop(t)
	who, cookie := s.shopper("lists")
	for n := range 45 {
		_, err := s.app.orders.Place(t.Context(), order.Request{
			Sale: s.sale, Customer: who.Customer, Key: fmt.Sprint("k", n), Lines: []inventory.Line{{SKU: s.sku, Units: 1}},
		})
		noError(t, err)
	}
	a, page := s.look("GET", "/orders", "Cookie: "+cookie)
	_, next, _ := strings.Cut(page, `href="/orders?cursor=`)
	next, _, _ = strings.Cut(next, `"`)
	if a.StatusCode != http.StatusOK || next == "" {
		t.Fatalf("answered %d, without a next page", a.StatusCode)
	}
	if a, _ := s.look("GET", "/orders?cursor="+next, "Cookie: "+cookie); a.StatusCode != http.StatusOK {
		t.Errorf("the next page is answered %d", a.StatusCode)
	}
	_, another := s.shopper("another")
	console, err := s.app.account.OpenConsole(t.Context(), s.app.localKey, netip.MustParseAddr("192.0.2.1"))
	noError(t, err)
	operator := "tg_console=" + console
	for _, of := range []struct{ address, cookie string }{
		{"/orders?cursor=" + next, another}, {"/orders?cursor=" + next[:len(next)-1], cookie}, {"/orders?cursor=" + next[:4], cookie},
		{"/search?q=cup&cursor=" + next, ""},
		{"/console/orders?cursor=" + next, operator}, {"/console/sales?cursor=" + next, operator}, {"/console/products?cursor=" + next, operator},
		{"/console/stock/" + s.sku.String() + "?cursor=" + next, operator}, {"/console/customers?cursor=" + next, operator},
		{"/console/keys?cursor=" + next, operator}, {"/console/webhooks/7?cursor=" + next, operator}, {"/console/log?cursor=" + next, operator}, {"/console/dead-letters?cursor=" + next, operator},
	} {
		if a, page := s.look("GET", of.address, "Cookie: "+of.cookie); a.StatusCode != http.StatusBadRequest || !strings.Contains(page, "first page") {
			t.Errorf("%s is answered %d", of.address, a.StatusCode)
		}
	}
}
