package wire

import "testing"

func TestParseOrigins(t *testing.T) {
	for _, c := range []struct {
		text string
		ok   bool
	}{
		{"https://shop.example", true}, {"http://127.0.0.1:3000", true}, {"*", true},
		{"", false}, {"shop.example", false}, {"https://shop.example/", false}, {"https://shop.example/a", false}, {"https://Shop.example", false},
		{"ftp://shop.example", false}, {"https://*.shop.example", false}, {"https://shop.example:443", false}, {"http://shop.example:80", false}, {"https://shop.example:8443", true}, {"null", false}, {"https://user@shop.example", false},
	} {
		if _, err := ParseOrigins([]string{c.text}); (err == nil) != c.ok {
			t.Errorf("%q: %v", c.text, err)
		}
	}
	all, err := ParseOrigins([]string{"*"})
	if err != nil || all.None() || !all.Allow("https://any.example", "/v1/products") || all.Allow("https://any.example", "/v1/admin/keys") || all.Allow("", "/v1/products") {
		t.Errorf("*: %+v, %v", all, err)
	}
	if none, err := ParseOrigins(nil); err != nil || !none.None() || none.Allow("https://any.example", "/v1/products") {
		t.Errorf("none: %+v, %v", none, err)
	}
}
