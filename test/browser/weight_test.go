package browser

import (
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/tidegate/tidegate/test/blackbox"
)

// pageBytesMax is what a page may weigh over the wire, with all that it loads.
const pageBytesMax = 60 << 10

// TestWeight: home, product and sale page weigh under 60 KB, at the first visit and after, and nothing of them moves once it is
// shown: also not on a slow phone, which shows what has come of a page before the rest, and before its scripts.
func TestWeight(t *testing.T) {
	t.Parallel()
	startBrowser(t)
	shop := blackbox.New(t)
	shop.Start("--demo")
	sale := demoSaleOf(shop)
	home := NewShopper(t, shop.Running().Public)
	home.Go("/sales/" + sale.ID)
	home.Await("the sale opens", phase+` === "live"`)
	home.stands("a sale that opens")
	home.Go("/")
	product := eval[string](home, `document.querySelector(".card a").getAttribute("href")`)
	for _, path := range []string{"/", product, "/sales/" + sale.ID} {
		s := NewShopper(t, shop.Running().Public) // with an empty cache
		s.As(forms[2])
		for _, visit := range []string{"first", "second"} {
			s.Requests()
			s.settle(path)
			sum := int64(0)
			for _, r := range s.Requests() {
				sum += r.Bytes
			}
			if sum > pageBytesMax || sum == 0 {
				t.Errorf("%s, %s visit: %d bytes, more than %d", path, visit, sum, pageBytesMax)
			}
			t.Logf("%s, %s visit: %d bytes", path, visit, sum)
			s.stands(path + ", " + visit + " visit")
		}
		s.do(chromedp.Navigate("about:blank"))
		for _, f := range []Form{forms[0], forms[2]} {
			slow := NewShopper(t, shop.Running().Public)
			slow.As(f)
			call(slow, emulation.SetCPUThrottlingRate, emulation.SetCPUThrottlingRateParams{Rate: 6})
			call(slow, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{MatchedNetworkConditions: []*network.Conditions{
				{URLPattern: shop.Running().Public + "/*.js", Latency: 600, DownloadThroughput: -1, UploadThroughput: -1},
				{URLPattern: shop.Running().Public + "/pictures/*", Latency: 300, DownloadThroughput: -1, UploadThroughput: -1},
			}})
			slow.settle(path)
			slow.stands(path + ", " + f.Name + ", slow")
			slow.do(chromedp.Navigate("about:blank"))
		}
	}
}

// settle opens a page and waits until it has everything.
func (s *Shopper) settle(path string) {
	s.t.Helper()
	s.Go(path)
	s.Await("everything is loaded", `document.readyState === "complete" && [...document.images].every(i => i.loading === "lazy" || i.complete)`)
	eval[bool](s, `new Promise(done => setTimeout(() => done(true), 300))`)
}

// stands holds the page to not having moved since it was first shown.
func (s *Shopper) stands(name string) {
	s.t.Helper()
	moved := eval[shift](s, `new Promise(done => {
		const moved = {by: 0, what: []};
		new PerformanceObserver(l => { for (const e of l.getEntries()) if (!e.hadRecentInput) {
			moved.by += e.value;
			moved.what.push(...e.sources.map(s => (s.node?.outerHTML ?? "") + JSON.stringify([s.previousRect, s.currentRect])));
		} }).observe({type: "layout-shift", buffered: true});
		setTimeout(() => done(moved), 200);
	})`)
	if moved.By > shiftMax {
		s.t.Errorf("%s: the layout shifts by %g: %q", name, moved.By, moved.What)
	}
	s.t.Logf("%s: layout shift %g", name, moved.By)
}

// shiftMax is a hundredth of what browsers call good. What is left is the script's: times in UTC become the reader's own, and counts
// that were dashes are numbers.
const shiftMax = 0.001

// shift is how much of a page has moved under its reader's eyes, and what.
type shift struct {
	By   float64  `json:"by"`
	What []string `json:"what"`
}
