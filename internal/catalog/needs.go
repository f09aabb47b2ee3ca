package catalog

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
)

// Store is the database as the catalogue needs it. It is safe for concurrent use. Every method may also return
// fault.StoreUnavailable, fault.StoreFull and fault.TimedOut.
type Store interface {
	// PutProducts writes a batch in one transaction. With DryRun it only reports what it would do. It returns one
	// Change for each put, in order; a refused put does not affect the others. After an error nothing of the batch was
	// written.
	PutProducts(ctx context.Context, batch Batch) ([]Change, error)
	// RetireProduct retires a product and its variants, and returns the product as it was. A version other than zero
	// must be the product's. It returns fault.NotFound, also for a retired product, fault.VersionMismatch, and
	// fault.SellsInSale if a scheduled, live or paused sale sells the product.
	RetireProduct(ctx context.Context, product id.Product, version int64, now time.Time) (Product, error)

	// Product returns a product of any status with its variants. It returns fault.NotFound.
	Product(ctx context.Context, product id.Product) (Product, error)
	// ProductByHandle and ProductByCode return the product with that handle or stock code. They return fault.NotFound,
	// also for the code of a retired variant.
	ProductByHandle(ctx context.Context, handle string) (id.Product, error)
	ProductByCode(ctx context.Context, code string) (id.Product, error)
	// Products returns a page of products with their variants.
	Products(ctx context.Context, q Query) ([]Product, error)
	// Sellables returns the SKUs that exist, in any order. Retired SKUs are returned as unpublished.
	Sellables(ctx context.Context, skus []id.SKU) ([]Sellable, error)

	// AddCategory returns fault.Conflict if the handle exists, or the title exists under the same parent. It returns
	// fault.NotFound for an unknown parent, and fault.Invalid at a limit.
	AddCategory(ctx context.Context, c Category) error
	// AddBrand returns fault.Conflict if the handle or title exists, and fault.Invalid at the limit.
	AddBrand(ctx context.Context, b Brand) error
	// Categories returns all categories, parents before children.
	Categories(ctx context.Context) ([]Category, error)
	// Brands returns all brands, sorted by title.
	Brands(ctx context.Context) ([]Brand, error)

	// OtherCurrency returns a currency of an existing price that differs from shop, or an empty one.
	OtherCurrency(ctx context.Context, shop money.Currency) (money.Currency, error)
	// CatalogKeys calls fn for every product, including retired ones, with its variants' ids and codes.
	CatalogKeys(ctx context.Context, fn func(Keys)) error
	// MostRead returns the products of the last SetMostRead, most read first.
	MostRead(ctx context.Context) ([]id.Product, error)
	SetMostRead(ctx context.Context, products []id.Product) error
}

// Shared is a cache that all processes of a shop share, behind each one's memory. It is safe for concurrent use.
type Shared interface {
	// Load returns the shared value of the key. Without one it calls load, and shares the result for the lifetime that
	// load returns. One process at a time loads a key. If the shared cache does not answer, Load returns load's result
	// directly. It returns load's error. A value that load read before a Forget of the key is never shared after it.
	Load(ctx context.Context, key string, load func(context.Context) (value []byte, lifetime time.Duration, err error)) ([]byte, error)
	// Forget drops the keys, and calls Forgotten of every process's Reader. After an error some processes may not know:
	// call it again.
	Forget(ctx context.Context, keys []string) error
	// Live reports whether this process currently receives invalidations.
	Live() bool
}

// Query selects a page of products.
type Query struct {
	Status Status // empty: every status but retired
	// Words must all occur in the title, in any order and in any case of A to Z: see Words.
	Words    []string
	Category id.Category
	Brand    id.Brand
	// After is the last product of the previous page; zero for the first page.
	After id.Product
	// OldestFirst reverses the order, which is newest first.
	OldestFirst bool
	Limit       int
}

// Keys are all keys by which a product can be looked up.
type Keys struct {
	Product id.Product
	Handle  string
	SKUs    []id.SKU
	Codes   []string
}

// Keys returns the keys by which the product can be looked up.
func (p *Product) Keys() Keys {
	k := Keys{Product: p.ID, Handle: p.Handle}
	for i := range p.Variants {
		k.SKUs = append(k.SKUs, p.Variants[i].ID)
		k.Codes = append(k.Codes, p.Variants[i].Code)
	}
	return k
}

// Batch is a batch of products to write in one transaction.
type Batch struct {
	Puts   []Put
	Now    time.Time
	DryRun bool
	// NewID mints ids for new brands and categories that the puts name.
	NewID func() int64
}

// BatchProductsMax and BatchVariantsMax bound a batch, so that an order waits for it for some tens of milliseconds at
// most.
const (
	BatchProductsMax = 100
	BatchVariantsMax = 500
)

// PutMode says which product a put writes.
type PutMode uint8

// The modes of a put.
const (
	// PutNew creates a product; its handle must be free.
	PutNew PutMode = iota
	// PutOver replaces the product with the put's id, which must have the put's version. A retired product comes back.
	PutOver
	// PutByHandle creates or replaces the product with the put's handle. A retired product comes back.
	PutByHandle
)

// Put is one product to write, already checked. It has fresh ids for the product and its variants. The store uses them
// if the product or the stock code is new; a known code keeps its id, and so its stock. A code that only a retired
// variant has moves to this product with its id.
type Put struct {
	Mode    PutMode
	Product Product
	Version int64 // of PutOver
	// BrandTitle and CategoryPaths, if not empty, name the brand and the categories by title, from the root down. They
	// replace the product's own ids. Missing brands and categories are created.
	BrandTitle    string
	CategoryPaths [][]string
	// Keep names the fields of an existing product that stay as they are, because the file does not have them.
	Keep Fields
	// MadeCodes, if not nil, says for each variant whether its code was generated, because the file has none. If the
	// existing product has a variant with the same options, that variant's code is used instead.
	MadeCodes []bool
	// Unread, if not zero, is an unreadable line of the file that may belong to any product: the put removes no
	// variant.
	Unread int64
	// AllowFree lets variants become free, so that a price of zero is never a mistake. A free variant may stay free
	// without it.
	AllowFree bool
}

// Fields is a set of fields of a product.
type Fields uint8

// The fields that a file may leave out.
const (
	FieldDescription Fields = 1 << iota
	FieldStatus
	FieldBrand
	FieldCategories
	FieldAttributes
	FieldPictures
)

// KeepFrom copies the fields that the put leaves as they are.
func (p *Put) KeepFrom(before *Product) {
	is := &p.Product
	if p.Keep&FieldDescription != 0 {
		is.Description = before.Description
	}
	if p.Keep&FieldStatus != 0 && before.Status != Retired { // a retired product that comes back needs a status
		is.Status = before.Status
	}
	if p.Keep&FieldBrand != 0 {
		is.Brand = before.Brand
	}
	if p.Keep&FieldCategories != 0 {
		is.Categories = before.Categories
	}
	if p.Keep&FieldAttributes != 0 {
		is.Attributes = before.Attributes
	}
	if p.Keep&FieldPictures != 0 {
		is.Pictures = before.Pictures
	}
	p.keepCodes(before)
}

// keepCodes replaces generated codes by the codes of the existing variants.
func (p *Put) keepCodes(before *Product) {
	if !slices.Contains(p.MadeCodes, true) {
		return
	}
	// Clone the slice: the put may be retried.
	p.Product.Variants = slices.Clone(p.Product.Variants)
	for i := range p.Product.Variants {
		v := &p.Product.Variants[i]
		if !p.MadeCodes[i] {
			continue
		}
		at := slices.IndexFunc(before.Variants, func(b Variant) bool { return slices.Equal(b.Options, v.Options) })
		if at >= 0 && !slices.ContainsFunc(p.Product.Variants, func(o Variant) bool { return o.Code == before.Variants[at].Code }) {
			v.Code = before.Variants[at].Code
		}
	}
}

// CheckRemovals returns fault.Invalid if the put would remove a variant that may be in an unreadable line.
func (p *Put) CheckRemovals(before *Product) *fault.Error {
	if p.Unread == 0 {
		return nil
	}
	for _, b := range before.Variants {
		if !slices.ContainsFunc(p.Product.Variants, func(v Variant) bool { return v.Code == b.Code }) {
			return fault.Bad("variants", "Line %d cannot be read and may be the variant %q, which would be removed.", p.Unread, b.Code)
		}
	}
	return nil
}

// CheckFree returns fault.Invalid if a variant would become free and the put does not allow it.
func (p *Put) CheckFree(before *Product) *fault.Error {
	if p.AllowFree {
		return nil
	}
	for i := range p.Product.Variants {
		v := &p.Product.Variants[i]
		if v.Price.Minor == 0 && !slices.ContainsFunc(before.Variants, func(b Variant) bool { return b.Code == v.Code && b.Price.Minor == 0 }) {
			return fault.Bad(fmt.Sprintf("variants[%d].price.minor", i),
				"It is %s, which gives the product away. If it is meant to be free, say so: --allow-free of the command, allow_free=true in the API, or the box in the admin pages.",
				v.Price.Decimal())
		}
	}
	return nil
}

// Action is the result of a put.
type Action uint8

// The actions.
const (
	Unchanged Action = iota
	Created
	Updated
	Refused
)

// Change is a put's result with the product before and after it.
type Change struct {
	Action Action
	// Before is zero if the product is new.
	Before Product
	// After has the ids, version and times. In a dry run it is what would be written.
	After Product
	// Err says why a put was refused: fault.Conflict for a handle or code of another product, fault.NotFound for an
	// unknown product, brand or category, fault.VersionMismatch, fault.Invalid at a limit, or fault.SellsInSale if a
	// scheduled, live or paused sale sells what the put removes from sale.
	Err *fault.Error
}
