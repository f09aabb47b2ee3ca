package security

import (
	"html/template"
	"io/fs"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tidegate/tidegate/internal/account"
	"github.com/tidegate/tidegate/internal/await"
	"github.com/tidegate/tidegate/internal/web/admin"
	"github.com/tidegate/tidegate/internal/web/livesale"
	"github.com/tidegate/tidegate/internal/web/site"
	"github.com/tidegate/tidegate/test/blackbox"
)

// acts says of everything that changes something in the console what role its key needs. Like routes it is written down a second
// time on purpose.
var acts = map[string]account.Role{
	"/console/live-sales/{id}/pause": "sales", "/console/live-sales/{id}/resume": "sales", "/console/live-sales/{id}/end": "sales",
	"/console/live-sales/{id}/limit": "sales", "/console/live-sales/{id}/stock": "sales",

	"/console/sales": "sales", "/console/sales/{id}/terms": "sales", "/console/sales/{id}/schedule": "sales", "/console/sales/{id}/stop-item": "sales", "/console/sales/{id}/pause": "sales",
	"/console/sales/{id}/resume": "sales", "/console/sales/{id}/end": "sales", "/console/sales/{id}/limit": "sales", "/console/sales/{id}/allocation": "sales",

	"/console/products": "catalog", "/console/products/{id}": "catalog", "/console/products/import": "catalog", "/console/stock/{id}": "catalog",

	"/console/orders/{id}/cancel": "orders", "/console/orders/{id}/fulfil": "orders", "/console/orders/{id}/refund": "payments",
	"/console/customers/{id}/block": "orders", "/console/customers/{id}/unblock": "orders", "/console/customers/{id}/sessions/end": "orders",
	"/console/customers/{id}/sessions/{session}/end": "orders",

	"/console/keys": "all", "/console/keys/{id}/revoke": "all", "/console/audit": "all",
	"/console/dead-letters/{id}/replay": "all", "/console/dead-letters/{id}/drop": "all",
	"/console/webhooks": "all", "/console/webhooks/{id}/pause": "all", "/console/webhooks/{id}/resume": "all", "/console/webhooks/{id}/secret": "all", "/console/webhooks/{id}/delete": "all",
	"/console/webhooks/{id}/deliveries/{number}/retry": "all",
}

// letters is asked for its methods when the admin pages are mounted; none is called.
type letters = admin.DeadLetters

// screens collects what the console registers: the role that each pattern asks for.
type screens map[string]account.Role

func (s screens) Template(fs.FS, ...string) *template.Template { return nil }

func (s screens) Handle(pattern string, role account.Role, _ func(*site.Visit, account.Admin) error) {
	s[pattern] = role
}

func (s screens) Stream(pattern string, role account.Role, _ func(*site.Visit, account.Admin) error) {
	s[pattern] = role
}

// TestEveryScreenByEveryKey asks for every page of the console, and does everything that it can do, with keys of every role but its
// own: each is refused, and nothing has changed. A key with the role is not refused, and what it sends is read.
func TestEveryScreenByEveryKey(t *testing.T) {
	t.Parallel()
	all := screens{}
	livesale.Mount(livesale.Parts{Console: all})
	admin.Mount(admin.Parts{Console: all, DeadLetters: struct{ letters }{}})
	for pattern, role := range all {
		if path, isAct := strings.CutPrefix(pattern, "POST "); isAct && acts[path] != role {
			t.Errorf("%s asks for the role %q, and the matrix for %q", pattern, role, acts[path])
		}
	}
	for path := range acts {
		if all["POST "+path] == "" {
			t.Errorf("%s is in the matrix and not in the console", path)
		}
	}

	c := newConsole(t)
	before, asked := c.everything(), 0
	for _, pattern := range slices.Sorted(maps.Keys(all)) {
		for _, role := range roles {
			if account.Role(role) != all[pattern] && role != "all" {
				c.ask(pattern, role, c.form, true)
				asked++
			}
		}
	}
	after := c.everything()
	for path, was := range before {
		if is := after[path]; is != was {
			t.Errorf("what was refused has changed %s:\n%s\n%s", path, was, is)
		}
	}
	for path, role := range acts {
		c.ask("POST "+path, string(role), "x=", false)
	}
	t.Logf("%d screens and acts, %d requests without the role", len(all), asked)
}

// console is a shop with something of everything, and an operator of every role.
type console struct {
	*testing.T
	shop      *blackbox.Shop
	operators map[string]*browser
	ids       map[string]string // by the word that follows /console/
	session   string
	form      string // of every act at once: what each would take
}

func newConsole(t *testing.T) *console {
	t.Helper()
	shop := blackbox.New(t, append([]string{"TIDEGATE_WEB_HTTPS=true"}, attempts...)...)
	shop.Start()
	c := &console{T: t, shop: shop, operators: map[string]*browser{}, ids: map[string]string{"dead-letters": "1"}}
	sku := shop.Stocked("DESK", 50)
	sale := shop.Open(blackbox.Terms{SKUs: []string{sku}, Allocation: 10, PaymentSeconds: 3600})
	shopper := &browser{T: t, base: shop.Running().Public, cookies: map[string]string{}}
	shopper.do("POST", "/signup", url.Values{"email": {"desk@shopper.example"}, "password": {password}}.Encode())
	bought, _ := shopper.do("POST", "/sales/"+sale.ID+"/orders", "sku="+sku+"&key=page-after-0")
	var customers, products, sessions, keys struct{ Items []struct{ ID string } }
	shop.Admin("GET", "/v1/admin/customers", nil, &customers)
	shop.Admin("GET", "/v1/admin/products", nil, &products)
	c.ids["sales"], c.ids["live-sales"], c.ids["stock"], c.ids["orders"] = sale.ID, sale.ID, sku, strings.TrimPrefix(bought.Header.Get("Location"), "/orders/")
	await.Until(t, "the order is listed", func() bool { return len(shop.Orders(sale.ID, "")) == 1 })
	c.ids["customers"], c.ids["products"] = customers.Items[0].ID, products.Items[0].ID
	shop.Admin("GET", "/v1/admin/customers/"+c.ids["customers"]+"/sessions", nil, &sessions)
	c.session = sessions.Items[0].ID
	var hook struct{ ID string }
	shop.Admin("POST", "/v1/admin/webhooks", map[string]any{"url": "https://desk.example.test/hook", "event_types": []string{"order.paid.v1"}}, &hook)
	shop.Admin("POST", "/v1/admin/webhooks/"+hook.ID+"/pause", nil, nil)
	c.ids["webhooks"] = hook.ID
	for _, role := range roles {
		var made struct{ Key string }
		shop.Admin("POST", "/v1/admin/keys", map[string]any{"name": "the " + role + " desk", "roles": []string{role}}, &made)
		b := &browser{T: t, base: shop.Running().Public, cookies: map[string]string{}}
		if a, text := b.do("POST", "/console/signin", "key="+url.QueryEscape(made.Key)); a.StatusCode != http.StatusSeeOther {
			t.Fatalf("signing in to the console as %s: %d %s", role, a.StatusCode, text)
		}
		c.operators[role] = b
	}
	shop.Admin("GET", "/v1/admin/keys", nil, &keys)
	c.ids["keys"] = keys.Items[0].ID
	c.form = url.Values{
		"reason": {"a test"}, "units": {"5"}, "kind": {"receive"}, "idem": {"a-test"}, "limit": {"7"}, "sku": {sku}, "name": {"an intruder"}, "role": {"all"},
		"url": {"https://intruder.example.test"}, "type": {"*"}, "title": {"An intruder"}, "handle": {"an-intruder"}, "code": {"INTRUDER"}, "price": {"1.00"},
		"status": {"published"}, "version": {"1"}, "price0": {"1.00"}, "items": {"DESK 1.00 5"}, "starts_at": {"2030-01-01T00:00"}, "ends_at": {"2030-01-02T00:00"},
	}.Encode()
	return c
}

// ask asks for a screen, or does an act, with the key of a role.
func (c *console) ask(pattern, role, form string, refused bool) {
	c.Helper()
	method, path, _ := strings.Cut(pattern, " ")
	word, _, _ := strings.Cut(strings.TrimPrefix(path, "/console/"), "/")
	path = strings.NewReplacer("{id}", c.ids[word], "{session}", c.session, "{number}", "1").Replace(path)
	if method == "GET" {
		form = ""
	}
	a, text := c.operators[role].do(method, path, form)
	switch {
	case refused && a.StatusCode != http.StatusForbidden:
		c.Errorf("%s %s with the role %s: %d, not 403: %.300s", method, path, role, a.StatusCode, text)
	case !refused && (a.StatusCode == http.StatusForbidden || a.StatusCode >= 500):
		c.Errorf("%s %s with the role %s: %d: %.300s", method, path, role, a.StatusCode, text)
	}
}

var serverTime = regexp.MustCompile(`,"server_time":"[^"]*"`)

// everything returns what the console could change, as the API has it.
func (c *console) everything() map[string]string {
	c.Helper()
	all := map[string]string{}
	for _, path := range []string{
		"sales", "sales/" + c.ids["sales"], "products", "stock/" + c.ids["stock"], "stock/" + c.ids["stock"] + "/movements", "orders", "customers",
		"customers/" + c.ids["customers"] + "/sessions", "keys", "webhooks", "dead-letters", "refunds", "audit-log",
	} {
		a := c.shop.Ask("GET", "/v1/admin/"+path, c.shop.Running().AdminKey, "")
		if a.Status != http.StatusOK {
			c.Fatalf("%s: %s", path, a)
		}
		all[path] = serverTime.ReplaceAllString(string(a.Body), "")
	}
	return all
}
