package entry

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
)

// Products is what is on sale, from memory: see catalog.Reader.
type Products interface {
	Product(ctx context.Context, product id.Product) (*catalog.Page, error)
	// Offer returns the product of a SKU. It returns fault.NotInSale.
	Offer(ctx context.Context, sku id.SKU) (id.Product, money.Amount, error)
}

// Name is what operators call a SKU: its product, what it differs in from the product's other variants, and its stock code.
type Name struct {
	Product              id.Product
	Title, Variant, Code string
}

// String returns the title with the variant.
func (n Name) String() string {
	if n.Variant == "" {
		return n.Title
	}
	return n.Title + ", " + n.Variant
}

// NameOf names a SKU; product may be zero. What is not published goes by its number.
func NameOf(ctx context.Context, from Products, product id.Product, sku id.SKU) (Name, error) {
	n := Name{Title: "SKU " + sku.String(), Code: sku.String()}
	if product.IsZero() {
		var err error
		if product, _, err = from.Offer(ctx, sku); err != nil {
			return n, unless(err, fault.NotInSale)
		}
	}
	v, err := ViewOf(from.Product(ctx, product))
	if err != nil {
		return n, unless(err, fault.NotFound)
	}
	n.Product, n.Title = v.ID, v.Title
	for _, w := range v.Variants {
		if w.SKU == sku {
			n.Code = w.Code
			if len(w.Options) > 0 {
				n.Variant = w.Title
			}
		}
	}
	return n, nil
}

func unless(err error, code fault.Code) error {
	if fault.CodeOf(err) == code {
		return nil
	}
	return err
}

// ViewOf reads a page of the catalogue. It returns err where there is one.
func ViewOf(page *catalog.Page, err error) (v catalog.View, _ error) {
	if err != nil {
		return v, err
	}
	if err := json.Unmarshal(page.Body, &v); err != nil {
		return v, fmt.Errorf("read a page of the catalogue: %w", err)
	}
	return v, nil
}
