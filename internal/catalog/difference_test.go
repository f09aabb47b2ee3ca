package catalog

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidegate/tidegate/internal/kernel/money"
)

func TestDifferences(t *testing.T) {
	price := func(minor int64) money.Amount { return money.Of(minor, "GBP") }
	mug := func(change func(*Product)) *Product {
		p := &Product{
			ID: 1, Title: "Mug", Description: "Blue", Status: Published, Options: []string{"Size"},
			Variants: []Variant{{Code: "S", Options: []string{"small"}, Price: price(500)}, {Code: "L", Options: []string{"large"}, Price: price(900)}},
		}
		change(p)
		return p
	}
	before := mug(func(*Product) {})
	for name, tt := range map[string]struct {
		change func(*Product)
		want   []Difference
	}{
		"nothing": {func(p *Product) { p.Version = 9 }, nil},
		"words": {func(p *Product) { p.Title, p.Description, p.Status = "Cup", "Red", Draft }, []Difference{
			{Field: "title", Before: "Mug", After: "Cup"}, {Field: "status", Before: "published", After: "draft"}, {Field: "description"},
		}},
		"lists": {func(p *Product) {
			p.Brand, p.Categories, p.Attributes, p.Pictures = 2, append(p.Categories, 3), []Attribute{{Name: "a", Value: "b"}}, []Picture{{URL: "/a"}}
		}, []Difference{{Field: "brand"}, {Field: "categories"}, {Field: "attributes"}, {Field: "pictures"}}},
		"variants": {func(p *Product) {
			p.Variants = []Variant{{Code: "XL", Price: price(1200)}, {Code: "S", Options: []string{"small"}, Price: price(450)}}
		}, []Difference{
			{Field: "variants", Code: "XL", After: "12.00"}, {Field: "variants", Code: "S", Before: "5.00", After: "4.50"},
			{Field: "variants", Code: "L", Before: "9.00"},
		}},
		"an option": {func(p *Product) { p.Variants[1].Options = []string{"tall"} }, []Difference{{Field: "variants", Code: "L"}}},
	} {
		if diff := cmp.Diff(tt.want, Differences(before, mug(tt.change))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if all := Differences(&Product{}, before); all != nil {
		t.Errorf("a new product: %+v", all)
	}
}
