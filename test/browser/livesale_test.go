package browser

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/tidegate/test/blackbox"
)

// operator opens a browser and signs in to the console with a key that has the roles.
func operator(t *testing.T, shop *blackbox.Shop, roles ...string) *Shopper {
	t.Helper()
	var key struct{ Key string }
	shop.Admin("POST", "/v1/admin/keys", map[string]any{"name": "operator", "roles": roles}, &key)
	s := NewShopper(t, shop.Running().Public)
	s.Go("/console")
	s.Fill("#key", key.Key)
	s.Press("main form button")
	s.Await("the console", `location.pathname !== "/console/signin" && document.querySelector('form[action="/console/signout"]')`)
	return s
}

// TestConsoleLiveSale: the operator watches a night, and pauses it; the shopper's button changes within two seconds. Who did it, and
// why, stands in the audit log.
func TestConsoleLiveSale(t *testing.T) {
	t.Parallel()
	axeScript(t)
	shop := newShop(t)
	skus := []string{shop.Stocked("MUG", 2000), shop.Stocked("BOWL", 2000), shop.Stocked("VASE", 2000)}
	sale := shop.Open(blackbox.Terms{SKUs: skus, Allocation: 400, Limit: 2})
	watching := shopper(t, shop, "watching")
	watching.Go("/sales/" + sale.ID)
	watching.Await("the line is open", `document.querySelector("[data-heard]")`)
	s := operator(t, shop, "sales")
	s.Go("/console/live-sales/" + sale.ID)
	s.Await("the first second", `document.querySelector("[data-heard]")`)

	// A crowd that comes and goes for a few seconds.
	const shoppers = 500
	tokens := shop.Tokens(1000, shoppers)
	for wave := range 8 {
		var purchases []blackbox.Purchase
		for i := wave * shoppers / 8; i < (wave+1)*shoppers/8; i++ {
			purchases = append(purchases, blackbox.Buying(sale.ID, 1, int64(1000+i), tokens[i], fmt.Sprint("wave-", i), skus[i%3]))
		}
		shop.Crowd(blackbox.NewBook(nil), 4+wave, nil, purchases)
		time.Sleep(600 * time.Millisecond)
	}
	s.Await("what the database holds is shown", fmt.Sprintf(
		`document.querySelector("[data-n=reserved]").textContent === "%d" && document.querySelectorAll("[data-last] tr").length === 100`, shoppers))
	s.Await("the words below a plot say what is now", `[...document.querySelectorAll("[data-plot=stock] .legend b")].map(b => b.textContent).join() === "0,500,700"`)
	s.Await("the gate agrees", `document.querySelector("[data-n=drift]").textContent === "0"`)
	s.look("livesale")
	s.Await("the operator's hand comes before the plots", `document.querySelector(".hand").getBoundingClientRect().bottom <= document.querySelector(".plots").getBoundingClientRect().top`)
	s.Go("/console")
	s.Go("/console/live-sales/" + sale.ID)
	s.Await("who comes back finds what was before", `Number(document.querySelector("[data-live-sale]").dataset.points) >= 5`)
	s.Await("and what is now", `document.querySelector("[data-heard]")`)

	s.Press(`details[data-phase-is="live"] summary`)
	s.Fill("#why-pause", "The lorry is late")
	watching.Doing("the shopper's button is paused", state+` === "paused"`, func() { s.Press(`form[action$="/pause"] button`) })
	s.Await("it is said", `document.querySelector(".notice.good") && document.querySelector("[data-live-sale]").dataset.phase === "paused"`)
	s.Await("the page stands still", `document.querySelector("[data-heard]")`)
	if phase := eval[string](s, `document.querySelector("[data-live-sale]").dataset.phase`); phase != "paused" {
		t.Errorf("the second before the pause, told afterwards, has the page say that the sale is %s", phase)
	}
	s.Press(`details[data-phase-is="paused"] summary`)
	s.Fill("#why-resume", "It is here")
	watching.Doing("the shopper can buy again", state+` === "live"`, func() { s.Press(`form[action$="/resume"] button`) })
	var log struct{ Items []map[string]any }
	shop.Admin("GET", "/v1/admin/audit-log?subject="+sale.ID, nil, &log)
	told := fmt.Sprint(log.Items)
	for _, want := range []string{"pauseSale", "The lorry is late", "resumeSale", "It is here", "operator"} {
		if !strings.Contains(told, want) {
			t.Errorf("the audit log lacks %q: %s", want, told)
		}
	}
}

// TestConsoleDrill has the console show the drill's 20,000 shoppers live. It takes as long as the drill, and is for its pictures.
func TestConsoleDrill(t *testing.T) {
	folder := os.Getenv("SCREENS")
	if folder == "" {
		t.Skip("SCREENS names no folder")
	}
	startBrowser(t)
	shop := blackbox.New(t)
	shop.Start("--demo")
	at := shop.Running()
	o := operator(t, shop, "sales")
	drill := shop.Spawn("drill", "--target", at.Public, "--admin-key", at.AdminKey, "--title", "Friday night")
	o.Await("the rehearsal is listed", `document.querySelector("h2 + .live-sales a") || (location.reload(), false)`)
	o.Press("h2 + .live-sales a")
	o.Await("the first second", `document.querySelector("[data-heard]")`)
	o.Await("orders pass", `document.querySelectorAll("[data-last] tr").length === 100`)
	for i := 1; i <= 4; i++ {
		time.Sleep(1500 * time.Millisecond)
		for _, f := range []Form{forms[0], forms[3]} {
			o.As(f)
			time.Sleep(400 * time.Millisecond) // plots are drawn again for another width
			o.picture(folder, fmt.Sprintf("drill-%d.%s", i, f.Name))
		}
	}
	if code := drill.Exit(t); code != 0 {
		t.Errorf("the drill ended with %d: %s%s", code, drill.Stdout.String(), drill.Stderr.String())
	}
	o.Await("what the drill sold is what is shown", `document.querySelector("[data-n=left]").textContent === "0" || Number(document.querySelector("[data-n=sold]").textContent.replace(/\D/g, "")) > 1000`)
}

// TestConsoleRoles: the console opens to a key, and a screen to a key with its role alone.
func TestConsoleRoles(t *testing.T) {
	t.Parallel()
	shop := newShop(t)
	s := NewShopper(t, shop.Running().Public)
	s.Expect("401 (Unauthorized)", "403 (Forbidden)")
	s.Go("/console/live-sales")
	s.Await("the way in", `location.pathname === "/console/signin"`)
	s.Fill("#key", "tgk_1_wrong")
	s.Press("main form button")
	s.Await("refused", `document.querySelector("[role=alert]")`)
	var key struct{ Key string }
	shop.Admin("POST", "/v1/admin/keys", map[string]any{"name": "shelves", "roles": []string{"catalog"}}, &key)
	s.Fill("#key", key.Key)
	s.Press("main form button")
	s.Await("signed in", `location.pathname !== "/console/signin"`)
	s.Go("/console/live-sales")
	s.Await("not with this key", `document.querySelector("main h1 + .lead").textContent.includes("role") && !document.querySelector("main .rows")`)
}
