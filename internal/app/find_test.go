package app

import (
	"slices"
	"strings"
	"testing"

	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/kernel/money"
)

// TestAdminsFindProducts checks every filter of the admin's list of products, on one page and on pages of one.
func TestAdminsFindProducts(t *testing.T) {
	t.Parallel()
	a, _ := opened(t, Options{})
	ctx := t.Context()
	_, err := a.catalog.AddBrand(ctx, catalog.Brand{Handle: "north", Title: "North"})
	noError(t, err)
	_, err = a.catalog.AddCategory(ctx, catalog.Category{Handle: "cups", Title: "Cups"})
	noError(t, err)
	for i, p := range []struct {
		title, brand string
		categories   []string
		status       catalog.Status
	}{
		{"Blue mug", "north", []string{"cups"}, catalog.Published},
		{"Red mug", "", []string{"cups"}, catalog.Draft},
		{"Blue bowl", "north", nil, catalog.Published},
	} {
		_, err := a.catalog.Create(ctx, catalog.Input{Brand: p.brand, Categories: p.categories, Product: catalog.Product{
			Title: p.title, Status: p.status, Variants: []catalog.Variant{{Code: string(rune('A' + i)), Price: money.Of(100, "GBP")}},
		}})
		noError(t, err)
	}
	for _, c := range []struct {
		name   string
		status catalog.Status
		query  catalog.ListQuery
		want   string
	}{
		{"all", "", catalog.ListQuery{}, "Blue bowl, Red mug, Blue mug"},
		{"a word", "", catalog.ListQuery{Name: "mug"}, "Red mug, Blue mug"},
		{"in capitals", "", catalog.ListQuery{Name: "MUG"}, "Red mug, Blue mug"},
		{"two words in any order", "", catalog.ListQuery{Name: "mug blue"}, "Blue mug"},
		{"a part of a word", "", catalog.ListQuery{Name: "bow"}, "Blue bowl"},
		{"a word that is nowhere", "", catalog.ListQuery{Name: "teapot"}, ""},
		{"nothing that can be found", "", catalog.ListQuery{Name: " "}, ""},
		{"drafts", catalog.Draft, catalog.ListQuery{}, "Red mug"},
		{"a word among the published", catalog.Published, catalog.ListQuery{Name: "mug"}, "Blue mug"},
		{"a brand", "", catalog.ListQuery{Brand: "north"}, "Blue bowl, Blue mug"},
		{"a category", "", catalog.ListQuery{Category: "cups"}, "Red mug, Blue mug"},
		{"all of them", catalog.Published, catalog.ListQuery{Name: "blue", Brand: "north", Category: "cups"}, "Blue mug"},
	} {
		for _, limit := range []int{1, 10} {
			q := c.query
			q.Limit = limit
			var got []string
			for range 10 {
				found, next, err := a.catalog.List(ctx, c.status, q)
				noError(t, err)
				for i := range found {
					got = append(got, found[i].Title)
				}
				if q.Cursor = next; next == "" {
					break
				}
			}
			if strings.Join(got, ", ") != c.want {
				t.Errorf("%s, pages of %d: %v, want %s", c.name, limit, slices.Clip(got), c.want)
			}
		}
	}
}
