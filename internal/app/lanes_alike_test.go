package app

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/account"
	"github.com/tidegate/tidegate/internal/await"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/wire"
	"github.com/tidegate/tidegate/test/engine"
)

// TestLanesAgree sends every case of the express lane's routes to both lanes. A case that changes nothing is sent alike.
func TestLanesAgree(t *testing.T) {
	l := newLanes(t)
	product, live := "/v1/products/"+l.product.String(), "/v1/sales/"+l.sales["live"].String()
	huge := `{"lines":[` + strings.Repeat(" ", wire.OrderBytesMax) + `]}`
	expired, _, err := l.tokens.SignTest(7, time.Second)
	noError(t, err)
	foreign, _, err := account.NewTokens(account.NewKeyring(), l.app.config.Account, l.clock).SignTest(7, time.Hour)
	noError(t, err)
	tokenOf := func(token string) []string { return []string{"Authorization: Bearer " + token} }

	for _, tt := range []struct {
		name string
		ask
		status int
	}{
		{"a product", ask{do: "GET " + product}, 200},
		{"its head", ask{do: "HEAD " + product}, 200},
		{"with an unknown parameter", ask{do: "GET " + product + "?utm_source=x"}, 400},
		{"with an empty query", ask{do: "GET " + product + "?"}, 200},
		{"in the absolute form", ask{do: "GET http://shop.test" + product}, 200},
		{"percent-encoded", ask{do: "GET /v1/products/%3" + product[len("/v1/products/"):][:1] + product[len("/v1/products/")+1:]}, 200},
		{"with an encoded slash before it", ask{do: "GET /v1%2Fproducts/" + l.product.String()}, 200},
		{"an encoded slash in the id", ask{do: "GET /v1/products/1%2F2"}, 422},
		{"a trailing slash", ask{do: "GET " + product + "/"}, 404},
		{"more behind it", ask{do: "GET " + product + "/x"}, 404},
		{"no id", ask{do: "GET /v1/products/"}, 404},
		{"an id that is none", ask{do: "GET /v1/products/mug"}, 422},
		{"a fragment", ask{do: "GET " + product + "#x"}, 422},
		{"an id of zero", ask{do: "GET /v1/products/0"}, 422},
		{"an id that overflows", ask{do: "GET /v1/products/9223372036854775808"}, 422},
		{"an id with a zero before it", ask{do: "GET /v1/products/01"}, 422},
		{"unknown", ask{do: "GET /v1/products/5"}, 404},
		{"not published", ask{do: "GET /v1/products/" + l.draft.String()}, 404},
		{"as the client has it", ask{do: "GET " + product, head: []string{"If-None-Match: " + l.etag}}, 304},
		{"one of several", ask{do: "GET " + product, head: []string{`If-None-Match: "x", W/` + l.etag}}, 304},
		{"any", ask{do: "GET " + product, head: []string{"If-None-Match: *"}}, 304},
		{"head of what the client has", ask{do: "HEAD " + product, head: []string{"If-None-Match: " + l.etag}}, 304},
		{"as the client does not have it", ask{do: "GET " + product, head: []string{`If-None-Match: "old"`}}, 200},
		{"a header of its own in small letters", ask{do: "GET " + product, head: []string{"if-none-match: " + l.etag}}, 304},
		{"a body that nobody reads", ask{do: "GET " + product, body: "x"}, 200},
		{"a request id", ask{do: "GET /v1/products/5", head: []string{"X-Request-Id: from-the-proxy.1"}}, 404},
		{"a request id that is none", ask{do: "GET /v1/products/5", head: []string{"X-Request-Id: <script>"}}, 404},
		{"two request ids", ask{do: "GET /v1/products/5", head: []string{"X-Request-Id: a", "X-Request-Id: b"}}, 404},
		{"changing a product here", ask{do: "PUT " + product, body: "{}"}, 405},
		{"an unheard-of method", ask{do: "BREW " + product}, 405},
		{"options", ask{do: "OPTIONS " + product}, 405},

		{"a sale", ask{do: "GET " + live}, 200},
		{"its head", ask{do: "HEAD " + live}, 200},
		{"one that is scheduled", ask{do: "GET /v1/sales/" + l.sales["scheduled"].String()}, 200},
		{"one that is paused", ask{do: "GET /v1/sales/" + l.sales["paused"].String()}, 200},
		{"one that has ended", ask{do: "GET /v1/sales/" + l.sales["ended"].String()}, 200},
		{"a draft", ask{do: "GET /v1/sales/" + l.sales["draft"].String()}, 404},
		{"no such sale", ask{do: "GET /v1/sales/5"}, 404},
		{"a sale with an unknown parameter", ask{do: "GET " + live + "?fields=items%20x"}, 400},
		{"a sale with an id that is none", ask{do: "GET /v1/sales/x"}, 422},
		{"a sale with a trailing slash", ask{do: "GET " + live + "/"}, 404},
		{"deleting a sale", ask{do: "DELETE " + live}, 405},
		{"nothing at all", ask{do: "GET /v1/nothing"}, 404},

		{"an order with no token", ask{drop: "Authorization"}, 401},
		{"two tokens", ask{head: tokenOf("x")}, 401},
		{"another scheme", ask{drop: "Authorization", head: []string{"Authorization: Basic YTpi"}}, 401},
		{"an empty token", ask{drop: "Authorization", head: []string{"Authorization: Bearer "}}, 401},
		{"a token that is none", ask{drop: "Authorization", head: tokenOf("a.b.c")}, 401},
		{"a token of another shop", ask{drop: "Authorization", head: tokenOf(foreign)}, 401},
		{"no token and nothing that can be read", ask{drop: "Authorization Content-Type", body: "{"}, 401},
		{"no token and too much", ask{drop: "Authorization", body: huge}, 401},
		{"no key", ask{drop: "Idempotency-Key"}, 400},
		{"two keys", ask{head: []string{"Idempotency-Key: b"}}, 400},
		{"an empty key", ask{drop: "Idempotency-Key", head: []string{"Idempotency-Key: "}}, 400},
		{"a key with a space in it", ask{key: "a b"}, 400},
		{"a key that is too long", ask{key: strings.Repeat("k", 256)}, 400},
		{"no type", ask{drop: "Content-Type"}, 415},
		{"another type", ask{drop: "Content-Type", head: []string{"Content-Type: text/plain"}}, 415},
		{"a form", ask{drop: "Content-Type", head: []string{"Content-Type: multipart/form-data; boundary=x"}}, 415},
		{"another charset", ask{drop: "Content-Type", head: []string{"Content-Type: application/json; charset=latin1"}}, 415},
		{"too much", ask{body: huge}, 413},
		{"too much in chunks", ask{body: huge, chunk: true}, 413},
		{"malformed", ask{body: `{"lines":[`}, 400},
		{"not JSON", ask{body: "lines=1"}, 400},
		{"malformed in chunks", ask{body: `{"lines":[`, chunk: true}, 400},
		{"only a space", ask{body: " "}, 400},
		{"an unknown field", ask{body: `{"lines":[],"coupon":"X"}`}, 400},
		{"a price from the client", ask{body: `{"lines":[{"sku_id":"1","quantity":1,"unit_price":1}]}`}, 400},
		{"a wrong type", ask{body: `{"lines":[{"sku_id":1,"quantity":1}]}`}, 400},
		{"a field twice", ask{body: `{"lines":[],"lines":[]}`}, 400},
		{"two values", ask{body: l.units(1) + l.units(1)}, 400},
		{"null", ask{body: `{"lines":null}`}, 400},
		{"no lines", ask{body: `{"lines":[]}`}, 422},
		{"no units", ask{body: l.units(0)}, 422},
		{"too many units", ask{body: l.units(1001)}, 422},
		{"another SKU", ask{body: `{"lines":[{"sku_id":"5","quantity":1}]}`}, 422},
		{"more than there is", ask{body: l.units(51)}, 409},
		{"in a draft", ask{sale: "draft"}, 404},
		{"before it opens", ask{sale: "scheduled"}, 409},
		{"while it is paused", ask{sale: "paused"}, 409},
		{"after its end", ask{sale: "ended"}, 409},
		{"in no sale", ask{do: "POST /v1/sales/5/orders"}, 404},
		{"in a sale that is none", ask{do: "POST /v1/sales/x/orders"}, 422},
		{"in a sale that is none, without a token", ask{do: "POST /v1/sales/x/orders", drop: "Authorization"}, 401},
		{"with an unknown parameter", ask{do: "POST " + live + "/orders?dry_run=true"}, 400},
		{"with a trailing slash", ask{do: "POST " + live + "/orders/"}, 404},
		{"to a sale", ask{do: "POST " + live}, 405},
		{"orders of a sale", ask{do: "GET " + live + "/orders"}, 405},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := l.both(t, tt.ask, tt.ask); got.Status != tt.status {
				t.Errorf("answered %d, want %d: %s", got.Status, tt.status, got.Body)
			}
		})
	}
	t.Run("an expired token", func(t *testing.T) {
		l.clock.Advance(time.Second)
		a := ask{drop: "Authorization", head: tokenOf(expired)}
		if got := l.both(t, a, a); got.Status != 401 {
			t.Errorf("answered %d: %s", got.Status, got.Body)
		}
	})
}

// TestLanesPlaceAlike buys on both lanes: the orders differ in nothing but their ids, and each lane repeats the other's.
func TestLanesPlaceAlike(t *testing.T) {
	l := newLanes(t)
	main := func(a ask) ask { a.as, a.key = 100, "main"; return a }
	express := func(a ask) ask { a.as, a.key = 200, "express"; return a }
	for _, tt := range []struct {
		name string
		ask
	}{
		{"one unit", ask{}},
		{"in chunks", ask{chunk: true}},
		{"with a charset", ask{drop: "Content-Type", head: []string{"Content-Type: Application/JSON; charset=UTF-8"}}},
		{"after a hundred continues", ask{head: []string{"Expect: 100-continue"}}},
		{"with long headers", ask{head: []string{"X-Padding: " + strings.Repeat("x", 8<<10)}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, b := tt.ask, tt.ask
			key := strings.ReplaceAll(tt.name, " ", "-")
			a.as, a.key, b.as, b.key = 100, "m-"+key, 200, "e-"+key
			if got := l.both(t, a, b); got.Status != 201 {
				t.Fatalf("answered %d: %s", got.Status, got.Body)
			}
			for _, again := range []ask{a, b} { // each is repeated on both lanes
				if got := l.both(t, again, again); got.Status != 201 || got.Header["Idempotent-Replayed"] != "true" {
					t.Errorf("not repeated: %+v", got)
				}
			}
			a.body, b.body = l.units(2), l.units(2)
			if got := l.both(t, a, b); got.Status != 422 {
				t.Errorf("another body: %+v", got)
			}
		})
	}
	t.Run("limit reached", func(t *testing.T) {
		a, b := main(ask{sale: "limited"}), express(ask{sale: "limited"})
		if got := l.both(t, a, b); got.Status != 201 {
			t.Fatalf("%+v", got)
		}
		a.key, b.key = "more", "more-too"
		if got := l.both(t, a, b); got.Status != 409 || !strings.Contains(got.Body, "limit_reached") {
			t.Errorf("%+v", got)
		}
	})
	t.Run("sold out, and the key that did buy", func(t *testing.T) {
		bought := main(ask{sale: "short"})
		if got := l.send(0, "POST", l.raw(bought)); got.Status != 201 {
			t.Fatalf("%+v", got)
		}
		late := ask{sale: "short", as: 300, key: "late"}
		if got := l.both(t, late, late); got.Status != 409 || !strings.Contains(got.Body, "sold_out") {
			t.Errorf("%+v", got)
		}
		if got := l.both(t, bought, bought); got.Status != 201 {
			t.Errorf("%+v", got)
		}
	})
}

// TestLanesQueueAlike buys on both lanes with the queue intake: both say that an order is queued, and give a ticket that is
// followed on the main lane; once it is decided each lane repeats the other's order. Refusals need no queue, and are the same.
func TestLanesQueueAlike(t *testing.T) {
	n := engine.NATS(t)
	l := newLanes(t, func(c *Config) {
		c.Bus.Address, c.Orders.Intake = "nats://"+n.Address, order.IntakeQueue
	})
	a, b := ask{as: 100, key: "m"}, ask{as: 200, key: "e"}
	var made struct{ ID, Status, Ticket string }
	for _, sale := range []string{"live", "limited"} {
		a.sale, b.sale = sale, sale
		got := l.both(t, a, b)
		if got.Status != 202 {
			t.Fatalf("answered %d: %s", got.Status, got.Body)
		}
		noError(t, json.Unmarshal([]byte(got.Body), &made))
		if made.Status != "queued" || made.Ticket == "" {
			t.Errorf("%+v, want queued with a ticket", made)
		}
	}
	await.Value(t, "the ticket says that the order is pending", func() said {
		return l.send(0, "GET", fmt.Appendf(nil, "GET /v1/orders/%s?wait=20s&ticket=%s HTTP/1.1\r\nHost: shop.test\r\nAuthorization: Bearer %s\r\n\r\n",
			made.ID, made.Ticket, l.token(100)))
	}, func(s said) bool { return s.Status == 200 && strings.Contains(s.Body, `"status":"pending"`) })
	for _, again := range []ask{a, b} { // each is repeated on both lanes
		await.Until(t, "the key's order is decided", func() bool { return l.send(0, "POST", l.raw(again)).Status != 202 })
		if got := l.both(t, again, again); got.Status != 201 || got.Header["Idempotent-Replayed"] != "true" {
			t.Errorf("not repeated: %+v", got)
		}
	}
	a.key, b.key = "more", "more-too"
	if got := l.both(t, a, b); got.Status != 409 || !strings.Contains(got.Body, "limit_reached") {
		t.Errorf("%+v", got)
	}
	a.sale, b.sale, a.body, b.body = "live", "live", l.units(51), l.units(51)
	if got := l.both(t, a, b); got.Status != 409 || !strings.Contains(got.Body, "fewer_left") {
		t.Errorf("%+v", got)
	}
}

// TestLanesRefuseNonsense sends what is no HTTP/1.1. net/http answers it with a text of its own, so only the status is compared,
// and that nothing is read of what follows.
func TestLanesRefuseNonsense(t *testing.T) {
	l := newLanes(t)
	get := "GET /v1/products/" + l.product.String() + " HTTP/1.1\r\nHost: x\r\n"
	for name, tt := range map[string]struct {
		raw    string
		status int
	}{
		"a bad escape":             {"GET /v1/products/%zz HTTP/1.1\r\nHost: x\r\n\r\n", 400},
		"no host":                  {"GET /v1/products/1 HTTP/1.1\r\n\r\n", 400},
		"two hosts":                {get + "Host: y\r\n\r\n", 400},
		"a word":                   {"hello\r\n\r\n", 400},
		"a space in the address":   {"GET /v1/products/1 2 HTTP/1.1\r\nHost: x\r\n\r\n", 400},
		"a control character":      {"GET /v1/products/1\x01 HTTP/1.1\r\nHost: x\r\n\r\n", 400},
		"a header without a colon": {get + "Broken\r\n\r\n", 400},
		"two lengths":              {get + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400},
		"a length that is none":    {get + "Content-Length: -1\r\n\r\n", 400},
		"headers too long":         {get + "X-Long: " + strings.Repeat("x", 64<<10) + "\r\n\r\n", 431},
		"a broken chunk": {fmt.Sprintf("POST /v1/sales/%s/orders HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nIdempotency-Key: k\r\n"+
			"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", l.sales["live"], l.token(7)), 400},
	} {
		t.Run(name, func(t *testing.T) {
			for lane := range l.at {
				if got := l.send(lane, "GET", []byte(tt.raw)); got.Status != tt.status {
					t.Errorf("%s answered %d, want %d: %s", laneNames[lane], got.Status, tt.status, got.Body)
				}
			}
		})
	}
}
