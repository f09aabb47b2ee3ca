package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/admission"
	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// doorkeeper refuses what a test tells it to.
type doorkeeper struct{ client, customer, shop atomic.Bool }

func (d *doorkeeper) LimitsClients() bool { return true }

func (d *doorkeeper) Client(netip.Addr) error {
	return refusedIf(&d.client, fault.TooManyRequests, 11)
}

func (d *doorkeeper) Customer(id.Customer) error {
	return refusedIf(&d.customer, fault.TooManyRequests, 12)
}

func (d *doorkeeper) able() error { return refusedIf(&d.shop, fault.Overloaded, 13) }

func refusedIf(flag *atomic.Bool, code fault.Code, after time.Duration) error {
	if !flag.Load() {
		return nil
	}
	return fault.New(code, "No.").After(after * time.Second)
}

// verdict is what a door says to an order.
type verdict struct {
	code   string // of the refusal; empty: the order was taken
	status int
	after  string
}

// door sends an order of one unit. token is the shopper's; empty: nobody is signed in.
type door struct {
	name string
	send func(t *testing.T, token, key string) verdict
}

// TestDoorsRefuseAlike sends every refusal of the table through every door that takes orders, alone and with those that come after it.
func TestDoorsRefuseAlike(t *testing.T) {
	keeper := &doorkeeper{}
	l := &lanes{t: t, clock: clock.NewManual(time.Date(2026, 11, 27, 19, 0, 0, 0, time.UTC)), sales: map[string]id.Sale{}}
	c := testConfig(t)
	c.Express.Address = "127.0.0.1:0"
	a, err := New(t.Context(), c, Options{Clock: l.clock})
	noError(t, err)
	a.admission.Limits, a.admission.Able = keeper, keeper.able
	at, stop := running(t, a)
	t.Cleanup(func() { noError(t, errors.Join(stop(), a.Close())) })
	l.adopt(a, at)

	// Each refusal of the table, in its order, and what refuses for it. The next entry of the table joins here.
	refusals := []struct {
		entry  string
		refuse *atomic.Bool // nil: nobody is signed in
		want   verdict
	}{
		{"client limit", &keeper.client, verdict{"too_many_requests", 429, "11"}},
		{"caller", nil, verdict{"unauthenticated", 401, ""}},
		{"customer limit", &keeper.customer, verdict{"too_many_requests", 429, "12"}},
		{"able", &keeper.shop, verdict{"overloaded", 503, "13"}},
	}
	var names, tabled []string
	for _, r := range refusals {
		names = append(names, r.entry)
	}
	for _, e := range admission.Table() {
		tabled = append(tabled, e.Name)
	}
	if fmt.Sprint(names) != fmt.Sprint(tabled) {
		t.Fatalf("the table is %v, the test knows %v", tabled, names)
	}
	doors := l.doors(at)
	for i, d := range doors {
		who := l.token(id.Customer(500 + i))
		if got := d.send(t, who, "bought"); got.code != "" {
			t.Fatalf("%s: an order that nothing refuses: %+v", d.name, got)
		}
		for j, r := range refusals {
			for _, also := range []bool{false, true} { // alone, and with all that come after it
				token := who
				for k, other := range refusals[j:] {
					if k > 0 && !also {
						break
					}
					if other.refuse == nil {
						token = ""
					} else {
						other.refuse.Store(true)
					}
				}
				if got := d.send(t, token, fmt.Sprintf("new-%d-%t", j, also)); got != r.want {
					t.Errorf("%s, %s (others too: %t): %+v, want %+v", d.name, r.entry, also, got, r.want)
				}
				keeper.client.Store(false)
				keeper.customer.Store(false)
				keeper.shop.Store(false)
			}
		}
		keeper.shop.Store(true)
		if got := d.send(t, who, "bought"); got.code != "" {
			t.Errorf("%s: a key that has its order is shed: %+v", d.name, got)
		}
		keeper.shop.Store(false)
	}
	t.Run("a payment provider meets no limit", func(t *testing.T) {
		keeper.client.Store(true)
		defer keeper.client.Store(false)
		for path, limited := range map[string]bool{
			"/v1/payments/sandbox/notifications": false, "/v1/payments/sandbox": true, "/": true, "/products/mug": true, "/sales/" + l.sales["live"].String(): true,
			"/assets/nothing.css": false,
		} {
			method := http.MethodGet
			if strings.HasPrefix(path, "/v1/") {
				method = http.MethodPost
			}
			answer := roundTrip(t, method, at.Public+path, nil, "{}")
			if (answer.StatusCode == http.StatusTooManyRequests) != limited {
				t.Errorf("%s %s: %d", method, path, answer.StatusCode)
			}
		}
	})
}

var unredirected = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

func roundTrip(t *testing.T, method, address string, head map[string]string, body string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	noError(t, err)
	for name, value := range head {
		r.Header.Set(name, value)
	}
	answer, err := unredirected.Do(r)
	noError(t, err)
	t.Cleanup(func() { _ = answer.Body.Close() })
	return answer
}

// doors are all that take orders.
func (l *lanes) doors(at Addresses) []door {
	inSale := "/sales/" + l.sales["live"].String() + "/orders"
	return []door{
		{"API, sale", l.apiDoor(at.Public + "/v1" + inSale)},
		{"API, general stock", l.apiDoor(at.Public + "/v1/orders")},
		{"express lane", l.apiDoor(at.Express + "/v1" + inSale)},
		{"page form, sale", l.formDoor(at.Public + inSale)},
		{"page form, general stock", l.formDoor(at.Public + "/orders")},
	}
}

func (l *lanes) apiDoor(address string) func(*testing.T, string, string) verdict {
	return func(t *testing.T, token, key string) verdict {
		head := map[string]string{"Idempotency-Key": key, "Content-Type": "application/json"}
		if token != "" {
			head["Authorization"] = "Bearer " + token
		}
		answer := roundTrip(t, http.MethodPost, address, head, l.units(1))
		got := verdict{status: answer.StatusCode, after: answer.Header.Get("Retry-After")}
		if answer.StatusCode != http.StatusCreated {
			if form := answer.Header.Get("Content-Type"); form != "application/problem+json" {
				t.Errorf("%s answers %s", address, form)
			}
			var problem struct{ Code string }
			noError(t, json.NewDecoder(answer.Body).Decode(&problem))
			got.code = problem.Code
		}
		return got
	}
}

var codeOfPage = regexp.MustCompile(`data-code="(\w+)"`)

// formDoor sends the form of a page. Its way to say 401 is to lead to the sign-in.
func (l *lanes) formDoor(address string) func(*testing.T, string, string) verdict {
	return func(t *testing.T, token, key string) verdict {
		head := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
		if token != "" {
			head["Cookie"] = "tg_access=" + token
		}
		form := url.Values{"sku": {l.sku.String()}, "units-" + l.sku.String(): {"1"}, "key": {key}}
		answer := roundTrip(t, http.MethodPost, address, head, form.Encode())
		got := verdict{status: answer.StatusCode, after: answer.Header.Get("Retry-After")}
		to := answer.Header.Get("Location")
		switch {
		case strings.HasPrefix(to, "/orders/"):
		case strings.HasPrefix(to, "/signin"):
			got.code, got.status = "unauthenticated", http.StatusUnauthorized
		default:
			var page strings.Builder
			noError(t, answer.Write(&page))
			if found := codeOfPage.FindStringSubmatch(page.String()); found != nil {
				got.code = found[1]
			}
		}
		return got
	}
}
