package inventory

import (
	"context"
	"crypto/sha256"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/tidegate/tidegate/internal/kernel/id"
)

var _ Gate = (*Memory)(nil)

// Memory is the gate inside the process. Stock is taken by compare-and-swap; a customer's keys and allowance are guarded by
// one of 256 locks, so that two requests of one customer are decided one after the other.
//
// It is rebuilt from the database before the doors open, and follows the outbox from there.
type Memory struct {
	sales    atomic.Pointer[map[id.Sale]*saleGate]
	mu       sync.Mutex // held by those who change sales, position, or a saleGate's items
	position int64
}

// saleGate is the gate of one sale, or of the general pools.
type saleGate struct {
	limit  atomic.Int64
	open   atomic.Bool
	items  atomic.Pointer[map[id.SKU]*atomic.Int64] // units available, which may fall below zero for a moment
	shards [shards]shard
}

const shards = 256

type shard struct {
	mu      sync.RWMutex
	holders map[id.Customer]*holder
}

// holder is what the gate knows of a customer in a sale.
type holder struct {
	used int64 // units of allowance
	keys []keyed
}

type keyed struct {
	key, body Digest
	order     id.Order
}

// NewMemory returns a gate that holds nothing: it answers not_loaded.
func NewMemory() *Memory {
	m := new(Memory)
	m.sales.Store(&map[id.Sale]*saleGate{})
	return m
}

// KeyDigest is how the gate remembers an idempotency key.
func KeyDigest(key string) Digest {
	sum := sha256.Sum256([]byte(key))
	return Digest(sum[:16])
}

func (m *Memory) sale(s id.Sale) *saleGate { return (*m.sales.Load())[s] }

func (g *saleGate) shard(c id.Customer) *shard {
	// Snowflakes of one burst differ in their low bits, minted test ids too.
	return &g.shards[(uint64(c)*0x9E3779B97F4A7C15)>>56]
}

// Reserve implements Gate.
func (m *Memory) Reserve(_ context.Context, c *Claim) (Answer, error) {
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
		return Answer{Verdict: LimitReached}, nil
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

// refusal says, from a few loads and no lock, whether the claim could be had at all: Reserved means that it might.
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

// refuse answers with the refusal unless the key has an order already: the key comes before every refusal.
func (sh *shard) refuse(c *Claim, refusal Answer) Answer {
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	if known := sh.holders[c.Customer].find(c); known.Verdict != NotLoaded {
		return known
	}
	return refusal
}

// take takes all lines or none. It returns the SKU that fell short, or zero.
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

// find looks the claim's key up: Same, OtherBody or NotLoaded.
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
			return Answer{Verdict: OtherBody, Order: k.order}
		}
		return Answer{Verdict: Same, Order: k.order}
	}
	return Answer{}
}

// Find implements Gate.
func (m *Memory) Find(_ context.Context, c *Claim) (Answer, error) {
	g := m.sale(c.Sale)
	switch {
	case g == nil:
		return Answer{}, nil
	case c.Sale == 0:
		return g.shard(c.Customer).refuse(c, Answer{}), nil
	}
	return g.shard(c.Customer).refuse(c, Answer{Verdict: Free}), nil
}

// Settle implements Gate. A committed order of a sale stays known for as long as the sale is loaded; one of the general
// pools is forgotten, because their number has no bound: there the database's unique key answers.
func (m *Memory) Settle(_ context.Context, c *Claim, committed bool) error {
	g := m.sale(c.Sale)
	if g == nil || committed && c.Sale != 0 {
		return nil
	}
	sh := g.shard(c.Customer)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if !sh.forget(c) || committed {
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

// forget drops the claim's note and allowance. It reports whether there was one: a second settling does nothing.
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
func (m *Memory) Apply(_ context.Context, changes []Change) error {
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

// ensure makes room for every pool that the changes name, copying each sale's map of items once for all of them. A sale is
// added by its terms alone: what still moves in one that was dropped after its end is passed over, for the gate would not
// know its keys.
func (m *Memory) ensure(changes []Change) {
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

func (m *Memory) moved(v *Moved) {
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

// terms follows a sale. One that has ended is closed and keeps its keys, so that a retry after a lost reply is answered
// without the database; Drop lets them go.
func (m *Memory) terms(t Terms) {
	if g := m.sale(t.Sale); g != nil {
		g.limit.Store(t.Limit)
		g.open.Store(t.Open)
	}
}

// Sales returns the sales that are loaded, in no order.
func (m *Memory) Sales(context.Context) ([]id.Sale, error) {
	var all []id.Sale
	for s := range *m.sales.Load() {
		if s != 0 {
			all = append(all, s)
		}
	}
	return all, nil
}

// Drop forgets a sale: its claims are answered not_loaded from now on.
func (m *Memory) Drop(_ context.Context, s id.Sale) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	next := maps.Clone(*m.sales.Load())
	delete(next, s)
	m.sales.Store(&next)
	return nil
}

// add makes the gate of a sale; the caller holds m.mu.
func (m *Memory) add(s id.Sale) *saleGate {
	next := maps.Clone(*m.sales.Load())
	g := newSaleGate()
	g.open.Store(s == 0) // the general pools are always open
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

// Load implements Gate. It must not run beside Reserve for sales that it replaces: it is for the time before the doors
// open, or while nobody can reserve.
func (m *Memory) Load(_ context.Context, s Snapshot) error {
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
	for _, h := range s.Holders {
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

// HasNothing reports whether a customer has no order in a sale, and none on its way: what is true of almost everyone who looks
// at it, and told from memory. It is false where the sale is not loaded, and nobody knows.
func (m *Memory) HasNothing(s id.Sale, c id.Customer) bool {
	g := m.sale(s)
	if g == nil || s == 0 {
		return false
	}
	sh := g.shard(c)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	return sh.holders[c] == nil
}

// Level implements Gate.
func (m *Memory) Level(p Pool) (int64, bool) {
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

// Levels implements Gate.
func (m *Memory) Levels(fn func(Pool, int64)) {
	for s, g := range *m.sales.Load() {
		for sku, n := range *g.items.Load() {
			fn(Pool{Sale: s, SKU: sku}, n.Load())
		}
	}
}
