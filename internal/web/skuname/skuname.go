// Package skuname finds what the admin pages call a SKU: product title, variant and stock code.
package skuname

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
)

// Products reads published products from memory: see catalog.Reader.
type Products interface {
	Product(ctx context.Context, product id.Product) (*catalog.Page, error)
	// Offer returns the product of a SKU. It returns fault.NotInSale.
	Offer(ctx context.Context, sku id.SKU) (id.Product, money.Amount, error)
}

// Name names a SKU for operators: the title of its product, the title of its variant (empty: the product has one) and its stock code.
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

// Find returns the name of a SKU. Where product is zero, Find looks the product up. The name of an unpublished SKU is its id.
func Find(ctx context.Context, from Products, product id.Product, sku id.SKU) (Name, error) {
	n := Name{Title: "SKU " + sku.String(), Code: sku.String()}
	if product.IsZero() {
		var err error
		if product, _, err = from.Offer(ctx, sku); err != nil {
			return n, ignore(err, fault.NotInSale)
		}
	}
	v, err := DecodeView(from.Product(ctx, product))
	if err != nil {
		return n, ignore(err, fault.NotFound)
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

// ignore returns nil for an error with the code, and any other error as it is.
func ignore(err error, code fault.Code) error {
	if fault.CodeOf(err) == code {
		return nil
	}
	return err
}

// DecodeView decodes a cached product. It takes the two results of a read, and returns err if it is not nil.
func DecodeView(page *catalog.Page, err error) (v catalog.View, _ error) {
	if err != nil {
		return v, err
	}
	if err := json.Unmarshal(page.Body, &v); err != nil {
		return v, fmt.Errorf("read a page of the catalogue: %w", err)
	}
	return v, nil
}
