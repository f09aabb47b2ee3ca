package catalog

import (
	"context"
	"fmt"
	"strings"

	"github.com/tidegate/tidegate/internal/kernel/auditlog"
	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/cursor"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
)

// Service changes the catalogue, and reads it for administrators, including drafts. It is safe for concurrent use.
// Every method may also return the store's errors.
type Service struct {
	store    Store
	reader   *Reader
	mint     *id.Mint
	clock    clock.Clock
	currency money.Currency
}

// New returns a Service whose changes the reader sees immediately.
func New(c Config, store Store, reader *Reader, mint *id.Mint, clk clock.Clock) *Service {
	return &Service{store: store, reader: reader, mint: mint, clock: clk, currency: money.Currency(c.Currency)}
}

// Currency returns the currency of every price in the shop.
func (s *Service) Currency() money.Currency { return s.currency }

// Input is a product as an administrator writes it: without ids; brand and categories by handle.
type Input struct {
	Product    Product
	Brand      string
	Categories []string
	// AllowFree lets variants become free.
	AllowFree bool
}

// Create creates a product. It returns fault.Invalid, and fault.Conflict for a handle or stock code of another product.
func (s *Service) Create(ctx context.Context, in Input) (View, error) {
	in.Product.ID = id.New[id.Product](s.mint)
	return s.put(auditlog.About(ctx, in.Product.ID.String()), in, PutNew, 0)
}

// Replace replaces a product; version must be its current version. Variants are matched by code: a code that stays
// keeps its SKU id and stock, and a code that is missing is retired. A deleted product comes back. It returns
// fault.Invalid, fault.NotFound, fault.VersionMismatch, fault.Conflict for a handle or code of another product, and
// fault.SellsInSale if a sale sells what would be removed from sale.
func (s *Service) Replace(ctx context.Context, product id.Product, version int64, in Input) (View, error) {
	in.Product.ID = product
	return s.put(ctx, in, PutOver, version)
}

func (s *Service) put(ctx context.Context, in Input, mode PutMode, version int64) (View, error) {
	shelf, err := s.reader.shelf(ctx)
	if err != nil {
		return View{}, err
	}
	p := in.Product
	if _, p.Brand, err = shelf.ids("", in.Brand); err != nil {
		return View{}, err
	}
	p.Categories = nil
	for i, handle := range in.Categories {
		c, ok := shelf.categoryID[handle]
		if !ok {
			return View{}, fault.Bad(fmt.Sprintf("categories[%d]", i), "There is no category with the handle %q.", handle)
		}
		p.Categories = append(p.Categories, c)
	}
	if err := p.Check(s.currency); err != nil {
		return View{}, err
	}
	changes, err := s.write(ctx, []Put{{Mode: mode, Product: p, Version: version, AllowFree: in.AllowFree}}, false)
	if err != nil {
		return View{}, err
	}
	if changes[0].Action == Refused {
		return View{}, changes[0].Err
	}
	return s.view(ctx, &changes[0].After)
}

// write is the only way to change products. It mints new ids and admits their keys, the store commits, and the Reader
// forgets the products' keys from before and after the change.
func (s *Service) write(ctx context.Context, puts []Put, dryRun bool) ([]Change, error) {
	for i := range puts {
		p := &puts[i].Product
		if p.ID.IsZero() {
			p.ID = id.New[id.Product](s.mint)
		}
		for v := range p.Variants {
			p.Variants[v].ID = id.New[id.SKU](s.mint)
		}
		if !dryRun {
			s.reader.admit(p.Keys())
		}
	}
	changes, err := s.store.PutProducts(ctx, Batch{Puts: puts, Now: s.clock.Now(), DryRun: dryRun, NewID: s.mint.Next})
	if dryRun {
		return changes, err
	}
	var stale []Keys
	if err != nil { // the commit may have succeeded although its answer was lost
		for i := range puts {
			stale = append(stale, puts[i].Product.Keys())
		}
	}
	for _, c := range changes {
		if c.Action == Created || c.Action == Updated {
			stale = append(stale, c.Before.Keys(), c.After.Keys())
		}
	}
	if len(stale) > 0 {
		s.reader.forgetShelf(ctx)
		s.reader.forget(ctx, stale...)
	}
	return changes, err
}

// Retire deletes a product for shoppers: it is no longer shown or sold, and its stock codes are free. Its rows stay. A
// version other than zero must be the product's. It returns fault.NotFound, fault.VersionMismatch, and
// fault.SellsInSale while a sale sells it.
func (s *Service) Retire(ctx context.Context, product id.Product, version int64) error {
	before, err := s.store.RetireProduct(ctx, product, version, s.clock.Now())
	if err != nil {
		before.ID = product // the commit may have succeeded although its answer was lost
	}
	s.reader.forget(ctx, before.Keys())
	return err
}

// Get returns a product from the store, also a draft. It returns fault.NotFound, also for a deleted product.
func (s *Service) Get(ctx context.Context, product id.Product) (View, error) {
	p, err := s.store.Product(ctx, product)
	if err != nil {
		return View{}, err
	}
	if p.Status == Retired {
		return View{}, fault.New(fault.NotFound, "There is no product %s.", product)
	}
	return s.view(ctx, &p)
}

func (s *Service) view(ctx context.Context, p *Product) (View, error) {
	shelf, err := s.reader.shelfOf(ctx, p)
	if err != nil {
		return View{}, err
	}
	return shelf.view(p), nil
}

// List returns a page of products, including drafts, newest first, and the cursor of the next page, which is empty on
// the last. status, if not empty, filters. It returns fault.Invalid, and fault.BadRequest for a cursor of another list.
func (s *Service) List(ctx context.Context, status Status, q ListQuery) (items []View, next string, err error) {
	if q.Limit < 1 || q.Limit > PageMax {
		return nil, "", fault.Bad("limit", "It is %d; 1 to %d is allowed.", q.Limit, PageMax)
	}
	if status != "" && status != Draft && status != Published {
		return nil, "", fault.Bad("status", "%q is not a status: draft or published.", status)
	}
	shelf, err := s.reader.shelf(ctx)
	if err != nil {
		return nil, "", err
	}
	query := Query{Status: status, Words: Words(q.Name), After: q.After, Limit: q.Limit}
	if q.Name != "" && len(query.Words) == 0 {
		_, err := nothing.Read(q.Cursor)
		return nil, "", err
	}
	if query.Category, query.Brand, err = shelf.ids(q.Category, q.Brand); err != nil {
		return nil, "", err
	}
	list := cursor.Of("admin products", string(status), strings.Join(query.Words, " "), query.Category.String(), query.Brand.String())
	if q.Cursor != "" {
		after, err := list.Read(q.Cursor)
		if err != nil {
			return nil, "", err
		}
		query.After = id.Product(after)
	}
	view, err := s.reader.list(ctx, list, query)
	return view.Items, view.Next, err
}

// AddCategory creates a category. It returns fault.Invalid, and fault.Conflict for a handle or title that exists.
func (s *Service) AddCategory(ctx context.Context, c Category) (Category, error) {
	if err := c.Check(); err != nil {
		return c, err
	}
	c.ID = id.New[id.Category](s.mint)
	err := s.store.AddCategory(auditlog.About(ctx, c.ID.String()), c)
	s.reader.forgetShelf(ctx)
	return c, err
}

// AddBrand creates a brand. It returns fault.Invalid, and fault.Conflict for a handle or title that exists.
func (s *Service) AddBrand(ctx context.Context, b Brand) (Brand, error) {
	if err := b.Check(); err != nil {
		return b, err
	}
	b.ID = id.New[id.Brand](s.mint)
	err := s.store.AddBrand(auditlog.About(ctx, b.ID.String()), b)
	s.reader.forgetShelf(ctx)
	return b, err
}
