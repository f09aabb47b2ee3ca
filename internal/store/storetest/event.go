package storetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tidegate/tidegate/internal/audit"
	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/event"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/store"
)

// Event checks the contract with readers of events. Each call of open returns a migrated store without rows.
func Event(t *testing.T, open func(t *testing.T) *store.Store) {
	runTrade(t, open, []tradeCase{
		{"nothing has happened", eventNone},
		{"an order is told as it was created, whatever became of it", eventAsCreated},
		{"what is refused is not told", eventRefused},
		{"a batch that is decided one by one", eventOneByOne},
		{"a reader may stop anywhere, and reads on from there", eventCursors},
		{"what commits reserve is what their orders have", eventLedger},
	})
}

// happened reads every event, limit at a time.
func (tr *Trade) happened(after int64, limit int) []event.Event {
	tr.T.Helper()
	var all []event.Event
	for {
		stamp(tr.T, tr.Store)
		some, err := tr.Store.Events(tr.T.Context(), after, limit)
		must(tr.T, err)
		if len(some) == 0 {
			return all
		}
		if len(some) > limit {
			tr.T.Fatalf("%d events, and %d were asked for", len(some), limit)
		}
		for _, e := range some {
			if e.Position != after+1 {
				tr.T.Fatalf("position %d after %d", e.Position, after)
			}
			after = e.Position
		}
		all = append(all, some...)
	}
}

// position returns the position of the newest event.
func (tr *Trade) position() int64 { return tr.snapshot().Position }

// placed returns the event of an accepted draft at a position.
func placed(position int64, d *order.Draft) event.Event {
	o := d.Order
	return event.Event{Position: position, Type: order.EventPlaced, Subject: int64(o.ID), Payload: o.AppendJSON(nil, true), At: o.CreatedAt}
}

func eventNone(tr *Trade) {
	same(tr.T, "events", len(tr.happened(0, 10)), 0)
	for _, limit := range []int{0, -1} {
		tr.Receive(mug, 1)
		stamp(tr.T, tr.Store)
		got, err := tr.Store.Events(tr.T.Context(), 0, limit)
		must(tr.T, err)
		same(tr.T, "events", len(got), 0)
	}
}

func eventAsCreated(tr *Trade) {
	s := tr.Sale(20, 0, mug, hat)
	at := tr.position()
	batch := []*order.Draft{tr.Order(s, 1, "paid", Line(mug, 1)), tr.Order(s, 2, "expired", Line(mug, 2), Line(hat, 1)), tr.Order(s, 3, "cancelled", Line(hat, 3)), tr.Order(s, 4, "refunded", Line(hat, 1))}
	tr.wantAll(batch, order.Accepted, order.Accepted, order.Accepted, order.Accepted)
	var want []event.Event
	for i, d := range batch {
		want = append(want, placed(at+1+int64(i), d))
	}
	same(tr.T, "events", tr.happened(at, 100), want)
	tr.Pay(batch[0].Order.ID)
	tr.Pay(batch[3].Order.ID)
	tr.Refund(batch[3].Order.ID, true)
	tr.Cancel(batch[2].Order.ID)
	tr.Expire()
	after := tr.happened(at, 3)
	same(tr.T, "events", after[:len(want)], want)
	paid := slices.IndexFunc(after, func(e event.Event) bool { return e.Type == order.EventOf(order.Paid) })
	o := tr.Read(batch[0].Order.ID)
	same(tr.T, "paid", after[paid], event.Event{Position: at + int64(paid) + 1, Type: "order.paid.v1", Subject: int64(o.ID), Payload: o.AppendJSON(nil, true), At: o.PaidAt})
}

func eventRefused(tr *Trade) {
	s := tr.Sale(9, 2, mug)
	at := tr.position()
	first := tr.Order(s, 1, "a", Line(mug, 2))
	tr.wantAll([]*order.Draft{first}, order.Accepted)
	tr.wantAll([]*order.Draft{tr.Order(s, 1, "a", Line(mug, 2)), tr.Order(s, 1, "b", Line(mug, 1)), tr.Order(s, 2, "a", Line(mug, 10))},
		order.Replayed, order.LimitReached, order.LimitReached)
	same(tr.T, "events", tr.happened(at, 10), []event.Event{placed(at+1, first)})
	same(tr.T, "reserved", tr.reserved(), map[inventory.Pool]int64{{Sale: s.ID, SKU: mug}: 2})
}

func eventOneByOne(tr *Trade) {
	s := tr.Sale(5, 0, mug, hat)
	at := tr.position()
	batch := []*order.Draft{
		tr.Order(s, 1, "a", Line(mug, 2), Line(hat, 1)), tr.Order(s, 2, "a", Line(mug, 4)), tr.Order(s, 3, "a", Line(mug, 3)),
		tr.Order(s, 4, "a", Line(mug, 1)), tr.Order(s, 5, "a", Line(hat, 4)),
	}
	tr.wantAll(batch, order.Accepted, order.SoldOut, order.Accepted, order.SoldOut, order.Accepted)
	same(tr.T, "events", tr.happened(at, 2), []event.Event{placed(at+1, batch[0]), placed(at+2, batch[2]), placed(at+3, batch[4])})
	same(tr.T, "reserved", tr.reserved(), map[inventory.Pool]int64{{Sale: s.ID, SKU: mug}: 5, {Sale: s.ID, SKU: hat}: 5})
	tr.Receive(mug, 1) // the next event follows
	same(tr.T, "position", tr.position(), at+4)
}

// walk runs a random trade. It returns the accepted drafts in the order of their commits.
func (tr *Trade) walk(steps int) []*order.Draft {
	tr.T.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	drop := tr.Sale(60, 4, mug, hat)
	tr.Receive(mug, 30)
	var accepted []*order.Draft
	for step := range steps {
		var batch []*order.Draft
		for n := range random.IntN(9) {
			s, lines := drop, []inventory.Line{Line(mug, random.Int64N(3)+1)}
			if random.IntN(4) == 0 {
				s = nil
			}
			if s != nil && random.IntN(3) == 0 {
				lines = append(lines, Line(hat, 1))
			}
			key := fmt.Sprint(step, "-", n)
			if random.IntN(6) == 0 {
				key = "same"
			}
			batch = append(batch, tr.Order(s, id.Customer(random.Int64N(30)+1), key, lines...))
		}
		tr.Clock.Advance(time.Millisecond)
		if len(batch) > 0 {
			for i, out := range tr.Commit(batch...) {
				if out.Result == order.Accepted {
					accepted = append(accepted, batch[i])
				}
			}
		}
		switch random.IntN(6) {
		case 0:
			tr.Receive(hat, 1)
		case 1:
			if o := tr.some(random, accepted); o.Status == order.Pending {
				tr.Cancel(o.ID)
			}
		case 2:
			if o := tr.some(random, accepted); o.Status == order.Pending {
				tr.Pay(o.ID)
			}
		}
	}
	return accepted
}

func (tr *Trade) some(random *rand.Rand, accepted []*order.Draft) order.Order {
	if len(accepted) == 0 {
		return order.Order{}
	}
	return tr.Read(accepted[random.IntN(len(accepted))].Order.ID)
}

func eventCursors(tr *Trade) {
	accepted := tr.walk(60)
	all := tr.happened(0, 1<<20)
	same(tr.T, "events", int64(len(all)), tr.position())
	n := 0
	for _, e := range all {
		if e.Type != order.EventPlaced {
			continue
		}
		if n < len(accepted) {
			same(tr.T, fmt.Sprint("event ", e.Position), e, placed(e.Position, accepted[n]))
		}
		n++
	}
	same(tr.T, "orders announced", n, len(accepted))
	for _, limit := range []int{1, 2, 7} {
		same(tr.T, fmt.Sprint("in portions of ", limit), tr.happened(0, limit), all)
	}
	rapid.Check(tr.T.(*testing.T), func(t *rapid.T) {
		after := rapid.IntRange(0, len(all)).Draw(t, "after")
		limit := rapid.IntRange(1, 40).Draw(t, "limit")
		stamp(tr.T, tr.Store)
		got, err := tr.Store.Events(tr.T.Context(), int64(after), limit)
		if err != nil {
			t.Fatal(err)
		}
		want := all[after:min(after+limit, len(all))]
		if len(got) != len(want) {
			t.Fatalf("%d events, want %d", len(got), len(want))
		}
		for i := range want {
			if got[i].Position != want[i].Position || string(got[i].Payload) != string(want[i].Payload) {
				t.Fatalf("event %d is %d: %s, want %s", want[i].Position, got[i].Position, got[i].Payload, want[i].Payload)
			}
		}
	})
}

// reserved adds up the reservations in the rows of commits.
func (tr *Trade) reserved() map[inventory.Pool]int64 {
	tr.T.Helper()
	sums := map[inventory.Pool]int64{}
	tr.audited(func(s audit.Snapshot) error {
		return s.Movements(tr.T.Context(), -1, 0, func(m *audit.Movement) error {
			if m.Kind == inventory.Reserve {
				sums[m.Pool] += m.Units
			}
			return nil
		})
	})
	return sums
}

func eventLedger(tr *Trade) {
	want := map[inventory.Pool]int64{}
	for _, d := range tr.walk(40) {
		for _, l := range d.Order.Lines {
			want[inventory.Pool{Sale: d.Order.Sale, SKU: l.SKU}] += l.Units
		}
	}
	same(tr.T, "reserved", tr.reserved(), want)
	report, err := audit.NewService(tr.Store, nil, clock.System{}).Run(tr.T.Context(), nil)
	must(tr.T, err)
	if !report.OK {
		tr.T.Errorf("%+v", report.Invariants)
	}
}
