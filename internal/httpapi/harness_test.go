package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/account"
	"github.com/tidegate/tidegate/internal/httpapi"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/payment"
	"github.com/tidegate/tidegate/internal/payment/sandbox"
	"github.com/tidegate/tidegate/internal/shoptest"
)

// shop is the API over the real modules and the real store, with a clock that tests move.
type shop struct {
	*shoptest.Selling
	t        testing.TB
	orders   *order.Service
	payments *payment.Service
	sandbox  *sandbox.Provider
	public   string // where the sandbox finds the shop
	accounts *account.Service
	tokens   *account.Tokens
	parts    httpapi.Parts
	server   *httpapi.Server
	log      *syncBuffer
	done     *recorders
	bearer   map[string]string // by the name that tests give a caller
}

// customers are the shoppers that tests know by name.
var customers = map[string]id.Customer{"ada": 1001, "bob": 1002}

// tokenLifetime outlasts a sale of the tests.
const tokenLifetime = 2 * time.Hour

func newShop(t testing.TB, change ...func(*httpapi.Parts)) *shop {
	t.Helper()
	s := &shop{Selling: shoptest.Open(t).Sell(), t: t, public: "http://shop.test", log: &syncBuffer{}, done: &recorders{}}
	config := order.DefaultConfig()
	config.AnswerWithin = answerWithin
	committer := s.Committer(s.Store, config)
	s.orders = s.Orders(s.Store, committer, config)
	s.Drive(committer.Wake(), committer.Step)
	s.signIn()
	s.takePayments()
	s.parts = httpapi.Parts{
		Callers: s.accounts, Accounts: s.accounts, Orders: s.orders, Closer: s.payments, Payments: s.payments, Sales: s.Sales, Stock: s.Stock, Levels: s.Gate,
		PaymentWindow: s.orders.PaymentWindow, Clock: s.Clock, Config: httpapi.DefaultConfig(), Record: s.done.of,
		Log: slog.New(slog.NewTextHandler(s.log, nil)),
	}
	for _, f := range change {
		f(&s.parts)
	}
	s.server = must(httpapi.New(s.parts))(t)
	return s
}

// answerWithin is as long as can be: no test means to meet its end.
const answerWithin = 30 * time.Second

// sandboxSecret signs the notifications of the tests' provider.
const sandboxSecret = "only the two of us know"

// takePayments makes the module that takes payments, and its provider.
func (s *shop) takePayments() {
	quiet := slog.New(slog.DiscardHandler)
	s.sandbox = sandbox.New(sandbox.Parts{
		Ledger: s.Store, Secret: sandboxSecret, Base: func() string { return s.public }, Clock: s.Clock, Mint: s.Mint, Log: quiet,
		Allow: func(*http.Request, id.Order) error { return nil },
	})
	settings := payment.DefaultConfig()
	settings.Provider = payment.Sandbox
	s.payments = payment.NewService(payment.Parts{
		Store: s.Store, Providers: []payment.Provider{s.sandbox}, Clock: s.Clock, Mint: s.Mint, Log: quiet, Config: settings,
	})
}

// signIn makes the callers that tests know by name: two shoppers, and an admin for each role.
func (s *shop) signIn() {
	config, ring := account.DefaultConfig(), account.NewKeyring()
	s.accounts = must(account.NewService(config, s.Store, ring, s.Clock, s.Mint))(s.t)
	check(s.t, s.accounts.Load(s.t.Context()))
	s.tokens = account.NewTokens(ring, config, s.Clock)
	s.bearer = map[string]string{"": "", "nobody": "a.b.c"}
	for name, c := range customers {
		token, _, err := s.tokens.SignTest(c, tokenLifetime)
		check(s.t, err)
		s.bearer[name] = token
	}
	foreign, _, err := account.NewTokens(account.NewKeyring(), config, s.Clock).SignTest(customers["ada"], tokenLifetime)
	check(s.t, err)
	s.bearer["foreign"] = foreign
	s.bearer["local"] = s.accounts.AddLocalKey()
	for _, role := range account.AllRoles() {
		_, key, err := s.accounts.CreateKey(s.t.Context(), "the "+string(role)+" desk", []string{string(role)})
		check(s.t, err)
		s.bearer[string(role)] = key
	}
}

// call is a request, as a row of a table.
type call struct {
	as   string // who asks
	do   string // method and address
	key  string // Idempotency-Key
	head map[string]string
	body string
}

// answer is what came back, held to the contract.
type answer struct {
	t      testing.TB
	status int
	header http.Header
	body   []byte
}

// do sends a call and checks the answer against the contract.
func (s *shop) do(t testing.TB, c call) answer {
	t.Helper()
	w := httptest.NewRecorder()
	r := s.request(c)
	s.server.ServeHTTP(w, r)
	a := answer{t, w.Code, w.Header(), w.Body.Bytes()}
	checkContract(t, r, a)
	return a
}

func (s *shop) request(c call) *http.Request {
	method, address, _ := strings.Cut(c.do, " ")
	var body io.Reader
	if c.body != "" {
		body = strings.NewReader(c.body)
	}
	r := httptest.NewRequest(method, address, body)
	if c.body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if token := s.bearer[c.as]; token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if c.key != "" {
		r.Header.Set("Idempotency-Key", c.key)
	}
	for name, value := range c.head {
		if value == "" {
			r.Header.Del(name)
			continue
		}
		r.Header.Set(name, value)
	}
	return r
}

// is checks the status, and the code and the field of a refusal.
func (a answer) is(status int, code fault.Code, field string) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("answered %d %s, want %d", a.status, a.body, status)
	}
	if code == fault.Internal {
		return a
	}
	var p struct{ Code, Field string }
	check(a.t, json.Unmarshal(a.body, &p))
	if p.Code != code.String() || p.Field != field {
		a.t.Fatalf("refused with %s at %q, want %s at %q: %s", p.Code, p.Field, code, field, a.body)
	}
	return a
}

// in decodes the answer.
func (a answer) in(v any) answer {
	a.t.Helper()
	check(a.t, json.Unmarshal(a.body, v))
	return a
}

// state is everything that a refused request must leave alone, as text.
func (s *shop) state(t testing.TB) string {
	t.Helper()
	var b strings.Builder
	fmt.Fprintln(&b, must(s.orders.Search(t.Context(), order.Filter{Limit: 200}))(t))
	for _, sl := range must(s.Sales.List(t.Context(), 0, 200))(t) {
		fmt.Fprintf(&b, "%+v\n", *sl)
	}
	for _, sku := range []id.SKU{mug, bowl} {
		fmt.Fprintln(&b, must(s.Stock.Pools(t.Context(), sku))(t), must(s.Stock.Movements(t.Context(), sku, 0, 200))(t))
	}
	return b.String()
}

// What the shop sells.
const (
	mug     id.SKU = 11
	bowl    id.SKU = 12
	missing        = shoptest.Missing
)

// openSale opens a sale of units of each SKU at 9.99 GBP and returns its id.
func (s *shop) openSale(units, limit int64, skus ...id.SKU) id.Sale {
	s.t.Helper()
	sl := s.draft(units, limit, skus...)
	s.do(s.t, call{as: "sales", do: fmt.Sprintf("POST /v1/admin/sales/%s/schedule", sl)}).is(200, 0, "")
	s.Follow()
	return sl
}

// draft makes a sale that begins now, and receives the stock for it.
func (s *shop) draft(units, limit int64, skus ...id.SKU) id.Sale {
	s.t.Helper()
	return s.draftAt(999, units, limit, skus...)
}

// draftAt is draft at a price.
func (s *shop) draftAt(minor, units, limit int64, skus ...id.SKU) id.Sale {
	s.t.Helper()
	var items []string
	for _, sku := range skus {
		s.receive(sku, units)
		items = append(items, fmt.Sprintf(`{"sku_id":"%s","price":{"minor":%d,"currency":"GBP"},"allocation":%d}`, sku, minor, units))
	}
	now := s.Clock.Now()
	var made struct{ ID id.Sale }
	s.do(s.t, call{as: "sales", do: "POST /v1/admin/sales", body: fmt.Sprintf(
		`{"title":"Drop","starts_at":%q,"ends_at":%q,"limit_per_customer":%d,"payment_window_seconds":600,"items":[%s]}`,
		now.Format(time.RFC3339), now.Add(time.Hour).Format(time.RFC3339), limit, strings.Join(items, ","))}).is(201, 0, "").in(&made)
	return made.ID
}

func (s *shop) receive(sku id.SKU, units int64) {
	s.t.Helper()
	s.do(s.t, call{as: "catalog", do: fmt.Sprintf("POST /v1/admin/stock/%s/adjustments", sku), key: fmt.Sprint("r", s.Mint.Next()),
		body: fmt.Sprintf(`{"kind":"receive","quantity":%d,"reason":"delivery"}`, units)}).is(201, 0, "")
	s.Follow()
}

func one(sku id.SKU) string { return fmt.Sprintf(`{"lines":[{"sku_id":"%s","quantity":1}]}`, sku) }

// recorders counts what the server records, by route and status.
type recorders struct {
	mu   sync.Mutex
	seen map[string]int
}

func (r *recorders) of(method, pattern string) httpapi.Recorder {
	return recorderFunc(func(status int) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.seen == nil {
			r.seen = map[string]int{}
		}
		r.seen[fmt.Sprint(method, " ", pattern, " ", status)]++
	})
}

func (r *recorders) count(what string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seen[what]
}

type recorderFunc func(status int)

func (f recorderFunc) Done(_ context.Context, status int, _ time.Duration) { f(status) }

// syncBuffer is a log that tests read.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func check(t testing.TB, err error) {
	t.Helper()
	shoptest.Check(t, err)
}

func must[T any](v T, err error) func(testing.TB) T { return shoptest.Must(v, err) }
