package catalog

import (
	"context"
	"slices"
	"strings"

	"github.com/tidegate/tidegate/internal/kernel/id"
)

// Difference is one difference between two versions of a product. Before and After are set for the title, the status,
// and a variant's price. Before is empty for a new variant, and After for a removed one.
type Difference struct {
	// Field is title, status, description, brand, categories, options, attributes, pictures or variants.
	Field         string
	Code          string // of the variant
	Before, After string
}

// Differences returns the differences between two versions of a product, in the order of Difference.Field. It returns
// none for a new product.
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

// variantDifferences compares variants by code, and ignores their order. It returns existing variants first, then
// removed ones.
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

// Removal is something that a product has lost.
type Removal struct {
	Line   int64 // of the file, where the product begins
	Handle string
	// What is variant, picture, category, attribute, brand, description or sale. Sale means that a published product
	// became a draft.
	What string
	// Value is the stock code, the picture's address, the category's path of titles, the attribute's name, or the
	// brand's title.
	Value string
}

// removals returns what a change removes from a product.
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
