package inventory_test

import (
	"slices"
	"testing"

	"github.com/tidegate/tidegate/internal/inventory"
)

func TestPortions(t *testing.T) {
	want := []inventory.Quantity{
		{Pool: inventory.Pool{SKU: 1}, Units: 7},
		{Pool: inventory.Pool{Sale: 1<<63 - 1, SKU: 1<<63 - 2}, Units: 1},
	}
	var list []byte
	for _, p := range want {
		list = inventory.AppendQuantity(list, p)
	}
	list = append(list, ']')
	if got := string(list); got != "[[0,1,7],[9223372036854775807,9223372036854775806,1]]" {
		t.Errorf("written as %s", got)
	}
	got, err := inventory.ParseQuantities(list, 8)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("read as %v, %v", got, err)
	}
	for _, c := range []struct {
		list string
		sum  int64
	}{
		{"", 0}, {"[[0,1,7]", 7}, {"[[0,1]]", 0}, {"[[0,1,7,8]]", 7}, {`[["0",1,7]]`, 7},
		{"[[0,1,7]]", 8}, {"[[0,1,7],[0,2,1]]", 7},
	} {
		if got, err := inventory.ParseQuantities([]byte(c.list), c.sum); err == nil {
			t.Errorf("%s of %d units was read as %v", c.list, c.sum, got)
		}
	}
}
