package queue_test

import (
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/order/queue"
	"github.com/tidegate/tidegate/internal/shoptest"
)

// shop is the order path with its queue, over the real store and gate.
type shop struct {
	*shoptest.Selling
	t      testing.TB
	log    *memoryLog
	intake *queue.Intake
	worker *queue.Worker
	orders *order.Service
}

func must[T any](v T, err error) func(testing.TB) T { return shoptest.Must(v, err) }

func check(t testing.TB, err error) {
	t.Helper()
	shoptest.Check(t, err)
}

func newShop(t testing.TB, change ...func(*order.Config)) *shop {
	t.Helper()
	s := &shop{Selling: shoptest.Open(t).Sell(), t: t, log: &memoryLog{}}
	s.open(change...)
	return s
}

// open makes the modules as a process that starts does, with the gate as the database has it.
func (s *shop) open(change ...func(*order.Config)) {
	s.t.Helper()
	config := order.DefaultConfig()
	config.Intake, config.AnswerWithin = order.IntakeQueue, answerWithin
	for _, f := range change {
		f(&config)
	}
	s.Selling = s.Sell()
	s.rewire(s.Committer(s.Store, config), config)
}

// answerWithin is as long as can be: a test that means to meet its end sets its own.
const answerWithin = 30 * time.Second

// rewire makes the intake and the orders anew over another committer and configuration.
func (s *shop) rewire(committer *order.Committer, config order.Config) {
	s.intake = queue.New(queue.Parts{
		Log: s.log, Committer: committer, Gate: s.Gate, Store: s.Store, Clock: s.Clock, Mint: s.Mint, Config: config, Observer: quiet{},
	})
	s.worker = queue.NewWorker(s.intake, s.Book)
	s.orders = s.Orders(s.Store, s.intake, config)
	s.Drive(committer.Wake(), committer.Step)
	for range 2 {
		s.Drive(s.intake.Wake(), s.intake.AppendStep)
	}
}

// sale opens a sale of units of SKU 1.
func (s *shop) sale(units, limit int64) id.Sale {
	s.t.Helper()
	return s.Open(units, limit, 1)
}

func (s *shop) place(sl id.Sale, c id.Customer, key string) (order.Placed, error) {
	return s.orders.Place(s.t.Context(), order.Request{Customer: c, Sale: sl, Key: key, Lines: []inventory.Line{{SKU: 1, Units: 1}}})
}

// queued places an order that must be queued.
func (s *shop) queued(sl id.Sale, c id.Customer, key string) order.Placed {
	s.t.Helper()
	p := must(s.place(sl, c, key))(s.t)
	if !p.Undecided || p.Order.Status != order.Queued || p.Ticket == "" {
		s.t.Fatalf("got %+v, want queued with a ticket", p)
	}
	return p
}

// settle settles everything in the log, each message by itself.
func (s *shop) settle() {
	s.t.Helper()
	for _, m := range s.log.all() {
		check(s.t, s.worker.Process(s.t.Context(), [][]byte{m}))
	}
	s.Follow()
}

// fate follows a ticket.
func (s *shop) fate(p order.Placed, wait time.Duration) (order.Placed, error) {
	s.t.Helper()
	return s.orders.Follow(s.t.Context(), must(s.orders.Ticket(p.Ticket))(s.t), wait)
}

// agrees checks the pool's row, and that the gate has the same available units.
func (s *shop) agrees(sl id.Sale, reserved int64) {
	s.t.Helper()
	s.Follow()
	for _, p := range must(s.Store.Pools(s.t.Context(), 1))(s.t) {
		level, held := s.Gate.Available(p.Pool)
		if !held || level != p.Available() {
			s.t.Errorf("pool %+v: %d at the gate (%t), %d in the database", p.Pool, level, held, p.Available())
		}
		if p.Sale == sl && p.Reserved != reserved {
			s.t.Errorf("%d units are reserved, want %d", p.Reserved, reserved)
		}
	}
}

// overload loads a gate that thinks that a pool has more than it has.
func (s *shop) overload(sl id.Sale, units int64) {
	s.t.Helper()
	snap := must(s.Store.GateSnapshot(s.t.Context()))(s.t)
	for i := range snap.Stock {
		if snap.Stock[i].Sale == sl {
			snap.Stock[i].OnHand = units + snap.Stock[i].Reserved
		}
	}
	check(s.t, s.Gate.Load(s.t.Context(), snap))
}

// receive puts units of SKU 1 into general stock.
func (s *shop) receive(units int64) {
	s.t.Helper()
	s.Receive(1, units)
	s.Follow()
}

func (s *shop) placed() int {
	s.t.Helper()
	return len(must(s.Store.Orders(s.t.Context(), order.Filter{Limit: 200}))(s.t))
}

// fateOf reads an order of another process's ticket by its owner.
func (s *shop) fateOf(p order.Placed) (order.Placed, error) {
	return s.orders.Get(s.t.Context(), 9, p.Order.ID, 0)
}
