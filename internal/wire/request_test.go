package wire

import (
	"strings"
	"testing"

	"github.com/tidegate/tidegate/internal/kernel/fault"
)

func TestHotRoute(t *testing.T) {
	for path, want := range map[string]struct {
		route Hot
		id    string
	}{
		"/v1/orders":           {HotOrder, ""},
		"/v1/orders/":          {},
		"/v1/sales":            {},
		"/v1/sales/":           {},
		"/v1/sales/1":          {HotSale, "1"},
		"/v1/sales/1/":         {},
		"/v1/sales/x":          {HotSale, "x"},
		"/v1/sales/orders":     {HotSale, "orders"},
		"/v1/sales//orders":    {},
		"/v1/sales/1/orders":   {HotSaleOrder, "1"},
		"/v1/sales/1/2/orders": {},
		"/v1/sales/1/orders/":  {},
		"/v1/products/1":       {HotProduct, "1"},
		"/v1/products/1/2":     {},
		"/v1/products/":        {},
		"/v1/products/orders":  {HotProduct, "orders"},
		"/v2/products/1":       {},
		"":                     {},
	} {
		if route, id := HotRoute(path); route != want.route || id != want.id {
			t.Errorf("%s: %v %q", path, route, id)
		}
	}
}

func TestBearer(t *testing.T) {
	for _, tt := range []struct {
		header string
		given  int
		want   string
	}{
		{"Bearer abc", 1, "abc"},
		{"bEARER abc", 1, "abc"},
		{"Bearer abc", 2, ""},
		{"", 0, ""},
		{"Bearer ", 1, ""},
		{"Bearer", 1, ""},
		{"Basic YTpi", 1, ""},
	} {
		token, err := Bearer(tt.header, tt.given)
		if token != tt.want || (err == nil) != (tt.want != "") || err != nil && fault.CodeOf(err) != fault.Unauthenticated {
			t.Errorf("%q %d: %q, %v", tt.header, tt.given, token, err)
		}
	}
}

func TestHolds(t *testing.T) {
	for header, want := range map[string]bool{
		`"a"`:        true,
		`W/"a"`:      true,
		`"b" , "a"`:  true,
		`*`:          true,
		`"b"`:        false,
		`a`:          false,
		``:           false,
		`"b", W/"c"`: false,
	} {
		if Holds(header, `"a"`) != want {
			t.Errorf("%s: %v", header, !want)
		}
	}
}

func TestAppendRequestID(t *testing.T) {
	for given, taken := range map[string]bool{
		"abc-1_2.Z":             true,
		strings.Repeat("a", 64): true,
		strings.Repeat("a", 65): false,
		"":                      false,
		"a b":                   false,
		"a\n":                   false,
	} {
		got := string(AppendRequestID(nil, given))
		if (got == given) != taken || !isRequestID(got) {
			t.Errorf("%q: %q", given, got)
		}
	}
}
