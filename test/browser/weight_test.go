package browser

import (
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/tidegate/tidegate/test/blackbox"
)

// pageBytesMax is what a page may weigh over the wire, with all that it loads.
const pageBytesMax = 60 << 10

// TestWeight: home, product and sale page weigh under 60 KB, at the first visit and after, and nothing of them moves once it is
// shown.
func TestWeight(t *testing.T) {
	t.Parallel()
	startBrowser(t)
	shop := blackbox.New(t)
	shop.Start("--demo")
	sale := demoSaleOf(shop)
	home := NewShopper(t, shop.Running().Public)
	home.Go("/")
	product := eval[string](home, `document.querySelector(".card a").getAttribute("href")`)
	for _, path := range []string{"/", product, "/sales/" + sale.ID} {
		s := NewShopper(t, shop.Running().Public) // with an empty cache
		s.As(forms[2])
		for _, visit := range []string{"first", "second"} {
			s.Requests()
			s.Go(path)
			s.Await("everything is loaded", `document.readyState === "complete" && [...document.images].every(i => i.loading === "lazy" || i.complete)`)
			eval[bool](s, `new Promise(done => setTimeout(() => done(true), 300))`)
			sum := int64(0)
			for _, r := range s.Requests() {
				sum += r.Bytes
			}
			if sum > pageBytesMax || sum == 0 {
				t.Errorf("%s, %s visit: %d bytes, more than %d", path, visit, sum, pageBytesMax)
			}
			moved := eval[float64](s, `new Promise(done => {
				let sum = 0;
				new PerformanceObserver(l => { for (const e of l.getEntries()) if (!e.hadRecentInput) sum += e.value; }).observe({type: "layout-shift", buffered: true});
				setTimeout(() => done(sum), 200);
			})`)
			if moved > 0.001 {
				t.Errorf("%s, %s visit: the layout shifts by %g", path, visit, moved)
			}
			t.Logf("%s, %s visit: %d bytes, layout shift %g", path, visit, sum, moved)
		}
		s.do(chromedp.Navigate("about:blank"))
	}
}
