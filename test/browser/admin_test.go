package browser

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/tidegate/tidegate/test/blackbox"
)

// TestConsolePages goes through the console's pages besides the night: each is accessible in all four forms, what changes
// something asks why, and the log has it afterwards.
func TestConsolePages(t *testing.T) {
	t.Parallel()
	axeScript(t)
	shop := newShop(t)
	sku := shop.Stocked("MUG", 100)
	sale := shop.Open(blackbox.Terms{SKUs: []string{sku}, Allocation: 40, Limit: 2})
	o := operator(t, shop, "all")
	for _, page := range []struct{ name, path string }{
		{"admin-sales", "/console/sales"}, {"admin-sale", "/console/sales/" + sale.ID}, {"admin-new", "/console/sales/new?from=" + sale.ID},
		{"admin-products", "/console/products"}, {"admin-stock", "/console/stock/" + sku}, {"admin-product-new", "/console/products/new"},
		{"admin-keys", "/console/keys"}, {"admin-letters", "/console/dead-letters"}, {"admin-audit", "/console/audit"},
	} {
		o.Go(page.path)
		o.look(page.name)
	}
	o.Press("main form .button")
	o.Await("the audit's table", `document.querySelectorAll("tbody tr").length > 5`)
	o.look("admin-audited")

	o.Go("/console/sales/" + sale.ID)
	o.because("pause", "a test of the switch")
	o.Await("it is paused", `document.querySelector(".badge.paused")`)
	o.Go("/console/log?subject=" + sale.ID)
	o.Await("the log says who and why", `document.querySelector("main table").textContent.includes("a test of the switch")`)
	o.look("admin-log")

	other := operator(t, shop, "catalog")
	other.Expect("403 (Forbidden)")
	for _, path := range []string{"/console/keys", "/console/customers", "/console/webhooks", "/console/orders"} {
		other.Go(path)
		other.Await("a role that is not theirs is refused", `document.querySelector("main").textContent.length > 0 && !document.querySelector("main table, main form")`)
	}
	other.Go("/console")
	other.Await("what they may see is all they are shown", `document.querySelectorAll("header nav a").length === 1`)
}

// because opens the question whose form is sent to an address that ends so, says why, and sends it.
func (s *Shopper) because(verb, why string) {
	s.t.Helper()
	s.Press(`details:has(form[action$="/` + verb + `"]) summary`)
	s.Fill(`form[action$="/`+verb+`"] [name=reason]`, why)
	s.Press(`form[action$="/` + verb + `"] button`)
}

// TestConsoleCustomers: the operator finds a shopper by e-mail and their order by time, ends their session and blocks them: their next
// page asks them to sign in, which is refused until they are unblocked. Their order stays.
func TestConsoleCustomers(t *testing.T) {
	t.Parallel()
	axeScript(t)
	shop := newShop(t)
	sale := shop.Open(blackbox.Terms{SKUs: []string{shop.Stocked("VASE", 10)}, Allocation: 5})
	eve := shopper(t, shop, "eve")
	eve.Expect("403 (Forbidden)")
	eve.Go("/sales/" + sale.ID)
	eve.Press(buy)
	eve.Await("the order", order)
	o := operator(t, shop, "orders")
	o.Press(`nav a[href="/console/customers"]`)
	o.Await("she is listed", `document.querySelector("tbody th").textContent === "eve@shopper.example"`)
	o.look("admin-customers")
	o.Fill(`main [name=customer]`, "eve@shopper.example")
	o.Press("main .find button")
	o.Await("her page", `document.querySelector("h1").textContent === "eve@shopper.example" && document.querySelectorAll("tbody tr").length === 2`)
	customer := o.Path()
	o.look("admin-customer")

	o.because("end", "she asked for it")
	o.Await("no session is left", `!document.querySelector('form[action$="/end"]')`)
	eve.Go("/orders")
	eve.Await("she is signed out", `location.pathname === "/signin"`)
	signIn := func() {
		eve.Go("/signin")
		eve.Fill("#email", "eve@shopper.example")
		eve.Fill("#password", "a long sentence of my own")
		eve.Press("main form button")
	}
	signIn()
	eve.Await("she can sign in again", `location.pathname === "/"`)
	o.Go(customer)
	o.because("block", "she buys for a reseller")
	o.Await("she is blocked", `document.querySelector(".badge.paused")`)
	o.look("admin-customer-blocked")
	signIn()
	eve.Await("she is told so", `document.querySelector("[role=alert]").textContent.includes("blocked")`)
	if orders := shop.Orders(sale.ID, "pending"); len(orders) != 1 {
		t.Errorf("%d orders are left of one", len(orders))
	}
	o.because("unblock", "it was her brother")
	o.Await("she is not", `!document.querySelector(".badge.paused")`)
	signIn()
	eve.Await("she can sign in", `location.pathname === "/"`)

	for query, n := range map[string]string{"from=2026-01-01T00:00": "1", "to=2026-01-01T00:00": "0", "customer=eve%40shopper.example": "1", "customer=nobody%40shopper.example": "0"} {
		o.Go("/console/orders?" + query)
		o.Await(query+" finds "+n, `document.querySelectorAll("tbody tr").length === `+n)
	}
	o.Go("/console/orders")
	o.look("admin-orders")
	o.Press("tbody a")
	o.Await("its story", `document.querySelector(".story li") && document.querySelector("tbody th").textContent.includes("VASE")`)
	o.because("cancel", "it was her brother's")
	o.Await("it is cancelled, and by whom", `document.querySelector(".badge.cancelled") && document.querySelector(".story").textContent.includes("it was her brother's")`)
	o.look("admin-order")
	o.Press(`.foot button[value="zh"]`)
	o.Await("Chinese", `document.documentElement.lang === "zh"`)
	o.look("admin-order-chinese")
	o.Go(customer)
	o.look("admin-customer-chinese")
}

// TestConsoleWebhooks: an address is registered, its secret shown once; it is paused, resumed and deleted.
func TestConsoleWebhooks(t *testing.T) {
	t.Parallel()
	axeScript(t)
	shop := newShop(t)
	o := operator(t, shop, "all")
	o.Go("/console/webhooks")
	o.Press(".ask summary")
	o.Fill("[name=url]", "https://erp.example.test/hooks/tidegate")
	o.Fill("[name=description]", "The warehouse")
	o.Press(`[value="order.paid.v1"]`)
	o.Fill("[name=reason]", "they pack from it")
	o.Press(".ask form button")
	o.Await("its secret", `document.querySelector(".made code").textContent.startsWith("whsec_") && document.querySelectorAll("tbody tr").length === 1`)
	o.look("admin-webhooks")
	o.Press("tbody a")
	o.Await("its page", `document.querySelector("h1").textContent.includes("erp.example.test")`)
	o.because("pause", "they move house")
	o.Await("it is paused, and why", `document.querySelector(".badge.paused") && document.querySelector(".facts").textContent.includes("they move house")`)
	o.look("admin-webhook")
	o.because("secret", "somebody has left")
	o.Await("its new secret, and the one before for a day", `document.querySelector(".made code").textContent.startsWith("whsec_") && document.querySelector(".facts").textContent.includes("signs as well")`)
	o.look("admin-webhook-rotated")
	o.because("resume", "they have moved")
	o.Await("it is active", `document.querySelector(".badge.active")`)
	o.because("delete", "they use something else")
	o.Await("it is gone", `location.pathname === "/console/webhooks" && !document.querySelector("tbody")`)
}

// TestConsoleImport: a file is looked at before it is taken: what is new, changed, unchanged and refused, and the refused rows as a
// file. Then it is taken, and shoppers see it.
func TestConsoleImport(t *testing.T) {
	t.Parallel()
	axeScript(t)
	shop := newShop(t)
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte("handle,title,status,sku,price\n"+text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	o := operator(t, shop, "catalog")
	o.Go("/console/products")
	o.Press(`a[href="/console/products/import"]`)
	preview := func(path, counts string) {
		t.Helper()
		o.do(chromedp.SetUploadFiles(chromedp.CSS("#file"), []string{path}))
		o.Press("[data-import] button")
		o.Await(filepath.Base(path)+" would be "+counts, `[...document.querySelectorAll(".counts dd")].map(d => d.textContent).join(" ") === "`+counts+`"`)
	}
	take := func() {
		t.Helper()
		o.Fill("[data-confirm] [name=reason]", "the new season")
		o.Press("[data-confirm] button")
		o.Await("it is taken", `document.querySelector("[data-result] h2") && !document.querySelector("[data-confirm]")`)
	}
	o.look("admin-import")
	preview(write("first.csv", "bowl,Bowl,published,BOWL,5.00\nvase,Vase,published,VASE,9.00\n"), "2 0 0 0")
	take()
	eval[bool](o, `((make) => { URL.createObjectURL = (b) => { window.refused = b; return make(b); }; return true })(URL.createObjectURL)`)
	preview(write("second.csv", "bowl,Bowl,published,BOWL,4.50\nvase,Vase,published,VASE,9.00\ncup,Cup,published,CUP,dear\njug,Jug,published,JUG,7.00\n"), "1 1 1 1")
	o.Await("the old price and the new one", `document.querySelector("del").textContent === "5.00" && document.querySelector("ins").textContent === "4.50"`)
	o.look("admin-import-preview")
	const want = "refused_line,refused_reason,refused_text,handle,title,status,sku,price\n4,"
	if got := eval[string](o, `window.refused.text()`); !strings.HasPrefix(got, want) || !strings.HasSuffix(got, "cup,Cup,published,CUP,dear\n") {
		t.Errorf("the refused rows are %q", got)
	}
	o.Await("they can be downloaded", `document.querySelector("a[data-refused]").href.startsWith("blob:")`)
	if a := shop.Ask("GET", "/v1/products/by-handle/jug", "", ""); a.Status != 404 {
		t.Errorf("the preview has taken something: %s", a)
	}
	take()
	o.look("admin-import-done")
	if a := shop.Ask("GET", "/v1/products/by-handle/jug", "", ""); a.Status != 200 {
		t.Errorf("what was imported is not on the shelves: %s", a)
	}
	preview(write("not-products.csv", ""), "0 0 0 0")
	path := filepath.Join(t.TempDir(), "orders.csv")
	if err := os.WriteFile(path, []byte("order_id,total\n1,2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	o.do(chromedp.SetUploadFiles(chromedp.CSS("#file"), []string{path}))
	o.Press("[data-import] button")
	o.Await("it is no file of products", `document.querySelector("[data-result] .notice").textContent.includes("list of orders")`)

	var log struct{ Items []map[string]any }
	shop.Admin("GET", "/v1/admin/audit-log", nil, &log)
	text, err := json.Marshal(log)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), `"importProducts"`); n != 2 || !strings.Contains(string(text), "the new season") {
		t.Errorf("two imports are %d in the log: %s", n, text)
	}
}
