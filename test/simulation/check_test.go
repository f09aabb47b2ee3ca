package simulation

import (
	"context"
	"errors"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/payment"
	"github.com/tidegate/tidegate/internal/sale"
)

// quiet lets everybody finish, with nothing failing any more: what was begun, what is due, what is to be followed.
func (w *world) quiet() {
	w.faults = false
	idle := func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.running == 0
	}
	for tries := 0; ; tries++ {
		for waiting := w.waiting(); len(waiting) > 0; waiting = w.waiting() {
			w.resume(w.random.IntN(len(waiting)))
		}
		if idle() && w.process.intake.Depth() == 0 {
			return
		}
		if tries > 2000 {
			w.fail("somebody waits for ever")
			w.process.die()
			return
		}
		// Orders that wait for their commit, and those who wait by the timer.
		w.begin("commit", w.process.intake.Step)
		time.Sleep(20 * time.Millisecond)
		synctest.Wait()
	}
}

// settle lets the shop do what is due, and some time pass, until nothing is left to do.
func (w *world) settle() {
	w.quiet()
	if over := noon.Add(4 * time.Hour); w.clock.Now().Before(over) {
		w.clock.Set(over) // past every order's end, wherever the jumps of the clock have led
	}
	for range 12 {
		for before := -1; before != w.did; {
			before = w.did
			for _, name := range []string{"sale clock", "poll 1", "expiry", "refunds", "gate"} {
				w.begin(name, w.process.steps()[name])
				w.quiet()
			}
		}
		w.clock.Advance(11 * time.Minute)
	}
}

// check holds the run to the invariants, when it is over.
func (w *world) check() {
	w.settle()
	orders, attempts, refunds := w.store.Books()
	w.wrong = append(w.wrong, w.store.Check(w.limits)...)
	w.checkAnswers(orders)
	w.checkMoney(orders, attempts, refunds)
	w.checkGate()
	w.checkReplays()
}

// checkAnswers: what was accepted is there (I2), under its own key alone (I3); what was refused is not there (I11), and no
// key that had an order was refused (P22).
func (w *world) checkAnswers(orders map[id.Order]order.Order) {
	type key struct {
		sale     id.Sale
		customer id.Customer
		key      string
	}
	told, maybe := map[key]id.Order{}, map[key]bool{}
	for _, r := range w.requests {
		k := key{r.Sale, r.Customer, r.Key}
		switch {
		case !r.answered || r.placed.Undecided || r.err != nil && !definitive(r.err):
			maybe[k] = true
		case r.err != nil:
			if r.bound && !errors.Is(r.err, fault.KeyReused) {
				w.fail("P22: %s of customer %s had an order and was refused: %v", r.Key, r.Customer, r.err)
			}
		default:
			got := r.placed.Order
			if before, twice := told[k]; twice && before != got.ID {
				w.fail("I3: %s of customer %s was told order %s and order %s", r.Key, r.Customer, before, got.ID)
			}
			told[k] = got.ID
			stored, there := orders[got.ID]
			if !there {
				w.fail("I2: order %s was accepted and is not there", got.ID)
			} else if diff := cmp.Diff(got, stored.AsCreated()); diff != "" {
				w.fail("I2: order %s was told otherwise: %s", got.ID, diff)
			}
		}
	}
	for _, r := range w.requests {
		k := key{r.Sale, r.Customer, r.Key}
		if _, accepted := told[k]; !accepted && !maybe[k] && w.store.Bound(r.Sale, r.Customer, r.Key) {
			w.fail("I11: every try of %s of customer %s was refused, and there is an order", r.Key, r.Customer)
		}
	}
}

// checkMoney: all money that the company took has bought something or went back, once (I5); nothing is left held (I6).
func (w *world) checkMoney(orders map[id.Order]order.Order, attempts map[id.Attempt]payment.Attempt, refunds map[id.Attempt]payment.Refund) {
	for a, account := range w.provider.accounts {
		known := attempts[a]
		r, refunded := refunds[a]
		if len(account.refunds) > 1 {
			w.fail("I5: the money of attempt %s went back %d times", a, len(account.refunds))
		}
		if refunded && (r.Status != payment.Refunded || len(account.refunds) != 1) {
			w.fail("I5: refund %s of attempt %s is %s, the company gave back %d", r.ID, a, r.Status, len(account.refunds))
		}
		if account.report.State != payment.Paid {
			continue
		}
		// The company's word after the last question may still be on its way: then a notification brings it.
		if known.Status != payment.Succeeded {
			p := w.process
			w.spawn(func() { _ = p.payments.Notify(p.ctx, pace.Provider, nil, body(account.report)) })
			w.settle()
			all, after, later := w.store.Books()
			orders, known = all, after[a]
			r, refunded = later[a]
		}
		s := orders[known.Order].Status
		switch {
		case known.Status != payment.Succeeded:
			w.fail("I5: attempt %s was paid and is %s", a, known.Status)
		case !known.Pays && (!refunded || r.Status != payment.Refunded):
			w.fail("I5: the money of attempt %s bought nothing (order %s is %s) and did not go back", a, known.Order, s)
		case known.Pays && s != order.Paid && s != order.Fulfilled && s != order.Refunded:
			w.fail("I5: attempt %s paid order %s, which is %s", a, known.Order, s)
		}
	}
	for o, one := range orders {
		if one.Status == order.Pending {
			w.fail("I6: order %s is over since %v and still held", o, one.ExpiresAt)
		}
	}
	for _, o := range w.refunds {
		if s := orders[o].Status; s == order.Paid || s == order.Fulfilled {
			w.fail("the refund of order %s was promised, and it is %s", o, s)
		}
	}
}

// checkGate: with nothing under way the gate has what the database has (I8, I10).
func (w *world) checkGate() {
	stock := w.store.Stock()
	for p, st := range stock {
		if sl, err := w.store.Sale(context.Background(), p.Sale); err == nil && sl.Status == sale.Ended {
			continue
		}
		if level, held := w.process.gate.Available(p); held && level != st.Available() || !held && st.Available() != 0 {
			w.fail("I8: the gate has %d of pool %v (held %t), the database %d", level, p, held, st.Available())
		}
	}
	w.process.gate.Availability(func(p inventory.Pool, level int64) {
		if level != stock[p].Available() {
			w.fail("I8: the gate has %d of pool %v, the database %d", level, p, stock[p].Available())
		}
	})
}

// checkReplays: every accepted order is answered again to its key (I3), by the process that is there and by the next.
func (w *world) checkReplays() {
	for range 2 {
		for _, r := range w.requests {
			if !r.answered || r.err != nil || r.placed.Undecided {
				continue
			}
			again := w.buy(r.Request)
			w.quiet()
			if again.err != nil || !again.placed.Replayed || again.placed.Order.ID != r.placed.Order.ID {
				w.fail("I3: %s of customer %s made order %s; asked again: %s, %v", r.Key, r.Customer, r.placed.Order.ID, again.placed.Order.ID, again.err)
			}
		}
		w.restart()
	}
}
