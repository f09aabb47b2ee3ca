package httpapi_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/payment/sandbox"
)

// FuzzOrderBody sends anything as an order: the answer is one of the contract, and never a fault of the shop's.
func FuzzOrderBody(f *testing.F) {
	s := newShop(f)
	if _, err := s.Stock.Adjust(context.Background(), inventory.Adjustment{SKU: mug, Kind: inventory.Receive, Units: 1000, Reason: "r", Key: "r"}); err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{one(mug), `{"lines":[]}`, `{"lines":[{"sku_id":"11","quantity":0}]}`, `[`, "\x00", `{"lines":[{"sku_id":"11","quantity":1},{"sku_id":"11","quantity":1000}]}`} {
		f.Add([]byte(seed))
	}
	n := 0
	f.Fuzz(func(t *testing.T, body []byte) {
		n++
		a := s.do(t, call{as: "ada", do: "POST /v1/orders", key: fmt.Sprint("fuzz", n), body: string(body)})
		if a.status >= 500 {
			t.Errorf("%q is answered %d %s", body, a.status, a.body)
		}
	})
}

// FuzzNotification sends anything, signed as the provider signs it and not: what is not proven is refused, and what is proven
// and cannot be read is no fault of the shop's.
func FuzzNotification(f *testing.F) {
	s := newShop(f)
	f.Add([]byte(`{"id":"1","attempt_id":"1","order_id":"1","state":"paid","amount":{"minor":1250,"currency":"GBP"},"reference":"sbx_1"}`), true)
	f.Add([]byte(`{}`), true)
	f.Add([]byte(`null`), false)
	f.Fuzz(func(t *testing.T, body []byte, signed bool) {
		c := call{do: "POST /v1/payments/sandbox/notifications", body: string(body), head: map[string]string{}}
		r := s.request(c)
		if signed {
			sandbox.Sign(r.Header, sandboxSecret, body, s.Clock.Now())
			for _, name := range []string{sandbox.HeaderTimestamp, sandbox.HeaderSignature} {
				c.head[name] = r.Header.Get(name)
			}
		}
		a := s.do(t, c)
		if a.status < 400 || a.status >= 500 || !signed && a.status != 401 {
			t.Errorf("%q, signed %t, is answered %d %s", body, signed, a.status, a.body)
		}
	})
}
