package catalog

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/tidegate/tidegate/internal/kernel/id"
)

// mostReadSample is how many reads stand behind one that is counted: on average every sixteenth, so that counting costs a read
// next to nothing and a busy night is still thousands of counts a second.
const mostReadSample = 16

// mostRead finds the most read products in bounded memory, by the Space-Saving algorithm (Metwally, Agrawal, El Abbadi, 2005):
// a product that is not among the counted ones takes the place, and the count, of the least read. It is safe for concurrent use.
type mostRead struct {
	max    int
	mu     sync.Mutex
	counts map[id.Product]uint64
}

// newMostRead counts four times as many as it will be asked for, because the lower places are guesses.
func newMostRead(top int) *mostRead {
	return &mostRead{max: 4 * top, counts: make(map[id.Product]uint64, 4*top)}
}

// saw counts a read, or one in mostReadSample of them; when another is counted at this moment, it is skipped.
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

// HotProduct is a product that is read much; Reads is about how often it was since the process began, older reads counting less.
type HotProduct struct {
	Product id.Product
	Reads   uint64
}

// hottest returns the n most read, the most read first.
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

// top returns the n most read, the most read first, and halves every count, so that last month's favourite makes room.
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

// ranked returns the products that are counted, the most read first. The caller holds the lock.
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

// counted reports whether a product is among those that are counted.
func (m *mostRead) counted(p id.Product) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, ok := m.counts[p]
	return ok
}
