package catalog

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/id"
)

// deafLifetime is how long a value is kept that was loaded while this process receives no invalidations.
const deafLifetime = 5 * time.Second

// sharedForm defines the key and encoding of a cache's shared values. A nil sharedForm shares nothing.
type sharedForm[K comparable, V any] struct {
	shared Shared
	key    func(context.Context, K) (string, error)
	encode func(V) []byte
	decode func([]byte) (V, error)
}

// deaf reports whether values may become outdated unnoticed.
func (f *sharedForm[K, V]) deaf() bool { return f != nil && !f.shared.Live() }

// load returns the shared value. Without one it loads from source and shares the result.
func (f *sharedForm[K, V]) load(ctx context.Context, key K, lifetime func(V) time.Duration, source func(context.Context, K) (V, error)) (V, error) {
	if f == nil {
		return source(ctx, key)
	}
	var loaded V
	name, err := f.key(ctx, key)
	if err != nil {
		return loaded, err
	}
	own := false
	b, err := f.shared.Load(ctx, name, func(ctx context.Context) ([]byte, time.Duration, error) {
		var err error
		if loaded, err = source(ctx, key); err != nil {
			return nil, 0, err
		}
		own = true
		return f.encode(loaded), lifetime(loaded), nil
	})
	if err != nil || own {
		return loaded, err
	}
	if loaded, err = f.decode(b); err != nil { // a value written by another release costs a read, not an error
		return source(ctx, key)
	}
	return loaded, nil
}

// The prefixes of shared keys, for loading and forgetting. Those of pages contain the version of their form, so that a
// page written by an earlier version is never used.
const (
	sharedProduct    = "p2:"
	sharedSellable   = "s:"
	sharedAddress    = "a:" // then the kind, and the name
	sharedList       = "l2:"
	sharedGeneration = "g"
	sharedShelf      = "b"
)

func (a address) sharedKey() string { return sharedAddress + string(a.kind) + a.name }

func shareProducts(s Shared) *sharedForm[id.Product, *Page] {
	if s == nil {
		return nil
	}
	return &sharedForm[id.Product, *Page]{
		shared: s, encode: encodePage, decode: decodePage,
		key: func(_ context.Context, p id.Product) (string, error) { return sharedProduct + p.String(), nil },
	}
}

// errForm says that a shared value does not have the form of this release.
var errForm = errors.New("a shared value is in another form")

// encodePage writes a page's SKUs before its body. An empty value means a missing page.
func encodePage(p *Page) []byte {
	if p == missing {
		return nil
	}
	b := binary.AppendUvarint(make([]byte, 0, len(p.Body)+10*len(p.skus)+2), uint64(len(p.skus)))
	for _, sku := range p.skus {
		b = binary.AppendUvarint(b, uint64(sku))
	}
	return append(b, p.Body...)
}

func decodePage(b []byte) (*Page, error) {
	if len(b) == 0 {
		return missing, nil
	}
	count, n := binary.Uvarint(b)
	if n <= 0 || count > uint64(len(b)) {
		return nil, errForm
	}
	b = b[n:]
	skus := make([]id.SKU, count)
	for i := range skus {
		sku, n := binary.Uvarint(b)
		if n <= 0 {
			return nil, errForm
		}
		skus[i], b = id.SKU(sku), b[n:]
	}
	page := newPage(b)
	page.skus = skus
	return page, nil
}

// shareLists shares lists under a generation that each change replaces. A list read before the change stays under the
// old generation, which is no longer used.
func shareLists(s Shared) *sharedForm[listKey, *Page] {
	if s == nil {
		return nil
	}
	return &sharedForm[listKey, *Page]{
		shared: s, encode: encodePage, decode: decodePage,
		key: func(ctx context.Context, k listKey) (string, error) {
			generation, err := s.Load(ctx, sharedGeneration, newGeneration)
			return fmt.Sprintf("%s%s:%d:%d:%d:%d:%s", sharedList, generation, k.category, k.brand, k.after, k.limit, k.words), err
		},
	}
}

func shareAddresses(s Shared) *sharedForm[address, id.Product] {
	if s == nil {
		return nil
	}
	return &sharedForm[address, id.Product]{
		shared: s,
		key:    func(_ context.Context, a address) (string, error) { return a.sharedKey(), nil },
		encode: func(p id.Product) []byte { return strconv.AppendInt(nil, int64(p), 10) },
		decode: func(b []byte) (id.Product, error) {
			n, err := strconv.ParseInt(string(b), 10, 64)
			return id.Product(n), err
		},
	}
}

func shareSellables(s Shared) *sharedForm[id.SKU, Sellable] {
	if s == nil {
		return nil
	}
	return &sharedForm[id.SKU, Sellable]{
		shared: s,
		key:    func(_ context.Context, sku id.SKU) (string, error) { return sharedSellable + sku.String(), nil },
		encode: func(s Sellable) []byte { return encode(s) },
		decode: func(b []byte) (s Sellable, err error) { return s, json.Unmarshal(b, &s) },
	}
}

// forgottenKeys lists the shared keys of products.
func forgottenKeys(all []Keys) []string {
	var keys []string
	for _, k := range all {
		if !k.Product.IsZero() {
			keys = append(keys, sharedProduct+k.Product.String())
		}
		if k.Handle != "" {
			keys = append(keys, address{byHandle, k.Handle}.sharedKey())
		}
		for _, code := range k.Codes {
			keys = append(keys, address{byCode, code}.sharedKey())
		}
		for _, sku := range k.SKUs {
			keys = append(keys, sharedSellable+sku.String())
		}
	}
	return append(keys, sharedGeneration)
}

// Forgotten drops the value of a shared key that some process has changed. It adds a new key to the filter. It does no
// I/O.
func (r *Reader) Forgotten(key string) {
	switch {
	case key == sharedGeneration:
		r.generation.Add(1)
	case key == sharedShelf:
		r.dropShelf()
	case strings.HasPrefix(key, sharedProduct):
		if p, err := id.Parse[id.Product](key[len(sharedProduct):]); err == nil {
			r.known.add(productKey(p))
			r.products.drop(p)
			if r.most.counted(p) {
				r.told.again()
			}
		}
	case strings.HasPrefix(key, sharedSellable):
		if sku, err := id.Parse[id.SKU](key[len(sharedSellable):]); err == nil {
			r.known.add(skuKey(sku))
			r.sellables.drop(sku)
		}
	case strings.HasPrefix(key, sharedAddress) && len(key) > len(sharedAddress):
		a := address{kind: key[len(sharedAddress)], name: key[len(sharedAddress)+1:]}
		r.known.add(a.key())
		r.addresses.drop(a)
	}
}
