package security

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/tidegate/tidegate/test/blackbox"
)

// TestCoarse tries to count what is left of a sale that tells it in bands, as somebody would who may not know: on both lanes, by
// orders that are cancelled, by orders that are too large, and by what the sale says right after.
func TestCoarse(t *testing.T) {
	t.Parallel()
	shop := blackbox.New(t, "TIDEGATE_EXPRESS_ADDRESS=127.0.0.1:0")
	shop.Start()
	sku := shop.Stocked("MUG", 1000)
	sale := shop.Open(blackbox.Terms{SKUs: []string{sku}, Allocation: 200, Coarse: true, PaymentSeconds: 3600})
	exact := shop.Open(blackbox.Terms{SKUs: []string{sku}, Allocation: 200, PaymentSeconds: 3600})
	tokens := shop.Tokens(1, 3)
	buy := func(who int, of blackbox.Sale, units int64, key string) (blackbox.Answer, string) {
		t.Helper()
		a := shop.Buy(blackbox.Buying(of.ID, units, int64(who+1), tokens[who], key, sku))
		var o blackbox.Order
		_ = json.Unmarshal(a.Body, &o)
		return a, o.ID
	}
	cancel := func(who int, o string) blackbox.Answer {
		return shop.Ask("POST", "/v1/orders/"+o+"/cancel", tokens[who], "")
	}

	// Somebody else leaves 20 units, the edge of the last band.
	if a, _ := buy(2, sale, 179, "most"); a.Status != 201 {
		t.Fatalf("179 units: %s", a)
	}
	before := time.Now()
	_, one := buy(0, sale, 1, "edge")
	if shown := shop.Sale(sale.ID).Items[0].Available; shown != 20 {
		t.Errorf("with 20 left, %d are shown", shown)
	}
	if a := cancel(0, one); a.Status != 200 {
		t.Fatalf("cancelling: %s", a)
	}
	if shown := shop.Sale(sale.ID).Items[0].Available; shown != 20 && time.Since(before) < 10*time.Second {
		t.Errorf("one came back, and %d are shown at once", shown)
	}

	cancelled := 1
	for i := range 6 {
		a, o := buy(0, sale, 1, fmt.Sprint("again-", i))
		if a.Status != 201 {
			t.Fatalf("an order of one unit: %s", a)
		}
		if a = cancel(0, o); a.Status == 200 {
			cancelled++
		} else if a.Status != 429 || a.Header.Get("Retry-After") == "" {
			t.Errorf("cancelling: %s", a)
		}
		if again, same := buy(0, sale, 1, fmt.Sprint("again-", i)); same != o || again.Header.Get("Idempotent-Replayed") != "true" {
			t.Errorf("the key of an order is answered %s", again)
		}
	}
	if cancelled != 3 {
		t.Errorf("%d orders were cancelled, want 3", cancelled)
	}

	refused := 0
	for i := range 12 {
		switch a, _ := buy(1, sale, 150, fmt.Sprint("large-", i)); {
		case a.Code() == "fewer_left":
			refused++
		case a.Status != 429 || a.Header.Get("Retry-After") == "":
			t.Errorf("an order that is too large: %s", a)
		}
	}
	if refused != 5 {
		t.Errorf("%d orders were said to be too large, want 5", refused)
	}
	if a, _ := buy(1, sale, 1, "one"); a.Status != 201 {
		t.Errorf("an order of one unit is not let through: %s", a)
	}
	if a, _ := buy(2, sale, 179, "most"); a.Status != 201 || a.Header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("the key of an order is answered %s", a)
	}

	for i := range 12 { // nothing is hidden there
		_, o := buy(1, exact, 1, fmt.Sprint("exact-", i))
		if a := cancel(1, o); a.Status != 200 {
			t.Errorf("cancelling in a sale that tells what is left: %s", a)
		}
	}
}
