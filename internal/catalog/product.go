// Package catalog owns what the shop sells: products with their variants, categories, brands and list prices, their
// import, and the caches for reading them. Stock belongs to package inventory, and prices of a sale to package sale.
package catalog

import (
	"slices"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
)

// Status is the visibility of a product.
type Status string

// The statuses of a product.
const (
	// Draft products are visible to administrators only.
	Draft Status = "draft"
	// Published products are visible and for sale.
	Published Status = "published"
	// Retired products were deleted. Their rows stay, because orders and stock refer to them.
	Retired Status = "retired"
)

// Product is a product with all its variants.
type Product struct {
	ID          id.Product
	Handle      string // part of addresses; unique
	Title       string
	Description string // text or HTML as entered; callers sanitise it before showing it as HTML
	Status      Status
	Brand       id.Brand // zero: none
	Categories  []id.Category
	Options     []string // names of the options in which variants differ, such as "Colour"; empty for a single variant
	Attributes  []Attribute
	Pictures    []Picture
	Variants    []Variant
	Rehearsal   bool  // made for a rehearsal: found by id, in no list. It never changes
	Version     int64 // grows by one with every change
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

// Variant is the unit of stock and sale.
type Variant struct {
	ID      id.SKU
	Code    string   // the shop's own stock code; unique, compared by bytes
	Options []string // a value for each of the product's Options
	Price   money.Amount
}

// Attribute is a name and value of a product, such as Material: Cotton.
type Attribute struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Picture is the address of a picture with its alternative text.
type Picture struct {
	URL string `json:"url"`
	Alt string `json:"alt"`
}

// Sellable is the data of a variant that orders and sales need.
type Sellable struct {
	SKU        id.SKU
	Product    id.Product
	PriceMinor int64 // in the shop's currency
	Published  bool
	Rehearsal  bool // of a product that was made for a rehearsal
}

// Same reports whether replacing a by b would change nothing. It compares all editable fields, but not ids, version and
// times. Variants are compared by code, in their order.
func Same(a, b *Product) bool {
	return a.Handle == b.Handle && a.Title == b.Title && a.Description == b.Description && a.Status == b.Status &&
		a.Brand == b.Brand && slices.Equal(sorted(a.Categories), sorted(b.Categories)) &&
		slices.Equal(a.Options, b.Options) && slices.Equal(a.Attributes, b.Attributes) && slices.Equal(a.Pictures, b.Pictures) &&
		slices.EqualFunc(a.Variants, b.Variants, func(v, w Variant) bool {
			return v.Code == w.Code && v.Price == w.Price && slices.Equal(v.Options, w.Options)
		})
}

func sorted(ids []id.Category) []id.Category {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	return ids
}
