package storetest

import (
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/sale"
	"github.com/tidegate/tidegate/internal/store"
)

// Epoch checks what a shared gate needs of the database.
func Epoch(t *testing.T, open func(t *testing.T) *store.Store) {
	for _, c := range []struct {
		name  string
		check func(*Trade)
	}{
		{"an epoch begins once, and opens once", epochs},
		{"placed orders are told in the order of commits, from any position", placedOrders},
		{"which orders are known", knownOrders},
		{"an order of an epoch is committed until another one is opened", ordersOfEpochs},
	} {
		t.Run(c.name, func(t *testing.T) { c.check(NewTrade(t, open(t))) })
	}
}

func epochs(tr *Trade) {
	ctx, s := tr.T.Context(), tr.Store
	is := func(want inventory.Epoch) {
		tr.T.Helper()
		got, err := s.GateEpoch(ctx)
		must(tr.T, err)
		same(tr.T, "the epoch", got, want)
	}
	begins := func(after int64, want bool) {
		tr.T.Helper()
		got, err := s.BeginGateEpoch(ctx, after)
		must(tr.T, err)
		same(tr.T, "begins", got, want)
	}
	opens := func(e inventory.Epoch, want bool) {
		tr.T.Helper()
		got, err := s.OpenGateEpoch(ctx, e)
		must(tr.T, err)
		same(tr.T, "opens", got, want)
	}
	is(inventory.Epoch{})
	begins(0, true)
	begins(0, false)
	is(inventory.Epoch{Number: 1})
	closes := func(number int64, want bool) {
		tr.T.Helper()
		got, err := s.CloseGateEpoch(ctx, number)
		must(tr.T, err)
		same(tr.T, "closes", got, want)
	}
	closes(1, false)
	first := inventory.Epoch{Number: 1, Ready: true, Opened: 1, Position: 7, Engine: "a,b"}
	opens(first, true)
	opens(first, false)
	is(first)
	closes(2, false)
	closes(1, true)
	closes(1, false)
	first.Ready = false
	is(first)
	opens(first, false) // by the process that opened it, again
	begins(1, true)
	begins(2, true) // the process that began 2 was slow
	opens(inventory.Epoch{Number: 2, Ready: true}, false)
	is(inventory.Epoch{Number: 3, Opened: 1})
	must(tr.T, s.AwaitBatches(ctx))

	before := time.Now().Truncate(time.Millisecond)
	now, err := s.Now(ctx)
	must(tr.T, err)
	if now.Before(before.Add(-time.Minute)) || now.After(time.Now().Add(time.Minute)) {
		tr.T.Errorf("the database's clock says %s, this process's %s", now, before)
	}
}

func placedOrders(tr *Trade) {
	s, other := tr.Sale(9, 0, mug, hat), tr.Sale(9, 0, mug)
	from := tr.position()
	batch := []*order.Draft{
		tr.Order(s, 1, "a", Line(mug, 2)),
		tr.Order(s, 2, "a", Line(mug, 90)),
		tr.Order(s, 3, "a", Line(mug, 1), Line(hat, 3)),
	}
	tr.wantAll(batch, order.Accepted, order.SoldOut, order.Accepted)
	tr.Limit(other.ID, 9)
	middle := tr.position()
	mixed := []*order.Draft{tr.Order(s, 4, "a", Line(mug, 1)), tr.Order(nil, 4, "a", Line(mug, 1))}
	tr.Receive(mug, 1)
	late := tr.position()
	tr.wantAll(mixed, order.Accepted, order.Accepted)
	end := tr.position()

	brief, filled := []inventory.Placed{}, []inventory.Placed{}
	for i, d := range []*order.Draft{batch[0], batch[2], mixed[0], mixed[1]} {
		one := inventory.Placed{Position: from + 1 + int64(i), Order: d.Order.ID, Sale: s.ID}
		if i > 1 { // a commit of several sales names none
			one.Position, one.Sale = late+1+int64(i-2), 0
		}
		brief = append(brief, one)
		one.Sale, one.Customer, one.Key, one.Body, one.Lines = d.Claim.Sale, d.Order.Customer, "a", d.Claim.Body, d.Claim.Lines
		filled = append(filled, one)
	}
	read := func(after int64, limit, first, last int, reached int64) {
		tr.T.Helper()
		got, end, err := tr.Store.GatePlaced(tr.T.Context(), after, limit)
		must(tr.T, err)
		same(tr.T, "placed", append([]inventory.Placed{}, got...), brief[first:last])
		same(tr.T, "reached", end, reached)
		all := make([]*inventory.Placed, len(got))
		for i := range got {
			all[i] = &got[i]
		}
		must(tr.T, tr.Store.FillPlaced(tr.T.Context(), all))
		same(tr.T, "filled", append([]inventory.Placed{}, got...), filled[first:last])
	}
	read(from, 100, 0, 4, end)
	read(from, 1, 0, 2, from+2)
	read(from+1, 1, 0, 2, from+2) // in the middle of the row: returns the whole row
	read(from+2, 1, 2, 2, middle)
	read(late, 100, 2, 4, end)
	read(end, 100, 4, 4, end)
	missing := inventory.Placed{Position: 1, Order: 1}
	if err := tr.Store.FillPlaced(tr.T.Context(), []*inventory.Placed{&missing}); err == nil {
		tr.T.Error("an order that is not there was filled")
	}
}

func knownOrders(tr *Trade) {
	s := tr.Sale(9, 0, mug)
	o := tr.Buy(s, 1, "a", Line(mug, 1))
	got, err := tr.Store.KnownOrders(tr.T.Context(), []id.Order{o + 1, o, o + 2})
	must(tr.T, err)
	same(tr.T, "known", got, map[id.Order]bool{o: true})
}

// P32: an order that was reserved in an epoch is committed until another epoch is opened. An order without a
// reservation is committed while no epoch is open. This holds alone and in a batch, in a sale and in general stock.
func ordersOfEpochs(tr *Trade) {
	ctx, s := tr.T.Context(), tr.Store
	const reserved, bypassed, queued = "reserved", "bypassed", "queued"
	customer := id.Customer(0)
	draft := func(of *sale.Sale, epoch int64, how string) *order.Draft {
		customer++
		d := tr.shared(of, customer, "a", 0, Line(mug, 1))
		d.Claim.Epoch, d.Claim.Bypassed = epoch, how == bypassed
		if how == queued {
			d.Claim.Queued, d.Claim.Deadline = true, 0
		}
		return d
	}
	sl := tr.Sale(500, 9, mug)
	tr.Receive(mug, 500)
	_, err := s.BeginGateEpoch(ctx, 0)
	must(tr.T, err)
	_, err = s.OpenGateEpoch(ctx, inventory.Epoch{Number: 1})
	must(tr.T, err)
	for _, step := range []struct {
		name string
		do   func() (bool, error)
		want map[string]order.Result // of epoch 1
	}{
		{"it is open", func() (bool, error) { return true, nil }, map[string]order.Result{reserved: order.Accepted, queued: order.Accepted, bypassed: order.Fenced}},
		{"it is closed", func() (bool, error) { return s.CloseGateEpoch(ctx, 1) }, map[string]order.Result{reserved: order.Accepted, queued: order.Accepted, bypassed: order.Accepted}},
		{"the next one is built", func() (bool, error) { return s.BeginGateEpoch(ctx, 1) }, map[string]order.Result{reserved: order.Accepted, queued: order.Accepted, bypassed: order.Accepted}},
		{"the next one is open", func() (bool, error) { return s.OpenGateEpoch(ctx, inventory.Epoch{Number: 2}) }, map[string]order.Result{reserved: order.Fenced, queued: order.Declined, bypassed: order.Fenced}},
		{"the next one is closed", func() (bool, error) { return s.CloseGateEpoch(ctx, 2) }, map[string]order.Result{reserved: order.Fenced, queued: order.Declined, bypassed: order.Fenced}},
	} {
		if done, err := step.do(); err != nil || !done {
			tr.T.Fatalf("%s: %t, %v", step.name, done, err)
		}
		for how, want := range step.want {
			for _, of := range []*sale.Sale{sl, nil} {
				alone := draft(of, 1, how)
				if out := tr.Commit(alone)[0]; out.Result != want {
					tr.T.Errorf("%s: an order that is %s, of general stock %t, alone: %s, want %s", step.name, how, of == nil, out.Result, want)
				}
				among := draft(of, 1, how)
				out := tr.Commit(draft(of, 0, reserved), among, draft(of, 0, reserved))
				if out[0].Result != order.Accepted || out[1].Result != want || out[2].Result != order.Accepted {
					tr.T.Errorf("%s: an order that is %s, of general stock %t, among others: %s, want %s", step.name, how, of == nil, out[1].Result, want)
				}
				if want != order.Accepted {
					tr.absent(alone, among)
				}
			}
		}
	}
}
