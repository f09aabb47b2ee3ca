package httpapi_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

func TestStock(t *testing.T) {
	s := newShop(t)
	adjust := func(key, body string) call {
		return call{as: "catalog", do: "POST /v1/admin/stock/11/adjustments", key: key, body: body}
	}
	type pool struct {
		Sale      id.Sale `json:"sale_id"`
		OnHand    int64   `json:"on_hand"`
		Available int64
	}
	var general pool
	s.do(t, adjust("a", `{"kind":"receive","quantity":10,"reason":"delivery"}`)).is(201, 0, "")
	s.do(t, adjust("a", `{"kind":"receive","quantity":10,"reason":"delivery"}`)).is(201, 0, "") // once for its key
	s.do(t, adjust("b", `{"kind":"adjust","quantity":-3,"reason":"broken"}`)).is(201, 0, "").in(&general)
	if (general != pool{OnHand: 7, Available: 7}) {
		t.Errorf("%+v", general)
	}
	s.Follow()
	s.do(t, call{as: "ada", do: "POST /v1/orders", key: "o", body: one(mug)}).is(201, 0, "")
	sl := s.openSale(2, 0, mug)

	var stock struct{ Pools []pool }
	s.do(t, call{as: "catalog", do: "GET /v1/admin/stock/11"}).is(200, 0, "").in(&stock)
	if diff := cmp.Diff([]pool{{0, 7, 6}, {sl, 2, 2}}, stock.Pools); diff != "" {
		t.Error(diff)
	}

	type movements struct {
		Items []struct {
			Kind, Actor, Reason string
			Units               int64
			OnHand              int64 `json:"on_hand"`
		}
		Next string `json:"next_cursor"`
	}
	var first, second movements
	s.do(t, call{as: "catalog", do: "GET /v1/admin/stock/11/movements?limit=4"}).is(200, 0, "").in(&first)
	s.do(t, call{as: "catalog", do: "GET /v1/admin/stock/11/movements?limit=4&cursor=" + first.Next}).is(200, 0, "").in(&second)
	all := append(first.Items, second.Items...)
	if len(all) != 5 || second.Next != "" || all[3].Kind != "adjust" || all[3].OnHand != -3 || all[3].Actor != "the catalog desk" || all[3].Reason != "broken" {
		t.Errorf("%+v", all)
	}

	for _, tt := range []struct {
		name   string
		call   call
		status int
		code   fault.Code
		field  string
	}{
		{"the key with another body", adjust("a", `{"kind":"receive","quantity":11,"reason":"delivery"}`), 422, fault.KeyReused, "Idempotency-Key"},
		{"no key", adjust("", `{"kind":"receive","quantity":1,"reason":"x"}`), 400, fault.MissingKey, "Idempotency-Key"},
		{"more than there is", adjust("c", `{"kind":"adjust","quantity":-99,"reason":"x"}`), 409, fault.OutOfStock, ""},
		{"what is reserved", adjust("c", `{"kind":"adjust","quantity":-7,"reason":"x"}`), 409, fault.OutOfStock, ""},
		{"nothing", adjust("c", `{"kind":"adjust","quantity":0,"reason":"x"}`), 422, fault.Invalid, "quantity"},
		{"a negative delivery", adjust("c", `{"kind":"receive","quantity":-1,"reason":"x"}`), 422, fault.Invalid, "quantity"},
		{"too many", adjust("c", `{"kind":"receive","quantity":1000000001,"reason":"x"}`), 422, fault.Invalid, "quantity"},
		{"overflow", adjust("c", `{"kind":"receive","quantity":1e99,"reason":"x"}`), 400, fault.BadRequest, "quantity"},
		{"no reason", adjust("c", `{"kind":"receive","quantity":1}`), 422, fault.Invalid, "reason"},
		{"unknown kind", adjust("c", `{"kind":"steal","quantity":1,"reason":"x"}`), 422, fault.Invalid, "kind"},
		{"unknown field", adjust("c", `{"kind":"receive","quantity":1,"reason":"x","actor":"me"}`), 400, fault.BadRequest, "actor"},
		{"no such SKU", call{as: "catalog", do: "GET /v1/admin/stock/404"}, 404, fault.NotFound, ""},
		{"no such SKU's ledger", call{as: "catalog", do: "GET /v1/admin/stock/404/movements"}, 404, fault.NotFound, ""},
		{"no id", call{as: "catalog", do: "GET /v1/admin/stock/mug"}, 422, fault.Invalid, "sku_id"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := s.state(t)
			s.do(t, tt.call).is(tt.status, tt.code, tt.field)
			if diff := cmp.Diff(before, s.state(t)); diff != "" {
				t.Error("it changed something:", diff)
			}
		})
	}
}
