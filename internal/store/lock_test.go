package store_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/payment"
	"github.com/tidegate/tidegate/internal/sale"
	"github.com/tidegate/tidegate/internal/store"
	"github.com/tidegate/tidegate/internal/store/storetest"
	"github.com/tidegate/tidegate/test/engine"
)

// TestMySQLDeadlocksAreTriedAgain: a crowd at one row is slow, but nobody is turned away.
func TestMySQLDeadlocksAreTriedAgain(t *testing.T) {
	t.Parallel()
	s := openAtAddress(t, engine.MySQL(t))
	ok(t, s.Deadlocked(t.Context(), 20))
}

func TestMySQLChangesAreTriedAgain(t *testing.T)      { t.Parallel(); onMySQL.triesChanges(t) }
func TestPostgreSQLChangesAreTriedAgain(t *testing.T) { t.Parallel(); onPostgreSQL.triesChanges(t) }

// triesChanges: the facts of a transaction's decision changed while it waited, for longer than conflicts are retried.
// The next try decides again.
func (of server) triesChanges(t *testing.T) {
	s := openAtAddress(t, of.database(t))
	s.ConflictFor(0)
	ok(t, s.Changed(t.Context(), 2))
}

func TestMySQLOneLockOrder(t *testing.T)      { t.Parallel(); onMySQL.oneLockOrder(t) }
func TestPostgreSQLOneLockOrder(t *testing.T) { t.Parallel(); onPostgreSQL.oneLockOrder(t) }

// oneLockOrder runs orders, cancellations, payments, refunds and expiry of one sale concurrently at two processes. They
// wait for each other but never deadlock.
func (of server) oneLockOrder(t *testing.T) {
	address := of.database(t)
	stores := []*store.Store{openAtAddress(t, address), openAtAddress(t, address)}
	tr := storetest.NewTrade(t, stores[0])
	c := newCrowd(tr, 1_000_000, 0)
	tr.Receive(1, 1_000_000)
	tr.Receive(2, 1_000_000)
	ctx, stop := context.WithTimeout(t.Context(), 5*time.Second)
	defer stop()
	var made sync.Map
	var newest atomic.Int64
	draw := func(r *rand.Rand) id.Order {
		n := newest.Load()
		if n == 0 {
			return 0
		}
		o, _ := made.Load(n - r.Int64N(min(n, 200)))
		if o == nil {
			return 0
		}
		return o.(id.Order)
	}
	later := tr.Clock.Now().Add(time.Hour) // when every hold has ended
	var all sync.WaitGroup
	each := func(n int, what string, fn func(s *store.Store, r *rand.Rand) error) {
		for p, s := range stores {
			for w := range n {
				all.Go(func() {
					r := rand.New(rand.NewPCG(uint64(p), uint64(w)))
					done := 0
					for ; ctx.Err() == nil; done++ {
						if err := fn(s, r); err != nil {
							t.Errorf("%s: %v", what, err)
							return
						}
					}
					t.Logf("%s: %d", what, done)
				})
			}
		}
	}
	each(2, "batches of orders", func(s *store.Store, r *rand.Rand) error { // two concurrent batches, as in a process
		batch := make([]*order.Draft, 1+r.IntN(30))
		for i := range batch {
			lines := []inventory.Line{storetest.Line(id.SKU(1+r.IntN(2)), 1)}
			if r.IntN(4) == 0 {
				lines = []inventory.Line{storetest.Line(1, 1), storetest.Line(2, 1)}
			}
			sl := c.sale
			if r.IntN(4) == 0 {
				sl = nil
			}
			batch[i] = tr.Order(sl, id.Customer(1+r.IntN(3000)), fmt.Sprint("k", tr.Mint.Next()), lines...)
		}
		outcomes, err := s.CommitOrders(context.Background(), batch, tr.Mint)
		for i, out := range outcomes {
			if out.Result == order.Accepted {
				made.Store(newest.Add(1), batch[i].Order.ID)
			}
		}
		return err
	})
	each(8, "cancellations", func(s *store.Store, r *rand.Rand) error {
		o := draw(r)
		if o == 0 {
			time.Sleep(time.Millisecond)
			return nil
		}
		_, _, err := s.CancelOrder(context.Background(), o, "test", later, tr.Mint)
		return err
	})
	each(3, "payments and refunds", func(s *store.Store, r *rand.Rand) error {
		var reports []payment.ReportEntry
		for range 1 + r.IntN(5) {
			o := draw(r)
			if o == 0 {
				time.Sleep(time.Millisecond)
				continue
			}
			a, _, err := s.BeginAttempt(context.Background(), payment.Attempt{
				ID: id.New[id.Attempt](tr.Mint), Order: o, Provider: "test", Status: payment.Starting, Amount: tr.Read(o).Total,
				CreatedAt: tr.Clock.Now(), ExpiresAt: later, LookAt: tr.Clock.Now(),
			})
			if errors.Is(err, fault.OrderClosed) {
				continue
			}
			if err != nil {
				return err
			}
			reports = append(reports, payment.ReportEntry{
				Report: payment.Report{Attempt: a.ID, Order: o, State: payment.Paid, Amount: a.Amount, Reference: a.ID.String()},
				Refund: id.New[id.Refund](tr.Mint), At: tr.Clock.Now(), Mint: tr.Mint,
			})
		}
		if len(reports) == 0 {
			return nil
		}
		settled, err := s.RecordReports(context.Background(), reports)
		for _, one := range settled {
			err = errors.Join(err, one.Err)
		}
		if err != nil {
			return err
		}
		refund, err := s.RequestRefund(context.Background(), payment.RefundRequest{
			Refund: id.New[id.Refund](tr.Mint), Order: reports[0].Report.Order, Reason: "test", Restock: true, Actor: "test", At: later,
		})
		if err != nil {
			return err
		}
		_, err = s.RecordRefund(context.Background(), refund.ID, payment.Refunded, "", later, tr.Mint)
		return err
	})
	each(1, "claims of attempts", func(s *store.Store, _ *rand.Rand) error {
		_, err := s.ClaimAttempts(context.Background(), later, 100, func(*payment.Attempt, bool) time.Time { return tr.Clock.Now() })
		return err
	})
	each(1, "expiry", func(s *store.Store, _ *rand.Rand) error {
		_, stuck, err := s.ExpireOrders(context.Background(), later, tr.Mint)
		return errors.Join(append(stuck, err)...)
	})
	each(1, "the sale's allocation and stock by hand", func(s *store.Store, r *rand.Rand) error {
		_, err := s.AllocateSale(context.Background(), sale.Allocation{
			Sale: c.sale.ID, SKU: id.SKU(1 + r.IntN(2)), Units: int64(1 - 2*r.IntN(2)), Actor: "test", Reason: "test", At: tr.Clock.Now(), Mint: tr.Mint,
		})
		two := make([]inventory.Adjustment, 2)
		for i := range two {
			two[i] = inventory.Adjustment{SKU: id.SKU(2 - i), Kind: inventory.Receive, Units: 1, Reason: "test", Actor: "test", Key: fmt.Sprint("h", tr.Mint.Next())}
		}
		return errors.Join(err, s.AdjustStocks(context.Background(), two, []id.Movement{id.New[id.Movement](tr.Mint), id.New[id.Movement](tr.Mint)}, tr.Clock.Now()))
	})
	all.Wait()
	for _, s := range stores {
		if n := s.Deadlocks(); n > 0 {
			t.Errorf("%d transactions waited in a circle", n)
		}
	}
	audited(t, stores[0])
}
