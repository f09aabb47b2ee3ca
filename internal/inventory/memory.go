package inventory

import (
	"context"
	"crypto/sha256"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/tidegate/tidegate/internal/kernel/id"
)

var _ Gate = (*MemoryGate)(nil)

// MemoryGate implements Gate in the memory of one process. It takes stock by compare-and-swap. One of 256 locks guards
// a customer's keys and limit, so that two requests of one customer are decided one after the other.
//
// It is loaded from the database before the shop takes orders, and then follows the outbox.
type MemoryGate struct {
	sales    atomic.Pointer[map[id.Sale]*saleGate]
	mu       sync.Mutex // guards sales, position and the items of every saleGate
	position int64
}

// saleGate is the gate of one sale or of general stock.
type saleGate struct {
	limit  atomic.Int64
	open   atomic.Bool
	items  atomic.Pointer[map[id.SKU]*atomic.Int64] // available units; they may be negative for a moment
	shards [shards]shard
}

const shards = 256

type shard struct {
	mu      sync.RWMutex
	holders map[id.Customer]*holder
}

// holder is a customer's state in a sale.
type holder struct {
	used int64 // units of the customer's limit
	keys []keyed
}

type keyed struct {
	key, body Digest
	order     id.Order
}

// NewMemoryGate returns an empty gate, which answers NotLoaded.
func NewMemoryGate() *MemoryGate {
	m := new(MemoryGate)
	m.sales.Store(&map[id.Sale]*saleGate{})
	return m
}

// KeyDigest hashes an idempotency key as gates store it.
func KeyDigest(key string) Digest {
	sum := sha256.Sum256([]byte(key))
	return Digest(sum[:16])
}

func (m *MemoryGate) sale(s id.Sale) *saleGate { return (*m.sales.Load())[s] }

func (g *saleGate) shard(c id.Customer) *shard {
	// Multiply, because ids minted in a burst differ only in their low bits.
	return &g.shards[(uint64(c)*0x9E3779B97F4A7C15)>>56]
}

// Reserve implements Gate.
func (m *MemoryGate) Reserve(_ context.Context, c *Claim) (Answer, error) {
	g := m.sale(c.Sale)
	if g == nil {
		return Answer{}, nil
	}
	items := *g.items.Load()
	refusal := g.refusal(items, c)
	sh := g.shard(c.Customer)
	if refusal.Verdict != Reserved {
		return sh.refuse(c, refusal), nil
	}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	h := sh.holders[c.Customer]
	if known := h.find(c); known.Verdict != NotLoaded {
		return known, nil
	}
	units := c.Units()
	if limit := g.limit.Load(); limit > 0 && (units > limit || h.usedUnits()+units > limit) {
		return Answer{Verdict: LimitReached}, nil
	}
	if c.Sale != 0 && h != nil && len(h.keys) >= OrdersMax {
		return Answer{Verdict: TooManyOrders}, nil
	}
	if short := take(items, c.Lines); short != 0 {
		return Answer{Verdict: SoldOut, SKU: short}, nil
	}
	if h == nil {
		h = new(holder)
		sh.holders[c.Customer] = h
	}
	h.used += units
	h.keys = append(h.keys, keyed{KeyDigest(c.Key), c.Body, c.Order})
	return Answer{Verdict: Reserved}, nil
}

// refusal checks without a lock whether the claim can succeed. It returns Reserved if it might.
func (g *saleGate) refusal(items map[id.SKU]*atomic.Int64, c *Claim) Answer {
	if !g.open.Load() {
		return Answer{Verdict: Closed}
	}
	for _, l := range c.Lines {
		n := items[l.SKU]
		if n == nil {
			return Answer{Verdict: NotLoaded, SKU: l.SKU}
		}
		if n.Load() < l.Units {
			return Answer{Verdict: SoldOut, SKU: l.SKU}
		}
	}
	return Answer{Verdict: Reserved}
}

// refuse answers with the refusal, unless the key already has an order: an existing order takes precedence.
func (sh *shard) refuse(c *Claim, refusal Answer) Answer {
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	if known := sh.holders[c.Customer].find(c); known.Verdict != NotLoaded {
		return known
	}
	return refusal
}

// take takes the units of all lines or of none. It returns the SKU with too few units, or zero.
func take(items map[id.SKU]*atomic.Int64, lines []Line) id.SKU {
	for i, l := range lines {
		if takeOne(items[l.SKU], l.Units) {
			continue
		}
		for _, back := range lines[:i] {
			items[back.SKU].Add(back.Units)
		}
		return l.SKU
	}
	return 0
}

func takeOne(available *atomic.Int64, units int64) bool {
	for {
		n := available.Load()
		if n < units {
			return false
		}
		if available.CompareAndSwap(n, n-units) {
			return true
		}
	}
}

func (h *holder) usedUnits() int64 {
	if h == nil {
		return 0
	}
	return h.used
}

// find looks up the claim's key: Replay, KeyReused or NotLoaded.
func (h *holder) find(c *Claim) Answer {
	if h == nil || len(h.keys) == 0 {
		return Answer{}
	}
	key := KeyDigest(c.Key)
	for _, k := range h.keys {
		if k.key != key {
			continue
		}
		if k.body != c.Body {
			return Answer{Verdict: KeyReused, Order: k.order}
		}
		return Answer{Verdict: Replay, Order: k.order}
	}
	return Answer{}
}

// Find implements Gate.
func (m *MemoryGate) Find(_ context.Context, c *Claim) (Answer, error) {
	g := m.sale(c.Sale)
	switch {
	case g == nil:
		return Answer{}, nil
	case c.Sale == 0:
		return g.shard(c.Customer).refuse(c, Answer{}), nil
	}
	return g.shard(c.Customer).refuse(c, Answer{Verdict: KeyUnknown}), nil
}

// Confirm implements Gate. The gate remembers committed orders of a sale while the sale is loaded. It forgets those of
// general stock, whose number is unbounded; the database's unique key answers for them.
func (m *MemoryGate) Confirm(_ context.Context, c *Claim) error {
	g := m.sale(c.Sale)
	if g == nil || c.Sale != 0 {
		return nil
	}
	sh := g.shard(c.Customer)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.forget(c)
	return nil
}

// Release implements Gate.
func (m *MemoryGate) Release(_ context.Context, c *Claim) error {
	g := m.sale(c.Sale)
	if g == nil {
		return nil
	}
	sh := g.shard(c.Customer)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if !sh.forget(c) {
		return nil
	}
	items := *g.items.Load()
	for _, l := range c.Lines {
		if n := items[l.SKU]; n != nil {
			n.Add(l.Units)
		}
	}
	return nil
}

// forget removes the claim and its use of the limit. It returns false if there was none, so a second call changes
// nothing.
func (sh *shard) forget(c *Claim) bool {
	h := sh.holders[c.Customer]
	if h == nil {
		return false
	}
	for i, k := range h.keys {
		if k.order != c.Order {
			continue
		}
		h.keys = append(h.keys[:i], h.keys[i+1:]...)
		h.used -= c.Units()
		if len(h.keys) == 0 {
			delete(sh.holders, c.Customer)
		}
		return true
	}
	return false
}

// Apply implements Gate.
func (m *MemoryGate) Apply(_ context.Context, changes []Change) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ensure(changes)
	for _, ch := range changes {
		if ch.Position <= m.position {
			continue
		}
		switch {
		case ch.Moved != nil:
			m.moved(ch.Moved)
		case ch.Terms != nil:
			m.terms(*ch.Terms)
		}
		m.position = ch.Position
	}
	return nil
}

// ensure creates a counter for every pool in the changes; it copies each sale's map once. Only a change of terms adds a
// sale: later movements of a sale that was dropped after its end are skipped, because the gate no longer knows its
// keys.
func (m *MemoryGate) ensure(changes []Change) {
	fresh := map[id.Sale]map[id.SKU]*atomic.Int64{}
	for _, ch := range changes {
		if ch.Position <= m.position {
			continue
		}
		if t := ch.Terms; t != nil && !t.Ended && m.sale(t.Sale) == nil {
			m.add(t.Sale)
		}
		if ch.Moved == nil || m.sale(ch.Moved.Sale) == nil {
			continue
		}
		items, ok := fresh[ch.Moved.Sale]
		if !ok {
			items = *m.sale(ch.Moved.Sale).items.Load()
		}
		if items[ch.Moved.SKU] != nil {
			continue
		}
		if !ok {
			items = maps.Clone(items)
			fresh[ch.Moved.Sale] = items
		}
		items[ch.Moved.SKU] = new(atomic.Int64)
	}
	for s, items := range fresh {
		m.sale(s).items.Store(&items)
	}
}

func (m *MemoryGate) moved(v *Moved) {
	g := m.sale(v.Sale)
	if g == nil {
		return
	}
	(*g.items.Load())[v.SKU].Add(v.Available)
	if v.Allowance == 0 || v.Sale == 0 {
		return
	}
	sh := g.shard(v.Customer)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if h := sh.holders[v.Customer]; h != nil {
		h.used += v.Allowance
	}
}

// terms applies a sale's terms. An ended sale is closed but keeps its keys, so that a retry after a lost reply needs no
// database query; Drop removes them.
func (m *MemoryGate) terms(t Terms) {
	if g := m.sale(t.Sale); g != nil {
		g.limit.Store(t.Limit)
		g.open.Store(t.Open)
	}
}

// Sales returns the loaded sales, in no order.
func (m *MemoryGate) Sales(context.Context) ([]id.Sale, error) {
	var all []id.Sale
	for s := range *m.sales.Load() {
		if s != 0 {
			all = append(all, s)
		}
	}
	return all, nil
}

// Drop removes a sale. Its claims are then answered with NotLoaded.
func (m *MemoryGate) Drop(_ context.Context, s id.Sale) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	next := maps.Clone(*m.sales.Load())
	delete(next, s)
	m.sales.Store(&next)
	return nil
}

// add creates the gate of a sale. The caller holds m.mu.
func (m *MemoryGate) add(s id.Sale) *saleGate {
	next := maps.Clone(*m.sales.Load())
	g := newSaleGate()
	g.open.Store(s == 0) // general stock is always open
	next[s] = g
	m.sales.Store(&next)
	return g
}

func newSaleGate() *saleGate {
	g := new(saleGate)
	g.items.Store(&map[id.SKU]*atomic.Int64{})
	for i := range g.shards {
		g.shards[i].holders = map[id.Customer]*holder{}
	}
	return g
}

// Load implements Gate. It must not run concurrently with Reserve for a sale that it replaces: call it before the shop
// takes orders, or while they are paused.
func (m *MemoryGate) Load(_ context.Context, s Snapshot) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	sales := map[id.Sale]*saleGate{0: newSaleGate()}
	sales[0].open.Store(true)
	at := func(s id.Sale) *saleGate {
		if sales[s] == nil {
			sales[s] = newSaleGate()
		}
		return sales[s]
	}
	for _, t := range s.Terms {
		g := at(t.Sale)
		g.limit.Store(t.Limit)
		g.open.Store(t.Open)
	}
	for _, st := range s.Stock {
		n := new(atomic.Int64)
		n.Store(st.Available())
		(*at(st.Sale).items.Load())[st.SKU] = n
	}
	for _, h := range s.KeyedOrders {
		sh := at(h.Sale).shard(h.Customer)
		known := sh.holders[h.Customer]
		if known == nil {
			known = new(holder)
			sh.holders[h.Customer] = known
		}
		known.used += h.Used
		known.keys = append(known.keys, keyed{KeyDigest(h.Key), h.Body, h.Order})
	}
	m.sales.Store(&sales)
	m.position = s.Position
	return nil
}

// HasNoOrder reports whether a customer has neither an order nor a reservation in a sale, from memory. That is true of
// almost every visitor. It returns false if the sale is not loaded.
func (m *MemoryGate) HasNoOrder(s id.Sale, c id.Customer) bool {
	g := m.sale(s)
	if g == nil || s == 0 {
		return false
	}
	sh := g.shard(c)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	return sh.holders[c] == nil
}

// Available implements Gate.
func (m *MemoryGate) Available(p Pool) (int64, bool) {
	g := m.sale(p.Sale)
	if g == nil {
		return 0, false
	}
	n := (*g.items.Load())[p.SKU]
	if n == nil {
		return 0, false
	}
	return n.Load(), true
}

// Availability implements Gate.
func (m *MemoryGate) Availability(fn func(Pool, int64)) {
	for s, g := range *m.sales.Load() {
		for sku, n := range *g.items.Load() {
			fn(Pool{Sale: s, SKU: sku}, n.Load())
		}
	}
}
