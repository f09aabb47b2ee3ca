package catalog

import (
	"context"
	"slices"
	"strings"

	"github.com/tidegate/tidegate/internal/kernel/id"
)

// Difference is something in which two versions of a product differ. Before and After are texts where those are short: the title,
// the status, and the price of the variant of a code; one of them is empty where the variant is new or gone.
type Difference struct {
	// Field is title, description, status, brand, categories, options, attributes, pictures or variants.
	Field         string
	Code          string // of a variant
	Before, After string
}

// Differences returns in what a product differs from what it was before, in the order of Difference.Field. A product that was not
// there before differs in nothing.
func Differences(before, after *Product) (all []Difference) {
	if before.ID.IsZero() {
		return nil
	}
	for _, field := range []struct {
		name string
		same bool
	}{
		{"description", before.Description == after.Description},
		{"brand", before.Brand == after.Brand},
		{"categories", slices.Equal(before.Categories, after.Categories)},
		{"options", slices.Equal(before.Options, after.Options)},
		{"attributes", slices.Equal(before.Attributes, after.Attributes)},
		{"pictures", slices.Equal(before.Pictures, after.Pictures)},
	} {
		if !field.same {
			all = append(all, Difference{Field: field.name})
		}
	}
	if before.Status != after.Status {
		all = slices.Insert(all, 0, Difference{Field: "status", Before: string(before.Status), After: string(after.Status)})
	}
	if before.Title != after.Title {
		all = slices.Insert(all, 0, Difference{Field: "title", Before: before.Title, After: after.Title})
	}
	return append(all, variantDifferences(before.Variants, after.Variants)...)
}

// variantDifferences goes by code: the variants that are there, then those that are gone. The order of variants is not told.
func variantDifferences(before, after []Variant) (all []Difference) {
	find := func(list []Variant, code string) *Variant {
		if i := slices.IndexFunc(list, func(v Variant) bool { return v.Code == code }); i >= 0 {
			return &list[i]
		}
		return nil
	}
	for i := range after {
		is, was := &after[i], find(before, after[i].Code)
		switch {
		case was == nil:
			all = append(all, Difference{Field: "variants", Code: is.Code, After: is.Price.Decimal()})
		case was.Price != is.Price:
			all = append(all, Difference{Field: "variants", Code: is.Code, Before: was.Price.Decimal(), After: is.Price.Decimal()})
		case !slices.Equal(was.Options, is.Options):
			all = append(all, Difference{Field: "variants", Code: is.Code})
		}
	}
	for i := range before {
		if was := &before[i]; find(after, was.Code) == nil {
			all = append(all, Difference{Field: "variants", Code: was.Code, Before: was.Price.Decimal()})
		}
	}
	return all
}

// Removal is something that a product had, and has no longer.
type Removal struct {
	Line   int64 // of the file, at which the product begins
	Handle string
	// What is variant, picture, category, attribute, brand, description, or sale: a product that was published and is a draft now.
	What string
	// Value names it: the stock code, the address, the path of titles, the name, the brand's title.
	Value string
}

// removals returns what a change takes from a product.
func (s *Service) removals(ctx context.Context, before, after *Product) (all []Removal, err error) {
	gone := func(what, value string) { all = append(all, Removal{Handle: after.Handle, What: what, Value: value}) }
	if before.Status == Published && after.Status != Published {
		gone("sale", after.Title)
	}
	for _, v := range before.Variants {
		if !slices.ContainsFunc(after.Variants, func(w Variant) bool { return w.Code == v.Code }) {
			gone("variant", v.Code)
		}
	}
	for _, p := range before.Pictures {
		if !slices.ContainsFunc(after.Pictures, func(q Picture) bool { return q.URL == p.URL }) {
			gone("picture", p.URL)
		}
	}
	for _, a := range before.Attributes {
		if !slices.ContainsFunc(after.Attributes, func(b Attribute) bool { return b.Name == a.Name }) {
			gone("attribute", a.Name)
		}
	}
	if before.Description != "" && after.Description == "" {
		gone("description", "")
	}
	lost := slices.DeleteFunc(slices.Clone(before.Categories), func(c id.Category) bool { return slices.Contains(after.Categories, c) })
	brand := !before.Brand.IsZero() && after.Brand.IsZero()
	if len(lost) == 0 && !brand {
		return all, nil
	}
	shelf, err := s.reader.shelfOf(ctx, before)
	if err != nil {
		return nil, err
	}
	for _, c := range lost {
		gone("category", strings.Join(shelf.path(c), " > "))
	}
	if brand {
		gone("brand", shelf.brandByID[before.Brand].Title)
	}
	return all, nil
}
