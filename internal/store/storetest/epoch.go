package storetest

import (
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/store"
)

// Epoch checks what a gate that several processes share needs of the database.
func Epoch(t *testing.T, open func(t *testing.T) *store.Store) {
	for _, c := range []struct {
		name  string
		check func(*Trade)
	}{
		{"an epoch begins once, and opens once", epochs},
		{"placed orders are told in the order of commits, from any position", placedOrders},
		{"which orders are known", knownOrders},
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
	first := inventory.Epoch{Number: 1, Ready: true, Position: 7, Engine: "a,b"}
	opens(first, true)
	opens(first, false)
	is(first)
	begins(1, true)
	begins(2, true) // whoever began 2 was slow
	opens(inventory.Epoch{Number: 2, Ready: true}, false)
	is(inventory.Epoch{Number: 3})

	before := time.Now().Truncate(time.Millisecond)
	now, err := s.Now(ctx)
	must(tr.T, err)
	if now.Before(before.Add(-time.Minute)) || now.After(time.Now().Add(time.Minute)) {
		tr.T.Errorf("the database's clock says %s, this process's %s", now, before)
	}
}

func placedOrders(tr *Trade) {
	s := tr.Sale(9, 0, mug, hat)
	from := tr.position()
	batch := []*order.Draft{
		tr.Order(s, 1, "a", Line(mug, 2)),
		tr.Order(s, 2, "a", Line(mug, 90)),
		tr.Order(s, 3, "a", Line(mug, 1), Line(hat, 3)),
	}
	tr.wantAll(batch, order.Accepted, order.SoldOut, order.Accepted)
	tr.Limit(s.ID, 9)
	var want []inventory.Placed
	for i, d := range []*order.Draft{batch[0], batch[2]} {
		want = append(want, inventory.Placed{
			Position: from + 1 + int64(i), Order: d.Order.ID, Sale: s.ID, Customer: d.Order.Customer, Key: "a", Body: d.Claim.Body, Lines: d.Claim.Lines,
		})
	}
	read := func(after int64, limit int, want []inventory.Placed, end int64) {
		tr.T.Helper()
		for _, known := range []func(id.Order) *inventory.Claim{nil, func(o id.Order) *inventory.Claim {
			if o == batch[0].Order.ID {
				return &batch[0].Claim
			}
			return nil
		}} {
			got, reached, err := tr.Store.GatePlaced(tr.T.Context(), after, limit, known)
			must(tr.T, err)
			same(tr.T, "placed", got, want)
			same(tr.T, "reached", reached, end)
		}
	}
	end := tr.position()
	read(from, 100, want, end)
	read(from, 1, want, from+2)
	read(from+1, 1, want, from+2) // in the middle of the row: the row as a whole
	read(from+2, 100, nil, end)
	read(end, 100, nil, end)
}

func knownOrders(tr *Trade) {
	s := tr.Sale(9, 0, mug)
	o := tr.Buy(s, 1, "a", Line(mug, 1))
	got, err := tr.Store.KnownOrders(tr.T.Context(), []id.Order{o + 1, o, o + 2})
	must(tr.T, err)
	same(tr.T, "known", got, map[id.Order]bool{o: true})
}
