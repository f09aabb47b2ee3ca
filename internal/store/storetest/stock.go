package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/tidegate/tidegate/internal/audit"
	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/sale"
	"github.com/tidegate/tidegate/internal/store"
)

// Stock checks the contract of inventory.Store. Each call of open returns a migrated store without rows.
func Stock(t *testing.T, open func(t *testing.T) *store.Store) {
	runTrade(t, open, []tradeCase{
		{"an adjustment is applied once for its key", adjustOnce},
		{"a key that made another adjustment", adjustOtherBody},
		{"units that are held cannot be taken away", adjustBelow},
		{"several adjustments, all or nothing", adjustAll},
		{"pools of a SKU, the general one first", poolsInOrder},
		{"the movements that no order made, newest first", movementsByHand},
		{"a gate's snapshot holds what shoppers may still ask for", gateSnapshot},
		{"a gate that follows ends where a gate that is loaded begins", gateFollows},
		{"what the gate knew first is not told to it", gatePassesOver},
	})
}

func (tr *Trade) snapshot() inventory.Snapshot {
	tr.T.Helper()
	snap, err := tr.Store.GateSnapshot(tr.T.Context())
	must(tr.T, err)
	return snap
}

// audited calls fn with the audit's view of the store.
func (tr *Trade) audited(fn func(audit.Snapshot) error) {
	tr.T.Helper()
	must(tr.T, tr.Store.AuditSnapshot(tr.T.Context(), fn))
}

// movements counts the ledger's rows by kind.
func (tr *Trade) movements() map[inventory.Kind]int {
	tr.T.Helper()
	counted := map[inventory.Kind]int{}
	tr.audited(func(s audit.Snapshot) error {
		return s.Movements(tr.T.Context(), -1, 1<<63-1, func(m *audit.Movement) error {
			counted[m.Kind]++
			return nil
		})
	})
	return counted
}

// events lists the events of orders in the order of commits, as "order status".
func (tr *Trade) events() []string {
	tr.T.Helper()
	var all []string
	last := int64(0)
	tr.audited(func(s audit.Snapshot) error {
		return s.Events(tr.T.Context(), 0, 1<<63-1, func(e *audit.Event) error {
			if e.Position <= last {
				tr.T.Errorf("position %d after %d", e.Position, last)
			}
			last = e.Position
			all = append(all, fmt.Sprintf("%s %s", e.Order, e.Status))
			return nil
		})
	})
	return all
}

func adjustOnce(tr *Trade) {
	for range 3 {
		after, err := tr.adjust(inventory.Receive, mug, 5, "k")
		must(tr.T, err)
		same(tr.T, "pool", after, inventory.Stock{Pool: inventory.Pool{SKU: mug}, OnHand: 5})
	}
	after, err := tr.adjust(inventory.Adjust, mug, -2, "l")
	must(tr.T, err)
	same(tr.T, "on hand", after.OnHand, int64(3))
	same(tr.T, "movements", tr.movements(), map[inventory.Kind]int{inventory.Receive: 1, inventory.Adjust: 1})
}

func adjustOtherBody(tr *Trade) {
	_, err := tr.adjust(inventory.Receive, mug, 5, "k")
	must(tr.T, err)
	for _, other := range []func() (inventory.Stock, error){
		func() (inventory.Stock, error) { return tr.adjust(inventory.Receive, mug, 6, "k") },
		func() (inventory.Stock, error) { return tr.adjust(inventory.Adjust, mug, 5, "k") },
		func() (inventory.Stock, error) { return tr.adjust(inventory.Receive, hat, 5, "k") },
	} {
		if _, err := other(); !errors.Is(err, fault.KeyReused) {
			tr.T.Errorf("%v, want key reused", err)
		}
	}
	_, err = tr.adjust(inventory.Receive, mug, 1, "K") // keys compare by bytes
	must(tr.T, err)
	tr.Pool(0, mug, 6, 0, 0)
}

func adjustBelow(tr *Trade) {
	tr.Receive(mug, 5)
	tr.Buy(nil, 1, "a", Line(mug, 3))
	for _, units := range []int64{-3, -6} {
		if _, err := tr.adjust(inventory.Adjust, mug, units, fmt.Sprint(units)); !errors.Is(err, fault.OutOfStock) {
			tr.T.Errorf("%d units: %v, want out of stock", units, err)
		}
	}
	if _, err := tr.adjust(inventory.Adjust, hat, -1, "c"); !errors.Is(err, fault.OutOfStock) {
		tr.T.Errorf("of a pool that is not there: %v, want out of stock", err)
	}
	_, err := tr.adjust(inventory.Adjust, mug, -2, "d")
	must(tr.T, err)
	tr.Pool(0, mug, 3, 3, 0)
	_, err = tr.adjust(inventory.Adjust, mug, 1, "-3") // a refusal does not use up the key
	must(tr.T, err)
}

func adjustAll(tr *Trade) {
	adjust := func(all ...inventory.Adjustment) error {
		ids := make([]id.Movement, len(all))
		for i := range all {
			all[i].Reason, all[i].Actor = "test", "test"
			ids[i] = id.New[id.Movement](tr.Mint)
		}
		return tr.Store.AdjustStocks(tr.T.Context(), all, ids, tr.Clock.Now())
	}
	first := inventory.Adjustment{SKU: mug, Kind: inventory.Receive, Units: 5, Key: "a"}
	must(tr.T, adjust(first, inventory.Adjustment{SKU: hat, Kind: inventory.Receive, Units: 5, Key: "b"}))
	must(tr.T, adjust(first, inventory.Adjustment{SKU: hat, Kind: inventory.Receive, Units: 1, Key: "c"}))
	if err := adjust(inventory.Adjustment{SKU: mug, Kind: inventory.Receive, Units: 5, Key: "d"}, inventory.Adjustment{SKU: hat, Kind: inventory.Adjust, Units: -9, Key: "e"}); !errors.Is(err, fault.OutOfStock) {
		tr.T.Errorf("%v, want out of stock", err)
	}
	tr.Pool(0, mug, 5, 0, 0)
	tr.Pool(0, hat, 6, 0, 0)
}

func poolsInOrder(tr *Trade) {
	s := tr.Sale(3, 0, mug)
	other := tr.Sale(4, 0, mug)
	pools, err := tr.Store.Pools(tr.T.Context(), mug)
	must(tr.T, err)
	var got []id.Sale
	for _, p := range pools {
		got = append(got, p.Sale)
	}
	same(tr.T, "sales", got, []id.Sale{0, s.ID, other.ID})
	pools, err = tr.Store.Pools(tr.T.Context(), hat)
	must(tr.T, err)
	same(tr.T, "pools of a SKU that never had stock", len(pools), 0)
}

func movementsByHand(tr *Trade) {
	tr.Receive(hat, 1)
	s := tr.Sale(3, 0, mug)
	tr.Pay(tr.Buy(s, 1, "a", Line(mug, 1)))
	tr.Receive(mug, 2)
	var got []string
	var before id.Movement
	for range 10 {
		page, err := tr.Store.Movements(tr.T.Context(), mug, before, 2)
		must(tr.T, err)
		for _, m := range page {
			before = m.ID
			got = append(got, fmt.Sprintf("%s %d", m.Kind, m.Units))
			if m.Order != 0 || m.Actor != "test" || m.At.IsZero() {
				tr.T.Errorf("movement %+v", m)
			}
		}
	}
	same(tr.T, "movements", got, []string{"receive 2", "allocate 3", "allocate -3", "receive 3"})
}

func gateSnapshot(tr *Trade) {
	tr.Receive(hat, 7)
	ended := tr.Sale(3, 0, mug)
	tr.Buy(ended, 1, "a", Line(mug, 1))
	tr.Move(ended.ID, sale.Ended)
	s := tr.Sale(5, 4, mug)
	tr.Draft(1, 0, mug)
	tr.Buy(s, 1, "expires", Line(mug, 1))
	tr.Expire()
	paused := tr.Sale(2, 0, mug)
	tr.Move(paused.ID, sale.Paused)
	held := tr.Buy(s, 1, "held", Line(mug, 2))
	tr.Buy(nil, 1, "general", Line(hat, 2))
	snap := tr.snapshot()
	levels := map[inventory.Pool]int64{}
	for _, st := range snap.Stock {
		levels[st.Pool] = st.Available()
	}
	same(tr.T, "levels", levels, map[inventory.Pool]int64{{SKU: hat}: 5, {SKU: mug}: 3, {Sale: s.ID, SKU: mug}: 3, {Sale: paused.ID, SKU: mug}: 2})
	slices.SortFunc(snap.Terms, func(a, b inventory.Terms) int { return int(a.Sale - b.Sale) })
	same(tr.T, "terms", snap.Terms, []inventory.Terms{{Sale: s.ID, Limit: 4, Open: true}, {Sale: paused.ID}})
	used := map[string]int64{}
	for _, h := range snap.KeyedOrders {
		used[h.Key] = h.Used
		if h.Order == held && (h.Customer != 1 || h.Sale != s.ID || h.Body != digest(s.ID, []inventory.Line{Line(mug, 2)})) {
			tr.T.Errorf("holder %+v", h)
		}
	}
	same(tr.T, "holders", used, map[string]int64{"expires": 0, "held": 2})
	stamp(tr.T, tr.Store)
	changes, err := tr.Store.GateChanges(tr.T.Context(), snap.Position, 10)
	must(tr.T, err)
	same(tr.T, "changes after the snapshot", len(changes), 0)
}

// gateFollows drives two gates: one follows every change from the start, the other is loaded at the end.
func gateFollows(tr *Trade) {
	gate := inventory.NewMemoryGate()
	must(tr.T, gate.Load(tr.T.Context(), tr.snapshot()))
	var position int64
	follow := func() {
		tr.T.Helper()
		for {
			stamp(tr.T, tr.Store)
			changes, err := tr.Store.GateChanges(tr.T.Context(), position, 3)
			must(tr.T, err)
			if len(changes) == 0 {
				return
			}
			for _, c := range changes {
				if c.Position <= position {
					tr.T.Fatalf("position %d after %d", c.Position, position)
				}
				position = c.Position
			}
			must(tr.T, gate.Apply(tr.T.Context(), changes))
		}
	}
	buy := func(s *sale.Sale, c id.Customer, key string, lines ...inventory.Line) id.Order {
		tr.T.Helper()
		follow()
		d := tr.Order(s, c, key, lines...)
		if a, err := gate.Reserve(tr.T.Context(), &d.Claim); err != nil || a.Verdict != inventory.Reserved {
			tr.T.Fatalf("%s, %v", a.Verdict, err)
		}
		tr.wantAll([]*order.Draft{d}, order.Accepted)
		must(tr.T, gate.Confirm(tr.T.Context(), &d.Claim))
		return d.Order.ID
	}
	tr.Receive(hat, 20)
	s := tr.Sale(20, 9, mug, hat)
	tr.Pay(buy(s, 1, "paid", Line(mug, 1), Line(hat, 2)))
	tr.Cancel(buy(s, 1, "cancelled", Line(mug, 3)))
	buy(s, 2, "expired", Line(mug, 2))
	refunded := buy(s, 3, "refunded", Line(hat, 1))
	tr.Pay(refunded)
	tr.Refund(refunded, true)
	tr.Expire()
	buy(nil, 4, "general", Line(hat, 3))
	s = tr.topUp(s, 5)
	s = tr.Limit(s.ID, 8)
	buy(s, 1, "held", Line(mug, 4))
	follow()
	fresh := inventory.NewMemoryGate()
	must(tr.T, fresh.Load(tr.T.Context(), tr.snapshot()))
	levels := func(g *inventory.MemoryGate) map[inventory.Pool]int64 {
		all := map[inventory.Pool]int64{}
		g.Availability(func(p inventory.Pool, units int64) { all[p] = units })
		return all
	}
	same(tr.T, "levels", levels(gate), levels(fresh))
	for name, g := range map[string]*inventory.MemoryGate{"followed": gate, "loaded": fresh} {
		for _, ask := range []struct {
			customer id.Customer
			key      string
			units    int64
			want     inventory.Verdict
		}{{1, "cancelled", 3, inventory.Replay}, {2, "expired", 3, inventory.KeyReused}, {1, "new", 2, inventory.LimitReached}, {1, "new", 1, inventory.Reserved}, {2, "new", 8, inventory.Reserved}} {
			a, err := g.Reserve(tr.T.Context(), &tr.Order(s, ask.customer, ask.key, Line(mug, ask.units)).Claim)
			must(tr.T, err)
			if a.Verdict != ask.want {
				tr.T.Errorf("%s gate: customer %s, key %q: %s, want %s", name, ask.customer, ask.key, a.Verdict, ask.want)
			}
		}
	}
}

func gatePassesOver(tr *Trade) {
	s := tr.Sale(9, 0, mug)
	before := tr.snapshot().Position
	o := tr.Buy(s, 1, "a", Line(mug, 2))
	tr.Pay(o) // the units were held before: nothing changes for the gate
	stamp(tr.T, tr.Store)
	changes, err := tr.Store.GateChanges(tr.T.Context(), before, 10)
	must(tr.T, err)
	same(tr.T, "changes", len(changes), 0)
	second := tr.Buy(s, 1, "b", Line(mug, 2))
	tr.Cancel(second)
	stamp(tr.T, tr.Store)
	changes, err = tr.Store.GateChanges(tr.T.Context(), before, 10)
	must(tr.T, err)
	if len(changes) != 1 || changes[0].Moved == nil || changes[0].Moved.Available != 2 || changes[0].Moved.Allowance != -2 || changes[0].Moved.Order != second || changes[0].Moved.Customer != 1 {
		tr.T.Errorf("changes %+v", changes)
	}
}

// orderManyPools: a batch takes from more pools than one statement holds, of two sales and of general stock; then one
// pool has too little.
func orderManyPools(tr *Trade) {
	const pools = 150
	skus := make([]id.SKU, pools)
	for i := range skus {
		skus[i] = id.SKU(2000 + i)
	}
	s, other := tr.Sale(3, 0, skus...), tr.Sale(3, 0, mug)
	tr.Receive(hat, 3)
	batch := func(key string) []*order.Draft {
		all := []*order.Draft{tr.Order(other, 1, key, Line(mug, 2)), tr.Order(nil, 1, key, Line(hat, 1))}
		for i := range skus {
			sku := skus[pools-1-i]
			all = append(all, tr.Order(s, id.Customer(i+1), key, Line(sku, 1)), tr.Order(s, id.Customer(i+1), key+"b", Line(sku, int64(i%2)+1)))
		}
		return all
	}
	for _, out := range tr.Commit(batch("a")...) {
		tr.want(out, order.Accepted)
	}
	held := func(i int) int64 { return int64((pools-1-i)%2) + 2 }
	for i, sku := range skus {
		tr.Pool(s.ID, sku, 3, held(i), 0)
	}
	tr.Pool(other.ID, mug, 3, 2, 0)
	// With two of a pool's three units taken, one more can be reserved; with three, none.
	second := batch("c")
	got := tr.Commit(second...)
	tr.want(got[0], order.SoldOut)
	tr.want(got[1], order.Accepted)
	for n := range skus {
		i := pools - 1 - n
		first := order.Accepted
		if held(i) == 3 {
			first = order.SoldOut
		}
		tr.want(got[2+2*n], first)
		tr.want(got[3+2*n], order.SoldOut)
		tr.Pool(s.ID, skus[i], 3, 3, 0)
	}
}

// orderPoolsAcross: concurrent batches take from the same pools in different orders, as a whole and one by one. None
// gives up because of deadlocks.
func orderPoolsAcross(tr *Trade) {
	const pools, batches, each = 8, 12, 16
	skus := make([]id.SKU, pools)
	for i := range skus {
		skus[i] = id.SKU(3000 + i)
	}
	s := tr.Sale(batches*each, 0, skus...)
	var working sync.WaitGroup
	for b := range batches {
		drafts := make([]*order.Draft, each)
		for i := range drafts {
			lines := []inventory.Line{Line(skus[(b+i)%pools], 1)}
			if b%2 == 1 && i == each-1 {
				lines = []inventory.Line{Line(999, 1)} // makes the batch be decided one by one
			}
			drafts[i] = tr.Order(s, id.Customer(b*each+i+1), "a", lines...)
		}
		working.Go(func() {
			outcomes, err := tr.Store.CommitOrders(context.Background(), drafts, tr.Mint)
			if err != nil {
				tr.T.Error(err)
			}
			for i, out := range outcomes {
				want := order.Accepted
				if b%2 == 1 && i == each-1 {
					want = order.SoldOut
				}
				if out.Result != want {
					tr.T.Errorf("batch %d, draft %d: %s, want %s", b, i, out.Result, want)
				}
			}
		})
	}
	working.Wait()
}
