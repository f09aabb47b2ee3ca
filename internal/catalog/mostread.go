package catalog

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/tidegate/tidegate/internal/kernel/id"
)

// mostReadSample is the sampling rate: one read in sixteen is counted, so that counting is cheap. A busy evening still
// yields thousands of counts a second.
const mostReadSample = 16

// mostRead finds the most read products in bounded memory by the Space-Saving algorithm (Metwally, Agrawal, El Abbadi,
// 2005): a product without a counter takes over the counter of the least read one. It is safe for concurrent use.
type mostRead struct {
	max    int
	mu     sync.Mutex
	counts map[id.Product]uint64
}

// newMostRead keeps four times as many counters as it reports, because low ranks are inaccurate.
func newMostRead(top int) *mostRead {
	return &mostRead{max: 4 * top, counts: make(map[id.Product]uint64, 4*top)}
}

// saw counts one in mostReadSample reads. It skips a read while another is being counted.
func (m *mostRead) saw(p id.Product) {
	if rand.Uint32()%mostReadSample == 0 {
		m.count(p)
	}
}

func (m *mostRead) count(p id.Product) {
	if m.max == 0 || !m.mu.TryLock() {
		return
	}
	defer m.mu.Unlock()
	if n, ok := m.counts[p]; ok || len(m.counts) < m.max {
		m.counts[p] = n + 1
		return
	}
	var least id.Product
	var lowest uint64
	for q, n := range m.counts {
		if least.IsZero() || n < lowest {
			least, lowest = q, n
		}
	}
	delete(m.counts, least)
	m.counts[p] = lowest + 1
}

// HotProduct is a frequently read product. Reads estimates its reads since the process started; older reads count less.
type HotProduct struct {
	Product id.Product
	Reads   uint64
}

// hottest returns the n most read products, most read first.
func (m *mostRead) hottest(n int) []HotProduct {
	m.mu.Lock()
	defer m.mu.Unlock()
	ranked := m.ranked()
	hot := make([]HotProduct, min(n, len(ranked)))
	for i := range hot {
		hot[i] = HotProduct{Product: ranked[i], Reads: m.counts[ranked[i]] * mostReadSample}
	}
	return hot
}

// top returns the n most read products, most read first, and halves every count, so that old favourites give way.
func (m *mostRead) top(n int) []id.Product {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := m.ranked()
	for p, c := range m.counts {
		if m.counts[p] = c / 2; c/2 == 0 {
			delete(m.counts, p)
		}
	}
	return all[:min(n, len(all))]
}

// ranked returns the counted products, most read first. The caller holds the lock.
func (m *mostRead) ranked() []id.Product {
	all := make([]id.Product, 0, len(m.counts))
	for p := range m.counts {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b id.Product) int {
		return cmp.Or(cmp.Compare(m.counts[b], m.counts[a]), cmp.Compare(a, b))
	})
	return all
}

// counted reports whether a product has a counter.
func (m *mostRead) counted(p id.Product) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, ok := m.counts[p]
	return ok
}
