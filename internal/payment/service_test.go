package payment_test

import (
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/payment"
	"github.com/tidegate/tidegate/internal/payment/sandbox"
	"github.com/tidegate/tidegate/internal/sale"
)

func TestStartIsOneAttempt(t *testing.T) {
	s := newShop(t, 10)
	o := s.one()
	var mu sync.Mutex
	seen := map[id.Attempt]string{}
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			a, err := s.Start(s.ctx, shopper, o, "")
			mu.Lock()
			defer mu.Unlock()
			if err != nil || a.PayURL == "" {
				t.Errorf("start: %+v, %v", a, err)
			}
			seen[a.ID] = a.PayURL
		})
	}
	all.Wait()
	if len(seen) != 1 || s.count("SELECT COUNT(*) FROM sandbox_payment") != 1 {
		t.Errorf("fifty starts made %d attempts", len(seen))
	}
	s.check(false)
}

func TestStartRefuses(t *testing.T) {
	s := newShop(t, 10)
	o := s.one()
	for name, c := range map[string]struct {
		who      id.Customer
		o        id.Order
		provider string
		want     fault.Code
	}{
		"another's order":  {shopper + 1, o, "", fault.NotFound},
		"no order":         {shopper, 1, "", fault.NotFound},
		"unknown provider": {shopper, o, "piggybank", fault.Invalid},
	} {
		if _, err := s.Start(s.ctx, c.who, c.o, c.provider); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	for range payment.AttemptsMax {
		a, err := s.Start(s.ctx, shopper, o, "")
		s.must(err)
		s.must(s.tell(a, payment.Declined))
	}
	if _, err := s.Start(s.ctx, shopper, o, ""); !errors.Is(err, fault.PaymentRefused) {
		t.Errorf("one attempt too many: %v", err)
	}
	late := s.one()
	s.Clock.Advance(window)
	if _, err := s.Start(s.ctx, shopper, late, ""); !errors.Is(err, fault.OrderClosed) {
		t.Errorf("an order whose time is over: %v", err)
	}
	s.check(false)
}

// TestNotifications sends each attack (P24, P25), then the honest notification, which must still work.
func TestNotifications(t *testing.T) {
	other := func(key string, value any) func(map[string]any) {
		return func(m map[string]any) { m[key] = value }
	}
	for name, c := range map[string]struct {
		change func(map[string]any)
		head   func(s *shop, h http.Header, body []byte)
		want   error
	}{
		"another amount":     {change: other("amount", map[string]any{"minor": 1, "currency": "GBP"}), want: fault.AmountMismatch},
		"a larger amount":    {change: other("amount", map[string]any{"minor": price * 2, "currency": "GBP"}), want: fault.AmountMismatch},
		"another currency":   {change: other("amount", map[string]any{"minor": price, "currency": "EUR"}), want: fault.AmountMismatch},
		"another order":      {change: other("order_id", "77"), want: fault.AmountMismatch},
		"an unknown attempt": {change: other("attempt_id", "77"), want: fault.NotFound},
		"another reference":  {change: other("reference", "sbx_1"), want: fault.AmountMismatch},
		"an unknown field":   {change: other("admin", true), want: fault.BadRequest},
		"an unknown state":   {change: other("state", "rich")},
		"no signature":       {head: func(_ *shop, h http.Header, _ []byte) { h.Del(sandbox.HeaderSignature) }, want: fault.BadSignature},
		"no timestamp":       {head: func(_ *shop, h http.Header, _ []byte) { h.Del(sandbox.HeaderTimestamp) }, want: fault.BadSignature},
		"another timestamp":  {head: func(_ *shop, h http.Header, _ []byte) { h.Set(sandbox.HeaderTimestamp, "1795780801") }, want: fault.BadSignature},
		"another secret":     {head: signed("guessed", 0), want: fault.BadSignature},
		"six minutes old":    {head: signed(secret, -6*time.Minute), want: fault.BadSignature},
		"six minutes early":  {head: signed(secret, 6*time.Minute), want: fault.BadSignature},
		"four minutes old":   {head: signed(secret, -4*time.Minute)},
		"signature cut short": {head: func(_ *shop, h http.Header, _ []byte) {
			h.Set(sandbox.HeaderSignature, h.Get(sandbox.HeaderSignature)[:20])
		}, want: fault.BadSignature},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t, 10)
			o := s.one()
			a, err := s.Start(s.ctx, shopper, o, "")
			s.must(err)
			s.settleAtProvider(a.ID, payment.Waiting, payment.Paid)
			h, body := s.notification(a, payment.Paid, c.change)
			if c.head != nil {
				c.head(s, h, body)
			}
			if err := s.Notify(s.ctx, sandbox.Name, h, body); !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			accepted := name == "four minutes old"
			if got := s.status(o); (got == order.Paid) != accepted {
				t.Errorf("afterwards the order is %s", got)
			}
			s.check(false)
			s.must(s.tell(a, payment.Paid))
			if got := s.status(o); got != order.Paid {
				t.Errorf("the honest one: the order is %s", got)
			}
			s.check(true)
		})
	}
	s := newShop(t, 1)
	if err := s.Notify(s.ctx, "piggybank", http.Header{}, nil); !errors.Is(err, fault.NotFound) {
		t.Errorf("an unknown provider: %v", err)
	}
}

func signed(with string, off time.Duration) func(*shop, http.Header, []byte) {
	return func(s *shop, h http.Header, body []byte) { sandbox.Sign(h, with, body, s.Clock.Now().Add(off)) }
}

// TestSettledOnce sends one payment's notification concurrently while a query finds it too (P23, P24).
func TestSettledOnce(t *testing.T) {
	s := newShop(t, 10)
	o := s.one()
	a, err := s.Start(s.ctx, shopper, o, "")
	s.must(err)
	s.settleAtProvider(a.ID, payment.Waiting, payment.Paid)
	s.Clock.Advance(time.Minute)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if err := s.tell(a, payment.Paid); err != nil {
				t.Error(err)
			}
		})
		all.Go(func() {
			if _, err := s.PollStep(s.ctx); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	s.must(s.tell(a, payment.Declined)) // out of order: an outdated report changes nothing
	if got := s.pool(0); s.status(o) != order.Paid || got.Sold != 1 || got.OnHand != 9 || got.Reserved != 0 {
		t.Errorf("the order is %s, the stock %+v", s.status(o), got)
	}
	if n := s.count("SELECT COUNT(*) FROM outbox WHERE type = 'order.paid.v1'"); n != 1 {
		t.Errorf("the order was announced as paid %d times", n)
	}
	s.check(true)
}

// TestLostNotification: without a notification, the shop polls the provider.
func TestLostNotification(t *testing.T) {
	s := newShop(t, 10)
	o := s.one()
	a, err := s.Start(s.ctx, shopper, o, "")
	s.must(err)
	s.settleAtProvider(a.ID, payment.Waiting, payment.Paid)
	s.Clock.Advance(s.config.QueryAfter)
	s.quiet(s.Service)
	if got := s.status(o); got != order.Paid {
		t.Errorf("after %s the order is %s", s.config.QueryAfter, got)
	}
	s.check(true)
}

func TestLate(t *testing.T) {
	t.Run("cancelled: refunded", func(t *testing.T) {
		s := newShop(t, 1)
		o := s.one()
		a, err := s.Start(s.ctx, shopper, o, "")
		s.must(err)
		_, err = s.Cancel(s.ctx, shopper, o)
		s.must(err)
		s.late(o, a, order.Cancelled, 1)
	})
	t.Run("expired, stock is there: honoured", func(t *testing.T) {
		s := newShop(t, 1)
		o, a := s.lapsed(0)
		s.late(o, a, order.Paid, 0)
	})
	t.Run("expired, stock is gone: refunded", func(t *testing.T) {
		s := newShop(t, 1)
		o, a := s.lapsed(0)
		s.one()
		s.late(o, a, order.Expired, 1)
	})
	t.Run("expired, allowance is gone: refunded", func(t *testing.T) {
		s := newShop(t, 5)
		sl := s.drop(5, 1)
		o, a := s.lapsed(sl)
		s.place(sl, 1, 1)
		s.late(o, a, order.Expired, 1)
	})
	t.Run("expired, allowance is there: honoured", func(t *testing.T) {
		s := newShop(t, 5)
		o, a := s.lapsed(s.drop(5, 1))
		s.late(o, a, order.Paid, 0)
	})
	t.Run("expired, sale ended: honoured from general stock", func(t *testing.T) {
		s := newShop(t, 5)
		sl := s.drop(5, 1)
		o, a := s.lapsed(sl)
		_, err := s.Store.MoveSale(s.ctx, sale.Move{Sale: sl, To: sale.Ended, Actor: "test", At: s.Clock.Now(), Mint: s.Mint})
		s.must(err)
		s.late(o, a, order.Paid, 0)
		if got := s.pool(0); got.Available() != 4 {
			t.Errorf("general stock: %+v", got)
		}
	})
	t.Run("refunded: refunded", func(t *testing.T) {
		s := newShop(t, 1)
		o := s.one()
		first, err := s.Start(s.ctx, shopper, o, "")
		s.must(err)
		s.must(s.tell(first, payment.Declined))
		s.settleAtProvider(first.ID, payment.Waiting, payment.Declined)
		second, err := s.Start(s.ctx, shopper, o, "")
		s.must(err)
		s.settleAtProvider(second.ID, payment.Waiting, payment.Paid)
		s.must(s.tell(second, payment.Paid))
		_, err = s.Refund(s.ctx, payment.RefundRequest{Order: o, Reason: "asked", Actor: "test"})
		s.must(err)
		s.quiet(s.Service)
		s.late(o, first, order.Refunded, 2)
	})
}

// lapsed places an order, starts its payment and lets it expire.
func (s *shop) lapsed(sl id.Sale) (id.Order, payment.Attempt) {
	s.t.Helper()
	o := s.place(sl, 1, 1)[0]
	a, err := s.Start(s.ctx, shopper, o, "")
	s.must(err)
	s.Clock.Advance(window)
	s.quiet(s.Service)
	if got := s.status(o); got != order.Expired {
		s.t.Fatalf("the order is %s", got)
	}
	return o, a
}

// late pays an ended attempt, notifies the shop twice, and expects that order status and that number of refunds.
func (s *shop) late(o id.Order, a payment.Attempt, want order.Status, refunds int64) {
	s.t.Helper()
	if !s.settleAtProvider(a.ID, payment.Ended, payment.Paid) && !s.settleAtProvider(a.ID, payment.Declined, payment.Paid) {
		s.t.Fatal("the attempt had not ended")
	}
	s.must(s.tell(a, payment.Paid))
	s.must(s.tell(a, payment.Paid))
	s.check(false)
	s.quiet(s.Service)
	if got := s.status(o); got != want {
		s.t.Errorf("paid late, the order is %s, want %s", got, want)
	}
	if n := s.count("SELECT COUNT(*) FROM refund WHERE order_id = ? AND status = 'succeeded'", o); n != refunds {
		s.t.Errorf("%d refunds, want %d", n, refunds)
	}
	s.check(true)
}

// TestDoublePayment: a second attempt that succeeds is refunded, and open attempts are closed.
func TestDoublePayment(t *testing.T) {
	s := newShop(t, 1)
	o := s.one()
	first, err := s.Start(s.ctx, shopper, o, "")
	s.must(err)
	s.settleAtProvider(first.ID, payment.Waiting, payment.Declined)
	s.must(s.tell(first, payment.Declined))
	second, err := s.Start(s.ctx, shopper, o, "")
	s.must(err)
	s.settleAtProvider(first.ID, payment.Declined, payment.Paid)
	s.must(s.tell(first, payment.Paid))
	if got := s.status(o); got != order.Paid {
		t.Fatalf("the order is %s", got)
	}
	s.settleAtProvider(second.ID, payment.Waiting, payment.Paid)
	s.quiet(s.Service) // it finds the second payment while closing the attempt
	if got := s.status(o); got != order.Paid || s.pool(0).Sold != 1 {
		t.Errorf("the order is %s, %+v", got, s.pool(0))
	}
	s.check(true)
}

func TestCancel(t *testing.T) {
	t.Run("twice alike", func(t *testing.T) {
		s := newShop(t, 1)
		o := s.one()
		for range 2 {
			if got, err := s.Cancel(s.ctx, shopper, o); err != nil || got.Status != order.Cancelled {
				t.Errorf("%s, %v", got.Status, err)
			}
		}
		if got := s.pool(0); got.Available() != 1 {
			t.Errorf("stock: %+v", got)
		}
		s.check(true)
	})
	t.Run("paid at the provider", func(t *testing.T) {
		s := newShop(t, 1)
		o := s.one()
		a, err := s.Start(s.ctx, shopper, o, "")
		s.must(err)
		s.settleAtProvider(a.ID, payment.Waiting, payment.Paid)
		got, err := s.CancelAny(s.ctx, o, "ops")
		if !errors.Is(err, fault.BadTransition) || got.Status != order.Paid {
			t.Errorf("%s, %v", got.Status, err)
		}
		s.check(true)
	})
	t.Run("expired, another's", func(t *testing.T) {
		s := newShop(t, 1)
		o, _ := s.lapsed(0)
		if _, err := s.Cancel(s.ctx, shopper, o); !errors.Is(err, fault.OrderClosed) {
			t.Errorf("expired: %v", err)
		}
		if _, err := s.Cancel(s.ctx, shopper+1, o); !errors.Is(err, fault.NotFound) {
			t.Errorf("another's: %v", err)
		}
	})
}

// TestFree: an order whose total is zero is paid in one step without a provider, even if the shop has none.
func TestFree(t *testing.T) {
	s := newShop(t, 3)
	s.config.Provider, s.price = "", 0
	on := s.service(s.Store, s.sandbox)
	o := s.one()
	if _, err := on.Start(s.ctx, shopper+1, o, ""); !errors.Is(err, fault.NotFound) {
		t.Errorf("another's order: %v", err)
	}
	first, err := on.Start(s.ctx, shopper, o, "")
	s.must(err)
	again, err := on.Start(s.ctx, shopper, o, "")
	s.must(err)
	if first.Provider != payment.NoProvider || first.Status != payment.Succeeded || first.PayURL != "" || again != first || s.status(o) != order.Paid {
		t.Errorf("first %+v, again %+v, the order is %s", first, again, s.status(o))
	}
	if got := s.pool(0); got.Sold != 1 || got.Reserved != 0 {
		t.Errorf("stock: %+v", got)
	}
	if _, err := on.Cancel(s.ctx, shopper, o); !errors.Is(err, fault.BadTransition) {
		t.Errorf("cancelled when it is paid: %v", err)
	}
	refund, err := on.Refund(s.ctx, payment.RefundRequest{Order: o, Reason: "asked", Restock: true, Actor: "ops"})
	s.must(err)
	if refund.Status != payment.Refunded || refund.Amount.Minor != 0 || s.status(o) != order.Refunded || s.pool(0).Available() != 3 {
		t.Errorf("refund %+v, the order is %s, stock %+v", refund, s.status(o), s.pool(0))
	}
	if _, err := on.Start(s.ctx, shopper, o, ""); !errors.Is(err, fault.OrderClosed) {
		t.Errorf("paid when it is refunded: %v", err)
	}
	late := s.one()
	s.Clock.Advance(window)
	if _, err := on.Start(s.ctx, shopper, late, ""); !errors.Is(err, fault.OrderClosed) {
		t.Errorf("paid too late: %v", err)
	}
	s.quiet(on)
	if n := s.count("SELECT COUNT(*) FROM sandbox_payment"); n != 0 {
		t.Errorf("the provider was asked for %d payments", n)
	}
	s.check(true)
}

// TestFreeAgainstExpireAgainstCancel: if several actors end one order concurrently, one of them wins.
func TestFreeAgainstExpireAgainstCancel(t *testing.T) {
	s := newShop(t, 20)
	s.price = 0
	for _, o := range s.place(0, 20, 1) {
		var all sync.WaitGroup
		for n := range 6 {
			all.Go(func() {
				if n%3 == 0 {
					cancel(s, s.Service, o)
				} else {
					start(s, s.Service, o)
				}
				steps(s, s.Service, o)
			})
		}
		all.Wait()
	}
	s.afterAll(s.Service)
	s.check(true)
}

func TestRefund(t *testing.T) {
	for name, c := range map[string]struct {
		fulfilled bool
		restock   bool
		available int64
	}{
		"not sent, and it is at hand": {false, true, 1},
		"not sent, and it is lost":    {false, false, 0},
		"sent":                        {true, false, 0},
		"sent, and it came back":      {true, true, 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t, 1)
			o := s.one()
			a, err := s.Start(s.ctx, shopper, o, "")
			s.must(err)
			want := payment.RefundRequest{Order: o, Reason: "asked", Restock: c.restock, Actor: "ops"}
			if _, err := s.Refund(s.ctx, want); !errors.Is(err, fault.BadTransition) {
				t.Errorf("a pending order: %v", err)
			}
			s.settleAtProvider(a.ID, payment.Waiting, payment.Paid)
			s.must(s.tell(a, payment.Paid))
			if c.fulfilled {
				_, err := s.Store.FulfilOrder(s.ctx, o, s.Clock.Now())
				s.must(err)
			}
			first, err := s.Refund(s.ctx, want)
			s.must(err)
			if !c.fulfilled {
				if _, err := s.Store.FulfilOrder(s.ctx, o, s.Clock.Now()); !errors.Is(err, fault.BadTransition) {
					t.Errorf("fulfilled while it is refunded: %v", err)
				}
			}
			s.quiet(s.Service)
			again, err := s.Refund(s.ctx, want)
			s.must(err)
			if again.ID != first.ID || again.Status != payment.Refunded || s.status(o) != order.Refunded {
				t.Errorf("asked again: %+v, the order is %s", again, s.status(o))
			}
			if got := s.pool(0); got.Available() != c.available || got.Sold != 1 {
				t.Errorf("stock: %+v, want %d available", got, c.available)
			}
			s.check(true)
		})
	}
	s := newShop(t, 1)
	if _, err := s.Refund(s.ctx, payment.RefundRequest{Order: 1}); !errors.Is(err, fault.Invalid) {
		t.Errorf("no reason: %v", err)
	}
	if _, err := s.Refund(s.ctx, payment.RefundRequest{Order: 1, Reason: "x"}); !errors.Is(err, fault.NotFound) {
		t.Errorf("no order: %v", err)
	}
	if _, err := s.Refunds(s.ctx, payment.RefundFilter{Status: "lost"}); !errors.Is(err, fault.Invalid) {
		t.Errorf("no such status: %v", err)
	}
}
