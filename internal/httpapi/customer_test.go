package httpapi_test

import (
	"encoding/json"
	"testing"

	"github.com/tidegate/tidegate/internal/kernel/fault"
)

// An operator finds a customer, ends their sessions, blocks and unblocks them; each deed is in the audit log.
func TestCustomerRoutes(t *testing.T) {
	s := newShop(t)
	const form = `{"email":"eve@example.com","password":"a long sentence of my own"}`
	var eve struct {
		ID        string
		BlockedAt string `json:"blocked_at"`
	}
	s.do(t, call{do: "POST /v1/customers", body: form}).is(201, 0, "").in(&eve)
	type grant struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
	}
	signIn := func(name string) (g grant) {
		t.Helper()
		s.do(t, call{do: "POST /v1/sessions", body: form}).is(201, 0, "").in(&g)
		s.bearer[name] = g.Access
		return g
	}
	signIn("first")
	second := signIn("second")

	var page struct{ Items []struct{ ID, Email string } }
	s.do(t, call{as: "orders", do: "GET /v1/admin/customers?email=EVE%40example.com"}).is(200, 0, "").in(&page)
	if len(page.Items) != 1 || page.Items[0].ID != eve.ID {
		t.Errorf("by address: %+v", page)
	}
	s.do(t, call{as: "orders", do: "GET /v1/admin/customers?limit=5"}).is(200, 0, "").in(&page)
	if len(page.Items) != 1 {
		t.Errorf("all: %+v", page)
	}
	path := "/v1/admin/customers/" + eve.ID
	var sessions struct{ Items []struct{ ID string } }
	list := func() int {
		t.Helper()
		s.do(t, call{as: "orders", do: "GET " + path + "/sessions"}).is(200, 0, "").in(&sessions)
		return len(sessions.Items)
	}
	if n := list(); n != 2 {
		t.Fatalf("%d sessions: %+v", n, sessions)
	}
	s.do(t, call{as: "orders", do: "DELETE " + path + "/sessions/" + sessions.Items[1].ID}).is(204, 0, "")
	s.do(t, call{as: "first", do: "GET /v1/customers/me"}).is(401, fault.Unauthenticated, "")
	s.do(t, call{as: "second", do: "GET /v1/customers/me"}).is(200, 0, "")

	var blocked struct {
		BlockedAt string `json:"blocked_at"`
	}
	s.do(t, call{as: "orders", do: "POST " + path + "/block"}).is(200, 0, "").in(&blocked)
	if blocked.BlockedAt == "" || list() != 0 {
		t.Errorf("blocked: %+v", blocked)
	}
	s.do(t, call{as: "second", do: "GET /v1/customers/me"}).is(401, fault.Unauthenticated, "")
	s.do(t, call{as: "second", do: "POST /v1/orders", key: "k", body: `{"lines":[{"sku_id":"11","quantity":1}]}`}).is(401, fault.Unauthenticated, "")
	text, err := json.Marshal(map[string]string{"refresh_token": second.Refresh})
	check(t, err)
	s.do(t, call{do: "POST /v1/sessions/refresh", body: string(text)}).is(401, fault.Unauthenticated, "")
	s.do(t, call{do: "POST /v1/sessions", body: form}).is(403, fault.Forbidden, "account")
	s.do(t, call{as: "orders", do: "POST " + path + "/unblock"}).is(200, 0, "").in(&eve)
	if eve.BlockedAt != "" {
		t.Errorf("unblocked: %+v", eve)
	}
	signIn("third")
	s.do(t, call{as: "orders", do: "DELETE " + path + "/sessions"}).is(204, 0, "")
	s.do(t, call{as: "third", do: "GET /v1/customers/me"}).is(401, fault.Unauthenticated, "")

	var log struct{ Items []struct{ Operation string } }
	s.do(t, call{as: "all", do: "GET /v1/admin/audit-log?subject=" + eve.ID}).is(200, 0, "").in(&log)
	var did []string
	for _, e := range log.Items {
		did = append(did, e.Operation)
	}
	if got, want := len(did), 4; got != want || did[0] != "endCustomerSessions" || did[1] != "unblockCustomer" || did[2] != "blockCustomer" || did[3] != "endCustomerSession" {
		t.Errorf("the log has %v", did)
	}

	for _, c := range []struct {
		do, field string
		status    int
		code      fault.Code
	}{
		{"GET /v1/admin/customers?email=eve", "email", 422, fault.Invalid},
		{"GET /v1/admin/customers/5", "", 404, fault.NotFound},
		{"GET /v1/admin/customers/x", "id", 422, fault.Invalid},
		{"POST /v1/admin/customers/5/block", "", 404, fault.NotFound},
		{"POST /v1/admin/customers/5/unblock", "", 404, fault.NotFound},
		{"DELETE " + path + "/sessions/5", "", 404, fault.NotFound},
	} {
		s.do(t, call{as: "orders", do: c.do}).is(c.status, c.code, c.field)
	}
	s.do(t, call{as: "orders", do: "GET " + path}).is(200, 0, "")
	s.do(t, call{as: "sales", do: "GET " + path}).is(403, fault.Forbidden, "")
	s.do(t, call{as: "ada", do: "GET " + path}).is(401, fault.Unauthenticated, "")
}
