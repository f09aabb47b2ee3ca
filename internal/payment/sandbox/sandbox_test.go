package sandbox_test

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
	"github.com/tidegate/tidegate/internal/payment"
	"github.com/tidegate/tidegate/internal/payment/sandbox"
	"github.com/tidegate/tidegate/internal/shoptest"
)

var noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

// desk is a sandbox over the real store, with a shop whose answers the test sets.
type desk struct {
	*sandbox.Provider
	t       *testing.T
	parts   sandbox.Parts
	clock   *clock.Manual
	shop    *httptest.Server
	answers []int // one for each delivery; the last one repeats
	heard   atomic.Int64
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{t: t, answers: []int{http.StatusNoContent}}
	d.shop = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n := int(d.heard.Add(1))
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(d.answers[min(n, len(d.answers))-1])
	}))
	t.Cleanup(d.shop.Close)
	s := shoptest.Open(t, noon)
	d.clock = s.Clock
	d.parts = sandbox.Parts{
		Allow:  func(*http.Request, id.Order) error { return nil },
		Return: func(o id.Order) string { return "/orders/" + o.String() },
		Ledger: s.Store, Secret: "sixteen characters", Base: func() string { return d.shop.URL }, Clock: s.Clock, Mint: s.Mint, Log: slog.New(slog.DiscardHandler),
	}
	d.Provider = sandbox.New(d.parts)
	return d
}

func (d *desk) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

func attempt(n id.Attempt) payment.Attempt {
	return payment.Attempt{ID: n, Order: 5, Amount: money.Of(1250, "GBP"), ExpiresAt: noon.Add(time.Hour)}
}

// start opens an attempt and returns the path of its cashier.
func (d *desk) start(n id.Attempt) string {
	d.t.Helper()
	r, err := d.Start(d.t.Context(), attempt(n))
	d.must(err)
	return strings.TrimPrefix(r.PayURL, d.shop.URL)
}

func (d *desk) ask(method, path, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	d.Handler().ServeHTTP(w, r)
	return w
}

func (d *desk) state(n id.Attempt) payment.State {
	d.t.Helper()
	r, err := d.Query(d.t.Context(), attempt(n))
	d.must(err)
	return r.State
}

func TestCashier(t *testing.T) {
	d := newDesk(t)
	page := d.start(1)
	for _, tt := range []struct {
		name         string
		method, path string
		body         string
		status       int
		says         string
	}{
		{"the page", "GET", page, "", 200, `value="pay"`},
		{"no such payment", "GET", "/sandbox/pay/guess", "", 404, "There is no payment at this address"},
		{"no such payment to pay", "POST", "/sandbox/pay/guess", "action=pay", 404, "There is no payment at this address"},
		{"no action", "POST", page, "", 422, "Press pay or decline"},
		{"another action", "POST", page, "action=steal", 422, "Press pay or decline"},
		{"the action in the address", "POST", page + "?action=pay", "", 422, "Press pay or decline"},
		{"a form without end", "POST", page, "action=" + strings.Repeat("x", 1<<16), 422, "Press pay or decline"},
		{"the page of a shop with pages", "GET", page, "", 200, `href="/orders/5"`},
		{"pay", "POST", page, "action=pay", 303, "paid"},
		{"pay again", "POST", page, "action=pay", 303, "paid"},
		{"decline what is paid", "POST", page, "action=decline", 409, "Paid"},
		{"the page of what is paid", "GET", page, "", 200, "<h1>Paid</h1>"},
		{"the style", "GET", "/sandbox/cashier.css", "", 200, "color-scheme"},
		{"elsewhere", "GET", "/sandbox/", "", 404, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := d.ask(tt.method, tt.path, tt.body)
			text := w.Body.String()
			if w.Code != tt.status || !strings.Contains(text, tt.says) {
				t.Errorf("%d %s", w.Code, text)
			}
			if !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
				return
			}
			if csp := w.Header().Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || w.Header().Get("Referrer-Policy") != "no-referrer" {
				t.Errorf("headers: %v", w.Header())
			}
			for _, outside := range []string{"http://", "https://", "<script", "style=", "//"} {
				if strings.Contains(strings.ReplaceAll(text, "<!doctype html>", ""), outside) {
					t.Errorf("the page holds %s: %s", outside, text)
				}
			}
		})
	}
	if d.state(1) != payment.Paid {
		t.Errorf("the payment is %s", d.state(1))
	}
	late := d.start(2)
	d.clock.Advance(time.Hour)
	if w := d.ask("POST", late, "action=pay"); w.Code != http.StatusConflict || d.state(2) != payment.Waiting {
		t.Errorf("paid after its end: %d, %s", w.Code, d.state(2))
	}
}

func TestControlRefuses(t *testing.T) {
	d := newDesk(t)
	page := d.start(1)
	for body, want := range map[string]int{
		``:                     400,
		`{"unknown":1}`:        400,
		`{"settle":"stolen"}`:  422,
		`{"settle":"waiting"}`: 422,
		`{"notifications":[` + strings.Repeat("{},", 20) + `{}]}`: 422,
		`{"notifications":[{"delay_ms":-1}]}`:                     422,
		`{"notifications":[{"age_ms":99999999999}]}`:              422,
		`{"notifications":[{"state":"rich"}]}`:                    422,
		`{"notifications":[{"order_id":"x"}]}`:                    400,
	} {
		if w := d.ask("POST", page+"/control", body); w.Code != want || !strings.Contains(w.Body.String(), `"code"`) {
			t.Errorf("%s: %d %s, want %d", body, w.Code, w.Body, want)
		}
	}
	if w := d.ask("POST", "/sandbox/pay/guess/control", `{}`); w.Code != http.StatusNotFound {
		t.Errorf("no such payment: %d", w.Code)
	}
	if w := d.ask("POST", page+"/control", `{"notifications":[{},{},{}]}`); w.Code != http.StatusNoContent {
		t.Errorf("a script: %d", w.Code)
	}
	d.ask("POST", page, "action=pay") // the script is kept until the payment is paid
	if n, err := d.DeliverStep(t.Context()); err != nil || n != 3 {
		t.Errorf("delivered %d, %v", n, err)
	}
}

func TestDelivery(t *testing.T) {
	for name, tt := range map[string]struct {
		answers []int
		heard   int64
	}{
		"taken":             {[]int{204}, 1},
		"taken, with words": {[]int{200}, 1},
		"taken at last":     {[]int{500, 503, 429, 408, 204}, 5},
		"refused":           {[]int{422}, 1},
		"never taken":       {[]int{500}, 12},
		"sent elsewhere":    {[]int{302, 204}, 2}, // a redirect is not followed: it is not the shop's answer
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			d.answers = tt.answers
			d.ask("POST", d.start(1), "action=pay")
			for range 30 {
				// Half-way through, a new process takes over: queued notifications survive.
				d.Provider = sandbox.New(d.parts)
				_, err := d.DeliverStep(t.Context())
				d.must(err)
				d.clock.Advance(2 * time.Hour)
			}
			if got := d.heard.Load(); got != tt.heard {
				t.Errorf("the shop was told %d times, want %d", got, tt.heard)
			}
		})
	}
}

// TestPayAgainstClose: a payment is paid or ended, never both.
func TestPayAgainstClose(t *testing.T) {
	d := newDesk(t)
	ends := map[payment.State]int{}
	for n := id.Attempt(1); n <= 200; n++ {
		page := d.start(n)
		var both sync.WaitGroup
		var paid, ended bool
		both.Go(func() { paid = d.ask("POST", page, "action=pay").Code == http.StatusSeeOther })
		both.Go(func() {
			r, err := d.Close(t.Context(), attempt(n))
			ended = err == nil && r.State == payment.Ended
		})
		both.Wait()
		if paid == ended {
			t.Fatalf("paid %v, ended %v", paid, ended)
		}
		ends[d.state(n)]++
	}
	t.Logf("the ends: %v", ends)
}

func TestCloseFirst(t *testing.T) {
	d := newDesk(t)
	if d.state(1) != payment.Missing {
		t.Errorf("what was never started is %s", d.state(1))
	}
	if r, err := d.Close(t.Context(), attempt(1)); err != nil || r.State != payment.Ended {
		t.Errorf("closed before it was started: %+v, %v", r, err)
	}
	if r, err := d.Start(t.Context(), attempt(1)); err != nil || r.State != payment.Ended || r.PayURL != "" {
		t.Errorf("started after it was closed: %+v, %v", r, err)
	}
}

func TestRefund(t *testing.T) {
	d := newDesk(t)
	page := d.start(1)
	r := payment.Refund{ID: 9, Attempt: 1, Amount: money.Of(1250, "GBP"), Round: 1}
	refund := func(r payment.Refund) error {
		_, err := d.Refund(t.Context(), attempt(1), r)
		return err
	}
	if err := refund(r); !errors.Is(err, fault.PaymentRefused) {
		t.Errorf("of what is not paid: %v", err)
	}
	d.ask("POST", page, "action=pay")
	for range 2 {
		d.must(refund(r)) // once for each key
	}
	r.Round = 2
	if err := refund(r); !errors.Is(err, fault.PaymentRefused) {
		t.Errorf("more than was paid: %v", err)
	}
}

func TestSecret(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys", "sandbox.secret")
	if got, err := sandbox.OpenSecret("configured", path); err != nil || got != "configured" {
		t.Errorf("configured: %q, %v", got, err)
	}
	var all sync.WaitGroup
	secrets := make([]string, 8)
	for i := range secrets {
		all.Go(func() {
			var err error
			if secrets[i], err = sandbox.OpenSecret("", path); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, one := range secrets {
		if one != secrets[0] || len(one) != 64 {
			t.Errorf("made at once: %d and %d characters", len(one), len(secrets[0]))
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".secret-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if err := os.WriteFile(path, []byte("short\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sandbox.OpenSecret("", path); err == nil {
		t.Error("a secret of five characters was taken")
	}
}

func TestConfig(t *testing.T) {
	for name, tt := range map[string]struct {
		config sandbox.Config
		field  string
	}{
		"the defaults":     {sandbox.DefaultConfig(), ""},
		"all of it":        {sandbox.Config{Secret: "sixteen characters", PublicURL: "https://shop.example/", NotifyURL: "http://127.0.0.1:8080"}, ""},
		"a short secret":   {sandbox.Config{Secret: "short"}, "secret"},
		"no scheme":        {sandbox.Config{PublicURL: "shop.example"}, "public_url"},
		"another protocol": {sandbox.Config{NotifyURL: "ftp://shop.example"}, "notify_url"},
		"with a query":     {sandbox.Config{NotifyURL: "http://shop.example?x=1"}, "notify_url"},
	} {
		err := tt.config.Validate()
		if (err == nil) != (tt.field == "") || err != nil && fault.As(err).Field != tt.field {
			t.Errorf("%s: %v, want %q", name, err, tt.field)
		}
	}
}

// The cashier has every text in every language. The shop's language switch precedes the browser's preference.
func TestWords(t *testing.T) {
	d := newDesk(t)
	page := d.start(1)
	for _, tt := range []struct{ accepted, cookie, want string }{
		{"", "", `lang="en"`}, {"zh-CN,zh;q=0.9", "", "收银台"}, {"zh", "tg_lang=en", "Sandbox cashier"}, {"en", "tg_lang=zh", "收银台"}, {"en", "tg_lang=xx", "Sandbox cashier"},
	} {
		r := httptest.NewRequest("GET", page, nil)
		r.Header.Set("Accept-Language", tt.accepted)
		r.Header.Set("Cookie", tt.cookie)
		w := httptest.NewRecorder()
		d.Handler().ServeHTTP(w, r)
		if !strings.Contains(w.Body.String(), tt.want) {
			t.Errorf("%q, %q: no %s in %s", tt.accepted, tt.cookie, tt.want, w.Body)
		}
	}
	if err := sandbox.CheckWords(); err != nil {
		t.Error(err)
	}
}
