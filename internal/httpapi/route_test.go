package httpapi_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/account"
	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/httpapi"
	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/rehearsal"
	"github.com/tidegate/tidegate/internal/sale"
)

// TestAccountRoutes is a customer's and a key's life, each answer held to the contract.
func TestAccountRoutes(t *testing.T) {
	s := newShop(t)
	s.parts.Accounts = s.accounts
	s.server = must(httpapi.New(s.parts))(t)
	const login = `{"email":"grace@example.com","password":"correct horse battery"}`
	type tokens struct {
		Access   string `json:"access_token"`
		Refresh  string `json:"refresh_token"`
		Customer string `json:"customer_id"`
	}
	var registered struct{ ID string }
	s.do(t, call{do: "POST /v1/customers", body: login}).is(201, 0, "").in(&registered)
	s.do(t, call{do: "POST /v1/customers", body: login}).is(409, fault.Conflict, "email")
	var first, second tokens
	s.do(t, call{do: "POST /v1/sessions", body: login}).is(201, 0, "").in(&first)
	s.do(t, call{do: "POST /v1/sessions/refresh", body: fmt.Sprintf(`{"refresh_token":%q}`, first.Refresh)}).is(200, 0, "").in(&second)
	s.bearer["grace"] = second.Access
	var me struct{ ID string }
	s.do(t, call{as: "grace", do: "GET /v1/customers/me"}).is(200, 0, "").in(&me)
	if me.ID == "" || me.ID != first.Customer {
		t.Errorf("signed in as %q, and am %q", first.Customer, me.ID)
	}
	s.do(t, call{as: "grace", do: "DELETE /v1/sessions/current"}).is(204, 0, "")
	s.do(t, call{as: "grace", do: "GET /v1/customers/me"}).is(401, fault.Unauthenticated, "")
	s.do(t, call{do: "POST /v1/sessions", body: login}).is(201, 0, "").in(&first)
	s.bearer["grace"] = first.Access
	s.do(t, call{as: "grace", do: "DELETE /v1/sessions"}).is(204, 0, "")
	s.do(t, call{as: "grace", do: "GET /v1/customers/me"}).is(401, fault.Unauthenticated, "")

	var key struct{ ID, Key string }
	s.do(t, call{as: "all", do: "POST /v1/admin/keys", body: `{"name":"Warehouse","roles":["orders"]}`}).is(201, 0, "").in(&key)
	s.bearer["warehouse"] = key.Key
	list := s.do(t, call{as: "all", do: "GET /v1/admin/keys"}).is(200, 0, "")
	if text := string(list.body); !strings.Contains(text, key.ID) || strings.Contains(text, key.Key) {
		t.Errorf("the list of keys must show the key, and not its secret: %s", text)
	}
	s.do(t, call{as: "warehouse", do: "GET /v1/admin/keys"}).is(403, fault.Forbidden, "")
	s.do(t, call{as: "all", do: "DELETE /v1/admin/keys/" + key.ID}).is(204, 0, "")
	s.Clock.Advance(time.Second) // within a second
	s.do(t, call{as: "warehouse", do: "GET /v1/admin/orders"}).is(401, fault.Unauthenticated, "")
}

// TestFulfilRoute: a paid order can be fulfilled, and one that is not paid cannot.
func TestFulfilRoute(t *testing.T) {
	s := newShop(t)
	o := s.order()
	s.do(t, call{as: "orders", do: "POST /v1/admin/orders/" + o.String() + "/fulfil"}).is(409, fault.BadTransition, "")
	s.press(s.pay(o), "pay")
	s.deliver()
	s.do(t, call{as: "orders", do: "POST /v1/admin/orders/" + o.String() + "/fulfil"}).is(200, 0, "")
	if got := s.statusOf(o); got != "fulfilled" {
		t.Errorf("the order is %s", got)
	}
}

// TestRehearsalRoutes: a rehearsal is made, bought from by its own shoppers, and told apart from the shop's sales.
func TestRehearsalRoutes(t *testing.T) {
	s := newShop(t)
	reader := catalog.NewReader(catalog.DefaultConfig(), s.Store, nil, s.Clock, slog.New(slog.DiscardHandler))
	check(t, reader.Open(t.Context()))
	book := sale.NewCache(s.Store, s.Clock)
	s.parts.Rehearsals = rehearsal.NewService(rehearsal.Parts{
		Store: s.Store, Catalogue: catalog.New(catalog.DefaultConfig(), s.Store, reader, s.Mint, s.Clock),
		Stock: inventory.NewService(s.Store, reader, s.Clock, s.Mint), Sales: sale.NewService(s.Store, book, reader, s.Clock, s.Mint, "GBP"),
		Tokens: s.tokens, Clock: s.Clock, Currency: "GBP", TokenLifetimeMax: account.TestTokenLifetimeMax,
	})
	s.server = must(httpapi.New(s.parts))(t)

	const input = `{"title":"Dress rehearsal","skus":2,"quantity":3,"shoppers":5,"limit_per_customer":2}`
	var made struct {
		Sale id.Sale  `json:"sale_id"`
		SKUs []id.SKU `json:"sku_ids"`
	}
	s.do(t, call{as: "sales", do: "POST /v1/admin/rehearsals", body: input}).is(201, 0, "").in(&made)
	s.do(t, call{as: "sales", do: "POST /v1/admin/rehearsals", body: input}).is(409, fault.Conflict, "title")
	s.do(t, call{as: "catalog", do: "POST /v1/admin/rehearsals", body: input}).is(403, fault.Forbidden, "")
	s.Follow()
	address := "/v1/admin/rehearsals/" + made.Sale.String()
	var minted struct{ Tokens []string }
	s.do(t, call{as: "sales", do: "POST " + address + "/tokens", body: `{"first":3,"count":2}`}).is(201, 0, "").in(&minted)
	s.do(t, call{as: "sales", do: "POST " + address + "/tokens", body: `{"first":3,"count":3}`}).is(422, fault.Invalid, "first")
	s.bearer["rehearsing"] = minted.Tokens[1]
	s.do(t, call{as: "rehearsing", do: "POST /v1/sales/" + made.Sale.String() + "/orders", key: "k", body: one(made.SKUs[0])}).is(201, 0, "")
	orders := s.do(t, call{as: "sales", do: "GET " + address + "/orders"}).is(200, 0, "")
	if text := string(orders.body); strings.Count(text, `{"order":`) != 1 || !strings.HasSuffix(text, `{"end":true}`+"\n") || !strings.Contains(text, `"key":"k"`) {
		t.Errorf("the orders: %s", text)
	}
	list := s.do(t, call{as: "sales", do: "GET /v1/admin/rehearsals"}).is(200, 0, "")
	if !strings.Contains(string(list.body), "Dress rehearsal") {
		t.Errorf("the rehearsals: %s", list.body)
	}
	if public := s.do(t, call{do: "GET /v1/sales"}).is(200, 0, ""); strings.Contains(string(public.body), "Dress rehearsal") {
		t.Errorf("shoppers see the rehearsal: %s", public.body)
	}
}
