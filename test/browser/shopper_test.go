package browser

import (
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/tidegate/tidegate/test/blackbox"
)

// What the scripts of these tests ask of a page.
const (
	phase  = `document.querySelector("[data-sale]").dataset.phase`
	state  = `document.querySelector("[data-state]").dataset.state`
	status = `document.querySelector("[data-order]").dataset.status`
	onSale = `location.pathname.startsWith("/sales/")`
	order  = `location.pathname.startsWith("/orders/")`
	buy    = `[data-item] button[name="sku"]`
)

// newShop starts a shop.
func newShop(t *testing.T, env ...string) *blackbox.Shop {
	t.Helper()
	startBrowser(t)
	shop := blackbox.New(t, env...)
	shop.Start()
	return shop
}

// shopper opens a browser and signs up.
func shopper(t *testing.T, shop *blackbox.Shop, name string) *Shopper {
	t.Helper()
	s := NewShopper(t, shop.Running().Public)
	s.SignUp(name + "@shopper.example")
	return s
}

// pay pays the order that is shown, and comes back to it.
func (s *Shopper) pay() {
	s.t.Helper()
	s.Press(`form[action$="/pay"] button`)
	s.Await("the cashier", `location.pathname.startsWith("/sandbox/pay/")`)
	s.Press(`button[value="pay"]`)
	s.Await("paid at the cashier", `document.querySelector(".back a.pay")`)
	s.Press(".back a")
	s.Await("back at the order", order)
	s.Await("the order is paid", status+` === "paid"`)
}

// TestABuyer signs up, waits for the opening without reloading, buys, pays and sees the order; a second browser, which was
// as early, gets sold out without reloading.
func TestABuyer(t *testing.T) {
	t.Parallel()
	shop := newShop(t)
	sku := shop.Stocked("ONE", 5)
	first, second := shopper(t, shop, "first"), shopper(t, shop, "second")
	sale := shop.Schedule(blackbox.Terms{SKUs: []string{sku}, Allocation: 1, Limit: 1, In: 40 * time.Second})
	first.Go("/sales/" + sale.ID)
	second.Go("/sales/" + sale.ID)
	first.Await("it counts down", state+` === "scheduled" && /0\d:\d\d/.test(document.querySelector(".act .in").textContent)`)
	first.Await("it opens by itself", phase+` === "live" && `+state+` === "live"`)
	first.stands("a sale that opens")
	second.Await("it opens by itself", state+` === "live"`)
	first.Press(buy)
	first.Await("the order", order+" && "+status+` === "pending"`)
	second.Await("sold out, by itself", state+` === "soldout"`)
	second.Await("and so says the sale", `document.querySelector(".eyebrow").innerText === "Sold out" && document.querySelector(".note").innerText !== ""`)
	second.look("sale-soldout")
	first.pay()
	first.Go("/orders")
	first.Await("the order is listed", `document.querySelectorAll(".rows li").length === 1 && document.querySelector(".badge.paid")`)
	if orders := shop.Orders(sale.ID, "paid"); len(orders) != 1 {
		t.Errorf("%d orders are paid", len(orders))
	}
	first.Go("/sales/" + sale.ID)
	first.Await("they had their share", state+` === "limit"`)
}

// TestSoldOutWhilePressing: who presses when it has just been sold out is told so.
func TestSoldOutWhilePressing(t *testing.T) {
	t.Parallel()
	shop := newShop(t)
	sku := shop.Stocked("LAST", 5)
	s := shopper(t, shop, "slow")
	sale := shop.Open(blackbox.Terms{SKUs: []string{sku}, Allocation: 1})
	s.Go("/sales/" + sale.ID)
	s.Await("it is open", state+` === "live"`)
	// Somebody else is faster, and this page does not hear of it in time.
	shop.Buy(blackbox.Buying(sale.ID, 1, 77, shop.Tokens(77, 1)[0], "faster", sku))
	eval[bool](s, `(document.querySelector(".act").dataset.state = "live", document.querySelector(`+"`"+buy+"`"+`).click(), true)`)
	s.Await("told", onSale+` && document.querySelector("[role=alert]") && `+state+` === "soldout"`)
}

// TestPressedTwice: a double click, a reload and another tab buy one.
func TestPressedTwice(t *testing.T) {
	t.Parallel()
	shop := newShop(t)
	sku := shop.Stocked("TWICE", 20)
	s := shopper(t, shop, "nervous")
	sale := shop.Open(blackbox.Terms{SKUs: []string{sku}, Allocation: 10})
	s.Go("/sales/" + sale.ID)
	s.Await("it is open", state+` === "live"`)
	// Two presses, of which the page's own script stops neither: the form is sent twice as fast as the browser can.
	eval[bool](s, fmt.Sprintf(`(async () => {
		const form = new URLSearchParams(new FormData(document.querySelector("form.items"))); form.set("sku", "%s");
		const send = () => fetch("/sales/%s/orders", {method: "POST", body: form});
		const answers = await Promise.all([send(), send(), send()]);
		return answers.every(a => a.ok && a.url === answers[0].url);
	})()`, sku, sale.ID))
	s.do(chromedp.DoubleClick(chromedp.CSS(buy), chromedp.NodeVisible))
	s.Await("the order", order)
	bought := s.Path()
	s.do(chromedp.Reload())
	s.Await("the same order", `location.pathname === "`+bought+`"`)
	if n := len(shop.Orders(sale.ID, "")); n != 1 {
		t.Errorf("%d orders, not one", n)
	}
	s.Go("/sales/" + sale.ID)
	s.Await("it says that one waits", state+` === "waiting"`)
}

// TestBackAfterPaying: the browser's way back shows what is true now, and buys and pays nothing twice.
func TestBackAfterPaying(t *testing.T) {
	t.Parallel()
	shop := newShop(t)
	sku := shop.Stocked("BACK", 20)
	s := shopper(t, shop, "back")
	sale := shop.Open(blackbox.Terms{SKUs: []string{sku}, Allocation: 10})
	s.Go("/sales/" + sale.ID)
	s.Press(buy)
	s.Await("the order", order)
	s.pay()
	for range 5 {
		// Not the protocol's way back, which waits for a page to be loaded: one out of the browser's memory is not.
		eval[bool](s, "(window.left = true, setTimeout(() => history.back(), 1), true)")
		s.Await("another page", `!window.left && document.readyState === "complete"`)
		if eval[bool](s, order) {
			s.Await("paid, also on the way back", status+` === "paid"`)
		}
		if eval[bool](s, `location.pathname.startsWith("/sandbox/")`) {
			s.Await("nothing to pay", `!document.querySelector("button")`)
		}
		if eval[bool](s, onSale) {
			break
		}
	}
	if orders := shop.Orders(sale.ID, ""); len(orders) != 1 || orders[0].Status != "paid" {
		t.Errorf("orders: %+v", orders)
	}
}

// TestPaymentArrives: the provider's word comes after the shopper is back, and the page shows it by itself.
func TestPaymentArrives(t *testing.T) {
	t.Parallel()
	shop := newShop(t)
	sku := shop.Stocked("WAIT", 20)
	s := shopper(t, shop, "waiting")
	sale := shop.Open(blackbox.Terms{SKUs: []string{sku}, Allocation: 10})
	s.Go("/sales/" + sale.ID)
	s.Press(buy)
	s.Await("the order", order)
	s.Press(`form[action$="/pay"] button`)
	s.Await("the cashier", `location.pathname.startsWith("/sandbox/pay/")`)
	cashier := eval[string](s, "location.href")
	tell := func(notes string) {
		t.Helper()
		if a := shop.Cashier(cashier, `{"notifications":[`+notes+`]}`); a.Status != 204 {
			t.Fatalf("the cashier: %s", a)
		}
	}
	tell("") // nothing, for the time being
	s.Press(`button[value="pay"]`)
	s.Await("paid at the cashier", `document.querySelector(".back a.pay")`)
	s.Press(".back a")
	s.Await("the order waits", order+" && "+status+` === "pending"`)
	tell("{}")
	s.Await("the order is paid", status+` === "paid"`)
}

// TestExpiry: the time to pay runs out in front of the shopper's eyes.
func TestExpiry(t *testing.T) {
	t.Parallel()
	shop := newShop(t)
	sku := shop.Stocked("LATE", 20)
	s := shopper(t, shop, "late")
	sale := shop.Open(blackbox.Terms{SKUs: []string{sku}, Allocation: 1, PaymentSeconds: 20})
	s.Go("/sales/" + sale.ID)
	s.Press(buy)
	s.Await("the order", order+" && "+status+` === "pending"`)
	s.Await("it expires on the page", status+` === "expired" && !document.querySelector("form[action$='/pay']")`)
	s.look("order-expired")
	s.Go("/sales/" + sale.ID)
	s.Await("the unit is back", state+` === "live"`)
}

// TestPaused: the operator pauses, and the button changes within two seconds; resumes, and it changes back.
func TestPaused(t *testing.T) {
	t.Parallel()
	shop := newShop(t)
	sku := shop.Stocked("PAUSE", 20)
	s := shopper(t, shop, "patient")
	sale := shop.Open(blackbox.Terms{SKUs: []string{sku}, Allocation: 10})
	s.Go("/sales/" + sale.ID)
	s.Await("it is open", state+` === "live"`)
	s.Await("the line is open", `document.querySelector("[data-heard]")`)
	for _, step := range []struct{ verb, state string }{{"pause", "paused"}, {"resume", "live"}, {"end", "ended"}} {
		s.Doing("after "+step.verb+" the button is "+step.state, state+` === "`+step.state+`"`, func() {
			shop.Admin("POST", "/v1/admin/sales/"+sale.ID+"/"+step.verb, nil, nil)
		})
		if step.state != "live" {
			s.look("sale-" + step.state)
		}
	}
	s.Await("it is said to those who do not see it", `document.querySelector("[data-say]").textContent.length > 0`)
}
