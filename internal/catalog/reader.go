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
	// addressesMax is how many handles and stock codes are kept with their products: some 30 MiB.
	addressesMax = 200_000
	// sellableBytes is about what a price costs in memory, with its place in the cache.
	sellableBytes = 1
	// pageOverheadBytes is about what a page costs besides its body.
	pageOverheadBytes = 512
	// listLifetimeMax bounds how long a list is kept: lists are dropped by every change, so this is for the engines to come.
	listLifetimeMax = time.Minute
)

// ListQuery asks for a public page: brand and category by handle, empty for any. Name, where not empty, is words that the
// title has, in any order and case.
type ListQuery struct {
	Name     string
	Category string
	Brand    string
	Cursor   string     // of the page before, where not empty
	After    id.Product // without a cursor: the last product of the page before
	Limit    int        // 1 to PageMax
}

// emptyList is the page of a search for nothing that can be found.
var emptyList = newPage(encode(listView[View]{Items: []View{}}))

// PageMax is the longest page.
const PageMax = 200

// Reader answers what shoppers read, and what an order needs to know of its lines, from memory. Only published products are
// shown. It is safe for concurrent use.
//
// Every write goes through Service, which tells the Reader before (admit) and after (forget). What other processes write it
// hears through Shared: see Forgotten, Hears and Deaf.
type Reader struct {
	store    Store
	currency money.Currency
	known    *filter
	most     *mostRead
	mostMax  int

	shared Shared // nil: what is in memory is this process's own affair
	told   telling

	products  *cache[id.Product, *Page]
	addresses *cache[address, id.Product]
	lists     *cache[listKey, *Page]
	sellables *cache[id.SKU, Sellable]

	// generation grows after every change. It is part of every list's key: a list that was loaded before a change is never
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

// missing stands for a product that does not exist or is not published.
var missing = &Page{}

// NewReader returns a Reader with nothing in memory; see Open. The config must be valid. The log takes the refreshes that
// failed. Without a shared cache, which is nil then, the Reader is right where its process is the only one.
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

// Open fills the filter and warms what is read first: the most read products, the first page of the list, categories and
// brands. Until it has returned the Reader answers, only slower. It returns the store's errors, and fault.Invalid
// where the shop has prices in another currency than the configured one.
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

// PageDefault is the length of a page that did not ask for one.
const PageDefault = 50

// Warm loads products and their prices into memory, so that the first who asks waits for nothing. Unknown and unpublished
// products are passed over. It returns the store's errors.
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

// Product returns a published product's page. It returns fault.NotFound and the store's errors. A page in memory is answered
// without an allocation.
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

// notShown is what is said of what a shopper does not see; any other failure is passed on.
func notShown(err error, format string, key any) error {
	if err == nil || errors.Is(err, errUnknown) {
		return fault.New(fault.NotFound, format, key)
	}
	return err
}

// List returns a page of published products, newest first. It returns fault.Invalid for an unknown category or brand, or a
// limit that is out of range, fault.BadRequest for a cursor that is not of this list, and the store's errors.
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

// nothing is the list of a search for nothing that can be found: it has no second page.
var nothing = cursor.Of("no products")

// list names the list that the key is a page of.
func (k *listKey) list() cursor.List {
	return cursor.Of("products", k.words, k.category.String(), k.brand.String())
}

// ids finds a category and a brand by handle, each zero where the handle is empty. It returns fault.Invalid.
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

// Offer returns what a published variant is and its present list price: a change is seen from the moment at which it was
// answered. From memory nothing is allocated. It returns fault.NotInSale where the SKU is not published, and the store's
// errors.
func (r *Reader) Offer(ctx context.Context, sku id.SKU) (id.Product, money.Amount, error) {
	s, err := r.sellables.get(ctx, sku)
	if errors.Is(err, errUnknown) || err == nil && !s.Published {
		return 0, money.Amount{}, notOnSale(sku)
	}
	return s.Product, money.Of(s.PriceMinor, r.currency), err
}

// Price returns the present list price, as Offer does. A rehearsal's SKU has none: it is sold in its sale alone.
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

// OfRehearsal reports whether a SKU was made for a rehearsal; one that there is not was not. It returns the store's errors.
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

// KnowsSKU returns nil where there is such a SKU, published or not, retired or not. It returns fault.NotFound and the store's
// errors.
func (r *Reader) KnowsSKU(ctx context.Context, sku id.SKU) error {
	s, err := r.sellables.get(ctx, sku)
	if errors.Is(err, errUnknown) || err == nil && s.Product.IsZero() {
		return fault.New(fault.NotFound, "There is no SKU %s.", sku)
	}
	return err
}

// Stats returns the counts of every cache, for telemetry.
func (r *Reader) Stats() []CacheStats {
	return []CacheStats{r.products.stats(), r.lists.stats(), r.addresses.stats(), r.sellables.stats()}
}

// SaveMostRead writes down which products are read most, for Open to warm after a restart. It is one step of background work
// and reports how many products it wrote; it returns the store's errors.
func (r *Reader) SaveMostRead(ctx context.Context) (did int, err error) {
	top := r.most.top(r.mostMax)
	if len(top) == 0 {
		return 0, nil
	}
	return len(top), r.store.SetMostRead(ctx, top)
}

// admit makes keys known before the write that makes them visible.
func (r *Reader) admit(k Keys) { r.known.addKeys(k) }

// shelf returns every category and brand, loading them once for all who wait.
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
	if r.shelfEpoch.Load() != epoch { // changed while it was read: good for this answer, not for the next
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

// shelfTriesMax bounds how often the shelf is read again: each time somebody else has changed it in between.
const shelfTriesMax = 10

// shelfOf returns a shelf on which everything stands that the products name: one that was read before the products were can
// lack a category that was made together with them.
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

// list reads a page and one product more, which tells whether there is a next page.
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
