package catalog

import "slices"

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
