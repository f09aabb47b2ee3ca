package browser

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/tidegate/test/blackbox"
)

// look holds the page that is shown to what every page keeps: it is accessible in all four forms, wide and narrow, light and
// dark, and never wider than the screen. Its pictures go to the folder that SCREENS names.
func (s *Shopper) look(name string) {
	s.t.Helper()
	folder := os.Getenv("SCREENS")
	for _, f := range forms {
		s.As(f)
		if eval[bool](s, "document.documentElement.scrollWidth > innerWidth") {
			s.t.Errorf("%s, %s: wider than the screen", name, f.Name)
		}
		// What is a matter of the document is seen in the first form; the others change colours and places.
		var rules []string
		if f != forms[0] {
			rules = []string{"color-contrast", "target-size", "scrollable-region-focusable"}
		}
		s.Accessible(name+", "+f.Name, rules...)
		if folder == "" {
			continue
		}
		s.picture(folder, name+"."+f.Name)
	}
	s.As(forms[2])
}

// picture writes a picture of the page into a folder.
func (s *Shopper) picture(folder, name string) {
	s.t.Helper()
	if err := os.MkdirAll(folder, 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, name+".png"), s.Shot(), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// TestPages looks at every page of the storefront.
func TestPages(t *testing.T) {
	t.Parallel()
	axeScript(t)
	startBrowser(t)
	shop := blackbox.New(t)
	shop.Start("--demo")
	s := NewShopper(t, shop.Running().Public)
	s.Expect("404 (Not Found)")

	sale := demoSaleOf(shop)
	s.Go("/sales/" + sale.ID)
	s.Await("the sale opens", `document.querySelector("[data-sale]").dataset.phase === "live"`)

	// The way of a newcomer, by what the pages offer alone.
	s.Go("/")
	s.Press(".drop .button")
	s.Await("the sale", onSale)
	s.Press(`[data-state="live"] a[data-when="live"]`)
	s.Await("signing in", `location.pathname === "/signin"`)
	s.Press(".links a")
	s.Await("signing up", `location.pathname === "/signup"`)
	s.look("signup")
	s.Fill("#email", "page@tidegate.example")
	s.Fill("#password", "a long sentence of my own")
	s.Press("main form button")
	s.Await("back at the sale, signed in", onSale+` && document.querySelector('form[action="/signout"]')`)
	s.look("sale-live")
	s.Go("/")
	s.look("home-live")

	s.Go("/search?q=bag")
	s.look("search")
	s.Go("/search?q=nothing+of+that+name")
	s.look("search-none")
	s.Go("/")
	s.Press(".chips a")
	s.Await("a shelf", `location.pathname.startsWith("/categories/")`)
	s.look("category")
	s.Press(".card a")
	s.Await("a product", `location.pathname.startsWith("/products/")`)
	s.look("product")
	product := s.Path()
	s.Press(".choose button")
	s.Await("the checkout", `location.pathname === "/checkout"`)
	s.look("checkout")

	s.Go("/sales/" + sale.ID)
	s.Press(`[data-item] button`)
	s.Await("the order", `location.pathname.startsWith("/orders/")`)
	order := s.Path()
	s.look("order-pending")
	s.Go("/sales/" + sale.ID)
	s.look("sale-waiting")
	s.Go(order)
	s.Press(".order form button")
	s.Await("the cashier", `location.pathname.startsWith("/sandbox/")`)
	s.look("cashier")
	s.Press(`button[value="pay"]`)
	s.Await("paid at the cashier", `document.querySelector("h1").textContent.includes("Paid")`)
	s.look("cashier-paid")
	s.Press(".back a")
	s.Await("the order is paid", `document.querySelector("[data-order]").dataset.status === "paid"`)
	s.look("order-paid")
	s.Go("/orders")
	s.look("orders")
	s.Go("/nothing/here")
	s.look("problem")
	s.Go("/")
	s.Press(`button[value="zh"]`)
	s.Await("Chinese", `document.documentElement.lang === "zh"`)
	for name, path := range map[string]string{
		"home": "/", "sale": "/sales/" + sale.ID, "product": product, "order": order, "orders": "/orders", "problem": "/nothing/here",
		"search-none": "/search?q=nothing+of+that+name",
	} {
		s.Go(path)
		s.look(name + "-chinese")
	}
	s.Go("/orders")
	s.Press(`form[action="/signout"] button`)
	s.Await("signed out", `document.querySelector('a[href^="/signin"]')`)
	s.Go("/signin")
	s.look("signin")
}

// TestPagesOtherwise looks at pages as they are when things are not as they mostly are: nothing there yet, names that have no end,
// what was filled in wrong, what is not for everyone.
func TestPagesOtherwise(t *testing.T) {
	t.Parallel()
	axeScript(t)
	shop := newShop(t)
	s := NewShopper(t, shop.Running().Public)
	s.Expect("404 (Not Found)", "401 (Unauthorized)", "422 (Unprocessable Entity)", "403 (Forbidden)")
	s.Go("/")
	s.look("home-quiet")
	s.Go("/signin")
	s.Fill("#email", "nobody@shopper.example")
	s.Fill("#password", "not my password")
	s.Press("main form button")
	s.Await("refused", `document.querySelector("[role=alert]")`)
	s.look("signin-wrong")
	s.SignUp("otherwise@shopper.example")
	s.Go("/orders")
	s.look("orders-none")

	s.Press(`form[action="/signout"] button`)
	s.Await("signed out", `document.querySelector('a[href^="/signin"]')`)
	coming := shop.Schedule(blackbox.Terms{SKUs: []string{shop.Stocked("MUG", 9), shop.Stocked("BAG", 9), shop.Stocked("CLOCK", 9)}, Allocation: 5, Limit: 2, In: time.Hour})
	s.Go("/")
	s.look("home-coming")
	s.Press(".drop .button")
	s.Await("the sale", onSale)
	s.look("sale-coming")
	s.Press(".note a")
	s.Await("signing in, and back afterwards", `location.pathname === "/signin" && document.querySelector("[name=next]").value === "/sales/`+coming.ID+`"`)
	s.SignUp("another@shopper.example")

	const endless = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft, in the edition that nobody believed would ever be made again"
	var product struct {
		Handle   string
		Variants []struct {
			SKU string `json:"sku_id"`
		}
	}
	variant := func(code, size string, minor int64) map[string]any {
		return map[string]any{"sku": code, "options": []string{size}, "price": blackbox.Money{Minor: minor, Currency: "GBP"}}
	}
	shop.Admin("POST", "/v1/admin/products", map[string]any{
		"title": endless, "status": "published", "options": []string{"Size"}, "description": "<p>Made by hand.</p><p>It goes on, and on.</p>",
		"variants": []any{variant("END-1", "Small", 123_456_789), variant("END-2", "Large enough for everybody who might ever come", 950), variant("END-3", "None", 950)},
	}, &product)
	skus := []string{product.Variants[0].SKU, product.Variants[1].SKU}
	for _, sku := range skus {
		shop.Admin("POST", "/v1/admin/stock/"+sku+"/adjustments", map[string]any{"kind": "receive", "quantity": 9, "reason": "First delivery"}, nil, "Idempotency-Key", sku)
	}
	s.Go("/products/" + product.Handle)
	s.look("product-endless")
	s.Go("/checkout?units=2&sku=" + skus[0])
	s.look("checkout-endless")
	sale := shop.Open(blackbox.Terms{SKUs: skus, Allocation: 2, Limit: 1})
	s.Go("/sales/" + sale.ID + "?told=sold_out")
	s.Await("a link makes the page say nothing", `document.querySelector(".sale") && !document.querySelector(".notice[role=alert]")`)
	s.look("sale-endless")
	s.Press(buy)
	s.Await("the order", order)
	s.look("order-endless")
	s.Press(`form[action$="/cancel"] button`)
	s.Await("cancelled", status+` === "cancelled"`)
	s.look("order-cancelled")
	s.Go("/orders")
	s.look("orders-endless")
	o := operator(t, shop, "orders")
	o.Expect("403 (Forbidden)")
	o.Go("/console/live-sales")
	o.look("problem-role")
}

// demoSaleOf returns the sale that a demonstration has.
func demoSaleOf(shop *blackbox.Shop) blackbox.Sale {
	shop.T.Helper()
	var open struct{ Items []blackbox.Sale }
	shop.Admin("GET", "/v1/sales", nil, &open)
	for _, s := range open.Items {
		if strings.HasPrefix(s.Title, "Demo") {
			return s
		}
	}
	shop.T.Fatal("the demonstration has no sale")
	return blackbox.Sale{}
}
