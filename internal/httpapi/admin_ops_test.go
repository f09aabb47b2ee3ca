package httpapi_test

import (
	"database/sql"
	"testing"

	"github.com/tidegate/tidegate/internal/audit"
	"github.com/tidegate/tidegate/internal/httpapi"
	"github.com/tidegate/tidegate/internal/kernel/fault"
)

func TestAuditAndReconcile(t *testing.T) {
	s := newShop(t)
	s.parts.Auditor = audit.NewService(s.Store, nil, s.Clock)
	s.server = must(httpapi.New(s.parts))(t)
	sl := s.openSale(2, 0, mug)
	s.do(t, call{as: "ada", do: "POST /v1/sales/" + sl.String() + "/orders", key: "o", body: one(mug)}).is(201, 0, "")

	type report struct {
		OK         bool
		Invariants []struct {
			ID         string
			OK         bool
			Checked    int64
			Found      int64 `json:"violation_count"`
			Violations []struct{ Subject, Detail string }
		}
	}
	run := call{as: "all", do: "POST /v1/admin/audit"}
	var clean, spoilt, mended report
	s.do(t, run).is(200, 0, "").in(&clean)
	if !clean.OK || len(clean.Invariants) != 9 || clean.Invariants[0].Checked == 0 {
		t.Errorf("%+v", clean)
	}

	s.spoil(t, "UPDATE stock SET reserved = 2 WHERE sale_id <> 0")
	s.do(t, run).is(200, 0, "").in(&spoilt)
	first := spoilt.Invariants[0]
	if spoilt.OK || first.OK || first.Found != 1 || len(first.Violations) != 1 || first.Violations[0].Subject != "stock of SKU 11 in sale "+sl.String() {
		t.Errorf("%+v", spoilt)
	}

	type repaired struct {
		Applied bool
		Changes []struct{ What, Was, Is string }
	}
	for _, c := range []struct {
		body    string
		applied bool
		changes int
	}{{`{}`, false, 1}, {`{"apply":true}`, true, 1}, {`{"apply":true}`, true, 0}} {
		var got repaired
		s.do(t, call{as: "all", do: "POST /v1/admin/reconcile", body: c.body}).is(200, 0, "").in(&got)
		if got.Applied != c.applied || len(got.Changes) != c.changes {
			t.Errorf("%s: %+v", c.body, got)
		}
	}
	if s.do(t, run).is(200, 0, "").in(&mended); !mended.OK {
		t.Errorf("%+v", mended)
	}

	for _, c := range []struct {
		name   string
		call   call
		status int
		code   fault.Code
		field  string
	}{
		{"an audit by nobody", call{do: "POST /v1/admin/audit"}, 401, fault.Unauthenticated, ""},
		{"an audit by another role", call{as: "orders", do: "POST /v1/admin/audit"}, 403, fault.Forbidden, ""},
		{"a reconcile by another role", call{as: "catalog", do: "POST /v1/admin/reconcile", body: `{}`}, 403, fault.Forbidden, ""},
		{"an unknown field", call{as: "all", do: "POST /v1/admin/reconcile", body: `{"force":true}`}, 400, fault.BadRequest, "force"},
		{"another type", call{as: "all", do: "POST /v1/admin/reconcile", body: `{"apply":"yes"}`}, 400, fault.BadRequest, "apply"},
	} {
		t.Run(c.name, func(t *testing.T) { s.do(t, c.call).is(c.status, c.code, c.field) })
	}
}

// spoil runs SQL on the shop's file beside the shop.
func (s *shop) spoil(t *testing.T, text string) {
	t.Helper()
	db := must(sql.Open("sqlite", "file:"+s.Path))(t)
	defer func() { check(t, db.Close()) }()
	_, err := db.ExecContext(t.Context(), text)
	check(t, err)
}
