// Package security asks the real binary as those would who should not: every route of the contract as every kind of caller,
// with forged tokens, and with an eye on what is written down.
package security

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/tidegate/tidegate/api"
	"github.com/tidegate/tidegate/test/blackbox"
)

func TestMain(m *testing.M) { blackbox.Main(m) }

// may says who may call a route.
type may string

// Those who may, beside the roles of admin keys, which are named as the contract names them.
const (
	anybody  may = "anybody"
	customer may = "customer" // any
	owner    may = "owner"    // the customer whose order it is: to others it does not exist
	itself   may = "itself"   // anybody, and the route judges what is in the body: it says 401 by itself
)

// routes says of every route of the contract who may call it. It is written down a second time on purpose: a route that is
// added, and one whose security is changed, has to be said here too.
var routes = map[string]may{
	"GET /v1/products": anybody, "GET /v1/products/{id}": anybody, "GET /v1/products/by-sku/{sku}": anybody,
	"GET /v1/products/by-handle/{handle}": anybody, "GET /v1/categories": anybody, "GET /v1/brands": anybody,
	"GET /v1/sales": anybody, "GET /v1/sales/{id}": anybody, "GET /openapi.yaml": anybody, "GET /docs": anybody,

	"POST /v1/customers": anybody, "GET /v1/customers/me": customer, "POST /v1/sessions": itself, "POST /v1/sessions/refresh": itself,
	"DELETE /v1/sessions": customer, "DELETE /v1/sessions/current": customer,

	"POST /v1/sales/{id}/orders": customer, "POST /v1/orders": customer, "GET /v1/orders": customer,
	"GET /v1/orders/{id}": owner, "POST /v1/orders/{id}/cancel": owner, "POST /v1/orders/{id}/payments": owner, "GET /v1/orders/{id}/payments": owner,
	"POST /v1/payments/{provider}/notifications": itself, "GET /v1/orders/{id}/events": itself, "GET /v1/points": customer,

	"GET /v1/admin/products": "catalog", "POST /v1/admin/products": "catalog", "GET /v1/admin/products/{id}": "catalog",
	"PUT /v1/admin/products/{id}": "catalog", "DELETE /v1/admin/products/{id}": "catalog", "POST /v1/admin/products/import": "catalog",
	"GET /v1/admin/products/export": "catalog", "GET /v1/admin/categories": "catalog", "POST /v1/admin/categories": "catalog",
	"GET /v1/admin/brands": "catalog", "POST /v1/admin/brands": "catalog", "GET /v1/admin/stock/{sku_id}": "catalog",
	"POST /v1/admin/stock/{sku_id}/adjustments": "catalog", "GET /v1/admin/stock/{sku_id}/movements": "catalog",

	"GET /v1/admin/sales": "sales", "POST /v1/admin/sales": "sales", "GET /v1/admin/sales/{id}": "sales", "PUT /v1/admin/sales/{id}": "sales",
	"PATCH /v1/admin/sales/{id}": "sales", "POST /v1/admin/sales/{id}/schedule": "sales", "POST /v1/admin/sales/{id}/items/{sku_id}/stop": "sales", "POST /v1/admin/sales/{id}/pause": "sales",
	"POST /v1/admin/sales/{id}/resume": "sales", "POST /v1/admin/sales/{id}/end": "sales", "POST /v1/admin/sales/{id}/allocations": "sales",
	"GET /v1/admin/rehearsals": "sales", "POST /v1/admin/rehearsals": "sales", "POST /v1/admin/rehearsals/{id}/tokens": "sales",
	"GET /v1/admin/rehearsals/{id}/orders": "sales",

	"GET /v1/admin/orders": "orders", "GET /v1/admin/orders/{id}": "orders", "POST /v1/admin/orders/{id}/cancel": "orders",
	"POST /v1/admin/orders/{id}/fulfil": "orders", "POST /v1/admin/orders/{id}/refund": "payments", "GET /v1/admin/refunds": "payments",

	"GET /v1/admin/customers": "orders", "GET /v1/admin/customers/{id}": "orders", "POST /v1/admin/customers/{id}/block": "orders",
	"POST /v1/admin/customers/{id}/unblock": "orders", "GET /v1/admin/customers/{id}/sessions": "orders",
	"DELETE /v1/admin/customers/{id}/sessions": "orders", "DELETE /v1/admin/customers/{id}/sessions/{session_id}": "orders",

	"GET /v1/admin/keys": "all", "POST /v1/admin/keys": "all", "DELETE /v1/admin/keys/{id}": "all",
	"GET /v1/admin/settings": "all", "PATCH /v1/admin/settings": "all", "GET /v1/admin/settings/changes": "all", "POST /v1/admin/settings/undo": "all",
	"POST /v1/admin/audit": "all", "POST /v1/admin/reconcile": "all",
	"GET /v1/admin/dead-letters": "all", "GET /v1/admin/dead-letters/{number}": "all", "DELETE /v1/admin/dead-letters/{number}": "all",
	"POST /v1/admin/dead-letters/{number}/replay": "all", "GET /v1/admin/audit-log": "all",
	"GET /v1/admin/webhooks": "all", "POST /v1/admin/webhooks": "all", "GET /v1/admin/webhooks/{id}": "all", "DELETE /v1/admin/webhooks/{id}": "all",
	"POST /v1/admin/webhooks/{id}/pause": "all", "POST /v1/admin/webhooks/{id}/resume": "all", "POST /v1/admin/webhooks/{id}/secret": "all", "GET /v1/admin/webhooks/{id}/deliveries": "all",
	"POST /v1/admin/webhooks/{id}/deliveries/{number}/retry": "all",
}

// roles are those that an admin key can have.
var roles = []string{"catalog", "sales", "orders", "payments", "all"}

// contract lists the routes of the contract that is served.
func contract(t *testing.T) (patterns []string) {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(api.Spec)
	if err != nil {
		t.Fatal(err)
	}
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			patterns = append(patterns, method+" "+path)
		}
	}
	slices.Sort(patterns)
	return patterns
}

// TestEveryRouteByEveryCaller calls every route of the contract as nobody, as customers with good and with bad tokens, as
// another customer, and with an admin key of every role. Who may not is told 401, 403, or, of another's order, 404; who may is
// told neither.
func TestEveryRouteByEveryCaller(t *testing.T) {
	t.Parallel()
	patterns := contract(t)
	for _, p := range patterns {
		if routes[p] == "" {
			t.Errorf("%s is in the contract and not in the matrix: say who may call it", p)
		}
	}
	for _, p := range slices.Sorted(maps.Keys(routes)) {
		if !slices.Contains(patterns, p) {
			t.Errorf("%s is in the matrix and not in the contract", p)
		}
	}
	s := open(t)
	asked := 0
	for _, p := range patterns {
		for _, c := range s.callers() {
			s.ask(p, c)
			asked++
		}
	}
	t.Logf("%d routes, %d callers, %d requests", len(patterns), len(s.callers()), asked)
}

// caller is somebody with a bearer, or none.
type caller struct {
	name, bearer string
	customer     bool // with a token that is good
	owner        bool
	role         string
}

func (s *stage) callers() []caller {
	all := []caller{
		{name: "nobody"}, {name: "nonsense", bearer: "a.b.c"}, {name: "expired", bearer: s.expired}, {name: "revoked", bearer: s.revoked},
		{name: "foreign", bearer: s.foreign}, {name: "a revoked admin key", bearer: s.revokedKey},
		{name: "another customer", bearer: s.other, customer: true}, {name: "the customer", bearer: s.owner, customer: true, owner: true},
	}
	for _, r := range roles {
		all = append(all, caller{name: "admin key of role " + r, bearer: s.keys[r], role: r})
	}
	return all
}

// ask calls a route and checks what the caller is told.
func (s *stage) ask(pattern string, c caller) {
	s.T.Helper()
	method, path, _ := strings.Cut(pattern, " ")
	address := path
	for _, parameter := range []string{"{id}", "{sku_id}", "{number}", "{provider}", "{code}", "{handle}", "{session_id}"} {
		value := "999999999999"
		switch {
		case parameter == "{provider}":
			value = "sandbox"
		case routes[pattern] == owner:
			value = s.order()
		}
		address = strings.ReplaceAll(address, parameter, value)
	}
	body := ""
	if method == "POST" || method == "PUT" || method == "PATCH" {
		body = "{}"
	}
	a := s.shop.Ask(method, address, c.bearer, body, "Idempotency-Key", "matrix")
	if c.owner && method == "DELETE" {
		s.owner = s.session() // the one before has ended
	}
	told := fmt.Sprintf("%s as %s: %s", pattern, c.name, a)
	allowed := false
	switch m := routes[pattern]; m {
	case anybody, itself:
		allowed = true
	case customer:
		allowed = c.customer
	case owner:
		if c.customer && !c.owner {
			if a.Status != 404 {
				s.T.Errorf("want 404, as of an order that is not there: %s", told)
			}
			return
		}
		allowed = c.owner
	default:
		if c.role != "" && c.role != "all" && c.role != string(m) {
			if a.Status != 403 || a.Code() != "forbidden" {
				s.T.Errorf("want 403 forbidden: %s", told)
			}
			return
		}
		allowed = c.role != ""
	}
	refused := a.Status == 401 || a.Status == 403
	switch {
	case a.Err != nil || a.Status >= 500 && a.Status != 503:
		s.T.Errorf("no proper answer: %s", told)
	case allowed && refused && routes[pattern] != itself:
		s.T.Errorf("who may is refused: %s", told)
	case !allowed && (a.Status != 401 || a.Code() != "unauthenticated"):
		s.T.Errorf("want 401 unauthenticated: %s", told)
	}
}
