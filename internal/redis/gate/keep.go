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

// keepLease is held by the process that looks after the gate for all: ConfirmStep and SweepStep. Two that do so at the same
// time only do it twice.
const (
	keepLease = "gate_keep"
	keepTTL   = 10 * time.Second
)

// KeepEvery is how often KeepStep should be called.
const KeepEvery = keepTTL / 3

// KeepStep takes or prolongs the lease of the one process that looks after the gate, and gives it free where this process
// cannot ask the gate: another one may be able to. It returns 1 where the lease is new to this process.
func (g *Gate) KeepStep(ctx context.Context) (int, error) {
	if g.term.Load() == nil {
		return 0, g.keeper.Release(ctx)
	}
	return g.keeper.Step(ctx)
}

// committed holds the claims that this process has committed, until ConfirmStep has carried them out: what it knows of an order
// need not be read from the database again. Claims that another process carries out are pushed out by newer ones.
type committed struct {
	mu     sync.Mutex
	claims map[id.Order]*inventory.Claim
}

// committedMax bounds the claims that are held: a second of a crowd's.
const committedMax = 20_000

func (m *committed) note(c *inventory.Claim) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.claims == nil || len(m.claims) >= committedMax {
		m.claims = make(map[id.Order]*inventory.Claim, 1024)
	}
	m.claims[c.Order] = c
}

func (m *committed) claim(o id.Order) *inventory.Claim {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.claims[o]
}

func (m *committed) forget(placed []inventory.Placed) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range placed {
		delete(m.claims, placed[i].Order)
	}
}

// keepTimeout bounds one step of looking after the gate.
const keepTimeout = 10 * time.Second

// fill fills in what the gate must know of orders, from memory where this process has committed them.
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

// placedMax is how many orders one ConfirmStep reads, or a little more.
const placedMax = 1000

// ConfirmStep carries out in the gate that orders were placed, as the outbox says it: their reservations cannot be given back
// any more. An order that the gate does not know, because the database's guard decided alone or the gate was rebuilt
// meanwhile, is taken from what is available. It returns how far it went, in positions.
func (g *Gate) ConfirmStep(ctx context.Context) (int, error) {
	t := g.term.Load()
	if _, held := g.keeper.Held(); t == nil || !held {
		return 0, nil
	}
	ctx, cancel := context.WithTimeout(ctx, keepTimeout)
	defer cancel()
	from, err := g.reached(ctx, t, "placed")
	if err != nil {
		return 0, lost(err)
	}
	placed, to, err := g.store.GatePlaced(ctx, from, placedMax)
	if err != nil {
		return 0, err
	}
	// A sale comes before its orders, though it comes by another stream: not further than that has been carried out.
	followed, err := g.reached(ctx, t, "position")
	if err != nil {
		return 0, lost(err)
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
	if g.term.Load() != t {
		return 0, nil
	}
	g.committed.forget(placed)
	return int(to - from), g.markReached(ctx, t, "placed", from, to)
}

// lost turns the end of an epoch into nothing to do.
func lost(err error) error {
	if err == errOvertaken {
		return nil
	}
	return err
}

// SweepStep looks for reservations that are past their deadline, by the database's clock, and as long again for a commit that
// was under way: what never became an order is given back. A reservation of a queued order has no deadline, for only settling its
// intent decides it: one whose process died before the intent was appended is settled here, as refused, when it is as old and no
// intent of it can be in the queue. SweepStep returns how many reservations were given back.
func (g *Gate) SweepStep(ctx context.Context) (int, error) {
	t := g.term.Load()
	if _, held := g.keeper.Held(); t == nil || !held {
		return 0, nil
	}
	ctx, cancel := context.WithTimeout(ctx, keepTimeout)
	defer cancel()
	rooms, err := g.rooms(ctx, t)
	if err != nil {
		return 0, err
	}
	swept := 0
	w := &sweep{gate: g, term: t, due: g.now().Add(-g.config.Hold)}
	// Asked after due is taken, and once: an intent of a reservation that was old by then is settled where nothing is queued.
	w.drained = sync.OnceValue(func() bool { return g.drained != nil && g.refuse != nil && g.drained(ctx) })
	for _, r := range rooms {
		n, err := w.room(ctx, r)
		swept += n
		if err != nil {
			return swept, err
		}
	}
	return swept, nil
}

// rooms lists the rooms of the epoch.
func (g *Gate) rooms(ctx context.Context, t *term) ([]*room, error) {
	sales, err := g.Sales(ctx)
	if err != nil {
		return nil, err
	}
	rooms := append([]*room(nil), t.parts[:]...)
	for _, s := range sales {
		rooms = append(rooms, t.sale(s))
	}
	return rooms, nil
}

// sweepPage is how many reservations one question reads, and one script gives back.
const sweepPage = 500

// sweep is one SweepStep.
type sweep struct {
	gate    *Gate
	term    *term
	due     time.Time   // deadlines before this are over
	drained func() bool // whether nothing is queued
}

func (w *sweep) room(ctx context.Context, r *room) (int, error) {
	g, swept := w.gate, 0
	for cursor := uint64(0); ; {
		page, err := g.client.Do(ctx, g.client.B().Hscan().Key(r.reservations).Cursor(cursor).Count(sweepPage).Build()).AsScanEntry()
		if err != nil {
			return swept, err
		}
		var over []id.Order
		var queued []inventory.Lost
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

// overdue reads a reservation and reports whether its deadline was before due. One without a deadline never is.
func overdue(order, record string, due time.Time) (id.Order, bool) {
	deadline, _, reserved := strings.Cut(record, " ")
	if !reserved {
		return 0, false // confirmed
	}
	millis, err := strconv.ParseInt(deadline, 10, 64)
	if err != nil || millis == 0 || !time.UnixMilli(millis).Before(due) {
		return 0, false
	}
	o, err := strconv.ParseInt(order, 10, 64)
	return id.Order(o), err == nil
}

// undecided reads a reservation and reports whether it is a queued order's, which has no deadline, and was made before a moment.
func (r *room) undecided(order, record string, before time.Time) (l inventory.Lost, ok bool) {
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
	return inventory.Lost{Order: id.Order(o), Sale: r.sale, Customer: id.Customer(customer)}, true
}

// orders gives back what of these reservations never became an order.
func (w *sweep) orders(ctx context.Context, r *room, over []id.Order, queued []inventory.Lost) (int, error) {
	g, t := w.gate, w.term
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
	queued = slices.DeleteFunc(queued, func(l inventory.Lost) bool { return known[l.Order] })
	if len(queued) > 0 {
		refused, err := g.refuse(ctx, queued)
		if err != nil {
			return 0, err
		}
		back = append(back, refused...)
	}
	if r.sale == 0 {
		twice, err := g.twice(ctx, t, r, orders)
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
	n, err := g.giveBack(ctx, t, r, back...)
	if err != nil {
		return 0, err
	}
	crashpoint.Pass(crashpoint.SharedSweepAfter)
	if n < 0 {
		return 0, g.absent(ctx, t, r, n)
	}
	if n > 0 {
		g.log.InfoContext(ctx, "reservations without an order were given back", "orders", n, "room", r.head)
	}
	return int(n), nil
}

// twice returns which reservations of orders were made after the order had been confirmed, by a question that was repeated
// late: a general room has forgotten the key by then. An order whose confirmation is still to come is none of them.
func (g *Gate) twice(ctx context.Context, t *term, r *room, orders []id.Order) ([]id.Order, error) {
	if len(orders) == 0 {
		return nil, nil
	}
	from, err := g.reached(ctx, t, "placed")
	if err != nil {
		return nil, lost(err)
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

// Quiet reports whether the gate has everything that the database has decided, and holds no reservation that is still to be
// decided: then its levels are the database's.
func (g *Gate) Quiet(ctx context.Context) (bool, error) {
	t := g.term.Load()
	if t == nil {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, keepTimeout)
	defer cancel()
	position, err := g.reached(ctx, t, "position")
	if err != nil {
		return false, lost(err)
	}
	placed, err := g.reached(ctx, t, "placed")
	if err != nil {
		return false, lost(err)
	}
	if changes, err := g.store.GateChanges(ctx, position, 1); err != nil || len(changes) > 0 {
		return false, err
	}
	if _, to, err := g.store.GatePlaced(ctx, placed, 1); err != nil || to > placed {
		return false, err
	}
	rooms, err := g.rooms(ctx, t)
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
	return g.term.Load() == t, nil
}

// Compare returns the pools whose level is not the database's. quiet is false where something is still on its way, so that a
// difference says nothing.
func (g *Gate) Compare(ctx context.Context) (found []inventory.Difference, quiet bool, err error) {
	before, err := g.Quiet(ctx)
	if err != nil {
		return nil, false, err
	}
	snap, err := g.store.GateSnapshot(ctx)
	if err != nil {
		return nil, false, err
	}
	levels := map[inventory.Pool]int64{}
	g.Levels(func(p inventory.Pool, units int64) { levels[p] = units })
	after, err := g.Quiet(ctx)
	return inventory.Differences(snap, levels), before && after, err
}
