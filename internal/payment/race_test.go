package payment_test

import (
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/payment"
)

// TestPayAgainstExpireAgainstCancel runs payments, notifications, cancellations and two expiry workers concurrently
// while the clock passes the orders' deadline. Each order ends once (I5, I6, I9).
func TestPayAgainstExpireAgainstCancel(t *testing.T) {
	s := newShop(t, raceOrders)
	var orders []id.Order
	for range raceOrders / 100 {
		orders = append(orders, s.place(0, 100, 1)...)
	}
	s.Clock.Advance(window - time.Minute)
	attempts := map[id.Order]payment.Attempt{}
	for i, o := range orders {
		if i%5 != 0 { // the others have no attempt
			a, err := s.Start(s.ctx, shopper, o, "")
			s.must(err)
			attempts[o] = a
		}
	}
	s.race(orders, attempts)
	s.afterAll(s.Service)
	ends := map[order.Status]int64{}
	for _, o := range orders {
		ends[s.status(o)]++
	}
	t.Logf("the ends: %v", ends)
	if ends[order.Pending] != 0 || ends[order.Paid] == 0 || ends[order.Expired] == 0 || ends[order.Cancelled] == 0 {
		t.Errorf("the ends: %v; want each of paid, expired and cancelled, and none pending", ends)
	}
	if got := s.pool(0); got.Sold != ends[order.Paid] || got.Available() != raceOrders-ends[order.Paid] || got.Reserved != 0 {
		t.Errorf("stock %+v after %v", got, ends)
	}
	s.check(true)
	s.lateToAll(orders, attempts)
}

// race runs the actors concurrently while the clock advances. Each visits all orders, in its own sequence.
func (s *shop) race(orders []id.Order, attempts map[id.Order]payment.Attempt) {
	var actors, clockHand sync.WaitGroup
	done := make(chan struct{})
	actor := func(part int, act func(id.Order)) {
		actors.Go(func() {
			for _, i := range rand.Perm(len(orders)) {
				if i%3 == part {
					act(orders[i])
				}
			}
		})
	}
	var passed atomic.Int64
	tick := func() { // the deadline passes half-way
		if passed.Add(1) == int64(len(orders)) {
			s.Clock.Advance(time.Minute)
		}
	}
	pay := func(o id.Order) {
		defer tick()
		a, started := attempts[o]
		if !started {
			return
		}
		if s.settleAtProvider(a.ID, payment.Waiting, payment.Paid) {
			s.complain(s.tell(a, payment.Paid))
			s.complain(s.tell(a, payment.Paid))
		}
	}
	cancel := func(o id.Order) {
		defer tick()
		_, err := s.Cancel(s.ctx, shopper, o)
		if !errors.Is(err, fault.OrderClosed) && !errors.Is(err, fault.BadTransition) {
			s.complain(err)
		}
	}
	// Of every three orders one is paid, one cancelled, and one both concurrently.
	actor(0, pay)
	actor(1, cancel)
	actor(2, pay)
	actor(2, cancel)
	for range 2 {
		clockHand.Go(func() {
			for {
				select {
				case <-done:
					return
				case <-time.After(time.Millisecond):
				}
				_, err := s.PollStep(s.ctx)
				s.complain(err)
				_, err = s.ExpireStep(s.ctx)
				s.complain(err)
			}
		})
	}
	actors.Wait()
	close(done)
	clockHand.Wait()
}

// complain reports an error of a goroutine.
func (s *shop) complain(err error) {
	if err != nil {
		s.t.Error(err)
	}
}

// lateToAll pays every unpaid ended order, with two concurrent notifications each, when stock is left for half of them.
func (s *shop) lateToAll(orders []id.Order, attempts map[id.Order]payment.Attempt) {
	s.t.Helper()
	var late []payment.Attempt
	for _, o := range orders {
		if a, started := attempts[o]; started && s.settleAtProvider(a.ID, payment.Ended, payment.Paid) {
			late = append(late, a)
		}
	}
	expired := s.count("SELECT COUNT(*) FROM orders AS o WHERE status = 'expired' AND EXISTS (SELECT 1 FROM payment_attempt WHERE order_id = o.id)")
	room := expired / 2
	s.stock(room - s.pool(0).Available())
	before := s.pool(0).Sold
	var tellers sync.WaitGroup
	for range 4 {
		tellers.Go(func() {
			for _, i := range rand.Perm(len(late)) {
				s.complain(s.tell(late[i], payment.Paid))
			}
		})
	}
	tellers.Wait()
	s.afterAll(s.Service)
	if got := s.pool(0); got.Sold-before != room || got.Available() != 0 {
		s.t.Errorf("%d of %d late payments were honoured, %d could have been; stock %+v", got.Sold-before, len(late), room, got)
	}
	if n := s.count("SELECT COUNT(*) FROM refund WHERE kind = 'surplus' AND status = 'succeeded'"); n != int64(len(late))-room {
		s.t.Errorf("%d refunds for %d late payments of which %d were honoured", n, len(late), room)
	}
	s.check(true)
}

// TestExpiryKeepsUp: a thousand orders that come due together, half of them with an open attempt, are closed within
// about a second. A provider that does not answer for some of them delays only those.
func TestExpiryKeepsUp(t *testing.T) {
	s := newShop(t, dueOrders)
	orders := append(s.place(0, dueOrders/2, 1), s.place(0, dueOrders/2, 1)...)
	silent := map[id.Attempt]bool{}
	for i, o := range orders[:dueOrders/2] {
		a, err := s.Start(s.ctx, shopper, o, "")
		s.must(err)
		if i%(dueOrders/20) == 0 {
			silent[a.ID] = true
			s.settleAtProvider(a.ID, payment.Waiting, payment.Paid)
		}
	}
	deaf := &deafProvider{Provider: s.sandbox, to: silent}
	on := s.service(s.Store, deaf)
	s.Clock.Advance(window)
	if lag, err := on.Lag(s.ctx); err != nil || lag != 0 {
		t.Errorf("lag at the end itself: %s, %v", lag, err)
	}
	var workers sync.WaitGroup
	for range 2 {
		workers.Go(func() { s.quietFrom(on.PollStep) })
	}
	workers.Wait()
	s.quietFrom(on.ExpireStep)
	if n := s.count("SELECT COUNT(*) FROM orders WHERE status = 'expired'"); n != int64(len(orders)-len(silent)) {
		t.Errorf("%d orders expired, want %d", n, len(orders)-len(silent))
	}
	t.Logf("%d due orders, %d of them silent", len(orders), len(silent))
	s.Clock.Advance(time.Second)
	if lag, err := on.Lag(s.ctx); err != nil || lag != time.Second {
		t.Errorf("lag with orders that nobody answers for: %s, %v", lag, err)
	}
	if n := s.count("SELECT COUNT(*) FROM orders WHERE status = 'pending'"); n != int64(len(silent)) {
		t.Errorf("%d orders wait for the provider, want %d", n, len(silent))
	}
	deaf.heard.Store(true)
	s.Clock.Advance(time.Minute)
	s.quiet(on)
	if n := s.count("SELECT COUNT(*) FROM orders WHERE status = 'paid'"); n != int64(len(silent)) {
		t.Errorf("%d orders were found to be paid, want %d", n, len(silent))
	}
	s.check(true)
}

// quietFrom runs one step until it finds nothing to do.
func (s *shop) quietFrom(step stepFunc) {
	for {
		did, err := step(s.ctx)
		s.complain(err)
		if did == 0 {
			return
		}
	}
}
