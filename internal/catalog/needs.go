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

// Store keeps the catalogue. Implementations are safe for concurrent use. Besides the errors named, every method may return
// fault.StoreUnavailable, fault.StoreFull and fault.TimedOut.
type Store interface {
	// PutProducts writes a batch in one transaction, or with DryRun finds out what it would do and writes nothing. It answers
	// one Change for each put, in order; a refused put leaves its neighbours alone. The error is for the whole batch, of
	// which then nothing was written.
	PutProducts(ctx context.Context, batch Batch) ([]Change, error)
	// RetireProduct marks a product and its variants retired and returns what it was. A version that is not zero must be the
	// product's. It returns fault.NotFound, also for one that is retired already, fault.VersionMismatch, and fault.SellsInSale where a
	// scheduled, live or paused sale sells it.
	RetireProduct(ctx context.Context, product id.Product, version int64, now time.Time) (Product, error)

	// Product returns a product of any status with its variants. It returns fault.NotFound.
	Product(ctx context.Context, product id.Product) (Product, error)
	// ProductByHandle and ProductByCode return whose the handle or the stock code is. They return fault.NotFound, also for the
	// code of a retired variant.
	ProductByHandle(ctx context.Context, handle string) (id.Product, error)
	ProductByCode(ctx context.Context, code string) (id.Product, error)
	// Products returns a page of products with their variants.
	Products(ctx context.Context, q Query) ([]Product, error)
	// Sellables answers for the SKUs that exist, in any order; retired ones are answered as unpublished.
	Sellables(ctx context.Context, skus []id.SKU) ([]Sellable, error)

	// AddCategory returns fault.Conflict for a handle, or a title under the same parent, that exists, fault.NotFound for an
	// unknown parent, and fault.Invalid at a limit.
	AddCategory(ctx context.Context, c Category) error
	// AddBrand returns fault.Conflict for a handle or title that exists, and fault.Invalid at the limit.
	AddBrand(ctx context.Context, b Brand) error
	// Categories returns all of them, parents before children.
	Categories(ctx context.Context) ([]Category, error)
	// Brands returns all of them, by title.
	Brands(ctx context.Context) ([]Brand, error)

	// OtherCurrency returns a currency other than shop that a price is in, or none.
	OtherCurrency(ctx context.Context, shop money.Currency) (money.Currency, error)
	// CatalogKeys calls fn for every product, retired ones too, with its variants' ids and codes.
	CatalogKeys(ctx context.Context, fn func(Keys)) error
	// MostRead returns the products that SetMostRead was last told of, the most read first.
	MostRead(ctx context.Context) ([]id.Product, error)
	SetMostRead(ctx context.Context, products []id.Product) error
}

// Shared is a cache that the processes of a shop share, behind the memory of each. Implementations are safe for concurrent
// use.
type Shared interface {
	// Load returns the value of the key: the shared one, or what load returns, which is then shared for the lifetime that load
	// says. One process at a time loads a key. Where the shared cache does not answer it is load's own answer. It returns
	// load's error. What load read before a Forget of the key is never shared after it.
	Load(ctx context.Context, key string, load func(context.Context) (value []byte, lifetime time.Duration, err error)) ([]byte, error)
	// Forget drops the keys and has every process's Reader told, by Forgotten. It returns an error where not all may have been
	// told: then it is called again.
	Forget(ctx context.Context, keys []string) error
	// Live reports whether this process hears of changes at the moment.
	Live() bool
}

// Query asks for a page of products.
type Query struct {
	Status Status // empty: every status but retired
	// Words are each a part of the title, in any order and in any case of A to Z: see Words.
	Words    []string
	Category id.Category
	Brand    id.Brand
	// After is the last product of the page before; zero for the first page.
	After id.Product
	// OldestFirst turns the order, which is newest first.
	OldestFirst bool
	Limit       int
}

// Keys is everything that a product can be asked for by.
type Keys struct {
	Product id.Product
	Handle  string
	SKUs    []id.SKU
	Codes   []string
}

// Keys returns what the product can be asked for by.
func (p *Product) Keys() Keys {
	k := Keys{Product: p.ID, Handle: p.Handle}
	for i := range p.Variants {
		k.SKUs = append(k.SKUs, p.Variants[i].ID)
		k.Codes = append(k.Codes, p.Variants[i].Code)
	}
	return k
}

// Batch is products to write in one transaction.
type Batch struct {
	Puts   []Put
	Now    time.Time
	DryRun bool
	// NewID mints the ids of brands and categories that the puts name and the shop does not have yet.
	NewID func() int64
}

// BatchProductsMax and BatchVariantsMax bound a batch: some tens of milliseconds for which an order would wait.
const (
	BatchProductsMax = 100
	BatchVariantsMax = 500
)

// PutMode says which product a put writes.
type PutMode uint8

// The modes of a put.
const (
	// PutNew makes a product; its handle must be free.
	PutNew PutMode = iota
	// PutOver writes over the product with the put's id, which must have the put's version. A retired one comes back.
	PutOver
	// PutByHandle writes over the product with the put's handle, or makes it. A retired one comes back.
	PutByHandle
)

// Put is one product to write. It was checked. Its id and its variants' ids are fresh ones, which the store uses where the
// product or the stock code is new; a code that is known keeps its id, and so its stock. A code that only a retired variant
// has moves to this product with its id.
type Put struct {
	Mode    PutMode
	Product Product
	Version int64 // of PutOver
	// BrandTitle and CategoryPaths, where not empty, name the brand and the categories from the root down, and take the place
	// of the product's own ids. What does not exist is made.
	BrandTitle    string
	CategoryPaths [][]string
	// Keep names what stays as it is where the product exists: the file it comes from does not have it.
	Keep Fields
	// MadeCodes, where not nil, says for each variant whether its code was made because the file has none. Where the product exists, and
	// has a variant with the same options, that one's code is taken.
	MadeCodes []bool
	// Unread, where not zero, is a line of the file that cannot be read, and may be any product's: the put removes no variant.
	Unread int64
	// AllowFree lets variants become free: a price of zero is the shop's decision, and no slip. One that is free may stay so without.
	AllowFree bool
}

// Fields is a set of what a product says of itself.
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

// KeepFrom takes over what the put leaves as it is.
func (p *Put) KeepFrom(before *Product) {
	is := &p.Product
	if p.Keep&FieldDescription != 0 {
		is.Description = before.Description
	}
	if p.Keep&FieldStatus != 0 && before.Status != Retired { // one that comes back needs a status
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

// keepCodes gives variants of which the file has no code the code that they have.
func (p *Put) keepCodes(before *Product) {
	if !slices.Contains(p.MadeCodes, true) {
		return
	}
	// The caller's slice stays as it is: a put may be tried again.
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

// CheckRemovals returns fault.Invalid where the put would remove a variant that a line which cannot be read may stand for.
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

// CheckFree returns fault.Invalid where a variant would become free that was not, and that is not allowed.
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

// Action says what became of a put.
type Action uint8

// The actions.
const (
	Unchanged Action = iota
	Created
	Updated
	Refused
)

// Change is what became of a put.
type Change struct {
	Action Action
	// Before is what was there; its zero value where nothing was.
	Before Product
	// After is what is there now, with ids, version and times; in a dry run, what would be.
	After Product
	// Err says why a put was refused: fault.Conflict for a handle or code that another product has, fault.NotFound for an
	// unknown product, brand or category, fault.VersionMismatch, fault.Invalid at a limit, fault.SellsInSale where what would not be sold
	// any more sells in a sale that is scheduled, live or paused.
	Err *fault.Error
}
