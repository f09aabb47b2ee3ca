package browser

import (
	"testing"

	"github.com/tidegate/tidegate/test/blackbox"
)

// TestConsoleDesk goes through the console's pages besides the night: each is accessible in all four forms, what changes
// something asks why, and the log has it afterwards.
func TestConsoleDesk(t *testing.T) {
	t.Parallel()
	axeScript(t)
	shop := newShop(t)
	sku := shop.Stocked("MUG", 100)
	sale := shop.Open(blackbox.Terms{SKUs: []string{sku}, Allocation: 40, Limit: 2})
	o := operator(t, shop, "all")
	for _, page := range []struct{ name, path string }{
		{"desk-sales", "/console/sales"}, {"desk-sale", "/console/sales/" + sale.ID}, {"desk-new", "/console/sales/new?from=" + sale.ID},
		{"desk-products", "/console/products"}, {"desk-stock", "/console/stock/" + sku}, {"desk-orders", "/console/orders"},
		{"desk-keys", "/console/keys"}, {"desk-letters", "/console/dead-letters"}, {"desk-audit", "/console/audit"},
	} {
		o.Go(page.path)
		o.look(page.name)
	}
	o.Press("main form .button")
	o.Await("the audit's table", `document.querySelectorAll("tbody tr").length > 5`)
	o.look("desk-audited")

	o.Go("/console/sales/" + sale.ID)
	o.Press(`details:has(form[action$="/pause"]) summary`)
	o.Fill(`form[action$="/pause"] [name=reason]`, "a test of the switch")
	o.look("desk-ask")
	o.Press(`form[action$="/pause"] button`)
	o.Await("it is paused", `document.querySelector(".badge.paused")`)
	o.Go("/console/log?subject=" + sale.ID)
	o.Await("the log says who and why", `document.querySelector("main table").textContent.includes("a test of the switch")`)
	o.look("desk-log")

	other := operator(t, shop, "catalog")
	other.Expect("403 (Forbidden)")
	other.Go("/console/keys")
	other.Await("a role that is not theirs is refused", `document.querySelector("main").textContent.length > 0 && !document.querySelector("main table")`)
}
