package gate

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/crashpoint"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// keepLease elects the process that runs ConfirmStep and SweepStep for all. Two processes that run them at once do no
// harm, only double work.
const (
	maintenanceLease = "gate_keep"
	maintenanceTTL   = 10 * time.Second
)

// LeaseRenewEvery is the interval at which to call LeaseStep.
const LeaseRenewEvery = maintenanceTTL / 3

// LeaseStep acquires or renews the maintenance lease. It releases the lease if this process cannot reach the gate,
// because another one may. It returns 1 if this process has just acquired the lease.
func (g *Gate) LeaseStep(ctx context.Context) (int, error) {
	if g.epoch.Load() == nil {
		return 0, g.keeper.Release(ctx)
	}
	return g.keeper.Step(ctx)
}

// committedClaims holds the claims that this process has committed until ConfirmStep has applied them, so that their
// orders need not be read from the database. Newer claims displace those that another process confirms.
type committedClaims struct {
	mu     sync.Mutex
	claims map[id.Order]*inventory.Claim
}

// committedMax bounds the claims in memory: about one second of peak load.
const committedMax = 20_000

func (m *committedClaims) note(c *inventory.Claim) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.claims == nil || len(m.claims) >= committedMax {
		m.claims = make(map[id.Order]*inventory.Claim, 1024)
	}
	m.claims[c.Order] = c
}

func (m *committedClaims) claim(o id.Order) *inventory.Claim {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.claims[o]
}

func (m *committedClaims) forget(placed []inventory.Placed) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range placed {
		delete(m.claims, placed[i].Order)
	}
}

// maintenanceTimeout bounds one maintenance step.
const maintenanceTimeout = 10 * time.Second

// fill completes placed orders, from memory if this process committed them, otherwise from the database.
func (g *Gate) fill(ctx context.Context, placed []*inventory.Placed) error {
	var unknown []*inventory.Placed
	for _, p := range placed {
		if p.Lines != nil {
			continue
		}
		if c := g.committed.claim(p.Order); c != nil {
			p.Sale, p.Customer, p.Key, p.Body, p.Lines = c.Sale, c.Customer, c.Key, c.Body, c.Lines
			continue
		}
		unknown = append(unknown, p)
	}
	return g.store.FillPlaced(ctx, unknown)
}

// placedMax is the approximate number of orders that one ConfirmStep reads.
const placedMax = 1000

// ConfirmStep reads placed orders from the outbox and confirms their reservations, which can then no longer be
// released. An order without a reservation, because it bypassed the gate or the gate was rebuilt, is deducted from the
// available stock. ConfirmStep returns how many positions it advanced.
func (g *Gate) ConfirmStep(ctx context.Context) (int, error) {
	t := g.epoch.Load()
	if _, held := g.keeper.Held(); t == nil || !held {
		return 0, nil
	}
	ctx, cancel := context.WithTimeout(ctx, maintenanceTimeout)
	defer cancel()
	from, err := g.streamPosition(ctx, t, "placed")
	if err != nil {
		return 0, ignoreOvertaken(err)
	}
	placed, to, err := g.store.GatePlaced(ctx, from, placedMax)
	if err != nil {
		return 0, err
	}
	// Orders must not be applied before their sale, which comes in another stream. So stop at that stream's position.
	followed, err := g.streamPosition(ctx, t, "position")
	if err != nil {
		return 0, ignoreOvertaken(err)
	}
	ahead, err := g.store.GateChanges(ctx, followed, 1)
	if err != nil {
		return 0, err
	}
	if len(ahead) > 0 {
		to = min(to, ahead[0].Position-1)
	}
	for len(placed) > 0 && placed[len(placed)-1].Position > to {
		placed = placed[:len(placed)-1]
	}
	if to <= from {
		return 0, nil
	}
	if err := crashpoint.Fail(crashpoint.SharedConfirmBefore); err != nil {
		return 0, err
	}
	if _, err := g.confirm(ctx, t, placed); err != nil {
		return 0, err
	}
	if err := crashpoint.Fail(crashpoint.SharedConfirmAfter); err != nil {
		return 0, err
	}
	if g.epoch.Load() != t {
		return 0, nil
	}
	g.committed.forget(placed)
	return int(to - from), g.advanceStream(ctx, t, "placed", from, to)
}

// ignoreOvertaken turns the end of an epoch into a success without work.
func ignoreOvertaken(err error) error {
	if err == errOvertaken {
		return nil
	}
	return err
}

// SweepStep releases reservations that never became orders. They must be past their deadline, by the database's clock,
// and by the same time again, to allow for a running commit. A queued order's reservation has no deadline, because only
// settling its intent decides it. If its process died before the intent was appended, SweepStep refuses the order once
// it is as old and no intent of it can be in the queue. SweepStep returns how many reservations it released.
func (g *Gate) SweepStep(ctx context.Context) (int, error) {
	t := g.epoch.Load()
	if _, held := g.keeper.Held(); t == nil || !held {
		return 0, nil
	}
	ctx, cancel := context.WithTimeout(ctx, maintenanceTimeout)
	defer cancel()
	rooms, err := g.partitions(ctx, t)
	if err != nil {
		return 0, err
	}
	swept := 0
	w := &sweep{gate: g, epoch: t, due: g.now().Add(-g.config.Hold)}
	// Ask after due is set, and only once: if the queue is empty then, every intent of an older reservation is settled.
	w.drained = sync.OnceValue(func() bool { return g.drained != nil && g.refuseOrphans != nil && g.drained(ctx) })
	for _, r := range rooms {
		n, err := w.partition(ctx, r)
		swept += n
		if err != nil {
			return swept, err
		}
	}
	return swept, nil
}

// partitions lists the partitions of the epoch.
func (g *Gate) partitions(ctx context.Context, t *epoch) ([]*partition, error) {
	sales, err := g.Sales(ctx)
	if err != nil {
		return nil, err
	}
	rooms := append([]*partition(nil), t.general[:]...)
	for _, s := range sales {
		rooms = append(rooms, t.sale(s))
	}
	return rooms, nil
}

// sweepPage bounds the reservations that one request reads and one script releases.
const sweepPage = 500

// sweep is the state of one SweepStep.
type sweep struct {
	gate    *Gate
	epoch   *epoch
	due     time.Time   // reservations with an earlier deadline are overdue
	drained func() bool // reports whether the queue is empty
}

func (w *sweep) partition(ctx context.Context, r *partition) (int, error) {
	g, swept := w.gate, 0
	for cursor := uint64(0); ; {
		page, err := g.client.Do(ctx, g.client.B().Hscan().Key(r.reservations).Cursor(cursor).Count(sweepPage).Build()).AsScanEntry()
		if err != nil {
			return swept, err
		}
		var over []id.Order
		var queued []inventory.OrphanedReservation
		for i := 0; i+1 < len(page.Elements); i += 2 {
			if o, ok := overdue(page.Elements[i], page.Elements[i+1], w.due); ok {
				over = append(over, o)
			} else if l, ok := r.undecided(page.Elements[i], page.Elements[i+1], w.due.Add(-g.config.Hold)); ok && w.drained() {
				queued = append(queued, l)
			}
		}
		n, err := w.orders(ctx, r, over, queued)
		swept += n
		if cursor = page.Cursor; err != nil || cursor == 0 {
			return swept, err
		}
	}
}

// overdue parses a reservation and reports whether its deadline is before due. A reservation without a deadline is
// never overdue.
func overdue(order, record string, due time.Time) (id.Order, bool) {
	deadline, _, reserved := strings.Cut(record, " ")
	if !reserved {
		return 0, false // already confirmed
	}
	millis, err := strconv.ParseInt(deadline, 10, 64)
	if err != nil || millis == 0 || !time.UnixMilli(millis).Before(due) {
		return 0, false
	}
	o, err := strconv.ParseInt(order, 10, 64)
	return id.Order(o), err == nil
}

// undecided parses a reservation and reports whether it belongs to a queued order, which has no deadline, and was made
// before the given time.
func (r *partition) undecided(order, record string, before time.Time) (l inventory.OrphanedReservation, ok bool) {
	deadline, rest, reserved := strings.Cut(record, " ")
	if !reserved || deadline != "0" {
		return l, false
	}
	o, err := strconv.ParseInt(order, 10, 64)
	who, _, _ := strings.Cut(rest, " ")
	customer, wrong := strconv.ParseInt(who, 10, 64)
	if err != nil || wrong != nil || !id.MintedAt(o).Before(before) {
		return l, false
	}
	return inventory.OrphanedReservation{Order: id.Order(o), Sale: r.sale, Customer: id.Customer(customer)}, true
}

// orders releases those of the given reservations that never became an order.
func (w *sweep) orders(ctx context.Context, r *partition, over []id.Order, queued []inventory.OrphanedReservation) (int, error) {
	g, t := w.gate, w.epoch
	asked := over
	for _, l := range queued {
		asked = append(asked, l.Order)
	}
	if len(asked) == 0 {
		return 0, nil
	}
	known, err := g.store.KnownOrders(ctx, asked)
	if err != nil {
		return 0, err
	}
	var back, orders []id.Order
	for i, o := range asked {
		switch {
		case known[o]:
			orders = append(orders, o)
		case i < len(over):
			back = append(back, o)
		}
	}
	queued = slices.DeleteFunc(queued, func(l inventory.OrphanedReservation) bool { return known[l.Order] })
	if len(queued) > 0 {
		refused, err := g.refuseOrphans(ctx, queued)
		if err != nil {
			return 0, err
		}
		back = append(back, refused...)
	}
	if r.sale == 0 {
		twice, err := g.staleReservations(ctx, t, r, orders)
		if err != nil {
			return 0, err
		}
		back = append(back, twice...)
	}
	if len(back) == 0 {
		return 0, nil
	}
	if err := crashpoint.Fail(crashpoint.SharedSweepBefore); err != nil {
		return 0, err
	}
	n, err := g.release(ctx, t, r, back...)
	if err != nil {
		return 0, err
	}
	crashpoint.Pass(crashpoint.SharedSweepAfter)
	if n < 0 {
		return 0, g.checkMissing(ctx, t, r, n)
	}
	if n > 0 {
		g.log.InfoContext(ctx, "reservations without an order were given back", "orders", n, "partition", r.head)
	}
	return int(n), nil
}

// staleReservations returns reservations that a late retry made after their order was confirmed. A general partition no
// longer knows the key by then. An order whose confirmation is still pending is not stale.
func (g *Gate) staleReservations(ctx context.Context, t *epoch, r *partition, orders []id.Order) ([]id.Order, error) {
	if len(orders) == 0 {
		return nil, nil
	}
	from, err := g.streamPosition(ctx, t, "placed")
	if err != nil {
		return nil, ignoreOvertaken(err)
	}
	if _, to, err := g.store.GatePlaced(ctx, from, 1); err != nil || to > from {
		return nil, err
	}
	names := make([]string, len(orders))
	for i, o := range orders {
		names[i] = o.String()
	}
	records, err := g.client.Do(ctx, g.client.B().Hmget().Key(r.reservations).Field(names...).Build()).ToArray()
	if err != nil {
		return nil, err
	}
	var twice []id.Order
	for i, m := range records {
		if text, err := m.ToString(); err == nil && text != "confirmed" {
			twice = append(twice, orders[i])
		}
	}
	return twice, nil
}

// InSync reports whether the gate has applied all database changes and holds no pending reservation. Its availability
// then equals the database's.
func (g *Gate) InSync(ctx context.Context) (bool, error) {
	t := g.epoch.Load()
	if t == nil {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, maintenanceTimeout)
	defer cancel()
	position, err := g.streamPosition(ctx, t, "position")
	if err != nil {
		return false, ignoreOvertaken(err)
	}
	placed, err := g.streamPosition(ctx, t, "placed")
	if err != nil {
		return false, ignoreOvertaken(err)
	}
	if changes, err := g.store.GateChanges(ctx, position, 1); err != nil || len(changes) > 0 {
		return false, err
	}
	if _, to, err := g.store.GatePlaced(ctx, placed, 1); err != nil || to > placed {
		return false, err
	}
	rooms, err := g.partitions(ctx, t)
	if err != nil {
		return false, err
	}
	cmds := make(rueidis.Commands, len(rooms))
	for i, r := range rooms {
		cmds[i] = g.client.B().Hvals().Key(r.reservations).Build()
	}
	for _, answer := range g.client.DoMulti(ctx, cmds...) {
		records, err := answer.AsStrSlice()
		if err != nil {
			return false, err
		}
		for _, one := range records {
			if one != "confirmed" {
				return false, nil
			}
		}
	}
	return g.epoch.Load() == t, nil
}

// Compare returns the pools whose availability differs from the database's. quiet is false if changes are still
// pending, in which case a difference means nothing.
func (g *Gate) Compare(ctx context.Context) (found []inventory.Difference, quiet bool, err error) {
	before, err := g.InSync(ctx)
	if err != nil {
		return nil, false, err
	}
	snap, err := g.store.GateSnapshot(ctx)
	if err != nil {
		return nil, false, err
	}
	levels := map[inventory.Pool]int64{}
	g.Availability(func(p inventory.Pool, units int64) { levels[p] = units })
	after, err := g.InSync(ctx)
	return inventory.Differences(snap, levels), before && after, err
}
