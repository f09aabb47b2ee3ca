package e2e

import (
	"net/http"
	"strings"
	"testing"

	"github.com/tidegate/tidegate/internal/await"
	"github.com/tidegate/tidegate/test/blackbox"
	"github.com/tidegate/tidegate/test/engine"
)

// TestWithoutRedisWhatIsLeftIsStillTold: Redis dies, and a sale begins that it has never heard of. The database knows what is left:
// no door says sold out, and a rehearsal runs to its end.
func TestWithoutRedisWhatIsLeftIsStillTold(t *testing.T) {
	t.Parallel()
	blackbox.EachDatabase(t, withoutRedis)
}

func withoutRedis(t *testing.T, of engine.Database) {
	redis := engine.Redis(t)
	shop := blackbox.New(t, append(blackbox.SharedBy(t, of.Make(t), redis), "TIDEGATE_EXPRESS_ADDRESS=127.0.0.1:0")...)
	shop.Start()
	sku := shop.Stocked("LAMP", 20)
	await.Until(t, "the page of the product has a button", func() bool {
		return strings.Contains(string(shop.Ask("GET", "/products/goods-lamp", "", "").Body), `name="units"`)
	})
	redis.Kill()
	sale := shop.Open(blackbox.Terms{SKUs: []string{sku}, Allocation: 7})
	if a := shop.Ask("GET", shop.Running().Express+"/v1/sales/"+sale.ID, "", ""); a.Status != http.StatusOK || !strings.Contains(string(a.Body), `"available":7`) {
		t.Errorf("the express lane: %s", a)
	}
	for path, want := range map[string]string{"/sales/" + sale.ID: "7 left", "/products/goods-lamp": `name="units"`} {
		page := shop.Ask("GET", path, "", "")
		if page.Status != http.StatusOK || !strings.Contains(string(page.Body), want) {
			t.Errorf("the page %s does not say %q: %s", path, want, page)
		}
	}
	if metrics := shop.Ask("GET", shop.Running().Ops+"/metrics", "", ""); strings.Contains(string(metrics.Body), "\ntidegate_gate_available") {
		t.Error("the metrics tell levels of a gate that is gone")
	}
	code, stdout, stderr := shop.Run("drill", "--target", shop.Running().Public, "--admin-key", shop.Running().AdminKey,
		"--shoppers", "300", "--units", "100", "--over", "1s", "--connections", "16")
	if code != 0 || !strings.Contains(stdout, "audit               clean") {
		t.Errorf("a drill without Redis: exit %d:\n%s%s", code, stdout, stderr)
	}
	redis.Start()
	await.Until(t, "the gate is rebuilt and tells what is left", func() bool {
		metrics := shop.Ask("GET", shop.Running().Ops+"/metrics", "", "")
		return strings.Contains(string(metrics.Body), "\ntidegate_gate_available") && shop.Sale(sale.ID).Items[0].Available == 7
	})
	shop.Reconciled()
}
