package simulation

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"testing/synctest"
	"time"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/payment"
	"github.com/tidegate/tidegate/internal/sale"
)

// request is what a shopper sent, and what came back.
type request struct {
	order.Request
	bound    bool // its key had an order before it was sent
	answered bool
	placed   order.Placed
	err      error
}

// act lets one thing happen: mostly somebody who waits goes on.
func (w *world) act() {
	if waiting := w.waiting(); len(waiting) > 0 && !w.chance(3) {
		w.resume(w.random.IntN(len(waiting)))
		return
	}
	switch n := w.random.IntN(100); {
	case n < 22:
		w.buy(w.wish())
	case n < 50:
		w.step()
	case n < 58:
		w.provider.cashier()
	case n < 64:
		w.notify()
	case n < 72:
		w.withOrder("pays", func(ctx context.Context, p *process, o order.Order) {
			_, _ = p.payments.Start(ctx, o.Customer, o.ID, "")
		})
	case n < 75:
		w.withOrder("cancels", func(ctx context.Context, p *process, o order.Order) { _, _ = p.payments.Cancel(ctx, o.Customer, o.ID) })
	case n < 77:
		w.withOrder("is refunded", w.refund)
	case n < 78:
		w.withOrder("is sent", func(ctx context.Context, p *process, o order.Order) { _, _ = p.orders.Fulfil(ctx, o.ID) })
	case n < 80:
		w.withOrder("is read", func(ctx context.Context, p *process, o order.Order) {
			_, _ = p.orders.Get(ctx, o.Customer, o.ID, time.Second)
		})
	case n < 88:
		w.time()
	case n < 91:
		w.operate()
	case n < 93:
		w.restart()
	case n < 94:
		w.rebuild()
	default:
		w.patience()
	}
}

// wish is an order of a customer, under a key of theirs that may have been used before, mostly with the same body.
func (w *world) wish() order.Request {
	c, k := 1+w.random.IntN(customers), w.random.IntN(keys)
	r := order.Request{Customer: id.Customer(c), Sale: w.sale, Key: fmt.Sprint("key", k), Lines: []inventory.Line{{SKU: shirt, Units: 1 + int64(k%2)}}}
	switch {
	case k == 3:
		r.Sale = 0
	case w.chance(3):
		r.Lines = []inventory.Line{{SKU: shoe, Units: 1}, {SKU: shirt, Units: 1}}
	}
	return r
}

// buy sends a request.
func (w *world) buy(ask order.Request) *request {
	r := &request{Request: ask, bound: w.store.Bound(ask.Sale, ask.Customer, ask.Key)}
	w.note("customer %s wants %v of sale %s under %s", ask.Customer, ask.Lines, ask.Sale, ask.Key)
	w.mu.Lock()
	w.requests = append(w.requests, r)
	w.mu.Unlock()
	p, ctx := w.process, w.process.as(fmt.Sprintf("request %03d", len(w.requests)))
	w.spawn(func() {
		placed, err := p.orders.Place(ctx, ask)
		if p.dead.Load() {
			return // nobody hears it
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		r.placed, r.err, r.answered = placed, err, true
	})
	return r
}

// step lets a background step begin, unless it is under way.
func (w *world) step() {
	steps := w.process.steps()
	names := slices.Sorted(maps.Keys(steps))
	name := names[w.random.IntN(len(names))]
	if w.chance(2) {
		name = "commit"
	}
	w.begin(name, steps[name])
}

func (w *world) begin(name string, step func(context.Context) (int, error)) {
	p := w.process
	if p.busy[name].Swap(true) {
		return
	}
	w.note("step: %s", name)
	ctx := p.as(name)
	w.spawn(func() {
		defer p.busy[name].Store(false)
		did, err := step(ctx)
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.did += did; err != nil {
			w.did++ // it is begun again
		}
	})
}

// withOrder has somebody do something with an order.
func (w *world) withOrder(what string, do func(context.Context, *process, order.Order)) {
	all, _, _ := w.store.Books()
	ids := slices.Sorted(maps.Keys(all))
	if len(ids) == 0 {
		return
	}
	o := all[ids[w.random.IntN(len(ids))]]
	w.note("order %s %s", o.ID, what)
	p, ctx := w.process, w.process.as(w.visitor())
	w.spawn(func() { do(ctx, p, o) })
}

// visitor names the next who comes for something else than an order.
func (w *world) visitor() string {
	w.visitors++
	return fmt.Sprintf("visitor %03d", w.visitors)
}

func (w *world) refund(ctx context.Context, p *process, o order.Order) {
	_, err := p.payments.Refund(ctx, payment.RefundRequest{Order: o.ID, Reason: "asked", Actor: "ops"})
	if err == nil && !p.dead.Load() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.refunds = append(w.refunds, o.ID)
	}
}

// notify delivers a notification, and now and then one with another amount.
func (w *world) notify() {
	r, ok := w.provider.note()
	if !ok {
		return
	}
	forged := w.chance(10)
	if forged {
		r.Amount.Minor++
	}
	w.note("notification: attempt %s is %s, forged %t", r.Attempt, r.State, forged)
	p, ctx := w.process, w.process.as(w.visitor())
	w.spawn(func() {
		err := p.payments.Notify(ctx, pace.Provider, http.Header{}, body(r))
		if forged && err == nil && !p.dead.Load() {
			w.fail("P25: a notification with another amount was taken")
		}
	})
}

// time moves the shop's clock: mostly a little, now and then past an order's end, or back.
func (w *world) time() {
	d := time.Duration(w.random.Int64N(int64(5 * time.Second)))
	switch n := w.random.IntN(20); {
	case n == 0:
		d = -time.Duration(w.random.Int64N(int64(time.Hour)))
	case n == 1:
		d = time.Duration(w.random.Int64N(int64(time.Hour)))
	case n < 8:
		d = time.Duration(w.random.Int64N(int64(8 * time.Minute)))
	}
	w.clock.Advance(d)
	w.note("clock: %v", d)
}

// patience lets those wait who wait by the timer.
func (w *world) patience() {
	d := time.Duration(w.random.Int64N(int64(200 * time.Millisecond)))
	if w.chance(20) {
		d = 6 * time.Second
	}
	w.note("patience: %v", d)
	time.Sleep(d)
	synctest.Wait()
}

// operate is somebody at the shop's desk.
func (w *world) operate() {
	at, mint := w.clock.Now(), w.process.mint
	ctx := context.Background()
	var err error
	switch w.random.IntN(8) {
	case 0:
		limit := int64(w.random.IntN(4))
		if most := w.limits[w.sale]; limit == 0 || most != 0 && limit > most {
			w.limits[w.sale] = limit
		}
		_, err = w.store.ChangeSale(ctx, sale.Change{Sale: w.sale, Limit: &limit, At: at})
	case 1:
		_, err = w.store.MoveSale(ctx, sale.Move{Sale: w.sale, To: sale.Paused, At: at, Mint: mint})
	case 2, 3:
		_, err = w.store.MoveSale(ctx, sale.Move{Sale: w.sale, To: sale.Live, At: at, Mint: mint})
	case 4:
		if w.chance(6) {
			_, err = w.store.MoveSale(ctx, sale.Move{Sale: w.sale, To: sale.Ended, At: at, Mint: mint})
		}
	case 5:
		_, err = w.store.AllocateSale(ctx, sale.Allocation{Sale: w.sale, SKU: shirt, Units: 1 - 2*w.random.Int64N(2), Reason: "more", At: at, Mint: mint})
	case 6:
		a := inventory.Adjustment{SKU: shoe, Kind: inventory.Adjust, Units: 1 - 2*w.random.Int64N(2), Reason: "counted", Key: fmt.Sprint("adjust", mint.Next())}
		_, err = w.store.AdjustStock(ctx, a, id.New[id.Movement](mint), at)
	case 7:
		if w.chance(4) {
			_, err = w.store.StopItem(ctx, sale.Stop{Sale: w.sale, SKU: shirt, Reason: "recalled", At: at, Mint: mint})
		}
	}
	w.note("desk: %v", err)
}

// rebuild loads the gate anew where no order is under way, as tidegate reconcile does.
func (w *world) rebuild() {
	p := w.process
	if p.busy["gate"].Load() {
		return
	}
	done := p.orders.WithPlacementPaused(func() bool {
		if p.intake.Depth() > 0 {
			return false
		}
		p.apart.Store(true)
		defer p.apart.Store(false)
		w.must(p.follower.Load(p.ctx))
		return true
	})
	w.note("rebuild: %t", done)
}

// definitive reports whether an answer says for certain that the request made no order.
func definitive(err error) bool {
	f, ok := errors.AsType[*fault.Error](err)
	return ok && f.Code.Row().Status < 500
}
