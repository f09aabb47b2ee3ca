package httpapi_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tidegate/tidegate/internal/kernel/fault"
)

// TestTooManyUnpaid: nobody hoards general stock unpaid. The refusal says the bound, what is held and what to do; orders in sales, and keys
// that have their orders, go on as they were.
func TestTooManyUnpaid(t *testing.T) {
	s := newShop(t)
	s.receive(mug, 1000)
	sl := s.openSale(10, 0, bowl)
	s.Follow()
	general := "POST /v1/orders"
	units := func(n int) string { return fmt.Sprintf(`{"lines":[{"sku_id":"11","quantity":%d}]}`, n) }
	var first orderView
	s.do(t, call{as: "ada", do: general, key: "k0", body: one(mug)}).is(201, 0, "").in(&first)
	for n := range 19 {
		s.do(t, call{as: "ada", do: general, key: fmt.Sprint("k", n+1), body: one(mug)}).is(201, 0, "")
	}
	refused := s.do(t, call{as: "ada", do: general, key: "more", body: one(mug)}).is(409, fault.TooManyUnpaid, "")
	for _, part := range []string{"20 orders", "200 units", "you hold 20 of 20 units", "Pay or cancel"} {
		if !strings.Contains(string(refused.body), part) {
			t.Errorf("%q is not in %s", part, refused.body)
		}
	}
	s.do(t, call{as: "ada", do: general, key: "k0", body: one(mug)}).is(201, 0, "")
	s.do(t, call{as: "ada", do: "POST /v1/sales/" + sl.String() + "/orders", key: "sale", body: one(bowl)}).is(201, 0, "")
	s.do(t, call{as: "bob", do: general, key: "all", body: units(201)}).is(409, fault.TooManyUnpaid, "")
	s.do(t, call{as: "bob", do: general, key: "all", body: units(200)}).is(201, 0, "")
	s.do(t, call{as: "bob", do: general, key: "more", body: one(mug)}).is(409, fault.TooManyUnpaid, "")
	s.do(t, call{as: "ada", do: "POST /v1/orders/" + first.ID.String() + "/cancel"}).is(200, 0, "")
	s.do(t, call{as: "ada", do: general, key: "more", body: one(mug)}).is(201, 0, "")
}
