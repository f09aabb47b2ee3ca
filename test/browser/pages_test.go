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
		s.Accessible(name + ", " + f.Name)
		if folder == "" {
			continue
		}
		if err := os.MkdirAll(folder, 0o755); err != nil {
			s.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, name+"."+f.Name+".png"), s.Shot(), 0o644); err != nil {
			s.t.Fatal(err)
		}
	}
	s.As(forms[2])
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

	s.Go("/")
	s.look("home-coming")
	sale := demoSaleOf(shop)
	s.Go("/sales/" + sale.ID)
	s.look("sale-coming")
	s.Go("/signup")
	s.look("signup")
	s.SignUp("page@tidegate.example")
	s.Go("/sales/" + sale.ID)
	s.AwaitWithin(time.Minute, "the sale opens", `document.querySelector("[data-sale]").dataset.phase === "live"`)
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
	s.Go(order)
	s.Await("the order is paid", `document.querySelector("[data-order]").dataset.status === "paid"`)
	s.look("order-paid")
	s.Go("/orders")
	s.look("orders")
	s.Go("/nothing/here")
	s.look("problem")
	s.Go("/")
	s.Press(`button[value="zh"]`)
	s.Await("Chinese", `document.documentElement.lang === "zh"`)
	s.look("home-chinese")
	s.Go("/sales/" + sale.ID)
	s.look("sale-chinese")
	s.Go("/orders")
	s.Press(`form[action="/signout"] button`)
	s.Await("signed out", `document.querySelector('a[href^="/signin"]')`)
	s.Go("/signin")
	s.look("signin")
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
