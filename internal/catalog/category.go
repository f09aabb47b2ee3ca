package catalog

import (
	"strings"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/text"
)

// Category is a shelf that products stand on. Categories form trees; a category's place in its tree does not change, so that
// the store can write every product under its category's ancestors too and read any shelf with one index.
type Category struct {
	ID     id.Category `json:"id"`
	Handle string      `json:"handle"`
	Title  string      `json:"title"`
	Parent id.Category `json:"parent_id,omitzero"` // zero: a root
}

// Brand is who made or sells a product under their name.
type Brand struct {
	ID     id.Brand `json:"id"`
	Handle string   `json:"handle"`
	Title  string   `json:"title"`
}

// Limits of categories and brands.
const (
	// CategoryTitleRunesMax bounds a title; the same for brands. It fits a line of a menu twice.
	CategoryTitleRunesMax = 120
	// CategoryDepthMax bounds how deep a tree goes; taxonomies in use end at seven.
	CategoryDepthMax = 8
	// CategoriesMax bounds the categories of a shop, and so the answer that lists them all; the same for brands.
	CategoriesMax = 5000
)

// Check trims the category's texts, derives its handle from its title when it has none, and checks both.
// It returns fault.Invalid with the field.
func (c *Category) Check() error { return checkNamed(&c.Title, &c.Handle) }

// Check trims the brand's texts, derives its handle from its title when it has none, and checks both.
// It returns fault.Invalid with the field.
func (b *Brand) Check() error { return checkNamed(&b.Title, &b.Handle) }

func checkNamed(title, handle *string) error {
	if err := checkText("title", title, text.Name, 1, CategoryTitleRunesMax); err != nil {
		return err
	}
	// Files write a category as its path, "Home > Candles | Gifts": the separators cannot be part of a title.
	if strings.ContainsAny(*title, ">|") {
		return fault.Bad("title", "A title has no > and no |, which separate titles in files.")
	}
	if *handle == "" {
		*handle = Slug(*title)
	}
	return checkHandle("handle", *handle)
}

// checkText puts a text into the form in which it is kept, and checks it: see text.Clean.
func checkText(field string, s *string, k text.Kind, least, most int) error {
	clean, err := text.Clean(field, *s, k, least, most)
	if err == nil {
		*s = clean
	}
	return err
}
