package httpapi_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/tidegate/tidegate/internal/kernel/cursor"
	"github.com/tidegate/tidegate/internal/kernel/fault"
)

// TestBadCursors asks every list of the contract with cursors that it has not given out.
func TestBadCursors(t *testing.T) {
	s := newCatalogShop(t)
	other := cursor.Of("another list").After(7240126464000001)
	bad := map[string]string{
		"of another list": other, "cut short": other[:len(other)-1], "cut short to one sign": other[:1], "a number": "5",
		"as they were before": "i-1zcfk2n4w9c", "a word": "x", "with a sign of its own": other + "=",
	}
	lists := 0
	for pattern, route := range contract().routes {
		if route.Operation.Parameters.GetByInAndName("query", "cursor") == nil {
			continue
		}
		lists++
		as := "all"
		if slices.Contains([]string{"/v1/orders", "/v1/points"}, route.Path) {
			as = "ada"
		}
		address := strings.NewReplacer("{sku_id}", mug.String(), "{id}", "7").Replace(pattern)
		if strings.Contains(address, "{") {
			t.Fatalf("%s has a parameter that this test does not know", pattern)
		}
		for name, text := range bad {
			t.Run(pattern+" "+name, func(t *testing.T) {
				s.shop.do(t, call{as: as, do: address + "?cursor=" + url.QueryEscape(text)}).is(400, fault.BadRequest, "cursor")
			})
		}
	}
	if lists < 10 {
		t.Errorf("the contract has %d lists with a cursor", lists)
	}
}

// TestCursorsAreTheirLists: a cursor goes on in the list that has given it out, with its filters and for its shopper, and nowhere else.
func TestCursorsAreTheirLists(t *testing.T) {
	s := newCatalogShop(t)
	s.receive(mug, 100)
	for _, who := range []string{"ada", "bob"} {
		for _, key := range []string{"a", "b", "c"} {
			s.shop.do(t, call{as: who, do: "POST /v1/orders", key: key, body: one(mug)}).is(201, 0, "")
		}
	}
	for _, p := range []string{"Cup", "Mug", "Jug"} {
		s.want(s.do("POST", "/v1/admin/products", `{"title":"`+p+`","status":"published","variants":[{"sku":"`+p+`","price":{"minor":100,"currency":"GBP"}}]}`), 201)
	}
	type page struct {
		Items []struct{ ID string }
		Next  string `json:"next_cursor"`
	}
	read := func(as, list, cursor string) page {
		t.Helper()
		var p page
		s.shop.do(t, call{as: as, do: "GET " + list + "cursor=" + cursor}).is(200, 0, "").in(&p)
		return p
	}
	lists := []struct{ as, list string }{
		{"ada", "/v1/orders?"}, {"bob", "/v1/orders?"}, {"all", "/v1/admin/orders?"}, {"all", "/v1/admin/orders?status=pending&"},
		{"all", "/v1/admin/orders?customer_id=1001&"}, {"all", "/v1/admin/orders?from=2026-01-01T00:00:00Z&"}, {"", "/v1/products?"},
		{"all", "/v1/admin/products?"}, {"all", "/v1/admin/products?status=published&"}, {"all", "/v1/admin/keys?"},
	}
	for _, from := range lists {
		first := read(from.as, from.list+"limit=2&", "")
		if len(first.Items) != 2 || first.Next == "" {
			t.Fatalf("%v: the first page is %+v", from, first)
		}
		second := read(from.as, from.list+"limit=1&", first.Next) // the limit may change from page to page
		if len(second.Items) != 1 || slices.Contains(first.Items, second.Items[0]) {
			t.Errorf("%v: %+v follows %+v", from, second, first)
		}
		for _, to := range lists {
			if to != from {
				s.shop.do(t, call{as: to.as, do: "GET " + to.list + "cursor=" + first.Next}).is(400, fault.BadRequest, "cursor")
			}
		}
		for n := 1; n < len(first.Next); n++ {
			s.shop.do(t, call{as: from.as, do: "GET " + from.list + "cursor=" + first.Next[:n]}).is(400, fault.BadRequest, "cursor")
		}
	}
}
