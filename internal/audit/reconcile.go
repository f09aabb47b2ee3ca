package audit

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/fault"
)

// RepairReport says what a reconcile found, and whether it was changed.
type RepairReport struct {
	Applied bool
	At      time.Time
	Changes []Change
	Note    string // what could not be compared
}

// Change is a value that is derived and was wrong.
type Change struct {
	What    string
	Was, Is string
}

// How a gate is waited for: until nothing is under way, which on a busy night may never come.
const (
	quietTries = 40
	quietPause = 50 * time.Millisecond
)

// Reconcile rebuilds what is derived from the ledger: the rows of stock, and the gate of the running shop. Without apply it
// only says what it would change. It never writes to the ledger. progress may be nil. It returns fault.Overloaded where
// an audit or a repair is under way already, and fault.Conflict where the ledger's sums cannot be stock.
func (s *Service) Reconcile(ctx context.Context, apply bool, progress Progress) (RepairReport, error) {
	if !s.one.TryLock() {
		return RepairReport{}, errBusy()
	}
	defer s.one.Unlock()
	out := RepairReport{Applied: apply, At: s.clock.Now(), Changes: []Change{}}
	repairs, err := s.stockRepairs(ctx, &out, progress)
	if err != nil {
		return out, err
	}
	if apply && len(repairs) > 0 {
		if err := s.store.RepairStock(ctx, repairs); err != nil {
			return out, err
		}
	}
	if s.gate == nil {
		return out, nil
	}
	return out, s.reconcileGate(ctx, apply, &out)
}

// stockRepairs compares the rows of stock with the sums of the ledger, at one moment.
func (s *Service) stockRepairs(ctx context.Context, out *RepairReport, progress Progress) ([]Repair, error) {
	var repairs []Repair
	err := s.store.AuditSnapshot(ctx, func(snap Snapshot) error {
		r := newRun(snap, s.most, progress)
		err := snap.Movements(ctx, -1<<63, 1<<63-1, func(m *Movement) error {
			r.tick()
			if m.Unreadable != nil { // what it has moved where is not known, so no row can be right by the ledger
				return fmt.Errorf("the pools of movement %s cannot be read: %w", m.Row, m.Unreadable)
			}
			r.addMovement(m)
			return nil
		})
		if err != nil {
			return err
		}
		err = snap.Pools(ctx, func(st inventory.Stock) error {
			r.pool(st.Pool).row = st
			return nil
		})
		if err != nil {
			return err
		}
		for _, p := range slices.SortedFunc(maps.Keys(r.pools), comparePools) {
			t := r.pools[p]
			d := inventory.Delta{OnHand: t.ledger.OnHand - t.row.OnHand, Reserved: t.ledger.Reserved - t.row.Reserved, Sold: t.ledger.Sold - t.row.Sold}
			if (d == inventory.Delta{}) {
				continue
			}
			if t.ledger.Reserved < 0 || t.ledger.Sold < 0 || t.ledger.Reserved > t.ledger.OnHand {
				return fault.New(fault.Conflict, "The ledger of the %s sums up to %d on hand, %d reserved, %d sold, which cannot be: nothing was changed.", poolSubject(p), t.ledger.OnHand, t.ledger.Reserved, t.ledger.Sold)
			}
			repairs = append(repairs, Repair{p, d})
			out.stock(p, "on hand", t.row.OnHand, t.ledger.OnHand)
			out.stock(p, "reserved", t.row.Reserved, t.ledger.Reserved)
			out.stock(p, "sold", t.row.Sold, t.ledger.Sold)
		}
		return nil
	})
	return repairs, err
}

func (r *RepairReport) stock(p inventory.Pool, what string, was, is int64) {
	if was != is {
		r.Changes = append(r.Changes, Change{poolSubject(p).String() + ", " + what, strconv.FormatInt(was, 10), strconv.FormatInt(is, 10)})
	}
}

// reconcileGate compares the gate with the database when nothing is under way, twice, and rebuilds it where both times the
// same differences were found: a reservation between its two steps makes a difference that passes.
func (s *Service) reconcileGate(ctx context.Context, apply bool, out *RepairReport) error {
	var last []inventory.Difference
	for try := range quietTries {
		if try > 0 {
			select {
			case <-time.After(quietPause):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		found, quiet, err := s.gate.Compare(ctx)
		if err != nil {
			return err
		}
		if !quiet {
			last = nil
			continue
		}
		if len(found) == 0 {
			return nil
		}
		slices.SortFunc(found, func(x, y inventory.Difference) int { return comparePools(x.Pool, y.Pool) })
		if !slices.Equal(found, last) {
			last = found
			continue
		}
		for _, d := range found {
			out.stock(d.Pool, "available at the gate", d.Gate, d.Store)
		}
		if !apply {
			return nil
		}
		return s.gate.Load(ctx)
	}
	out.Note = "The gate was not compared: orders were under way all the time. Try again, or pause the sale first."
	return nil
}

func comparePools(x, y inventory.Pool) int {
	return cmp.Or(cmp.Compare(x.Sale, y.Sale), cmp.Compare(x.SKU, y.SKU))
}
