package httpapi_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// orderView is an order as the tests read it.
type orderView struct {
	ID       id.Order    `json:"id"`
	Sale     id.Sale     `json:"sale_id"`
	Customer id.Customer `json:"customer_id"`
	Status   string      `json:"status"`
	Units    int64       `json:"quantity"`
	Total    struct{ Minor int64 }
	Lines    []struct{ Units int64 }
	Created  time.Time `json:"created_at"`
	Expires  time.Time `json:"expires_at"`
}

type orderPage struct {
	Items      []orderView
	NextCursor string `json:"next_cursor"`
}

func TestPlaceOrder(t *testing.T) {
	s := newShop(t)
	s.receive(mug, 10)
	sl := s.openSale(3, 2, bowl)
	inSale := fmt.Sprintf("POST /v1/sales/%s/orders", sl)

	t.Run("in a sale, at its price", func(t *testing.T) {
		var o orderView
		s.do(t, call{as: "ada", do: inSale, key: "k1", body: one(bowl)}).is(201, 0, "").in(&o)
		if o.Sale != sl || o.Status != "pending" || o.Total.Minor != 999 || o.Customer != 0 || o.Expires.Sub(o.Created) != 10*time.Minute {
			t.Errorf("%+v", o)
		}
		s.available(t, sl, bowl, 2)
	})
	t.Run("the same key again is the same order", func(t *testing.T) {
		first := s.do(t, call{as: "ada", do: inSale, key: "k1", body: one(bowl)}).is(201, 0, "")
		if first.header.Get("Idempotent-Replayed") != "true" {
			t.Error("it does not say that it was replayed")
		}
		s.available(t, sl, bowl, 2)
	})
	t.Run("from general stock, at list price, several lines taken together", func(t *testing.T) {
		var o orderView
		s.do(t, call{as: "ada", do: "POST /v1/orders", key: "g1", body: `{"lines":[{"sku_id":"11","quantity":1},{"sku_id":"11","quantity":2}]}`}).
			is(201, 0, "").in(&o)
		if o.Sale != 0 || o.Units != 3 || o.Total.Minor != 3*1250 || len(o.Lines) != 1 {
			t.Errorf("%+v", o)
		}
	})
	t.Run("limit reached, then the key that did buy", func(t *testing.T) {
		s.do(t, call{as: "ada", do: inSale, key: "k2", body: one(bowl)}).is(201, 0, "")
		s.do(t, call{as: "ada", do: inSale, key: "k3", body: one(bowl)}).is(409, fault.LimitReached, "")
		s.do(t, call{as: "ada", do: inSale, key: "k2", body: one(bowl)}).is(201, 0, "")
	})
	t.Run("sold out, then the key that did buy", func(t *testing.T) {
		s.do(t, call{as: "bob", do: inSale, key: "k1", body: one(bowl)}).is(201, 0, "")
		s.do(t, call{as: "bob", do: inSale, key: "k2", body: one(bowl)}).is(409, fault.SoldOut, "")
		s.do(t, call{as: "bob", do: inSale, key: "k1", body: one(bowl)}).is(201, 0, "")
		s.available(t, sl, bowl, 0)
	})
	t.Run("a key with another body", func(t *testing.T) {
		s.do(t, call{as: "ada", do: inSale, key: "k1", body: `{"lines":[{"sku_id":"12","quantity":2}]}`}).is(422, fault.KeyReused, "Idempotency-Key")
	})
	t.Run("after the end", func(t *testing.T) {
		s.Clock.Advance(61 * time.Minute)
		s.do(t, call{as: "bob", do: inSale, key: "late", body: one(bowl)}).is(409, fault.SaleEnded, "")
		s.do(t, call{as: "bob", do: inSale, key: "k1", body: one(bowl)}).is(201, 0, "")
	})
}

// available checks what a sale's page says is left.
func (s *shop) available(t *testing.T, sl id.Sale, sku id.SKU, want int64) {
	t.Helper()
	var page struct {
		Items []struct {
			SKU       id.SKU `json:"sku_id"`
			Available int64
		}
	}
	s.do(t, call{do: "GET /v1/sales/" + sl.String()}).is(200, 0, "").in(&page)
	for _, it := range page.Items {
		if it.SKU == sku && it.Available != want {
			t.Errorf("%d are available, want %d", it.Available, want)
		}
	}
}

func TestSaleThatTakesNoOrders(t *testing.T) {
	s := newShop(t)
	draft := s.draft(1, 0, mug)
	sl := s.openSale(1, 0, bowl)
	place := func(sl id.Sale) call {
		return call{as: "ada", do: fmt.Sprintf("POST /v1/sales/%s/orders", sl), key: "k", body: one(bowl)}
	}
	s.do(t, place(draft)).is(404, fault.NotFound, "")
	s.do(t, call{as: "sales", do: fmt.Sprintf("POST /v1/admin/sales/%s/pause", sl)}).is(200, 0, "")
	a := s.do(t, place(sl)).is(409, fault.SalePaused, "")
	if a.header.Get("Retry-After") == "" {
		t.Error("it does not say when to come back")
	}
	s.do(t, call{as: "sales", do: fmt.Sprintf("POST /v1/admin/sales/%s/resume", sl)}).is(200, 0, "")
	s.Follow()
	s.do(t, place(sl)).is(201, 0, "")
	s.do(t, call{as: "sales", do: fmt.Sprintf("POST /v1/admin/sales/%s/end", sl)}).is(200, 0, "")
	again := place(sl)
	again.key = "k9"
	s.do(t, again).is(409, fault.SaleEnded, "")
}

// TestBadOrders is the bad input of placing an order. Whatever is refused changes nothing.
func TestBadOrders(t *testing.T) {
	s := newShop(t)
	s.receive(mug, 5000)
	sl := s.openSale(10, 2, bowl)
	const general = "POST /v1/orders"
	inSale := fmt.Sprintf("POST /v1/sales/%s/orders", sl)
	line := func(l string) string { return `{"lines":[` + l + `]}` }

	for _, tt := range []struct {
		name   string
		call   call
		status int
		code   fault.Code
		field  string
	}{
		{"unknown field", call{body: `{"lines":[],"coupon":"X"}`}, 400, fault.BadRequest, "coupon"},
		{"price from the client", call{body: line(`{"sku_id":"11","quantity":1,"price":1}`)}, 400, fault.BadRequest, "lines[0].price"},
		{"customer from the client", call{body: `{"lines":[{"sku_id":"11","quantity":1}],"customer_id":"1"}`}, 400, fault.BadRequest, "customer_id"},
		{"repeated field", call{body: line(`{"sku_id":"11","quantity":1,"quantity":2}`)}, 400, fault.BadRequest, "lines[0].quantity"},
		{"wrong type", call{body: line(`{"sku_id":"11","quantity":"1"}`)}, 400, fault.BadRequest, "lines[0].quantity"},
		{"half a unit", call{body: line(`{"sku_id":"11","quantity":0.5}`)}, 400, fault.BadRequest, "lines[0].quantity"},
		{"units that overflow", call{body: line(`{"sku_id":"11","quantity":99999999999999999999}`)}, 400, fault.BadRequest, "lines[0].quantity"},
		{"null", call{body: `{"lines":null}`}, 400, fault.BadRequest, "lines"},
		{"not JSON", call{body: `lines=1`}, 400, fault.BadRequest, ""},
		{"two values", call{body: one(mug) + one(mug)}, 400, fault.BadRequest, ""},
		{"no body", call{head: map[string]string{"Content-Type": "application/json"}}, 400, fault.BadRequest, ""},
		{"over the limit", call{body: one(mug) + strings.Repeat(" ", 16<<10)}, 413, fault.BodyTooLarge, ""},
		{"a form", call{body: one(mug), head: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}}, 415, fault.UnsupportedMedia, "Content-Type"},
		{"no type", call{body: one(mug), head: map[string]string{"Content-Type": ""}}, 415, fault.UnsupportedMedia, "Content-Type"},

		{"no lines", call{body: `{}`}, 422, fault.Invalid, "lines"},
		{"51 lines", call{body: line(strings.Repeat(`{"sku_id":"11","quantity":1},`, 50) + `{"sku_id":"12","quantity":1}`)}, 422, fault.Invalid, "lines"},
		{"no units", call{body: line(`{"sku_id":"11"}`)}, 422, fault.Invalid, "lines[0].quantity"},
		{"zero units", call{body: line(`{"sku_id":"11","quantity":0}`)}, 422, fault.Invalid, "lines[0].quantity"},
		{"negative units", call{body: line(`{"sku_id":"11","quantity":-1}`)}, 422, fault.Invalid, "lines[0].quantity"},
		{"1001 units", call{body: line(`{"sku_id":"11","quantity":1001}`)}, 422, fault.Invalid, "lines[0].quantity"},
		{"1001 units in two lines", call{body: line(`{"sku_id":"11","quantity":1000},{"sku_id":"11","quantity":1}`)}, 422, fault.Invalid, "lines"},
		{"no SKU", call{body: line(`{"quantity":1}`)}, 422, fault.Invalid, "lines[0].sku_id"},
		{"bad SKU", call{body: line(`{"sku_id":"MUG","quantity":1}`)}, 422, fault.Invalid, "lines[0].sku_id"},
		{"SKU with a sign", call{body: line(`{"sku_id":"-11","quantity":1}`)}, 422, fault.Invalid, "lines[0].sku_id"},
		{"SKU that does not exist", call{body: one(missing)}, 422, fault.NotInSale, "lines[0].sku_id"},
		{"SKU that is not in the sale", call{do: inSale, body: one(mug)}, 422, fault.NotInSale, "lines[0].sku_id"},
		{"more than the limit at once", call{do: inSale, body: line(`{"sku_id":"12","quantity":3}`)}, 409, fault.LimitReached, ""},
		{"more than there is", call{body: line(`{"sku_id":"12","quantity":1}`)}, 409, fault.SoldOut, ""},

		{"no key", call{key: "-", body: one(mug)}, 400, fault.MissingKey, "Idempotency-Key"},
		{"key of 256 bytes", call{key: strings.Repeat("k", 256), body: one(mug)}, 400, fault.BadRequest, "Idempotency-Key"},
		{"key with a space", call{key: "a b", body: one(mug)}, 400, fault.BadRequest, "Idempotency-Key"},
		{"key beyond ASCII", call{key: "schlüssel", body: one(mug)}, 400, fault.BadRequest, "Idempotency-Key"},

		{"nobody", call{as: "-", body: one(mug)}, 401, fault.Unauthenticated, ""},
		{"unknown token", call{as: "nobody", body: one(mug)}, 401, fault.Unauthenticated, ""},
		{"token of another shop", call{as: "foreign", body: one(mug)}, 401, fault.Unauthenticated, ""},
		{"admin key", call{as: "all", body: one(mug)}, 401, fault.Unauthenticated, ""},
		{"another scheme", call{as: "-", body: one(mug), head: map[string]string{"Authorization": "Basic YTpi"}}, 401, fault.Unauthenticated, ""},
		{"nobody, and a body that cannot be read", call{as: "-", body: `{`}, 401, fault.Unauthenticated, ""},

		{"bad sale", call{do: "POST /v1/sales/x/orders", body: one(mug)}, 422, fault.Invalid, "id"},
		{"sale that overflows", call{do: "POST /v1/sales/9223372036854775808/orders", body: one(mug)}, 422, fault.Invalid, "id"},
		{"sale that does not exist", call{do: "POST /v1/sales/5/orders", body: one(mug)}, 404, fault.NotFound, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := tt.call
			c.do = or(c.do, general)
			c.as = strings.TrimPrefix(or(c.as, "ada"), "-")
			c.key = strings.TrimPrefix(or(c.key, "key"), "-")
			before := s.state(t)
			a := s.do(t, c).is(tt.status, tt.code, tt.field)
			if a.header.Get("Content-Type") != "application/problem+json" {
				t.Error("not a problem:", a.header.Get("Content-Type"))
			}
			if (a.header.Get("WWW-Authenticate") != "") != (tt.status == 401) {
				t.Error("WWW-Authenticate:", a.header.Get("WWW-Authenticate"))
			}
			if diff := cmp.Diff(before, s.state(t)); diff != "" {
				t.Error("it changed something:", diff)
			}
		})
	}
	t.Run("an expired token", func(t *testing.T) {
		s.Clock.Advance(tokenLifetime)
		s.do(t, call{as: "ada", do: general, key: "k", body: one(mug)}).is(401, fault.Unauthenticated, "")
	})
}

func or(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}

func TestReadOrders(t *testing.T) {
	s := newShop(t)
	s.receive(mug, 100)
	var made []orderView
	for i := range 3 {
		var o orderView
		s.do(t, call{as: "ada", do: "POST /v1/orders", key: fmt.Sprint(i), body: one(mug)}).is(201, 0, "").in(&o)
		made = append(made, o)
	}
	mine := "GET /v1/orders/" + made[0].ID.String()

	t.Run("mine", func(t *testing.T) {
		var o orderView
		s.do(t, call{as: "ada", do: mine + "?wait=5s"}).is(200, 0, "").in(&o)
		if o.ID != made[0].ID || o.Customer != 0 {
			t.Errorf("%+v", o)
		}
	})
	t.Run("another customer's is not there", func(t *testing.T) {
		s.do(t, call{as: "bob", do: mine}).is(404, fault.NotFound, "")
		s.do(t, call{as: "bob", do: "POST /v1/orders/" + made[0].ID.String() + "/cancel"}).is(404, fault.NotFound, "")
	})
	t.Run("one that does not exist", func(t *testing.T) {
		s.do(t, call{as: "ada", do: "GET /v1/orders/5?wait=10ms"}).is(404, fault.NotFound, "")
	})
	t.Run("bad questions", func(t *testing.T) {
		s.do(t, call{as: "ada", do: "GET /v1/orders/007"}).is(422, fault.Invalid, "id")
		for _, wait := range []string{"5", "-1s", "31s", "1e9s", "soon"} {
			s.do(t, call{as: "ada", do: mine + "?wait=" + wait}).is(422, fault.Invalid, "wait")
		}
		for _, limit := range []string{"0", "-1", "201", "many", "9999999999999999999"} {
			s.do(t, call{as: "ada", do: "GET /v1/orders?limit=" + limit}).is(422, fault.Invalid, "limit")
		}
		s.do(t, call{do: "GET /v1/orders"}).is(401, fault.Unauthenticated, "")
	})
	t.Run("page by page, newest first", func(t *testing.T) {
		var first, second orderPage
		s.do(t, call{as: "ada", do: "GET /v1/orders?limit=2"}).is(200, 0, "").in(&first)
		s.do(t, call{as: "ada", do: "GET /v1/orders?limit=2&cursor=" + first.NextCursor}).is(200, 0, "").in(&second)
		got := append(first.Items, second.Items...)
		if len(got) != 3 || got[0].ID != made[2].ID || got[2].ID != made[0].ID || second.NextCursor != "" {
			t.Errorf("%+v and %+v", first, second)
		}
		var none orderPage
		s.do(t, call{as: "bob", do: "GET /v1/orders"}).is(200, 0, "").in(&none)
		if none.Items == nil || len(none.Items) != 0 {
			t.Errorf("%+v", none)
		}
	})
	t.Run("an operator sees whose it is", func(t *testing.T) {
		var o orderView
		s.do(t, call{as: "orders", do: "GET /v1/admin/orders/" + made[0].ID.String()}).is(200, 0, "").in(&o)
		if o.Customer != customers["ada"] {
			t.Errorf("%+v", o)
		}
		var found orderPage
		s.do(t, call{as: "all", do: "GET /v1/admin/orders?status=pending&customer_id=1001&limit=1"}).is(200, 0, "").in(&found)
		if len(found.Items) != 1 || found.Items[0].ID != made[2].ID || found.NextCursor == "" {
			t.Errorf("%+v", found)
		}
		for query, n := range map[string]int{"from=2026-11-27T00:00:00Z": 3, "to=2026-11-27T00:00:00Z": 0, "from=2026-11-27T20:00:00%2B01:00&to=2026-11-28T00:00:00Z": 3} {
			if s.do(t, call{as: "orders", do: "GET /v1/admin/orders?customer_id=1001&" + query}).is(200, 0, "").in(&found); len(found.Items) != n {
				t.Errorf("%s: %d orders, want %d", query, len(found.Items), n)
			}
		}
		s.do(t, call{as: "orders", do: "GET /v1/admin/orders?from=yesterday"}).is(422, fault.Invalid, "from")
		s.do(t, call{as: "orders", do: "GET /v1/admin/orders?status=lost"}).is(422, fault.Invalid, "status")
		s.do(t, call{as: "orders", do: "GET /v1/admin/orders?sale_id=x"}).is(422, fault.Invalid, "sale_id")
		s.do(t, call{as: "orders", do: "GET /v1/admin/orders/5"}).is(404, fault.NotFound, "")
	})
	t.Run("cancel and fulfil", func(t *testing.T) {
		for range 2 { // twice is answered alike
			var o orderView
			s.do(t, call{as: "ada", do: "POST /v1/orders/" + made[0].ID.String() + "/cancel"}).is(200, 0, "").in(&o)
			if o.Status != "cancelled" {
				t.Errorf("%+v", o)
			}
		}
		s.do(t, call{as: "orders", do: "POST /v1/admin/orders/" + made[1].ID.String() + "/cancel"}).is(200, 0, "")
		s.do(t, call{as: "orders", do: "POST /v1/admin/orders/" + made[2].ID.String() + "/fulfil"}).is(409, fault.BadTransition, "")
	})
}

func TestRoles(t *testing.T) {
	s := newShop(t)
	for _, tt := range []struct{ do, role string }{
		{"GET /v1/admin/stock/11", "catalog"},
		{"GET /v1/admin/sales", "sales"},
		{"GET /v1/admin/orders", "orders"},
	} {
		for as := range s.bearer {
			a := s.do(t, call{as: as, do: tt.do})
			switch as {
			case tt.role, "all", "local":
				a.is(200, 0, "")
			case "", "nobody", "foreign", "ada", "bob":
				a.is(401, fault.Unauthenticated, "")
			default:
				a.is(403, fault.Forbidden, "")
			}
		}
	}
}

func TestOrderAnswersAreJSON(t *testing.T) {
	s := newShop(t)
	s.receive(mug, 1)
	a := s.do(t, call{as: "ada", do: "POST /v1/orders", key: "k", body: one(mug)}).is(201, 0, "")
	if !json.Valid(a.body) || a.header.Get("Content-Type") != "application/json" || a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%v %s", a.header, a.body)
	}
}

// TestTooManyOrders: whoever buys and cancels in a sale is told in words of its own that there is an end to it; the limit, and the keys of
// before, go on as they were.
func TestTooManyOrders(t *testing.T) {
	s := newShop(t)
	sl := s.openSale(10, 1, bowl)
	s.Follow()
	inSale := "POST /v1/sales/" + sl.String() + "/orders"
	for n := range inventory.OrdersMax {
		var o orderView
		s.do(t, call{as: "ada", do: inSale, key: fmt.Sprint("k", n), body: one(bowl)}).is(201, 0, "").in(&o)
		s.do(t, call{as: "ada", do: "POST /v1/orders/" + o.ID.String() + "/cancel"}).is(200, 0, "")
		s.Follow()
	}
	s.do(t, call{as: "ada", do: inSale, key: "more", body: one(bowl)}).is(409, fault.TooManyOrders, "")
	s.do(t, call{as: "ada", do: inSale, key: "more", body: `{"lines":[{"sku_id":"12","quantity":2}]}`}).is(409, fault.LimitReached, "")
	s.do(t, call{as: "ada", do: inSale, key: "k0", body: one(bowl)}).is(201, 0, "")
	s.do(t, call{as: "bob", do: inSale, key: "k0", body: one(bowl)}).is(201, 0, "")
}
