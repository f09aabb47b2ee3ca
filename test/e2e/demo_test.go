package e2e

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/await"
	"github.com/tidegate/tidegate/test/blackbox"
	"github.com/tidegate/tidegate/test/engine"
)

// demoProductsMin is what the demo catalogue has at least.
const demoProductsMin = 3000

// TestTheDemo is a newcomer's first minutes: serve --demo, killed while it fills the shop and started again, and the three
// printed commands, which buy something. The next start goes on where it was.
func TestTheDemo(t *testing.T) {
	t.Parallel()
	blackbox.EachEngines(t, theDemo)
}

func theDemo(t *testing.T, env []string) {
	shop := blackbox.New(t, env...)
	killAmongTheFirst(t, shop)
	shop.Start("--demo")
	said := printed(t, shop)
	sale := demoSale(t, shop)
	// On a starved machine it may have opened by now.
	if wait := time.Until(sale.Starts); sale.Status != "scheduled" && wait > 0 || sale.Status != "live" && wait < -time.Second || wait > time.Minute {
		t.Errorf("the demo's sale is %s and opens in %v", sale.Status, wait)
	}
	if n := products(t, shop); n < demoProductsMin {
		t.Errorf("the demo catalogue has %d products, not %d", n, demoProductsMin)
	}
	key := regexp.MustCompile(`tgk_[!-~]+`).FindString(said)
	if a := shop.Ask("GET", "/v1/admin/orders", key, ""); a.Status != 200 {
		t.Errorf("the printed admin key %q opens nothing: %s", key, a)
	}
	buy(t, said)
	first := bought(t, shop, sale, 1)

	shop.Stop()
	shop.Start("--demo")
	again := printed(t, shop)
	if now := demoSale(t, shop); now.ID != sale.ID {
		t.Errorf("after a restart the demo has another sale: %s, was %s", now.ID, sale.ID)
	}
	if regexp.MustCompile(`tgk_[!-~]+`).FindString(again) != key {
		t.Error("after a restart the demo has another admin key")
	}
	buy(t, again)
	second := bought(t, shop, sale, 2)
	if !strings.Contains(second, first) {
		t.Errorf("the order %s from before the restart is not among %s", first, second)
	}
	shop.Audit("I1", "I2", "I3", "I4", "I5", "I7", "I9")
	shop.Reconciled()
}

// killAmongTheFirst kills the first start while it fills the shop.
func killAmongTheFirst(t *testing.T, shop *blackbox.Shop) {
	t.Helper()
	process := shop.Spawn("serve", "--demo")
	await.Until(t, "the first start has written something", func() bool {
		if database := shop.Setting("TIDEGATE_STORE_PRIMARY"); database != "" {
			const someProducts = 200
			return engine.SQLCount(t, database, "SELECT COUNT(*) FROM product") > someProducts
		}
		const someBytes = 512 << 10
		log, err := os.Stat(filepath.Join(shop.Folder, "tidegate.db-wal"))
		return err == nil && log.Size() > someBytes
	})
	if err := process.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	process.Exit(t)
	t.Logf("the first start was killed; it had printed %d bytes", len(process.Stdout.String()))
}

// printed waits until the process has printed its commands, and returns what it printed.
func printed(t *testing.T, shop *blackbox.Shop) string {
	t.Helper()
	var said string
	await.Until(t, "the demo prints three commands", func() bool {
		said = shop.Process().Stdout.String()
		return len(commands(said)) == 3 && strings.Contains(said, "Ctrl-C")
	})
	return said
}

// commands are the lines with curl in them that are no comments.
func commands(said string) []string {
	var all []string
	for line := range strings.Lines(said) {
		if strings.Contains(line, "curl ") && !strings.HasPrefix(line, "#") {
			all = append(all, line)
		}
	}
	return all
}

// buy runs the printed commands in a shell, as they are and in their order.
func buy(t *testing.T, said string) {
	t.Helper()
	engine.Binary(t, "curl", "curl") // of the printed commands
	ctx, cancel := context.WithTimeout(t.Context(), await.Max)
	defer cancel()
	script := strings.Join(commands(said), "")
	out, err := exec.CommandContext(ctx, "sh", "-ec", script).CombinedOutput()
	t.Logf("the printed commands said:\n%s", out)
	if err != nil {
		t.Errorf("the printed commands fail: %v\n%s", err, script)
	}
}

// demoSale is the one sale of the demo.
func demoSale(t *testing.T, shop *blackbox.Shop) blackbox.Sale {
	t.Helper()
	var page struct{ Items []blackbox.Sale }
	shop.Admin("GET", "/v1/admin/sales", nil, &page)
	if len(page.Items) != 1 {
		t.Fatalf("the demo has %d sales, not one: %+v", len(page.Items), page.Items)
	}
	return page.Items[0]
}

// bought waits until the sale has n orders that are paid, and returns their ids.
func bought(t *testing.T, shop *blackbox.Shop, sale blackbox.Sale, n int) string {
	t.Helper()
	var ids []string
	await.Until(t, "what the printed commands bought is paid", func() bool {
		ids = nil
		for _, o := range shop.Orders(sale.ID, "paid") {
			ids = append(ids, o.ID)
		}
		return len(ids) == n
	})
	return strings.Join(ids, " ")
}

// products counts what a shopper is shown. A page that a starved machine could not read in time (503) is asked for again.
func products(t *testing.T, shop *blackbox.Shop) int {
	t.Helper()
	n := 0
	for cursor := ""; ; {
		var page struct {
			Items []struct{ ID string }
			Next  string `json:"next_cursor"`
		}
		var a blackbox.Answer
		await.Until(t, "a page of products is read", func() bool {
			a = shop.Ask("GET", "/v1/products?limit=200"+cursor, "", "")
			return a.Status != 503
		})
		if err := json.Unmarshal(a.Body, &page); err != nil || a.Status != 200 {
			t.Fatalf("a page of products: %s", a)
		}
		n += len(page.Items)
		if page.Next == "" {
			return n
		}
		cursor = "&cursor=" + page.Next
	}
}
