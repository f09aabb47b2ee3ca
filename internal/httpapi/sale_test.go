package httpapi_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

type saleView struct {
	ID      id.Sale
	Title   string
	Status  string
	Limit   int64     `json:"limit_per_customer"`
	Seconds int64     `json:"payment_window_seconds"`
	Starts  time.Time `json:"starts_at"`
	Ends    time.Time `json:"ends_at"`
	Version int64
	Now     time.Time `json:"server_time"`
	Items   []struct {
		Allocation, Available int64
		Price, List           struct{ Minor int64 }
	}
}

type salePage struct {
	Items      []saleView
	NextCursor string `json:"next_cursor"`
}

// terms is a good sale of one mug; replace changes it.
func terms(s *shop, replace ...string) string {
	now := s.Clock.Now()
	body := fmt.Sprintf(`{"title":"Night","starts_at":%q,"ends_at":%q,"items":[{"sku_id":"11","price":{"minor":999,"currency":"GBP"},"allocation":5}]}`,
		now.Add(time.Minute).Format(time.RFC3339), now.Add(time.Hour).Format(time.RFC3339))
	return strings.NewReplacer(replace...).Replace(body)
}

func TestTheLifeOfASale(t *testing.T) {
	s := newShop(t)
	s.receive(mug, 10)
	var sl saleView
	made := s.do(t, call{as: "sales", do: "POST /v1/admin/sales", body: terms(s)}).is(201, 0, "").in(&sl)
	if sl.Status != "draft" || sl.Seconds != 15*60 || sl.Version != 1 || made.header.Get("ETag") != `"1"` || sl.Items[0].Available != 0 {
		t.Fatalf("%+v %v", sl, made.header)
	}
	admin, public := "/v1/admin/sales/"+sl.ID.String(), "GET /v1/sales/"+sl.ID.String()

	s.do(t, call{do: public}).is(404, fault.NotFound, "") // shoppers do not see drafts
	s.do(t, call{as: "sales", do: "GET " + admin}).is(200, 0, "")

	s.do(t, call{as: "sales", do: "PUT " + admin, head: map[string]string{"If-Match": `"7"`}, body: terms(s)}).is(412, fault.VersionMismatch, "")
	s.do(t, call{as: "sales", do: "PUT " + admin, body: terms(s)}).is(422, fault.Invalid, "If-Match")
	s.do(t, call{as: "sales", do: "PUT " + admin, head: map[string]string{"If-Match": `1`}, body: terms(s)}).is(422, fault.Invalid, "If-Match")
	a := s.do(t, call{as: "sales", do: "PUT " + admin, head: map[string]string{"If-Match": `"1"`}, body: terms(s, "Night", "Late night")}).is(200, 0, "").in(&sl)
	if sl.Title != "Late night" || a.header.Get("ETag") != versionTag(sl.Version) {
		t.Errorf("%+v %v", sl, a.header)
	}

	s.do(t, call{as: "sales", do: "POST " + admin + "/resume"}).is(409, fault.BadTransition, "")
	s.do(t, call{as: "sales", do: "POST " + admin + "/schedule"}).is(200, 0, "").in(&sl)
	s.Follow()
	s.do(t, call{as: "sales", do: "PUT " + admin, head: map[string]string{"If-Match": versionTag(sl.Version)}, body: terms(s)}).is(409, fault.SaleLocked, "")
	s.do(t, call{do: public}).is(200, 0, "").in(&sl)
	if sl.Status != "scheduled" || sl.Items[0].Available != 5 || !sl.Now.Equal(s.Clock.Now()) {
		t.Errorf("%+v", sl)
	}

	s.Clock.Advance(time.Minute)
	var open salePage
	s.do(t, call{do: "GET /v1/sales"}).is(200, 0, "").in(&open)
	if len(open.Items) != 1 || open.Items[0].Status != "live" { // by the clock, whatever the row says
		t.Errorf("%+v", open)
	}

	s.do(t, call{as: "sales", do: "PATCH " + admin, body: `{"limit_per_customer":3}`}).is(200, 0, "").in(&sl)
	if sl.Limit != 3 {
		t.Errorf("%+v", sl)
	}
	s.do(t, call{as: "sales", do: "POST " + admin + "/allocations", body: `{"sku_id":"11","quantity":5,"reason":"more"}`}).is(201, 0, "").in(&sl)
	if sl.Items[0].Allocation != 10 {
		t.Errorf("%+v", sl)
	}
	s.do(t, call{as: "sales", do: "POST " + admin + "/allocations", body: `{"sku_id":"11","quantity":1,"reason":"more"}`}).is(409, fault.OutOfStock, "")
	s.do(t, call{as: "sales", do: "POST " + admin + "/pause"}).is(200, 0, "")
	ended := s.do(t, call{as: "sales", do: "POST " + admin + "/end"}).is(200, 0, "")
	ended.in(&sl)
	if sl.Status != "ended" || strings.Contains(string(ended.body), `"available"`) { // units are left, but not for sale
		t.Errorf("%+v", sl)
	}
	s.do(t, call{do: public}).is(200, 0, "")
	s.do(t, call{as: "sales", do: "PATCH " + admin, body: `{"limit_per_customer":3}`}).is(409, fault.SaleEnded, "")
}

func versionTag(v int64) string { return fmt.Sprintf("%q", fmt.Sprint(v)) }

// TestBadSales is the bad input of the sale routes. Whatever is refused changes nothing.
func TestBadSales(t *testing.T) {
	s := newShop(t)
	draft := s.draft(5, 0, mug)
	at := "/v1/admin/sales/" + draft.String()
	create := func(replace ...string) call { return call{do: "POST /v1/admin/sales", body: terms(s, replace...)} }
	for _, tt := range []struct {
		name   string
		call   call
		status int
		code   fault.Code
		field  string
	}{
		{"unknown field", create(`"title"`, `"colour":1,"title"`), 400, fault.BadRequest, "colour"},
		{"unknown field of an item", create(`"allocation"`, `"available":5,"allocation"`), 400, fault.BadRequest, "items[0].available"},
		{"wrong type", create(`"Night"`, `7`), 400, fault.BadRequest, "title"},
		{"time that is none", create(s.Clock.Now().Add(time.Minute).Format(time.RFC3339), "tomorrow"), 422, fault.Invalid, "starts_at"},
		{"no title", create("Night", ""), 422, fault.Invalid, "title"},
		{"a blank title", create("Night", "  "), 422, fault.Invalid, "title"},
		{"too long a title", create("Night", strings.Repeat("n", 201)), 422, fault.Invalid, "title"},
		{"negative limit", create(`"items"`, `"limit_per_customer":-1,"items"`), 422, fault.Invalid, "limit_per_customer"},
		{"too short a window", create(`"items"`, `"payment_window_seconds":9,"items"`), 422, fault.Invalid, "payment_window_seconds"},
		{"a window that overflows", create(`"items"`, `"payment_window_seconds":9223372036854775807,"items"`), 422, fault.Invalid, "payment_window_seconds"},
		{"another currency", create("GBP", "EUR"), 422, fault.Invalid, "items[0].price.currency"},
		{"negative price", create("999", "-1"), 422, fault.Invalid, "items[0].price.minor"},
		{"price that is too large", create("999", "1000000000000001"), 422, fault.Invalid, "items[0].price.minor"},
		{"price with a fraction", create("999", "9.99"), 400, fault.BadRequest, "items[0].price.minor"},
		{"nothing allocated", create(`:5`, `:0`), 422, fault.Invalid, "items[0].allocation"},
		{"SKU that does not exist", create(`"11"`, `"404"`), 422, fault.NotInSale, "items[0].sku_id"},
		{"SKU that is no id", create(`"11"`, `"mug"`), 422, fault.Invalid, "items[0].sku_id"},
		{"over the limit", call{do: "POST /v1/admin/sales", body: strings.Repeat(" ", 1<<20) + "{}"}, 413, fault.BodyTooLarge, ""},
		{"a patch of nothing", call{do: "PATCH " + at, body: `{}`}, 422, fault.Invalid, ""},
		{"a patch of what is fixed", call{do: "PATCH " + at, body: `{"title":"x"}`}, 400, fault.BadRequest, "title"},
		{"an end that has passed", call{do: "PATCH " + at, body: `{"ends_at":"2020-01-01T00:00:00Z"}`}, 422, fault.Invalid, "ends_at"},
		{"no units", call{do: "POST " + at + "/allocations", body: `{"sku_id":"11","reason":"x"}`}, 422, fault.Invalid, "quantity"},
		{"no reason", call{do: "POST " + at + "/allocations", body: `{"sku_id":"11","quantity":1}`}, 422, fault.Invalid, "reason"},
		{"a blank reason", call{do: "POST " + at + "/allocations", body: `{"sku_id":"11","quantity":1,"reason":" "}`}, 422, fault.Invalid, "reason"},
		{"not of the sale", call{do: "POST " + at + "/allocations", body: `{"sku_id":"12","quantity":1,"reason":"x"}`}, 422, fault.NotInSale, "sku_id"},
		{"no such sale", call{do: "POST /v1/admin/sales/5/schedule"}, 404, fault.NotFound, ""},
		{"no id", call{do: "POST /v1/admin/sales/x/schedule"}, 422, fault.Invalid, "id"},
		{"pause a draft", call{do: "POST " + at + "/pause"}, 409, fault.BadTransition, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.call.as = "sales"
			before := s.state(t)
			s.do(t, tt.call).is(tt.status, tt.code, tt.field)
			if diff := cmp.Diff(before, s.state(t)); diff != "" {
				t.Error("it changed something:", diff)
			}
		})
	}
}

func TestSalesPageByPage(t *testing.T) {
	s := newShop(t)
	var made []id.Sale
	for range 3 {
		made = append(made, s.draft(1, 0, mug))
	}
	var first, second salePage
	s.do(t, call{as: "sales", do: "GET /v1/admin/sales?limit=2"}).is(200, 0, "").in(&first)
	s.do(t, call{as: "sales", do: "GET /v1/admin/sales?limit=2&cursor=" + first.NextCursor}).is(200, 0, "").in(&second)
	if len(first.Items) != 2 || first.Items[0].ID != made[2] || len(second.Items) != 1 || second.Items[0].ID != made[0] || second.NextCursor != "" {
		t.Errorf("%+v and %+v", first, second)
	}
}

// TestStopSaleItem: an item of a sale is stopped for a reason, once, and tells so; its orders are refused.
func TestStopSaleItem(t *testing.T) {
	s := newShop(t)
	sl := s.openSale(10, 0, bowl, mug)
	s.Follow()
	stop := "POST /v1/admin/sales/" + sl.String() + "/items/" + bowl.String() + "/stop"
	s.do(t, call{as: "sales", do: stop, body: `{"reason":" "}`}).is(422, fault.Invalid, "reason")
	s.do(t, call{as: "catalog", do: stop, body: `{"reason":"recalled"}`}).is(403, fault.Forbidden, "")
	for range 2 {
		if a := s.do(t, call{as: "sales", do: stop, body: `{"reason":"recalled"}`}).is(200, 0, ""); !strings.Contains(string(a.body), `"stopped":true`) {
			t.Errorf("stopped it is %s", a.body)
		}
	}
	s.do(t, call{as: "ada", do: "POST /v1/sales/" + sl.String() + "/orders", key: "a", body: one(bowl)}).is(422, fault.NotInSale, "lines[0].sku_id")
	s.do(t, call{as: "ada", do: "POST /v1/sales/" + sl.String() + "/orders", key: "b", body: one(mug)}).is(201, 0, "")
}
