package catalog

import (
	"strings"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/text"
)

// Category is a shelf of products. Categories form trees. A category never moves within its tree, so the store writes
// each product under all ancestors of its category and reads any shelf with one index.
type Category struct {
	ID     id.Category `json:"id"`
	Handle string      `json:"handle"`
	Title  string      `json:"title"`
	Parent id.Category `json:"parent_id,omitzero"` // zero: a root
}

// Brand is the maker of a product, or the name under which it is sold.
type Brand struct {
	ID     id.Brand `json:"id"`
	Handle string   `json:"handle"`
	Title  string   `json:"title"`
}

// Limits of categories and brands.
const (
	// CategoryTitleRunesMax bounds a title of a category or brand. It fits two lines of a menu.
	CategoryTitleRunesMax = 120
	// CategoryDepthMax bounds the depth of a tree; taxonomies in use end at seven.
	CategoryDepthMax = 8
	// CategoriesMax bounds a shop's categories, and so the size of their list; the same for brands.
	CategoriesMax = 5000
)

// Check trims the category's texts, derives a missing handle from the title, and checks both. It returns fault.Invalid
// with the field.
func (c *Category) Check() error { return checkNamed(&c.Title, &c.Handle) }

// Check trims the brand's texts, derives a missing handle from the title, and checks both. It returns fault.Invalid
// with the field.
func (b *Brand) Check() error { return checkNamed(&b.Title, &b.Handle) }

func checkNamed(title, handle *string) error {
	if err := checkText("title", title, text.Name, 1, CategoryTitleRunesMax); err != nil {
		return err
	}
	// Files write a category as its path, "Home > Candles | Gifts", so a title cannot contain the separators.
	if strings.ContainsAny(*title, ">|") {
		return fault.Bad("title", "A title has no > and no |, which separate titles in files.")
	}
	if *handle == "" {
		*handle = Slug(*title)
	}
	return checkHandle("handle", *handle)
}

// checkText normalises a text and checks it: see text.Clean.
func checkText(field string, s *string, k text.Kind, least, most int) error {
	clean, err := text.Clean(field, *s, k, least, most)
	if err == nil {
		*s = clean
	}
	return err
}
