package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/tidegate/tidegate/api"
	"github.com/tidegate/tidegate/api/events"
	"github.com/tidegate/tidegate/internal/app/eventbus"
	"github.com/tidegate/tidegate/internal/await"
	"github.com/tidegate/tidegate/internal/bus"
	"github.com/tidegate/tidegate/internal/delivery"
	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/event"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// treatments says what each group of consumers does with rehearsals. It is written down a second time on purpose: a group that is
// added has to be said here too.
var treatments = map[string]eventbus.Treatment{"webhook": eventbus.OnRequest, "points": eventbus.LeavesOut, "notify": eventbus.LeavesOut}

// marked returns a golden sample of an event as a rehearsal's.
func marked(kind string) []byte {
	var compact bytes.Buffer
	if err := json.Compact(&compact, events.Sample(kind)); err != nil {
		panic(err)
	}
	return append(bytes.TrimSuffix(compact.Bytes(), []byte("}")), `,"rehearsal":true}`...)
}

// TestEveryConsumerSaysWhatItDoesWithRehearsals hands every event there is, as the shop's own and as a rehearsal's, to every group.
func TestEveryConsumerSaysWhatItDoesWithRehearsals(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	c.Notify.Sender = "file"
	a, err := New(t.Context(), c, Options{})
	noError(t, err)
	defer func() { noError(t, a.Close()) }()
	if len(a.events.Consumers) != len(treatments) {
		t.Errorf("%d groups of consumers, and the table has %d", len(a.events.Consumers), len(treatments))
	}
	for _, c := range a.events.Consumers {
		want := treatments[c.Group.Name]
		if want == 0 || c.Rehearsals != want {
			t.Errorf("the group %s treats rehearsals as %d, and the table says %d", c.Group.Name, c.Rehearsals, want)
		}
		for _, kind := range events.Types() {
			for _, rehearsal := range []bool{false, true} {
				payload := events.Sample(kind)
				if rehearsal {
					payload = marked(kind)
				}
				var told []event.Event
				c.Apply = func(_ context.Context, batch []event.Event) error { told = append(told, batch...); return nil }
				m := delivery.MessageOf(event.Event{Position: 1, Type: kind, Subject: 1, Payload: payload})
				noError(t, c.Handle(t.Context(), []bus.Delivery{{Message: bus.Message(m), Try: 1}}))
				if got := len(told) == 1; got != (!rehearsal || want == eventbus.OnRequest) {
					t.Errorf("%s of %s, a rehearsal's: %t, was told: %t", c.Group.Name, kind, rehearsal, got)
				}
			}
		}
	}
}

// TestRehearsalsBeforeTheMark: an event of an order says by its customer alone that it is a rehearsal's.
func TestRehearsalsBeforeTheMark(t *testing.T) {
	t.Parallel()
	for payload, want := range map[string]bool{
		`{"id":"7240126464000107","customer_id":"1099511627776","status":"paid"}`:    true,
		`{"id":"7240126464000107","customer_id":"4503599627370496","status":"paid"}`: false,
		`{"id":"7240126464000107","customer_id":"7240126464000004","status":"paid"}`: false,
		`{"reason":"\"rehearsal\":true"}`:                                            false,
		`{"refund_id":"1","rehearsal":true}`:                                         true,
		`{}`:                                                                         false,
	} {
		e := event.Event{Payload: []byte(payload)}
		if e.OfRehearsal() != want {
			t.Errorf("%s: %t", payload, !want)
		}
	}
}

// hooked is a receiver of webhooks.
type hooked struct {
	mu   sync.Mutex
	told []string // bodies
}

func (h *hooked) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.told = append(h.told, string(b))
	w.WriteHeader(http.StatusNoContent)
}

func (h *hooked) bodies() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.told)
}

// stage is a shop in which a rehearsal and an ordinary sale were held, and everything that can follow.
type stage struct {
	*testing.T
	app           *App
	at            Addresses
	plain, asked  *hooked // without and with rehearsals
	sale          id.Sale // the ordinary one
	sku           id.SKU
	rehearsal     api.Rehearsal
	shopper, fake string // tokens: of a customer, and of a rehearsal's
	orders        map[string]string
	refund        string
	browser       *http.Client // of an operator who is signed in
}

func (s *stage) ask(method, path, token, body string) (int, string) {
	s.Helper()
	r, err := http.NewRequestWithContext(s.Context(), method, s.at.Public+path, strings.NewReader(body))
	noError(s.T, err)
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Idempotency-Key", fmt.Sprint("k", time.Now().UnixNano()))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	a, err := http.DefaultClient.Do(r)
	noError(s.T, err)
	text, err := io.ReadAll(a.Body)
	noError(s.T, err)
	noError(s.T, a.Body.Close())
	return a.StatusCode, string(text)
}

func (s *stage) must(want int, method, path, token, body string, into any) {
	s.Helper()
	status, text := s.ask(method, path, token, body)
	if status != want {
		s.Fatalf("%s %s: %d %s", method, path, status, text)
	}
	if into != nil {
		noError(s.T, json.Unmarshal([]byte(text), into))
	}
}

// becomes waits until an order has a status.
func (s *stage) becomes(order, status string) {
	s.Helper()
	await.Until(s.T, order+" is "+status, func() bool {
		var o struct{ Status string }
		s.must(200, "GET", "/v1/admin/orders/"+order, s.app.localKey, "", &o)
		return o.Status == status
	})
}

// pay places an order and pays it, and waits until that is known. It returns its id.
func (s *stage) pay(path string, sku id.SKU, token string) string {
	s.Helper()
	var o struct{ ID string }
	s.must(201, "POST", path, token, fmt.Sprintf(`{"lines":[{"sku_id":"%s","quantity":1}]}`, sku), &o)
	var p struct {
		PayURL string `json:"pay_url"`
	}
	s.must(201, "POST", "/v1/orders/"+o.ID+"/payments", token, "", &p)
	r, err := http.Post(p.PayURL, "application/x-www-form-urlencoded", strings.NewReader("action=pay"))
	noError(s.T, err)
	noError(s.T, r.Body.Close())
	s.becomes(o.ID, "paid")
	return o.ID
}

// buy places an order, pays it and has it refunded, and waits until that has happened. It returns its refund.
func (s *stage) buy(name, path string, sku id.SKU, token string) string {
	s.Helper()
	s.orders[name] = s.pay(path, sku, token)
	var f struct{ ID string }
	s.must(201, "POST", "/v1/admin/orders/"+s.orders[name]+"/refund", s.app.localKey, `{"reason":"test","restock":true}`, &f)
	s.becomes(s.orders[name], "refunded")
	return f.ID
}

func newStage(t *testing.T, change ...func(*Config)) *stage {
	t.Helper()
	s := &stage{T: t, plain: &hooked{}, asked: &hooked{}, orders: map[string]string{}}
	s.app, s.at = opened(t, Options{}, append([]func(*Config){(*Config).demonstrate}, change...)...)
	for h, extra := range map[*hooked]string{s.plain: "", s.asked: `,"include_rehearsals":true`} {
		server := httptest.NewServer(h)
		t.Cleanup(server.Close)
		s.must(201, "POST", "/v1/admin/webhooks", s.app.localKey, fmt.Sprintf(`{"url":%q,"event_types":["*"]%s}`, server.URL, extra), nil)
	}
	s.sale, s.sku = stocked(t, s.app, 10)
	_, err := s.app.stock.Adjust(t.Context(), inventory.Adjustment{SKU: s.sku, Kind: inventory.Receive, Units: 5, Reason: "test", Actor: "test", Key: "more"})
	noError(t, err)
	s.browser = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	s.browser.Jar, err = cookiejar.New(nil)
	noError(t, err)
	_, key, err := s.app.account.CreateKey(t.Context(), "test", []string{"all"})
	noError(t, err)
	s.form("/console/signin", url.Values{"key": {key}})
	var grant struct {
		Token string `json:"access_token"`
	}
	login := `{"email":"ada@example.test","password":"correct horse battery"}`
	s.must(201, "POST", "/v1/customers", "", login, nil)
	s.must(201, "POST", "/v1/sessions", "", login, &grant)
	s.shopper = grant.Token
	s.must(201, "POST", "/v1/admin/rehearsals", s.app.localKey, `{"title":"ONLYREHEARSED","skus":1,"quantity":5,"shoppers":2}`, &s.rehearsal)
	var tokens api.RehearsalTokens
	s.must(201, "POST", "/v1/admin/rehearsals/"+s.rehearsal.SaleId.String()+"/tokens", s.app.localKey, `{"first":0,"count":2}`, &tokens)
	s.fake = tokens.Tokens[0]
	await.Until(s.T, "the rehearsal is open", func() bool {
		_, text := s.ask("GET", "/v1/sales/"+s.rehearsal.SaleId.String(), "", "")
		return strings.Contains(text, `"status":"live"`) && strings.Contains(text, `"available":5`)
	})
	return s
}

// TestNothingOfARehearsalLeavesTheShop: what follows an order follows the shop's own alone, and those who asked for rehearsals are
// told of them marked.
func TestNothingOfARehearsalLeavesTheShop(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.refund = s.buy("rehearsed", "/v1/sales/"+s.rehearsal.SaleId.String()+"/orders", s.rehearsal.SkuIds[0], s.fake)
	s.buy("real", "/v1/sales/"+s.sale.String()+"/orders", s.sku, s.shopper)
	refunded := func(order string) func(string) bool {
		return func(body string) bool {
			return strings.Contains(body, `"order.refunded.v1"`) && strings.Contains(body, `"id":"`+order+`"`)
		}
	}
	await.Until(s.T, "both endpoints know of the real order", func() bool {
		return slices.ContainsFunc(s.plain.bodies(), refunded(s.orders["real"])) && slices.ContainsFunc(s.asked.bodies(), refunded(s.orders["real"]))
	})
	await.Until(s.T, "who asked for rehearsals knows of the other", func() bool {
		return slices.ContainsFunc(s.asked.bodies(), refunded(s.orders["rehearsed"]))
	})
	kinds := map[string]int{}
	for h, wants := range map[*hooked]bool{s.plain: false, s.asked: true} {
		for _, body := range h.bodies() {
			of := s.about(body)
			mark := strings.Contains(body, `"rehearsal":true`)
			if mark != of || mark && !wants {
				t.Errorf("an endpoint that wants rehearsals: %t, was told: %s", wants, body)
			}
			if mark {
				var e struct{ Type string }
				noError(t, json.Unmarshal([]byte(body), &e))
				kinds[e.Type]++
			}
		}
	}
	for _, kind := range []string{
		"product.changed.v1", "sale.changed.v1", "stock.moved.v1", "order.placed.v1", "order.paid.v1", "order.refunded.v1",
		"payment.open.v1", "payment.succeeded.v1", "refund.requested.v1", "refund.succeeded.v1",
	} {
		if kinds[kind] == 0 {
			t.Errorf("nothing was told of a rehearsal's %s", kind)
		}
	}
	for token, want := range map[string]int{s.fake: 0, s.shopper: 1} {
		var points struct{ Orders []any }
		await.Until(s.T, "points", func() bool {
			s.must(200, "GET", "/v1/points", token, "", &points)
			return len(points.Orders) == want
		})
	}
	await.Until(s.T, "the real order's mails", func() bool {
		mails, _ := filepath.Glob(filepath.Join(s.app.config.Data, "mail", "*"))
		return len(mails) >= 3
	})
	mails, _ := filepath.Glob(filepath.Join(s.app.config.Data, "mail", "*"))
	for _, m := range mails {
		if text, err := os.ReadFile(m); err != nil || strings.Contains(string(text), s.orders["rehearsed"]) {
			t.Errorf("a mail of a rehearsal: %s %v", text, err)
		}
	}
	answer, err := http.Get(s.at.Ops + "/metrics")
	noError(t, err)
	text, err := io.ReadAll(answer.Body)
	noError(t, err)
	noError(t, answer.Body.Close())
	for _, line := range []string{`tidegate_orders_total{outcome="created"} 1`, `tidegate_rehearsal_orders_total{outcome="created"} 1`} {
		if !strings.Contains(string(text), line+"\n") {
			t.Errorf("the metrics lack %s", line)
		}
	}
}

// about reports whether a text tells of the rehearsal.
func (s *stage) about(text string) bool {
	all := []string{"ONLYREHEARSED", s.rehearsal.SaleId.String(), s.rehearsal.FirstCustomerId.String(), s.orders["rehearsed"], s.refund}
	for _, p := range s.rehearsal.ProductIds {
		all = append(all, p.String())
	}
	for _, sku := range s.rehearsal.SkuIds {
		all = append(all, sku.String())
	}
	return slices.ContainsFunc(all, func(part string) bool { return part != "" && strings.Contains(text, part) })
}

// TestRehearsalsAndTheShopAreApart: who was made for a rehearsal orders in rehearsals alone, and nobody else does.
func TestRehearsalsAndTheShopAreApart(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	made, sold := s.rehearsal.SkuIds[0].String(), s.sku.String()
	in, out := "/v1/sales/"+s.rehearsal.SaleId.String()+"/orders", "/v1/sales/"+s.sale.String()+"/orders"
	for _, one := range []struct {
		name, path, sku, token string
		want                   int
	}{
		{"a rehearsal's shopper in its sale", in, made, s.fake, 201},
		{"a customer in a sale", out, sold, s.shopper, 201},
		{"a customer from general stock", "/v1/orders", sold, s.shopper, 201},
		{"a customer in a rehearsal's sale", in, made, s.shopper, 422},
		{"a rehearsal's shopper in a sale", out, sold, s.fake, 422},
		{"a rehearsal's shopper from general stock", "/v1/orders", sold, s.fake, 422},
		{"a rehearsal's shopper of its goods from general stock", "/v1/orders", made, s.fake, 422},
		{"a customer of a rehearsal's goods from general stock", "/v1/orders", made, s.shopper, 422},
	} {
		status, text := s.ask("POST", one.path, one.token, fmt.Sprintf(`{"lines":[{"sku_id":"%s","quantity":1}]}`, one.sku))
		if status != one.want || status == 422 && !strings.Contains(text, `"not_in_sale"`) {
			t.Errorf("%s: %d %s", one.name, status, text)
		}
	}
	terms := `{"title":"Drop","starts_at":"%s","ends_at":"%s","payment_window_seconds":60,"items":[{"sku_id":"%s","price":{"minor":5,"currency":"GBP"},"allocation":1}]}`
	if status, text := s.ask("POST", "/v1/admin/sales", s.app.localKey, fmt.Sprintf(terms, soon(time.Hour), soon(2*time.Hour), made)); status != 422 || !strings.Contains(text, "not_in_sale") {
		t.Errorf("a sale of a rehearsal's goods: %d %s", status, text)
	}
}

// reading says how a read of the contract treats rehearsals.
type reading string

const (
	without reading = "without" // a list or a figure: nothing of a rehearsal is in it
	apart   reading = "apart"   // asks for a rehearsal, or for one thing by its id, which is marked where it is a rehearsal's
	other   reading = "other"   // is not about what rehearsals make
)

// readings says of every read of the contract how it treats rehearsals. A read that is added has to be said here too.
var readings = map[string]reading{
	"/v1/products": without, "/v1/categories": without, "/v1/brands": without, "/v1/sales": without, "/v1/admin/products": without,
	"/v1/admin/products/export": without, "/v1/admin/categories": without, "/v1/admin/brands": without, "/v1/admin/sales": without,
	"/v1/admin/orders": without, "/v1/admin/refunds": without, "/v1/admin/customers": without, "/v1/admin/dead-letters": without,
	"/v1/admin/webhooks": without, "/v1/orders": without, "/v1/points": without,
	"/v1/products/{id}": apart, "/v1/products/by-sku/{sku}": apart, "/v1/products/by-handle/{handle}": apart, "/v1/sales/{id}": apart,
	"/v1/orders/{id}": apart, "/v1/orders/{id}/payments": apart, "/v1/orders/{id}/events": apart, "/v1/admin/products/{id}": apart,
	"/v1/admin/sales/{id}": apart, "/v1/admin/orders/{id}": apart, "/v1/admin/stock/{sku_id}": apart, "/v1/admin/stock/{sku_id}/movements": apart,
	"/v1/admin/rehearsals": apart, "/v1/admin/rehearsals/{id}/orders": apart,
	// Who did what is not a figure: the audit log names rehearsals by their verb and subject.
	"/v1/admin/audit-log": apart,
	"/openapi.yaml":       other, "/docs": other, "/v1/customers/me": other, "/v1/admin/customers/{id}": other, "/v1/admin/customers/{id}/sessions": other,
	"/v1/admin/settings": other, "/v1/admin/settings/changes": other,
	"/v1/admin/keys": other, "/v1/admin/dead-letters/{number}": other, "/v1/admin/webhooks/{id}": other, "/v1/admin/webhooks/{id}/deliveries": other,
}

// pages are the pages that list, and none of them shows a rehearsal.
var pages = []string{
	"/", "/search?q=ONLYREHEARSED", "/search?q=", "/console/orders", "/console/sales", "/console/products", "/console/products?q=ONLYREHEARSED",
	"/console/customers", "/console/dead-letters", "/console/webhooks", "/sitemap.xml",
}

// TestListsLeaveRehearsalsOut reads every list of the contract and of the pages after a rehearsal was held.
func TestListsLeaveRehearsalsOut(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.refund = s.buy("rehearsed", "/v1/sales/"+s.rehearsal.SaleId.String()+"/orders", s.rehearsal.SkuIds[0], s.fake)
	real := s.buy("real", "/v1/sales/"+s.sale.String()+"/orders", s.sku, s.shopper)
	doc, err := openapi3.NewLoader().LoadFromData(api.Spec)
	noError(t, err)
	for path, item := range doc.Paths.Map() {
		if item.Get == nil {
			continue
		}
		switch readings[path] {
		case "":
			t.Errorf("GET %s is in the contract, and the table does not say how it treats rehearsals", path)
		case without:
			token := s.app.localKey
			if !strings.HasPrefix(path, "/v1/admin/") {
				token = s.shopper
			}
			status, text := s.ask("GET", path, token, "")
			if status != 200 || s.about(text) {
				t.Errorf("GET %s: %d %s", path, status, text)
			}
		case apart, other:
		}
	}
	for path, want := range map[string][]string{
		"/v1/admin/refunds":                                                    {real},
		"/v1/admin/orders":                                                     {s.orders["real"]},
		"/v1/admin/orders/" + s.orders["rehearsed"]:                            {`"rehearsal":true`},
		"/v1/admin/orders?sale_id=" + s.rehearsal.SaleId.String():              {s.orders["rehearsed"], `"rehearsal":true`},
		"/v1/admin/orders?customer_id=" + s.rehearsal.FirstCustomerId.String(): {s.orders["rehearsed"], `"rehearsal":true`},
		"/v1/sales/" + s.rehearsal.SaleId.String():                             {`"rehearsal":true`},
		"/v1/products/" + s.rehearsal.ProductIds[0].String():                   {`"rehearsal":true`},
		"/v1/admin/rehearsals":                                                 {"ONLYREHEARSED"},
	} {
		_, text := s.ask("GET", path, s.app.localKey, "")
		for _, part := range want {
			if !strings.Contains(text, part) {
				t.Errorf("GET %s lacks %s: %s", path, part, text)
			}
		}
	}
	for _, path := range pages {
		if text := s.page(path); s.about(strings.ReplaceAll(text, "q=ONLYREHEARSED", "")) && !strings.Contains(path, "ONLYREHEARSED") {
			t.Errorf("the page %s shows a rehearsal:\n%s", path, text)
		}
	}
	for _, path := range []string{"/sales/" + s.rehearsal.SaleId.String(), "/products/rehearsal-" + s.rehearsal.FirstCustomerId.String() + "-1"} {
		if text := s.page(path); strings.Contains(text, `name="sku" value=`) || !strings.Contains(text, "rehearsal") {
			t.Errorf("the page %s offers a rehearsal's goods:\n%s", path, text)
		}
	}
	for _, path := range []string{"/console/orders/" + s.orders["rehearsed"], "/console/sales/" + s.rehearsal.SaleId.String(), "/console/live-sales/" + s.rehearsal.SaleId.String()} {
		if text := s.page(path); !strings.Contains(text, ">Rehearsal</span>") {
			t.Errorf("the page %s does not say that it is a rehearsal:\n%s", path, text)
		}
	}
}

// page returns a page as the operator sees it.
func (s *stage) page(path string) string {
	s.Helper()
	r, err := http.NewRequestWithContext(s.Context(), http.MethodGet, s.at.Public+path, nil)
	noError(s.T, err)
	r.Header.Set("Accept", "text/html")
	return s.browse(r)
}

// form sends a form and returns the page that it leads to.
func (s *stage) form(path string, values url.Values) string {
	s.Helper()
	r, err := http.NewRequestWithContext(s.Context(), http.MethodPost, s.at.Public+path, strings.NewReader(values.Encode()))
	noError(s.T, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return s.browse(r)
}

func (s *stage) browse(r *http.Request) string {
	s.Helper()
	a, err := s.browser.Do(r)
	noError(s.T, err)
	text, err := io.ReadAll(a.Body)
	noError(s.T, err)
	noError(s.T, a.Body.Close())
	if to := a.Header.Get("Location"); to != "" {
		return s.page(to)
	}
	return string(text)
}
