package inventory

import (
	"encoding/json"
	"testing"
)

func TestAMovementOfAnEarlierVersionIsRead(t *testing.T) {
	t.Parallel()
	want := Moved{Movement: 5, Sale: 9, SKU: 11, Kind: Release, Units: 2, Order: 21, Customer: 1, Available: 2, Allowance: -2, Rehearsal: true}
	const head, tail = `{"movement_id":"5","sale_id":"9","sku_id":"11","kind":"release",`, `"order_id":"21","customer_id":"1","available_delta":2,"allowance_delta":-2,"rehearsal":true}`
	for name, quantity := range map[string]string{"now": `"quantity":2,`, "earlier": `"units":2,`} {
		var got Moved
		if err := json.Unmarshal([]byte(head+quantity+tail), &got); err != nil || got != want {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	for name, quantity := range map[string]string{"a text": `"quantity":"2",`, "an earlier text": `"units":"2",`, "half a unit": `"quantity":0.5,`} {
		if err := json.Unmarshal([]byte(head+quantity+tail), new(Moved)); err == nil {
			t.Errorf("%s is read", name)
		}
	}
}
