package payment_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/payment"
	"github.com/tidegate/tidegate/internal/payment/sandbox"
)

type stepFunc = func(context.Context) (int, error)

// deafFor is how long a call to the deaf provider hangs.
const deafFor = 300 * time.Millisecond

// deafProvider does not answer for some attempts until heard is set.
type deafProvider struct {
	payment.Provider
	to    map[id.Attempt]bool
	heard atomic.Bool
}

func (p *deafProvider) Close(ctx context.Context, a payment.Attempt) (payment.Report, error) {
	if p.to[a.ID] && !p.heard.Load() {
		time.Sleep(deafFor)
		return payment.Report{}, context.DeadlineExceeded
	}
	return p.Provider.Close(ctx, a)
}

// brokenProvider panics for one attempt, like a driver with a bug.
type brokenProvider struct {
	payment.Provider
	at id.Attempt
}

func (p *brokenProvider) Close(ctx context.Context, a payment.Attempt) (payment.Report, error) {
	if a.ID == p.at {
		panic("what nobody had thought of")
	}
	return p.Provider.Close(ctx, a)
}

// P5: a panic in the call for one attempt ends neither the process nor the other calls. The attempt's order waits.
func TestAPanicInOneCallEndsNoOther(t *testing.T) {
	s := newShop(t, 3)
	broken := &brokenProvider{Provider: s.sandbox}
	for _, o := range s.place(0, 3, 1) {
		a, err := s.Start(s.ctx, shopper, o, "")
		s.must(err)
		broken.at = a.ID
	}
	on := s.service(s.Store, broken)
	s.Clock.Advance(window)
	if n, err := on.PollStep(s.ctx); n != 3 || err != nil {
		t.Errorf("%d were asked after, want 3; %v", n, err)
	}
	for range 3 {
		_, err := on.ExpireStep(s.ctx)
		s.must(err)
	}
	if n := s.count("SELECT COUNT(*) FROM orders WHERE status = 'expired'"); n != 2 {
		t.Errorf("%d orders have expired, want 2", n)
	}
	broken.at = 0
	s.Clock.Advance(time.Minute)
	s.quiet(on)
	s.check(true)
}

var (
	errDead = errors.New("the process has died")
	errLost = fmt.Errorf("lost: %w", context.DeadlineExceeded)
)

// fuse fails the call at its position: before it is made, or after it and before its answer arrives. If dead, every
// later call fails too, because the process is gone.
type fuse struct {
	mu    sync.Mutex
	at    int // the call, counted from 1; each call counts twice, for its two sides
	dead  bool
	err   error
	calls int
	blown bool
}

// pass counts one side of a call.
func (f *fuse) pass() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	if f.calls == f.at || f.dead && f.blown {
		f.blown = true
		return f.err
	}
	return nil
}

// through makes a call that can fail on both sides.
func through[T any](f *fuse, call func() (T, error)) (none T, err error) {
	if err := f.pass(); err != nil {
		return none, err
	}
	out, err := call()
	if err := f.pass(); err != nil {
		return none, err
	}
	return out, err
}

// fusedProvider is the sandbox behind a fuse.
type fusedProvider struct {
	payment.Provider
	f *fuse
}

func (p fusedProvider) Start(ctx context.Context, a payment.Attempt) (payment.Report, error) {
	return through(p.f, func() (payment.Report, error) { return p.Provider.Start(ctx, a) })
}

func (p fusedProvider) Query(ctx context.Context, a payment.Attempt) (payment.Report, error) {
	return through(p.f, func() (payment.Report, error) { return p.Provider.Query(ctx, a) })
}

func (p fusedProvider) Close(ctx context.Context, a payment.Attempt) (payment.Report, error) {
	return through(p.f, func() (payment.Report, error) { return p.Provider.Close(ctx, a) })
}

func (p fusedProvider) Refund(ctx context.Context, a payment.Attempt, r payment.Refund) (bool, error) {
	return through(p.f, func() (bool, error) { return p.Provider.Refund(ctx, a, r) })
}

// fusedStore is the store with a fuse before and after each writing transaction.
type fusedStore struct {
	payment.Store
	f *fuse
}

type begun struct {
	a       payment.Attempt
	created bool
}

func (s fusedStore) BeginAttempt(ctx context.Context, a payment.Attempt) (payment.Attempt, bool, error) {
	out, err := through(s.f, func() (b begun, err error) { b.a, b.created, err = s.Store.BeginAttempt(ctx, a); return b, err })
	return out.a, out.created, err
}

func (s fusedStore) PayFree(ctx context.Context, a payment.Attempt, mint *id.Mint) (payment.Attempt, error) {
	return through(s.f, func() (payment.Attempt, error) { return s.Store.PayFree(ctx, a, mint) })
}

func (s fusedStore) RecordReports(ctx context.Context, all []payment.ReportEntry) ([]payment.RecordedReport, error) {
	return through(s.f, func() ([]payment.RecordedReport, error) { return s.Store.RecordReports(ctx, all) })
}

func (s fusedStore) ClaimAttempts(ctx context.Context, now time.Time, n int, next func(*payment.Attempt, bool) time.Time) ([]payment.DueAttempt, error) {
	return through(s.f, func() ([]payment.DueAttempt, error) { return s.Store.ClaimAttempts(ctx, now, n, next) })
}

func (s fusedStore) ExpireOrders(ctx context.Context, now time.Time, mint *id.Mint) (ended int, stuck []error, err error) {
	ended, err = through(s.f, func() (n int, err error) { n, stuck, err = s.Store.ExpireOrders(ctx, now, mint); return n, err })
	return ended, stuck, err
}

func (s fusedStore) CancelOrder(ctx context.Context, o id.Order, actor string, now time.Time, mint *id.Mint) (after order.Order, live bool, err error) {
	after, err = through(s.f, func() (a order.Order, err error) {
		a, live, err = s.Store.CancelOrder(ctx, o, actor, now, mint)
		return a, err
	})
	return after, live, err
}

func (s fusedStore) RequestRefund(ctx context.Context, r payment.RefundRequest) (payment.Refund, error) {
	return through(s.f, func() (payment.Refund, error) { return s.Store.RequestRefund(ctx, r) })
}

func (s fusedStore) ClaimRefunds(ctx context.Context, now time.Time, n int, next func(*payment.Refund) time.Time) ([]payment.DueRefund, error) {
	return through(s.f, func() ([]payment.DueRefund, error) { return s.Store.ClaimRefunds(ctx, now, n, next) })
}

func (s fusedStore) RecordRefund(ctx context.Context, r id.Refund, to payment.RefundStatus, refusal string, at time.Time, mint *id.Mint) (payment.Refund, error) {
	return through(s.f, func() (payment.Refund, error) { return s.Store.RecordRefund(ctx, r, to, refusal, at, mint) })
}

// story is a sequence of acts on one order. Only the final state is checked, not the answers.
type story struct {
	name string
	end  order.Status
	acts []act
	free bool // its total is zero
}

func start(s *shop, on *payment.Service, o id.Order)  { _, _ = on.Start(s.ctx, shopper, o, "") }
func cancel(s *shop, on *payment.Service, o id.Order) { _, _ = on.Cancel(s.ctx, shopper, o) }
func refund(s *shop, on *payment.Service, o id.Order) {
	_, _ = on.Refund(s.ctx, payment.RefundRequest{Order: o, Reason: "asked", Actor: "ops"})
}
func steps(s *shop, on *payment.Service, _ id.Order) {
	for range 4 {
		for _, step := range []stepFunc{on.PollStep, on.ExpireStep, on.RefundStep} {
			_, _ = step(s.ctx)
		}
		s.Clock.Advance(closeEvery) // claims of a dead process come due again
	}
}
func overdue(s *shop, _ *payment.Service, o id.Order) {
	found, err := s.Store.Order(s.ctx, o)
	s.must(err)
	if s.Clock.Now().Before(found.ExpiresAt) {
		s.Clock.Set(found.ExpiresAt)
	}
}

// pay pays every attempt of the order at the cashier.
func pay(s *shop, _ *payment.Service, o id.Order) {
	for _, a := range s.attempts(o) {
		s.settleAtProvider(a.ID, payment.Waiting, payment.Paid)
	}
}

// force takes money for attempts that the provider has already closed.
func force(s *shop, _ *payment.Service, o id.Order) {
	for _, a := range s.attempts(o) {
		s.settleAtProvider(a.ID, payment.Ended, payment.Paid)
	}
}

// notify sends the true state, as the sandbox would.
func notify(s *shop, on *payment.Service, o id.Order) {
	for _, a := range s.attempts(o) {
		one, err := s.Store.SandboxPayment(s.ctx, a.ID)
		if err != nil || one.Status == payment.Waiting {
			continue
		}
		h, body := s.notification(a, one.Status, nil)
		_ = on.Notify(s.ctx, sandbox.Name, h, body)
	}
}

func (s *shop) attempts(o id.Order) []payment.Attempt {
	s.t.Helper()
	all, err := s.Store.Attempts(s.ctx, o)
	s.must(err)
	return all
}

// closeEvery is the interval between polls of a young attempt or refund that is due.
const closeEvery = time.Minute

type act = func(*shop, *payment.Service, id.Order)

var stories = []story{
	{"paid and notified", order.Paid, []act{start, pay, notify}, false},
	{"paid, never notified", order.Paid, []act{start, pay, overdue, steps}, false},
	{"not paid", order.Expired, []act{start, overdue, steps}, false},
	{"cancelled", order.Cancelled, []act{start, cancel}, false},
	{"cancelled when it is paid", order.Paid, []act{start, pay, cancel}, false},
	{"cancelled, then paid all the same", order.Cancelled, []act{start, cancel, force, notify, steps}, false},
	{"expired, then paid all the same", order.Paid, []act{start, overdue, steps, force, notify, steps}, false},
	{"refunded", order.Refunded, []act{start, pay, notify, refund, steps}, false},
	{"free", order.Paid, []act{start, cancel, overdue, steps}, true},
	{"free, too late", order.Expired, []act{overdue, start, steps, start}, true},
	{"free, cancelled first", order.Cancelled, []act{cancel, start, steps}, true},
	{"free, refunded", order.Refunded, []act{start, refund, start, steps}, true},
}

// TestCrash kills the process at every call to the outside, starts another on the same rows, and expects the same end
// as without a crash (I5, I6, I9, I11; P7).
func TestCrash(t *testing.T) { everyFuse(t, true, errDead) }

// TestLostReplies loses each request to the provider, each of its answers, and each transaction's answer in turn, and
// continues.
func TestLostReplies(t *testing.T) { everyFuse(t, false, errLost) }

func everyFuse(t *testing.T, dead bool, with error) {
	for _, st := range stories {
		t.Run(st.name, func(t *testing.T) {
			s := newShop(t, 0)
			for at := 1; ; at += fuseStrides {
				f := &fuse{at: at, dead: dead, err: with}
				s.play(st, f)
				if t.Failed() {
					t.Fatalf("with the fuse at %d", at)
				}
				if !f.blown {
					return // the story has no more calls
				}
			}
		})
	}
}

// play plays the story with the fuse. An act without an answer is repeated with a process that works.
func (s *shop) play(st story, f *fuse) {
	s.stock(1)
	if st.free {
		s.price = 0
	}
	o := s.one()
	on := s.service(fusedStore{s.Store, f}, fusedProvider{s.sandbox, f})
	for _, does := range st.acts {
		before := f.blown
		does(s, on, o)
		if f.blown && !before {
			s.check(false)
			on = s.Service
			does(s, on, o)
		}
	}
	s.check(false)
	s.afterAll(s.Service)
	if got := s.status(o); got != st.end {
		s.t.Errorf("%s: the order is %s, want %s", st.name, got, st.end)
	}
	s.check(true)
}
