package catalog

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/cursor"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
)

// Bounds of the smaller caches.
const (
	// addressesMax bounds the cached handles and stock codes: about 30 MiB.
	addressesMax = 200_000
	// sellableBytes is the weight of a price in its cache: PricesMax counts prices, not bytes.
	sellableBytes = 1
	// pageOverheadBytes is the approximate memory of a page besides its body.
	pageOverheadBytes = 512
	// listLifetimeMax bounds how long a list is kept if no change drops it earlier.
	listLifetimeMax = time.Minute
)

// ListQuery selects a page of published products: brand and category by handle, empty for any. Name, if not empty,
// holds words of the title, in any order and case.
type ListQuery struct {
	Name     string
	Category string
	Brand    string
	Cursor   string     // of the previous page; empty for the first
	After    id.Product // without a cursor: the last product of the previous page
	Limit    int        // 1 to PageMax
}

// emptyList is the page of a search that cannot match any product.
var emptyList = newPage(encode(listView[View]{Items: []View{}}))

// PageMax is the maximum length of a page.
const PageMax = 200

// Reader serves product reads of shoppers, and the product data of orders, from memory. It shows published products
// only. It is safe for concurrent use.
//
// Every write goes through Service, which calls admit before and forget after it. Writes of other processes arrive
// through Shared: see Forgotten, OnConnect and OnDisconnect.
type Reader struct {
	store    Store
	currency money.Currency
	known    *filter
	most     *mostRead
	mostMax  int

	shared Shared // nil: this is the only process
	told   telling

	products  *cache[id.Product, *Page]
	addresses *cache[address, id.Product]
	lists     *cache[listKey, *Page]
	sellables *cache[id.SKU, Sellable]

	// generation grows with every change. It is part of every list's key, so a list loaded before a change is never
	// found after it.
	generation atomic.Uint64
	shelfMu    sync.Mutex
	shelfNow   atomic.Pointer[shelf]
	shelfEpoch atomic.Uint64
}

type listKey struct {
	generation uint64
	words      string
	category   id.Category
	brand      id.Brand
	after      id.Product
	limit      int
}

// missing marks a product that does not exist or is not published.
var missing = &Page{}

// NewReader returns a Reader with an empty cache; see Open. The config must be valid. Failed refreshes are logged. If
// shared is nil, the Reader is correct only as the only process.
func NewReader(c Config, store Store, shared Shared, clk clock.Clock, log *slog.Logger) *Reader {
	r := &Reader{
		store: store, currency: money.Currency(c.Currency), known: newFilter(), most: newMostRead(c.Cache.MostReadMax), mostMax: c.Cache.MostReadMax,
		shared: shared, told: newTelling(),
	}
	pageMissing := func(p *Page) bool { return p == missing }
	bytes := uint64(c.Cache.MaxMiB) << 20
	r.products = newCache(cacheSettings[id.Product, *Page]{
		name: "products", clock: clk, log: log, lifetime: c.Cache.Lifetime, missing: c.Cache.MissingLifetime, isMissing: pageMissing,
		weigh:     func(_ id.Product, p *Page) uint32 { return uint32(len(p.Body) + pageOverheadBytes) },
		weightMax: bytes / 2, load: r.loadProduct, known: func(p id.Product) bool { return r.known.may(productKey(p)) },
		shared: shareProducts(shared),
	})
	r.lists = newCache(cacheSettings[listKey, *Page]{
		name: "lists", clock: clk, log: log, lifetime: min(c.Cache.Lifetime, listLifetimeMax), missing: c.Cache.MissingLifetime, isMissing: pageMissing,
		weigh:     func(k listKey, p *Page) uint32 { return uint32(len(k.words) + len(p.Body) + pageOverheadBytes) },
		weightMax: bytes / 2, load: r.loadList, shared: shareLists(shared),
	})
	r.addresses = newCache(cacheSettings[address, id.Product]{
		name: "addresses", clock: clk, log: log, lifetime: c.Cache.Lifetime, missing: c.Cache.MissingLifetime,
		isMissing: id.Product.IsZero, weigh: func(address, id.Product) uint32 { return 1 },
		weightMax: addressesMax, load: r.loadAddress, known: func(a address) bool { return r.known.may(a.key()) },
		shared: shareAddresses(shared),
	})
	r.sellables = newCache(cacheSettings[id.SKU, Sellable]{
		name: "prices", clock: clk, log: log, lifetime: c.Cache.Lifetime, missing: c.Cache.MissingLifetime,
		isMissing: func(s Sellable) bool { return s.Product.IsZero() }, weigh: func(id.SKU, Sellable) uint32 { return sellableBytes },
		weightMax: uint64(c.Cache.PricesMax), load: r.loadSellable, known: func(s id.SKU) bool { return r.known.may(skuKey(s)) },
		shared: shareSellables(shared),
	})
	return r
}

// Open fills the filter and warms the most read products, the first page of the list, categories and brands. The Reader
// can be used before Open returns, but is slower. It returns the store's errors, and fault.Invalid if the shop has
// prices in a currency other than the configured one.
func (r *Reader) Open(ctx context.Context) error {
	other, err := r.store.OtherCurrency(ctx, r.currency)
	if err != nil {
		return err
	}
	if other != "" {
		return fault.Bad("currency", "There are prices in %s: it cannot be %s any more.", other, r.currency)
	}
	if err := r.fillFilter(ctx); err != nil {
		return err
	}
	products, err := r.store.MostRead(ctx)
	if err != nil {
		return err
	}
	if err := r.Warm(ctx, products[:min(len(products), r.mostMax)]); err != nil {
		return err
	}
	_, err = r.List(ctx, ListQuery{Limit: PageDefault})
	return err
}

// PageDefault is the length of a page if the request does not specify one.
const PageDefault = 50

// Warm loads products and their prices into memory, so that their first reader does not wait. It skips unknown and
// unpublished products. It returns the store's errors.
func (r *Reader) Warm(ctx context.Context, products []id.Product) error {
	for _, product := range products {
		page, err := r.products.get(ctx, product)
		if errors.Is(err, errUnknown) {
			continue
		}
		if err != nil {
			return err
		}
		for _, sku := range page.skus {
			if _, err := r.sellables.get(ctx, sku); err != nil && !errors.Is(err, errUnknown) {
				return err
			}
		}
	}
	return nil
}

// Product returns a published product's page. It returns fault.NotFound and the store's errors. A cached page is
// returned without an allocation.
func (r *Reader) Product(ctx context.Context, product id.Product) (*Page, error) {
	page, err := r.products.get(ctx, product)
	if err != nil || page == missing {
		return nil, notShown(err, "There is no product %s.", product)
	}
	r.most.saw(product)
	return page, nil
}

// ProductByCode returns the page of the published product that has a variant with the stock code, compared by bytes. It
// returns fault.NotFound and the store's errors.
func (r *Reader) ProductByCode(ctx context.Context, code string) (*Page, error) {
	return r.byAddress(ctx, address{byCode, code}, "There is no product with the stock code %q.")
}

// ProductByHandle returns the page of the published product with the handle. It returns fault.NotFound and the store's errors.
func (r *Reader) ProductByHandle(ctx context.Context, handle string) (*Page, error) {
	return r.byAddress(ctx, address{byHandle, handle}, "There is no product with the handle %q.")
}

func (r *Reader) byAddress(ctx context.Context, a address, format string) (*Page, error) {
	product, err := r.addresses.get(ctx, a)
	if err == nil && !product.IsZero() {
		var page *Page
		if page, err = r.products.get(ctx, product); err == nil && page != missing {
			r.most.saw(product)
			return page, nil
		}
	}
	return nil, notShown(err, format, a.name)
}

// notShown returns fault.NotFound for a product that shoppers do not see, and any other error unchanged.
func notShown(err error, format string, key any) error {
	if err == nil || errors.Is(err, errUnknown) {
		return fault.New(fault.NotFound, format, key)
	}
	return err
}

// List returns a page of published products, newest first. It returns fault.Invalid for an unknown category or brand or
// a limit out of range, fault.BadRequest for a cursor of another list, and the store's errors.
func (r *Reader) List(ctx context.Context, q ListQuery) (*Page, error) {
	if q.Limit < 1 || q.Limit > PageMax {
		return nil, fault.Bad("limit", "It is %d; 1 to %d is allowed.", q.Limit, PageMax)
	}
	words := Words(q.Name)
	if q.Name != "" && len(words) == 0 {
		_, err := nothing.Read(q.Cursor)
		return emptyList, err
	}
	key := listKey{generation: r.generation.Load(), words: strings.Join(words, " "), after: q.After, limit: q.Limit}
	if q.Category != "" || q.Brand != "" {
		s, err := r.shelf(ctx)
		if err != nil {
			return nil, err
		}
		if key.category, key.brand, err = s.ids(q.Category, q.Brand); err != nil {
			return nil, err
		}
	}
	if q.Cursor != "" {
		after, err := key.list().Read(q.Cursor)
		if err != nil {
			return nil, err
		}
		key.after = id.Product(after)
	}
	return r.lists.get(ctx, key)
}

// nothing is the list of a search that cannot match any product: it has no second page.
var nothing = cursor.Of("no products")

// list returns the identity of the list to which the key's page belongs.
func (k *listKey) list() cursor.List {
	return cursor.Of("products", k.words, k.category.String(), k.brand.String())
}

// ids returns a category and a brand by handle; an empty handle gives zero. It returns fault.Invalid.
func (s *shelf) ids(category, brand string) (c id.Category, b id.Brand, err error) {
	var ok bool
	if c, ok = s.categoryID[category]; !ok && category != "" {
		return 0, 0, fault.Bad("category", "There is no category with the handle %q.", category)
	}
	if b, ok = s.brandID[brand]; !ok && brand != "" {
		return 0, 0, fault.Bad("brand", "There is no brand with the handle %q.", brand)
	}
	return c, b, nil
}

// Categories returns the page of all categories. It returns the store's errors.
func (r *Reader) Categories(ctx context.Context) (*Page, error) {
	s, err := r.shelf(ctx)
	if err != nil {
		return nil, err
	}
	return s.categoriesPage, nil
}

// Brands returns the page of all brands. It returns the store's errors.
func (r *Reader) Brands(ctx context.Context) (*Page, error) {
	s, err := r.shelf(ctx)
	if err != nil {
		return nil, err
	}
	return s.brandsPage, nil
}

// Offer returns a published variant's product and current list price. It shows every change from the moment the change
// was answered. A cached answer allocates nothing. It returns fault.NotInSale if the SKU is not published, and the
// store's errors.
func (r *Reader) Offer(ctx context.Context, sku id.SKU) (id.Product, money.Amount, error) {
	s, err := r.sellables.get(ctx, sku)
	if errors.Is(err, errUnknown) || err == nil && !s.Published {
		return 0, money.Amount{}, notOnSale(sku)
	}
	return s.Product, money.Of(s.PriceMinor, r.currency), err
}

// Price returns the current list price, as Offer does. A SKU of a rehearsal has none, because it is sold only in its
// sale.
func (r *Reader) Price(ctx context.Context, sku id.SKU) (money.Amount, error) {
	_, price, err := r.Offer(ctx, sku)
	if err == nil {
		var rehearsal bool
		if rehearsal, err = r.OfRehearsal(ctx, sku); rehearsal {
			err = notOnSale(sku)
		}
	}
	return price, err
}

// OfRehearsal reports whether a SKU was made for a rehearsal. It returns false for an unknown SKU. It returns the
// store's errors.
func (r *Reader) OfRehearsal(ctx context.Context, sku id.SKU) (bool, error) {
	s, err := r.sellables.get(ctx, sku)
	if errors.Is(err, errUnknown) {
		return false, nil
	}
	return s.Rehearsal, err
}

func notOnSale(sku id.SKU) error {
	return fault.New(fault.NotInSale, "There is no SKU %s on sale.", sku)
}

// KnowsSKU returns nil if the SKU exists, even if it is unpublished or retired. It returns fault.NotFound and the
// store's errors.
func (r *Reader) KnowsSKU(ctx context.Context, sku id.SKU) error {
	s, err := r.sellables.get(ctx, sku)
	if errors.Is(err, errUnknown) || err == nil && s.Product.IsZero() {
		return fault.New(fault.NotFound, "There is no SKU %s.", sku)
	}
	return err
}

// Stats returns the counters of every cache, for telemetry.
func (r *Reader) Stats() []CacheStats {
	return []CacheStats{r.products.stats(), r.lists.stats(), r.addresses.stats(), r.sellables.stats()}
}

// SaveMostRead saves the most read products, which Open warms after a restart. It is one step of background work. It
// returns the number of products saved, and the store's errors.
func (r *Reader) SaveMostRead(ctx context.Context) (did int, err error) {
	top := r.most.top(r.mostMax)
	if len(top) == 0 {
		return 0, nil
	}
	return len(top), r.store.SetMostRead(ctx, top)
}

// admit adds keys to the filter before the write that makes them visible.
func (r *Reader) admit(k Keys) { r.known.addKeys(k) }

// shelf returns all categories and brands. Concurrent callers share one load.
func (r *Reader) shelf(ctx context.Context) (*shelf, error) {
	if s := r.shelfNow.Load(); s != nil {
		return s, nil
	}
	r.shelfMu.Lock()
	defer r.shelfMu.Unlock()
	if s := r.shelfNow.Load(); s != nil {
		return s, nil
	}
	epoch := r.shelfEpoch.Load()
	categories, err := r.store.Categories(ctx)
	if err != nil {
		return nil, err
	}
	brands, err := r.store.Brands(ctx)
	if err != nil {
		return nil, err
	}
	s := newShelf(categories, brands)
	r.shelfNow.Store(s)
	if r.shelfEpoch.Load() != epoch { // changed while it was read: valid for this answer, not for the next
		r.shelfNow.CompareAndSwap(s, nil)
	}
	return s, nil
}

func (r *Reader) loadProduct(ctx context.Context, product id.Product) (*Page, error) {
	p, err := r.store.Product(ctx, product)
	switch {
	case errors.Is(err, fault.NotFound):
		return missing, nil
	case err != nil:
		return nil, err
	case p.Status != Published:
		return missing, nil
	}
	s, err := r.shelfOf(ctx, &p)
	if err != nil {
		return nil, err
	}
	page := newPage(encode(s.view(&p)))
	page.skus = p.Keys().SKUs
	return page, nil
}

// shelfTriesMax bounds the reloads of the shelf; each one is due to a concurrent change.
const shelfTriesMax = 10

// shelfOf returns a shelf with every brand and category of the products. A shelf loaded before the products can lack a
// category that was created together with them.
func (r *Reader) shelfOf(ctx context.Context, products ...*Product) (*shelf, error) {
	for range shelfTriesMax {
		s, err := r.shelf(ctx)
		if err != nil || s.holds(products) {
			return s, err
		}
		r.dropShelf()
	}
	return nil, fault.New(fault.Internal, "A product's brand or category is missing.")
}

func (s *shelf) holds(products []*Product) bool {
	for _, p := range products {
		if _, ok := s.brandByID[p.Brand]; !ok && !p.Brand.IsZero() {
			return false
		}
		for _, c := range p.Categories {
			if _, ok := s.categoryByID[c]; !ok {
				return false
			}
		}
	}
	return true
}

func (r *Reader) loadList(ctx context.Context, k listKey) (*Page, error) {
	view, err := r.list(ctx, k.list(), Query{Status: Published, Words: strings.Fields(k.words), Category: k.category, Brand: k.brand, After: k.after, Limit: k.limit})
	if err != nil {
		return nil, err
	}
	return newPage(encode(view)), nil
}

// list reads one product more than the page, to find out whether there is a next page.
func (r *Reader) list(ctx context.Context, list cursor.List, q Query) (listView[View], error) {
	limit := q.Limit
	q.Limit++
	products, err := r.store.Products(ctx, q)
	if err != nil {
		return listView[View]{}, err
	}
	view := listView[View]{Items: []View{}}
	if len(products) > limit {
		products = products[:limit]
		view.Next = list.After(int64(products[limit-1].ID))
	}
	pointers := make([]*Product, len(products))
	for i := range products {
		pointers[i] = &products[i]
	}
	s, err := r.shelfOf(ctx, pointers...)
	if err != nil {
		return listView[View]{}, err
	}
	for i := range products {
		view.Items = append(view.Items, s.view(&products[i]))
	}
	return view, nil
}

func (r *Reader) loadAddress(ctx context.Context, a address) (id.Product, error) {
	find := r.store.ProductByHandle
	if a.kind == byCode {
		find = r.store.ProductByCode
	}
	product, err := find(ctx, a.name)
	if errors.Is(err, fault.NotFound) {
		return 0, nil
	}
	return product, err
}

func (r *Reader) loadSellable(ctx context.Context, sku id.SKU) (Sellable, error) {
	found, err := r.store.Sellables(ctx, []id.SKU{sku})
	if err != nil || len(found) == 0 {
		return Sellable{SKU: sku}, err
	}
	return found[0], nil
}
