package audit

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"slices"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
)

// ordersMax is the most orders in memory, about 130 bytes each: an audit of a running shop takes little of its
// memory. Where a shop has more, the ledger and the events are read again for each portion, and time grows.
const ordersMax = 200_000

// The kinds of movement that an order makes in its pools, as they are counted.
const (
	reserved = iota
	released
	sold
	returned
	counted
)

// orderState is what is known of one order while its portion is read. Its lines and each kind of its movements are held as a
// fingerprint: the sum over the SKUs of units times a hash of the pool and SKU. Equal sums mean equal units of each
// SKU, but for a chance of 2^-64, in a few bytes however many lines there are.
type orderState struct {
	id       id.Order
	total    int64           // minor units
	lines    uint64          // fingerprint of the lines in the order's own pools
	general  uint64          // of the lines in the general pools, where a return goes
	facts    uint64          // hash of the order as an event of its own tells it
	print    uint64          // its fingerprint, as the row of its commit has it
	moves    [counted]uint64 // fingerprints
	moved    [counted]int32  // units
	units    int32
	attempts attempts
	currency uint16 // in run.currencies
	row      status
	at       status // by the events so far; the zero value before the first
	strayed  bool   // the events left the legal edges
	broken   bool   // its lines cannot be read
	placed   bool
}

// status is an order's status in a byte.
type status uint8

// statuses are what the bytes stand for: none, the legal ones, and anything else.
var statuses = append(append([]order.Status{""}, order.Statuses()...), "of an unknown status")

func statusOf(s order.Status) status {
	if i := slices.Index(statuses, s); i >= 0 {
		return status(i)
	}
	return status(len(statuses) - 1)
}

func (s status) is() order.Status { return statuses[s] }

// attempts sums up an order's payment attempts.
type attempts struct {
	pays      int16 // marked as what paid the order
	unclaimed int16 // succeeded, paid nothing, and no refund is recorded
	live      int16
	repaid    bool // what paid the order was given back
	wrong     bool // what paid the order is not of its amount
}

// orderRange is a range of orders and what they stand for.
type orderRange struct {
	*run
	after, upTo id.Order
	orders      []orderState // in the order of their ids
	last        int          // where the last one was found
}

// find returns an order of the portion, or nil. Movements and events mostly come in the order of their orders, so it looks
// first where the last one was, and behind it.
func (p *orderRange) find(o id.Order) *orderState {
	for i := p.last; i < min(p.last+2, len(p.orders)); i++ {
		if p.orders[i].id == o {
			p.last = i
			return &p.orders[i]
		}
	}
	i, found := slices.BinarySearchFunc(p.orders, o, func(s orderState, o id.Order) int { return cmp.Compare(s.id, o) })
	if !found {
		return nil
	}
	p.last = i
	return &p.orders[i]
}

// checkOrders reads the orders in portions, and for each portion the movements, events and attempts of its orders.
func (r *run) checkOrders(ctx context.Context) error {
	// Below every id: movements that name an order that cannot exist are looked at too.
	after := id.Order(-1 << 63)
	for {
		p := &orderRange{run: r, after: after, upTo: 1<<63 - 1}
		if err := p.read(ctx); err != nil {
			return err
		}
		p.judge()
		if len(p.orders) < r.most.orders {
			return nil
		}
		after = p.upTo
	}
}

func (p *orderRange) read(ctx context.Context) error {
	if p.buffer == nil {
		p.buffer = make([]orderState, 0, min(p.most.orders, int(p.orderCount)))
	}
	p.orders = p.buffer[:0]
	if err := p.snap.Orders(ctx, p.after, p.most.orders, p.order); err != nil {
		return err
	}
	p.buffer = p.orders
	if n := len(p.orders); n == p.most.orders {
		p.upTo = p.orders[n-1].id
	}
	if err := p.snap.Movements(ctx, p.after, p.upTo, p.movement); err != nil {
		return err
	}
	if err := p.snap.Events(ctx, p.after, p.upTo, p.event); err != nil {
		return err
	}
	return p.snap.Attempts(ctx, p.after, p.upTo, p.attempt)
}

// order takes an order's row: its lines, its totals, its times.
func (p *orderRange) order(o *Order) error {
	p.tick()
	p.orders = append(p.orders, orderState{id: o.ID, row: statusOf(o.Status), total: o.Total.Minor, currency: p.currency(o.Total.Currency), units: int32(o.Units)})
	s := &p.orders[len(p.orders)-1]
	p.fingerprint(o)
	p.saw(i2, 1)
	p.saw(i9, 1)
	if wrong := times(&o.Order); wrong != "" {
		p.violated(i9, orderSubject(o.ID), "it is %s, and %s", o.Status, wrong)
	}
	lines, err := readLines(p.lineBuffer[:0], o.LinesJSON)
	p.lineBuffer = lines
	if err != nil {
		s.broken = true
		p.violated(i2, orderSubject(o.ID), "its lines cannot be read: %v", err)
		return nil
	}
	o.Lines = lines
	p.lines(s, &o.Order)
	created := o.AsCreated()
	p.encoded = created.AppendJSON(p.encoded[:0], true)
	s.facts, s.print = maphash.Bytes(p.seed, p.encoded), created.Fingerprint(o.Key)
	return nil
}

// lines checks the lines against the order's sums and adds them to what their pools should hold.
func (p *orderRange) lines(s *orderState, o *order.Order) {
	var units, total int64
	for i, l := range o.Lines {
		pool := inventory.Pool{Sale: o.Sale, SKU: l.SKU}
		s.lines += p.poolHash(pool) * uint64(l.Units)
		s.general += p.poolHash(inventory.Pool{SKU: l.SKU}) * uint64(l.Units)
		units += l.Units
		total += l.Units * l.UnitPrice
		p.pool(pool).ordered += l.Units
		p.addOrdered(o, pool)
		if l.SKU <= 0 || l.Units <= 0 || l.UnitPrice < 0 || i > 0 && o.Lines[i-1].SKU >= l.SKU {
			p.violated(i2, orderSubject(o.ID), "line %d is of %d units of SKU %s at %d", i, l.Units, l.SKU, l.UnitPrice)
		}
		switch o.Status {
		case order.Pending:
			p.pool(pool).pending += l.Units
		case order.Paid, order.Fulfilled, order.Refunded:
			p.pool(pool).sold += l.Units
		}
	}
	if len(o.Lines) == 0 {
		p.violated(i2, orderSubject(o.ID), "it has no lines")
	}
	if units != o.Units {
		p.violated(i2, orderSubject(o.ID), "it is of %d units, its lines make %d", o.Units, units)
	}
	if total != o.Total.Minor {
		p.violated(i2, orderSubject(o.ID), "its total is %d, its lines make %d", o.Total.Minor, total)
	}
}

// times returns what is wrong with an order's times for its status: nothing where they fit.
func times(o *order.Order) string {
	paid, closed := !o.PaidAt.IsZero(), !o.ClosedAt.IsZero()
	wantPaid := o.Status == order.Paid || o.Status == order.Fulfilled || o.Status == order.Refunded
	wantClosed := o.Status == order.Expired || o.Status == order.Cancelled || o.Status == order.Refunded
	switch {
	case paid && !wantPaid:
		return "has a time of payment"
	case !paid && wantPaid:
		return "has no time of payment"
	case closed && !wantClosed:
		return "has a time of closing"
	case !closed && wantClosed:
		return "has no time of closing"
	case o.CreatedAt.IsZero():
		return "has no time of creation"
	case !o.ExpiresAt.After(o.CreatedAt):
		return "expires before it was made"
	}
	return ""
}

// movement takes a row of the ledger: for its pool's sums, and for its order.
func (p *orderRange) movement(m *Movement) error {
	p.tick()
	p.saw(i4, 1)
	if m.Unreadable != nil {
		p.violated(i4, movementSubject(m.Row), "the pools of its %d units (%s) cannot be read: %v", m.Units, m.Kind, m.Unreadable)
		return nil
	}
	p.addMovement(m)
	if m.Order == 0 {
		return nil
	}
	s := p.find(m.Order)
	if s == nil {
		p.violated(i2, orderSubject(m.Order), "the ledger has a %s of %d units for it, and the order is not there", m.Kind, m.Units)
		return nil
	}
	kind := -1
	switch m.Kind {
	case inventory.Reserve:
		kind = reserved
	case inventory.Release:
		kind = released
	case inventory.Sell:
		kind = sold
	case inventory.Return:
		kind = returned
	default:
		return nil // an allocation after a sale's end: the pools' sums answer for it
	}
	s.moves[kind] += p.poolHash(m.Pool) * uint64(m.Units)
	s.moved[kind] += int32(m.Units)
	if kind == released && sells(s.row.is()) {
		p.pool(m.Pool).again += m.Units
	}
	return nil
}

// event follows an order along its statuses, and compares the facts of creation with the row.
func (p *orderRange) event(e *Event) error {
	p.tick()
	s := p.find(e.Order)
	if s == nil {
		p.violated(i2, orderSubject(e.Order), "it was announced as %s, and the order is not there", e.Status)
		return nil
	}
	if e.Status == order.Pending {
		s.placed = true
		if !s.broken && !p.tells(e, s) {
			p.violated(i2, orderSubject(e.Order), "it is not the order that was announced when it was placed")
		}
	}
	switch {
	case s.at == 0 && (e.Status == order.Pending || p.firstEvent > 1):
	case !s.at.is().CanBecome(e.Status):
		s.strayed = true
		from := string(s.at.is())
		if from == "" {
			from = "nothing"
		}
		p.violated(i9, orderSubject(e.Order), "it went from %s to %s", from, e.Status)
	}
	s.at = statusOf(e.Status)
	return nil
}

// tells reports whether an event tells the facts of a row: by the fingerprint in the row of the commit; in a row of its own
// by the bytes, and where they differ, because another version of the shop may have written them, by what they say.
func (p *orderRange) tells(e *Event, s *orderState) bool {
	if e.Payload == nil {
		return e.Fingerprint == s.print
	}
	if maphash.Bytes(p.seed, e.Payload) == s.facts {
		return true
	}
	told, err := readEvent(e.Payload)
	if err != nil {
		return false
	}
	p.encoded = told.AppendJSON(p.encoded[:0], true)
	return maphash.Bytes(p.seed, p.encoded) == s.facts
}

// readLines reads lines as order.LinesJSON writes them, into the given slice.
func readLines(into []order.Line, text []byte) ([]order.Line, error) {
	var raw [][]int64
	if err := json.Unmarshal(text, &raw); err != nil {
		return into, err
	}
	for i, r := range raw {
		if len(r) != 3 {
			return into, fmt.Errorf("line %d has %d numbers", i, len(r))
		}
		into = append(into, order.Line{SKU: id.SKU(r[0]), Units: r[1], UnitPrice: r[2]})
	}
	return into, nil
}
