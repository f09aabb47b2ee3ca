package wire

import (
	"errors"
	"strings"
	"testing"

	"github.com/tidegate/tidegate/internal/alloctest"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// generic is the order's body for Decode, with which DecodeOrder must agree.
type generic struct {
	Lines []struct {
		SKU   id.SKU `json:"sku_id"`
		Units int64  `json:"quantity"`
	} `json:"lines"`
}

// orderBodies are bodies on which both decoders must agree, with the code and field of the fault.
var orderBodies = []struct {
	name, body string
	code       fault.Code // Internal: accepted
	field      string
	detail     string // part of it
}{
	{name: "one line", body: `{"lines":[{"sku_id":"7240126464000001","quantity":1}]}`},
	{name: "two lines, white space", body: " {\n\t\"lines\" : [ {\"quantity\":2 , \"sku_id\":\"1\"} , {\"sku_id\":\"2\",\"quantity\":-3} ] }\r\n"},
	{name: "nothing in it", body: `{}`},
	{name: "no lines", body: `{"lines":[]}`},
	{name: "an empty line", body: `{"lines":[{}]}`},
	{name: "escaped names", body: `{"\u006cines":[{"sku\u005fid":"\u0031","quantity":0}]}`},
	{name: "largest id", body: `{"lines":[{"sku_id":"9223372036854775807","quantity":9223372036854775807}]}`},

	{name: "empty", body: ``, code: fault.BadRequest, detail: "empty"},
	{name: "white space", body: " \n", code: fault.BadRequest, detail: "empty"},
	{name: "not JSON", body: `lines=1`, code: fault.BadRequest, detail: "byte 0"},
	{name: "a list", body: `[]`, code: fault.BadRequest, detail: "a list"},
	{name: "a text", body: `"lines"`, code: fault.BadRequest, detail: "a text"},
	{name: "null", body: `null`, code: fault.BadRequest},
	{name: "cut short", body: `{"lines":[{"sku_id":"1"`, code: fault.BadRequest},
	{name: "trailing data", body: `{"lines":[]} {}`, code: fault.BadRequest, detail: "byte"},
	{name: "trailing comma", body: `{"lines":[],}`, code: fault.BadRequest},
	{name: "comma in a list", body: `{"lines":[{},]}`, code: fault.BadRequest},
	{name: "unknown field", body: `{"lines":[],"coupon":"X"}`, code: fault.BadRequest, field: "coupon", detail: "no such field"},
	{name: "name in capitals", body: `{"Lines":[]}`, code: fault.BadRequest, field: "Lines"},
	{name: "price from the client", body: `{"lines":[{"sku_id":"1","quantity":1,"unit_price":{"minor":1,"currency":"GBP"}}]}`,
		code: fault.BadRequest, field: "lines[0].unit_price", detail: "no such field"},
	{name: "lines twice", body: `{"lines":[],"lines":[]}`, code: fault.BadRequest, field: "lines", detail: "twice"},
	{name: "units twice", body: `{"lines":[{"quantity":1,"quantity":1}]}`, code: fault.BadRequest, field: "lines[0].quantity", detail: "twice"},
	{name: "sku twice", body: `{"lines":[{},{"sku_id":"1","sku_id":"1"}]}`, code: fault.BadRequest, field: "lines[1].sku_id", detail: "twice"},
	{name: "lines an object", body: `{"lines":{}}`, code: fault.BadRequest, field: "lines", detail: "an object"},
	{name: "lines null", body: `{"lines":null}`, code: fault.BadRequest, field: "lines", detail: "null"},
	{name: "line a number", body: `{"lines":[1]}`, code: fault.BadRequest, field: "lines[0]", detail: "a number"},
	{name: "units a text", body: `{"lines":[{"sku_id":"1","quantity":"1"}]}`, code: fault.BadRequest, field: "lines[0].quantity", detail: "a text"},
	{name: "units null", body: `{"lines":[{"sku_id":"1","quantity":null}]}`, code: fault.BadRequest, field: "lines[0].quantity", detail: "null"},
	{name: "units true", body: `{"lines":[{"quantity":true}]}`, code: fault.BadRequest, field: "lines[0].quantity", detail: "true or false"},
	{name: "half a unit", body: `{"lines":[{"quantity":1.5}]}`, code: fault.BadRequest, field: "lines[0].quantity", detail: "whole"},
	{name: "exponent", body: `{"lines":[{"quantity":1e2}]}`, code: fault.BadRequest, field: "lines[0].quantity", detail: "whole"},
	{name: "units overflow", body: `{"lines":[{"quantity":9223372036854775808}]}`, code: fault.BadRequest, field: "lines[0].quantity", detail: "whole"},
	{name: "leading zero", body: `{"lines":[{"quantity":01}]}`, code: fault.BadRequest},
	{name: "plus", body: `{"lines":[{"quantity":+1}]}`, code: fault.BadRequest},
	{name: "sku a number", body: `{"lines":[{"sku_id":1,"quantity":1}]}`, code: fault.BadRequest, field: "lines[0].sku_id", detail: "a number"},
	{name: "sku empty", body: `{"lines":[{"sku_id":""}]}`, code: fault.Invalid, field: "lines[0].sku_id", detail: "decimal"},
	{name: "sku zero", body: `{"lines":[{"sku_id":"0"}]}`, code: fault.Invalid, field: "lines[0].sku_id"},
	{name: "sku signed", body: `{"lines":[{"sku_id":"-1"}]}`, code: fault.Invalid, field: "lines[0].sku_id"},
	{name: "sku overflow", body: `{"lines":[{"sku_id":"9223372036854775808"}]}`, code: fault.Invalid, field: "lines[0].sku_id"},
	{name: "sku a code", body: `{"lines":[{"sku_id":"MUG-BLUE"}]}`, code: fault.Invalid, field: "lines[0].sku_id"},
	{name: "control character", body: "{\"lines\":[{\"sku_id\":\"1\n\"}]}", code: fault.BadRequest},
	{name: "not UTF-8", body: "{\"lines\":[{\"sku_id\":\"\xff\"}]}", code: fault.BadRequest},
}

func TestDecodeOrder(t *testing.T) {
	for _, tt := range orderBodies {
		t.Run(tt.name, func(t *testing.T) {
			_, fast := DecodeOrder[orderLine](nil, []byte(tt.body))
			check(t, "fast", fast, tt.code, tt.field, tt.detail)
			var g generic
			check(t, "generic", Decode([]byte(tt.body), &g), tt.code, tt.field, tt.detail)
		})
	}
}

func check(t *testing.T, which string, err error, code fault.Code, field, detail string) {
	t.Helper()
	if code == fault.Internal {
		if err != nil {
			t.Errorf("%s: refused: %v", which, err)
		}
		return
	}
	e, ok := errors.AsType[*fault.Error](err)
	if !ok {
		t.Errorf("%s: %v is no fault", which, err)
		return
	}
	if e.Code != code || field != "" && e.Field != field || !strings.Contains(e.Detail, detail) {
		t.Errorf("%s: got %v %q %q, want %v %q ...%s...", which, e.Code, e.Field, e.Detail, code, field, detail)
	}
}

// FuzzDecodeOrder checks that DecodeOrder and Decode accept the same bodies with the same lines.
func FuzzDecodeOrder(f *testing.F) {
	for _, tt := range orderBodies {
		f.Add([]byte(tt.body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		lines, fast := DecodeOrder[orderLine](nil, body)
		var g generic
		slow := Decode(body, &g)
		if (fast == nil) != (slow == nil) {
			t.Fatalf("%q: fast says %v, generic says %v", body, fast, slow)
		}
		if fast != nil {
			return
		}
		if len(lines) != len(g.Lines) {
			t.Fatalf("%q: %d lines and %d", body, len(lines), len(g.Lines))
		}
		for i, l := range lines {
			if l.SKU != g.Lines[i].SKU || l.Units != g.Lines[i].Units {
				t.Fatalf("%q: line %d is %v and %v", body, i, l, g.Lines[i])
			}
		}
	})
}

func TestCheckType(t *testing.T) {
	for given, ok := range map[string]bool{
		"application/json":                  true,
		"application/json; charset=utf-8":   true,
		"application/json;charset=UTF-8":    true,
		"Application/JSON":                  true,
		"application/json; charset=latin1":  false,
		"application/x-www-form-urlencoded": false,
		"text/plain":                        false,
		"":                                  false,
		"application/json; charset":         false,
	} {
		if err := CheckJSONType(given); (err == nil) != ok || err != nil && !errors.Is(err, fault.UnsupportedMedia) {
			t.Errorf("%q: %v", given, err)
		}
	}
}

func TestAllocationsOfDecodingAnOrder(t *testing.T) {
	body := []byte(`{"lines":[{"sku_id":"7240126464000001","quantity":1}]}`)
	var buf [8]orderLine
	alloctest.AtMost(t, 0, func() {
		if _, err := DecodeOrder(buf[:0], body); err != nil {
			t.Fatal(err)
		}
	})
}

func BenchmarkDecodeOrder(b *testing.B) {
	body := []byte(`{"lines":[{"sku_id":"7240126464000001","quantity":1}]}`)
	b.Run("fast", func(b *testing.B) {
		b.ReportAllocs()
		var buf [8]orderLine
		for b.Loop() {
			if _, err := DecodeOrder(buf[:0], body); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("generic", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var g generic
			if err := Decode(body, &g); err != nil {
				b.Fatal(err)
			}
		}
	})
}
