package catalog

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/money"
)

func mug() Product {
	return Product{
		Title: "A mug", Options: []string{"Colour"}, Variants: []Variant{
			{Code: "MUG-B", Options: []string{"Blue"}, Price: money.Of(100, "GBP")},
			{Code: "MUG-R", Options: []string{"Red"}, Price: money.Of(120, "GBP")},
		},
	}
}

func TestProductCheckRefuses(t *testing.T) {
	long := strings.Repeat("é", 300)
	many := func(n int) (list []string) {
		for i := range n {
			list = append(list, fmt.Sprint("x", i))
		}
		return list
	}
	for name, c := range map[string]struct {
		field  string
		change func(*Product)
	}{
		"no title":               {"title", func(p *Product) { p.Title = " \t" }},
		"a long title":           {"title", func(p *Product) { p.Title = long }},
		"a title of two lines":   {"title", func(p *Product) { p.Title = "a\nb" }},
		"a title not in UTF-8":   {"title", func(p *Product) { p.Title = "caf\xe9" }},
		"a reversed title":       {"title", func(p *Product) { p.Title = "a\u202eb" }},
		"no Latin letters":       {"handle", func(p *Product) { p.Title = "コップ" }},
		"an upper-case handle":   {"handle", func(p *Product) { p.Handle = "Mug" }},
		"a double hyphen":        {"handle", func(p *Product) { p.Handle = "a--b" }},
		"a hyphen at the end":    {"handle", func(p *Product) { p.Handle = "a-" }},
		"a slash":                {"handle", func(p *Product) { p.Handle = "a/b" }},
		"a long handle":          {"handle", func(p *Product) { p.Handle = strings.Repeat("a", HandleBytesMax+1) }},
		"a long description":     {"description", func(p *Product) { p.Description = strings.Repeat("a", DescriptionRunesMax+1) }},
		"a NUL":                  {"description", func(p *Product) { p.Description = "a\x00b" }},
		"another status":         {"status", func(p *Product) { p.Status = "live" }},
		"retired":                {"status", func(p *Product) { p.Status = Retired }},
		"a category twice":       {"categories[1]", func(p *Product) { p.Categories = append(p.Categories, 4, 4) }},
		"a nameless attribute":   {"attributes[0].name", func(p *Product) { p.Attributes = []Attribute{{Value: "x"}} }},
		"an empty attribute":     {"attributes[0].value", func(p *Product) { p.Attributes = []Attribute{{Name: "x"}} }},
		"an attribute twice":     {"attributes[1].name", func(p *Product) { p.Attributes = []Attribute{{"a", "x"}, {"a", "y"}} }},
		"too many attributes":    {"attributes", func(p *Product) { p.Attributes = make([]Attribute, AttributesMax+1) }},
		"a script for a picture": {"pictures[0].url", func(p *Product) { p.Pictures = []Picture{{URL: "javascript:alert(1)"}} }},
		"a relative picture":     {"pictures[0].url", func(p *Product) { p.Pictures = []Picture{{URL: "/a.jpg"}} }},
		"a picture's password":   {"pictures[0].url", func(p *Product) { p.Pictures = []Picture{{URL: "https://u:p@example.com/a"}} }},
		"a picture with a space": {"pictures[0].url", func(p *Product) { p.Pictures = []Picture{{URL: "https://example.com/a b"}} }},
		"a picture of no host":   {"pictures[0].url", func(p *Product) { p.Pictures = []Picture{{URL: "https:///a.jpg"}} }},
		"a long address":         {"pictures[0].url", func(p *Product) { p.Pictures = []Picture{{URL: "https://e.com/" + strings.Repeat("a", 2000)}} }},
		"no variants":            {"variants", func(p *Product) { p.Variants = nil }},
		"too many variants":      {"variants", func(p *Product) { p.Variants = make([]Variant, VariantsMax+1) }},
		"no options":             {"options", func(p *Product) { p.Options = nil }},
		"too many options":       {"options", func(p *Product) { p.Options = many(OptionsMax + 1) }},
		"an option twice":        {"options[1]", func(p *Product) { p.Options = []string{"Size", "Size"} }},
		"a value missing":        {"variants[1].options", func(p *Product) { p.Variants[1].Options = nil }},
		"an empty value":         {"variants[1].options[0]", func(p *Product) { p.Variants[1].Options = []string{""} }},
		"twins":                  {"variants[1].options", func(p *Product) { p.Variants[1].Options = []string{"Blue"} }},
		"no code":                {"variants[1].sku", func(p *Product) { p.Variants[1].Code = "" }},
		"a code twice":           {"variants[1].sku", func(p *Product) { p.Variants[1].Code = "MUG-B" }},
		"a code after space":     {"variants[1].sku", func(p *Product) { p.Variants[1].Code = " MUG" }},
		"a code in Latin-1":      {"variants[1].sku", func(p *Product) { p.Variants[1].Code = "caf\xe9" }},
		"a long code":            {"variants[1].sku", func(p *Product) { p.Variants[1].Code = strings.Repeat("a", CodeBytesMax+1) }},
		"another currency":       {"variants[1].price.currency", func(p *Product) { p.Variants[1].Price.Currency = "EUR" }},
		"no currency":            {"variants[1].price.currency", func(p *Product) { p.Variants[1].Price.Currency = "" }},
		"less than nothing":      {"variants[1].price.minor", func(p *Product) { p.Variants[1].Price.Minor = -1 }},
		"beyond every order":     {"variants[1].price.minor", func(p *Product) { p.Variants[1].Price.Minor = PriceMinorMax + 1 }},
	} {
		t.Run(name, func(t *testing.T) {
			p := mug()
			c.change(&p)
			err := p.Check("GBP")
			if f := fault.As(err); err == nil || f.Code != fault.Invalid || f.Field != c.field {
				t.Errorf("got %v, want invalid %s", err, c.field)
			}
		})
	}
}

func TestProductCheckTakes(t *testing.T) {
	p := mug()
	p.Title, p.Description = "  Children's Café Mug  ", "one\r\ntwo\n"
	p.Pictures = []Picture{{URL: " https://example.com/a.jpg?w=1#x ", Alt: "A mug"}, {URL: "http://[::1]:80/b.jpg"}}
	p.Variants[0].Code = "MUG B/1"
	p.Variants[0].Price.Minor = PriceMinorMax
	p.Variants[1].Price.Minor = 0 // whether it may become free depends on the product before: see CheckFree
	if err := p.Check("GBP"); err != nil {
		t.Fatal(err)
	}
	want := mug()
	want.Title, want.Handle, want.Status, want.Description = "Children's Café Mug", "childrens-cafe-mug", Draft, "one\ntwo"
	want.Pictures = []Picture{{URL: "https://example.com/a.jpg?w=1#x", Alt: "A mug"}, {URL: "http://[::1]:80/b.jpg"}}
	want.Variants[0].Code, want.Variants[0].Price.Minor = "MUG B/1", PriceMinorMax
	want.Variants[1].Price.Minor = 0
	if diff := cmp.Diff(want, p); diff != "" {
		t.Error(diff)
	}
}

func TestSlug(t *testing.T) {
	for title, want := range map[string]string{
		"White Hanging Heart T-Light Holder": "white-hanging-heart-t-light-holder",
		"  Çà & Là — Ø 12\" ™ ":              "ca-and-la-o-12-tm",
		"Straße":                             "strasse",
		"コップ 3":                              "3",
		"!!!":                                "",
		strings.Repeat("ab ", 100):           strings.TrimSuffix(strings.Repeat("ab-", 41), "-"),
	} {
		if got := Slug(title); got != want {
			t.Errorf("Slug(%q) = %q, want %q", title, got, want)
		} else if got != "" && !IsHandle(got) {
			t.Errorf("Slug(%q) = %q is not a handle", title, got)
		}
	}
}

func TestSame(t *testing.T) {
	a, b := mug(), mug()
	b.ID, b.Version, b.Variants[0].ID = 1, 2, 3
	if !Same(&a, &b) {
		t.Error("ids and versions make a difference")
	}
	for i, change := range []func(*Product){
		func(p *Product) { p.Title = "B" }, func(p *Product) { p.Handle = "B" }, func(p *Product) { p.Status = Published },
		func(p *Product) { p.Description = "B" }, func(p *Product) { p.Brand = 1 }, func(p *Product) { p.Categories = append(p.Categories, 1) },
		func(p *Product) { p.Attributes = []Attribute{{"a", "b"}} }, func(p *Product) { p.Pictures = []Picture{{URL: "x"}} },
		func(p *Product) { p.Variants[0].Price.Minor++ }, func(p *Product) { p.Variants[0].Options = []string{"B"} },
		func(p *Product) { slices.Reverse(p.Variants) }, func(p *Product) { p.Options = []string{"B"} },
	} {
		c := mug()
		change(&c)
		if Same(&a, &c) {
			t.Errorf("change %d makes no difference", i)
		}
	}
	a.Categories, b.Categories = append(a.Categories, 1, 2), append(b.Categories, 2, 1)
	if !Same(&a, &b) {
		t.Error("the order of categories makes a difference")
	}
}
