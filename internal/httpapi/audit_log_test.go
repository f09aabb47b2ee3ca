package httpapi_test

import (
	"maps"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/fault"
)

func TestAuditLog(t *testing.T) {
	s := newShop(t)
	s.receive(mug, 10)
	type page struct {
		Items []struct {
			Actor, Operation, Subject, Reason string
			At                                time.Time `json:"created_at"`
		}
		NextCursor string `json:"next_cursor"`
	}
	read := func(query string) (p page) {
		t.Helper()
		s.do(t, call{as: "all", do: "GET /v1/admin/audit-log" + query}).is(200, 0, "").in(&p)
		return p
	}
	before := len(read("").Items)
	var sl saleView
	s.do(t, call{as: "sales", do: "POST /v1/admin/sales", body: terms(s)}).is(201, 0, "").in(&sl)
	admin := "/v1/admin/sales/" + sl.ID.String()
	s.do(t, call{as: "sales", do: "POST " + admin + "/schedule", head: map[string]string{"Audit-Reason": "the night of the 27th: %E6%B5%AA"}}).is(200, 0, "")
	s.do(t, call{as: "sales", do: "POST " + admin + "/resume", head: map[string]string{"Audit-Reason": "refused"}}).is(409, fault.BadTransition, "")
	s.do(t, call{as: "sales", do: "POST " + admin + "/allocations", head: map[string]string{"Audit-Reason": "the header's"},
		body: `{"sku_id":"11","quantity":2,"reason":"the body's"}`}).is(201, 0, "")
	s.do(t, call{as: "sales", do: "POST " + admin + "/end", head: map[string]string{"Audit-Reason": "100 %"}}).is(200, 0, "")

	got := read("").Items
	if len(got) != before+4 {
		t.Fatalf("%d entries for four deeds: %+v", len(got)-before, got)
	}
	for i, want := range []struct{ operation, subject, reason string }{
		{"endSale", sl.ID.String(), "100 %"},
		{"changeAllocation", sl.ID.String(), "the body's"},
		{"scheduleSale", sl.ID.String(), "the night of the 27th: 浪"},
		{"createSale", sl.ID.String(), ""},
	} {
		if e := got[i]; e.Operation != want.operation || e.Subject != want.subject || e.Reason != want.reason || e.Actor == "" || !e.At.Equal(s.Clock.Now()) {
			t.Errorf("entry %d is %+v, want %+v", i, e, want)
		}
	}
	if of := read("?subject=" + sl.ID.String()).Items; len(of) != 4 {
		t.Errorf("of the sale: %+v", of)
	}
	if first := read("?limit=1"); len(first.Items) != 1 || first.NextCursor == "" || read("?limit=1&cursor=" + first.NextCursor).Items[0].Operation != "changeAllocation" {
		t.Errorf("in pages: %+v", first)
	}
	s.do(t, call{as: "sales", do: "GET /v1/admin/audit-log"}).is(403, fault.Forbidden, "")
}

// TestAReplayIsNoDeed checks that a repeated request, which changes nothing, adds no entry, and that every entry has a subject.
func TestAReplayIsNoDeed(t *testing.T) {
	s := newShop(t)
	read := func() (of []struct{ Operation, Subject string }) {
		t.Helper()
		var p struct {
			Items []struct{ Operation, Subject string }
		}
		s.do(t, call{as: "all", do: "GET /v1/admin/audit-log?limit=200"}).is(200, 0, "").in(&p)
		return p.Items
	}
	before := len(read())
	receipt := call{as: "catalog", do: "POST /v1/admin/stock/11/adjustments", key: "receipt-1", body: `{"kind":"receive","quantity":5,"reason":"Delivery"}`}
	for range 3 {
		s.do(t, receipt)
	}
	var key struct{ ID string }
	s.do(t, call{as: "all", do: "POST /v1/admin/keys", body: `{"name":"till","roles":["orders"]}`}).is(201, 0, "").in(&key)
	for range 2 {
		s.do(t, call{as: "all", do: "DELETE /v1/admin/keys/" + key.ID})
	}
	got := read()
	deeds := map[string]int{}
	for _, e := range got[:len(got)-before] {
		deeds[e.Operation]++
		if e.Subject == "" {
			t.Errorf("%s has no subject", e.Operation)
		}
	}
	if want := map[string]int{"adjustStock": 1, "createKey": 1, "revokeKey": 1}; !maps.Equal(deeds, want) {
		t.Errorf("the log has %v, want %v", deeds, want)
	}
}
