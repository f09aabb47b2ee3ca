package catalog

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidegate/tidegate/internal/kernel/id"
)

func TestAnEventOfAnEarlierVersionIsRead(t *testing.T) {
	t.Parallel()
	want := ChangedEvent{Product: 7, Status: Published, Version: 3, Handles: []string{"mug"}, SKUs: []id.SKU{11}, Codes: []string{"MUG"}}
	for name, payload := range map[string]string{
		"now":     `{"product_id":"7","status":"published","version":3,"handles":["mug"],"sku_ids":["11"],"skus":["MUG"]}`,
		"earlier": `{"product_id":"7","status":"published","version":3,"handles":["mug"],"sku_ids":["11"],"codes":["MUG"]}`,
	} {
		var got ChangedEvent
		if err := json.Unmarshal([]byte(payload), &got); err != nil {
			t.Fatal(name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if err := json.Unmarshal([]byte(`{"product_id":"7","codes":"MUG"}`), new(ChangedEvent)); err == nil {
		t.Error("codes that are no list are read")
	}
}
