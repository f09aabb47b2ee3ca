package httpapi

import (
	"reflect"
	"strings"
	"testing"
)

// TestReadSecurity: what the contract asks of a caller is read from it, and a contract that asks amiss is refused at start.
func TestReadSecurity(t *testing.T) {
	for _, c := range []struct {
		path, security string
		want           need
		wrong          string
	}{
		{path: "/v1/products", want: need{}},
		{path: "/v1/orders", security: "[{customer: []}]", want: need{customer: true}},
		{path: "/v1/admin/sales", security: "[{admin: [sales]}]", want: need{role: "sales"}},
		{path: "/v1/admin/sales", wrong: "open to all"},
		{path: "/v1/admin/sales", security: "[{customer: []}]", wrong: "open to all"},
		{path: "/v1/orders", security: "[{customer: []}, {admin: [all]}]", wrong: "is not one of"},
		{path: "/v1/admin/sales", security: "[{admin: []}]", wrong: "is not one of"},
	} {
		contract := "paths: {" + c.path + ": {get: {"
		if c.security != "" {
			contract += "security: " + c.security
		}
		needs, err := readSecurity([]byte(contract + "}}}"))
		switch {
		case c.wrong == "" && (err != nil || !reflect.DeepEqual(needs["GET "+c.path], c.want)):
			t.Errorf("%s %s: %+v, %v", c.path, c.security, needs, err)
		case c.wrong != "" && (err == nil || !strings.Contains(err.Error(), c.wrong)):
			t.Errorf("%s %s: %v, want an error with %q", c.path, c.security, err, c.wrong)
		}
	}
}
