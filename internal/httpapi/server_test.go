package httpapi_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/alloctest"
	"github.com/tidegate/tidegate/internal/httpapi"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
)

func TestAddressesThatAreNone(t *testing.T) {
	s := newShop(t)
	for _, tt := range []struct {
		do     string
		status int
		code   fault.Code
		allow  string
	}{
		{"GET /", 404, fault.NotFound, ""},
		{"GET /v2/products", 404, fault.NotFound, ""},
		{"POST /v1/sales/1/orders/2", 404, fault.NotFound, ""},
		{"POST /v1/sales/1/2/orders", 404, fault.NotFound, ""},
		{"DELETE /v1/orders", 405, fault.MethodNotAllowed, "GET, HEAD, POST"},
		{"GET /v1/sales/1/orders", 405, fault.MethodNotAllowed, "POST"},
		{"PURGE /docs", 405, fault.MethodNotAllowed, "GET, HEAD"},
	} {
		t.Run(tt.do, func(t *testing.T) {
			a := s.do(t, call{do: tt.do}).is(tt.status, tt.code, "")
			if got := a.header.Get("Allow"); tt.allow != "" && got != tt.allow {
				t.Errorf("Allow: %s, want %s", got, tt.allow)
			}
		})
	}
}

func TestRequestIDs(t *testing.T) {
	s := newShop(t)
	given := func(id string) string {
		return s.do(t, call{do: "GET /v1/sales", head: map[string]string{"X-Request-Id": id}}).header.Get("X-Request-Id")
	}
	if got := given("proxy-1.a_B"); got != "proxy-1.a_B" {
		t.Errorf("%q was not taken", got)
	}
	for _, bad := range []string{"", "a b", "a\"b", "<b>", strings.Repeat("x", 65)} {
		if got := given(bad); len(got) != 16 || got == bad {
			t.Errorf("%q became %q", bad, got)
		}
	}
}

// broken answers every order with an error or a panic.
type broken struct {
	httpapi.Orders
	err   error
	panic any
}

func (b broken) Place(context.Context, order.Request) (order.Placed, error) {
	if b.panic != nil {
		panic(b.panic)
	}
	return order.Placed{}, b.err
}

func TestFaultsOfOurs(t *testing.T) {
	secret := errors.New("dial tcp 10.0.0.7: secret")
	for _, tt := range []struct {
		name   string
		orders broken
		status int
		code   fault.Code
		lines  int // in the log
		retry  bool
	}{
		{"a panic", broken{panic: "index out of range"}, 500, fault.Internal, 1, false},
		{"an error nobody thought of", broken{err: secret}, 500, fault.Internal, 1, false},
		{"the disk is full", broken{err: fault.Wrap(fault.StoreFull, secret, "Try again.").After(5 * time.Second)}, 503, fault.StoreFull, 1, true},
		{"the database is away", broken{err: fault.Wrap(fault.StoreUnavailable, secret, "")}, 503, fault.StoreUnavailable, 1, true},
		{"too long", broken{err: context.DeadlineExceeded}, 503, fault.TimedOut, 1, true},
		{"stopping", broken{err: fault.New(fault.ShuttingDown, "")}, 503, fault.ShuttingDown, 0, true},
		{"a refusal", broken{err: fault.New(fault.SoldOut, "")}, 409, fault.SoldOut, 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newShop(t, func(p *httpapi.Parts) { p.Orders = tt.orders })
			a := s.do(t, call{as: "ada", do: "POST /v1/orders", key: "k", body: one(mug)}).is(tt.status, tt.code, "")
			if strings.Contains(string(a.body), "secret") || strings.Contains(string(a.body), "index") {
				t.Errorf("the cause is shown: %s", a.body)
			}
			if (a.header.Get("Retry-After") != "") != tt.retry {
				t.Errorf("Retry-After: %q", a.header.Get("Retry-After"))
			}
			log := s.log.String()
			if n := strings.Count(log, "\n"); n != tt.lines || tt.lines > 0 && !strings.Contains(log, tt.code.String()) {
				t.Errorf("logged %d lines: %s", n, log)
			}
			if n := s.done.count(fmt.Sprint("POST /v1/orders ", tt.status)); n != 1 {
				t.Errorf("recorded %d times", n)
			}
		})
	}
}

func TestAStormOfFaultsIsAFewLines(t *testing.T) {
	s := newShop(t, func(p *httpapi.Parts) { p.Orders = broken{err: fault.New(fault.StoreFull, "")} })
	for range 200 {
		s.do(t, call{as: "ada", do: "POST /v1/orders", key: "k", body: one(mug)}).is(503, fault.StoreFull, "")
	}
	if n := strings.Count(s.log.String(), "\n"); n < 10 || n > 40 {
		t.Errorf("%d lines", n)
	}
}

// undecided is an order path that does not know yet.
type undecided struct{ httpapi.Orders }

func (undecided) Place(context.Context, order.Request) (order.Placed, error) {
	return order.Placed{Order: order.Order{ID: 77, Status: order.Undecided}, Undecided: true, Ticket: "good"}, nil
}

func (undecided) Get(context.Context, id.Customer, id.Order, time.Duration) (order.Placed, error) {
	return order.Placed{Order: order.Order{ID: 77, Status: order.Undecided}, Undecided: true, Ticket: "good"}, nil
}

func (undecided) Bind(ticket string, _ id.Session) string { return ticket }

func TestAnUndecidedOrderIsNoFailure(t *testing.T) {
	s := newShop(t, func(p *httpapi.Parts) { p.Orders = undecided{} })
	for _, c := range []call{{do: "POST /v1/orders", key: "k", body: one(mug)}, {do: "GET /v1/orders/77"}} {
		c.as = "ada"
		var ticket struct{ ID, Status string }
		s.do(t, c).is(202, 0, "").in(&ticket)
		if ticket.ID != "77" || ticket.Status != "undecided" {
			t.Errorf("%+v", ticket)
		}
	}
}

func TestOneKeyFiftyTimesAtOnce(t *testing.T) {
	s := newShop(t)
	sl := s.openSale(50, 0, bowl)
	var wait sync.WaitGroup
	var mu sync.Mutex
	bodies := map[string]int{}
	fresh := 0
	for range 50 {
		wait.Go(func() {
			a := s.do(t, call{as: "ada", do: fmt.Sprintf("POST /v1/sales/%s/orders", sl), key: "same", body: one(bowl)})
			mu.Lock()
			defer mu.Unlock()
			bodies[fmt.Sprint(a.status, string(a.body))]++
			if a.header.Get("Idempotent-Replayed") == "" {
				fresh++
			}
		})
	}
	wait.Wait()
	if len(bodies) != 1 || fresh != 1 {
		t.Errorf("%d answers are fresh, want 1: %v", fresh, bodies)
	}
	s.available(t, sl, bowl, 49)
}

func TestTheContractAndItsPage(t *testing.T) {
	s := newShop(t)
	page := s.do(t, call{do: "GET /docs"}).is(200, 0, "")
	for _, want := range []string{"placeSaleOrder", `id="sold_out"`, `id="schema-Order"`, "admin key, role sales", "<td>units of unpaid orders come back</td>"} {
		if !strings.Contains(string(page.body), want) {
			t.Errorf("the page says nothing of %s", want)
		}
	}
	for _, foreign := range []string{"<script", "src=", "@import", "url("} {
		if strings.Contains(string(page.body), foreign) {
			t.Errorf("the page has %s", foreign)
		}
	}
	again := s.do(t, call{do: "GET /openapi.yaml", head: map[string]string{"If-None-Match": s.do(t, call{do: "GET /openapi.yaml"}).header.Get("ETag")}})
	if again.status != http.StatusNotModified || len(again.body) != 0 {
		t.Errorf("%d", again.status)
	}
}

// TestTheContractIsCompressed checks that the contract and its page are small for who takes gzip, and are the same for who does not.
func TestTheContractIsCompressed(t *testing.T) {
	s := newShop(t)
	for _, path := range []string{"/docs", "/openapi.yaml"} {
		plain := s.do(t, call{do: "GET " + path}).is(200, 0, "")
		small := s.do(t, call{do: "GET " + path, head: map[string]string{"Accept-Encoding": "br, gzip"}}).is(200, 0, "")
		if small.header.Get("Content-Encoding") != "gzip" || len(small.body)*3 > len(plain.body) || plain.header.Get("Content-Encoding") != "" {
			t.Errorf("%s: %d of %d bytes, %v", path, len(small.body), len(plain.body), small.header)
		}
		r, err := gzip.NewReader(bytes.NewReader(small.body))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, plain.body) {
			t.Errorf("%s: what was compressed is not the document (%v)", path, err)
		}
		tag := small.header.Get("ETag")
		if tag == plain.header.Get("ETag") || small.header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%s: both forms have the ETag %s", path, tag)
		}
		if again := s.do(t, call{do: "GET " + path, head: map[string]string{"Accept-Encoding": "gzip", "If-None-Match": tag}}); again.status != http.StatusNotModified {
			t.Errorf("%s: %d for its own ETag", path, again.status)
		}
	}
}

// TestUnknownParameters checks that they are refused on every route of the contract but the one that payment providers post to.
func TestUnknownParameters(t *testing.T) {
	s := newShop(t)
	const refused = "There is no parameter"
	for _, route := range []string{"GET /v1/products", "GET /v1/sales", "POST /v1/sessions", "POST /v1/orders"} {
		a := s.do(t, call{as: "ada", do: route + "?acount=1"})
		if a.status != http.StatusBadRequest || !strings.Contains(string(a.body), refused) {
			t.Errorf("%s: %d %s", route, a.status, a.body)
		}
	}
	if a := s.do(t, call{do: "POST /v1/payments/sandbox/notifications?account=1", body: "{}"}); strings.Contains(string(a.body), refused) {
		t.Errorf("a notification of a payment is refused: %d %s", a.status, a.body)
	}
}

func TestMounted(t *testing.T) {
	s := newShop(t, func(p *httpapi.Parts) {
		p.Mounted = map[string]http.Handler{"GET /sandbox/": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "cashier") })}
	})
	w := httptest.NewRecorder()
	s.server.ServeHTTP(w, httptest.NewRequest("GET", "/sandbox/pay/1", nil))
	if w.Code != 200 || w.Body.String() != "cashier" || s.done.count("GET /sandbox/ 200") != 1 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestOverTheNetwork goes through a real listener: a body that stops in the middle, and one that never ends.
func TestOverTheNetwork(t *testing.T) {
	s := newShop(t)
	s.receive(mug, 1)
	c := httpapi.DefaultConfig()
	c.ReadTimeout = 300 * time.Millisecond
	server := httptest.NewUnstartedServer(nil)
	server.Config = c.HTTPServer(s.server)
	server.Start()
	defer server.Close()

	post := func(body io.Reader) *http.Response {
		r := must(http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/v1/orders", body))(t)
		r.Header.Set("Authorization", "Bearer "+s.bearer["ada"])
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Idempotency-Key", "k")
		answered := must(http.DefaultClient.Do(r))(t)
		check(t, answered.Body.Close())
		return answered
	}
	slow, never := io.Pipe()
	defer never.Close()
	if got := post(slow).StatusCode; got != http.StatusServiceUnavailable {
		t.Errorf("a body that does not come: %d", got)
	}
	if got := post(io.LimitReader(endless{}, 64<<10)).StatusCode; got != http.StatusRequestEntityTooLarge {
		t.Errorf("a body without end: %d", got)
	}
	if got := post(strings.NewReader(one(mug))).StatusCode; got != http.StatusCreated {
		t.Errorf("a good order: %d", got)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func TestConfig(t *testing.T) {
	check(t, httpapi.DefaultConfig().Validate())
	for field, change := range map[string]func(*httpapi.Config){
		"address":          func(c *httpapi.Config) { c.Address = "8080" },
		"read_timeout":     func(c *httpapi.Config) { c.ReadTimeout = 0 },
		"write_timeout":    func(c *httpapi.Config) { c.WriteTimeout = c.RequestTimeout },
		"header_bytes_max": func(c *httpapi.Config) { c.HeaderBytesMax = 100 },
	} {
		c := httpapi.DefaultConfig()
		change(&c)
		if e, ok := errors.AsType[*fault.Error](c.Validate()); !ok || e.Field != field {
			t.Errorf("%s: %v", field, e)
		}
	}
}

// listenerRequests are hot requests, and how often one allocates in the listener.
var listenerRequests = []struct {
	name string
	most float64
}{{"order", 3}, {"sold out", 3}, {"sale", 2}}

// listenerAlone returns what sends a request through the listener over modules that answer at once.
func listenerAlone(tb testing.TB, name string) (run func()) {
	s := newShop(tb)
	sl := s.openSale(1, 0, bowl)
	s.parts.Orders = instant{}
	if name == "sold out" {
		s.parts.Orders = instant{err: fault.New(fault.SoldOut, "There is not enough left of SKU 1.")}
	}
	s.parts.Record = func(string, string) httpapi.Recorder { return recorderFunc(func(int) {}) }
	server := must(httpapi.New(s.parts))(tb)
	c := call{as: "ada", do: fmt.Sprintf("POST /v1/sales/%s/orders", sl), key: "k", body: one(bowl)}
	if name == "sale" {
		c = call{do: "GET /v1/sales/" + sl.String()}
	}
	r := s.request(c)
	body := strings.NewReader(c.body)
	r.Body = io.NopCloser(body)
	w := &discard{h: http.Header{}}
	return func() {
		body.Reset(c.body)
		clear(w.h)
		server.ServeHTTP(w, r)
		if w.status >= 400 && name != "sold out" {
			tb.Fatal(w.status)
		}
	}
}

func TestAllocationsOfTheListener(t *testing.T) {
	for _, r := range listenerRequests {
		t.Run(r.name, func(t *testing.T) { alloctest.AtMost(t, r.most, listenerAlone(t, r.name)) })
	}
}

func BenchmarkListener(b *testing.B) {
	for _, r := range listenerRequests {
		b.Run(r.name, func(b *testing.B) {
			run := listenerAlone(b, r.name)
			b.ReportAllocs()
			for b.Loop() {
				run()
			}
		})
	}
}

type instant struct {
	httpapi.Orders
	err error
}

var placed = order.Placed{Order: order.Order{ID: 7240126464000107, Sale: 20, Status: order.Pending, Lines: []order.Line{{SKU: 12, Units: 1, UnitPrice: 999}}, Units: 1}}

func (i instant) Place(context.Context, order.Request) (order.Placed, error) { return placed, i.err }

type discard struct {
	h      http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.h }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(status int)      { d.status = status }
