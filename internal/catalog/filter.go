package catalog

import (
	"encoding/binary"
	"sync"
	"sync/atomic"

	"github.com/bits-and-blooms/bloom/v3"

	"github.com/tidegate/tidegate/internal/kernel/id"
)

// Sizes of the filter's layers. The first holds a shop of about 30,000 variants in 240 KiB; each next layer is four
// times as large.
const (
	filterFirstKeys = 1 << 17
	filterGrowth    = 4
	filterFalse     = 0.001
)

// filter is a set of all keys that ever existed, so that unknown keys need no query. It accepts one in a thousand keys
// that do not exist, and never rejects one that does: a key is added before the write that makes it visible. Keys are
// never removed. It is safe for concurrent use.
type filter struct {
	ready  atomic.Bool // false until filled: every key may exist
	mu     sync.RWMutex
	layers []*bloom.BloomFilter
	free   uint // keys that the last layer can still take
	next   uint // size of the next layer
}

func newFilter() *filter { return &filter{next: filterFirstKeys} }

func (f *filter) add(key []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.has(key) {
		return
	}
	if f.free == 0 {
		f.layers = append(f.layers, bloom.NewWithEstimates(f.next, filterFalse))
		f.free, f.next = f.next, f.next*filterGrowth
	}
	f.layers[len(f.layers)-1].Add(key)
	f.free--
}

// addKeys adds every key by which a product can be looked up.
func (f *filter) addKeys(k Keys) {
	f.add(productKey(k.Product))
	f.add(address{byHandle, k.Handle}.key())
	for _, sku := range k.SKUs {
		f.add(skuKey(sku))
	}
	for _, code := range k.Codes {
		f.add(address{byCode, code}.key())
	}
}

// may reports whether the key may exist.
func (f *filter) may(key []byte) bool {
	if !f.ready.Load() {
		return true
	}
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.has(key)
}

func (f *filter) has(key []byte) bool {
	for _, l := range f.layers {
		if l.Test(key) {
			return true
		}
	}
	return false
}

func productKey(p id.Product) []byte { return binary.BigEndian.AppendUint64([]byte{'p'}, uint64(p)) }
func skuKey(s id.SKU) []byte         { return binary.BigEndian.AppendUint64([]byte{'s'}, uint64(s)) }

// address is a key by which a product can be looked up.
type address struct {
	kind byte
	name string
}

// The kinds of address.
const (
	byHandle = 'h'
	byCode   = 'c'
)

func (a address) key() []byte { return append([]byte{a.kind}, a.name...) }
