package matrix

import (
	"database/sql"
	"encoding/json"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	_ "modernc.org/sqlite"

	"github.com/tidegate/tidegate/internal/await"
	"github.com/tidegate/tidegate/internal/kernel/crashpoint"
	"github.com/tidegate/tidegate/test/blackbox"
)

// The clock's sale opens and ends while the armed process is there.
const (
	clockIn    = 500 * time.Millisecond
	clockLasts = time.Second
)

// The load of a round.
const (
	buyers = 8
	payers = 3
	// calm is how long the buyers buy as fast as they can, and pause how long each waits between purchases from then on: a
	// moment that a timer brings needs no crowd, and everything that was sold has to be asked after.
	calm  = 300 * time.Millisecond
	pause = 100 * time.Millisecond
	// after is how long the load goes on where the process still lives after the moment.
	after = 700 * time.Millisecond
	// askEvery is the pause between two questions after an order that was queued, whose buyer has gone.
	askEvery = 20 * time.Millisecond
	// leftMax is how often a reservation is left to be swept: on a busy machine Redis is slow for a moment, and the gate rebuilt.
	leftMax = 5
)

// round is a sale, those who buy in it, and what they were told.
type round struct {
	*stage
	sale blackbox.Sale
	book *blackbox.Book

	mu        sync.Mutex
	taken     map[string]bool              // orders that somebody pays or cancels
	cancelled map[string]bool              // orders that were said to be cancelled
	paid      map[string]string            // orders whose money the cashier took, and the payment
	refunded  map[string]bool              // orders whose refund was promised
	promised  map[string]blackbox.Purchase // orders that were said to be queued
	waiting   map[string]blackbox.Purchase // by key, those of them that were not decided when they were last asked after
	began     time.Time
}

// due is something a shopper was told that takes its time.
type due struct {
	what, order string
	holds       func() bool
}

// meet starts the armed process and lets it meet the moment under load. What is to be swept is left before: anew where the gate was rebuilt
// meanwhile, for then the reservation is gone with its epoch, and its units are free without a sweep.
func (r *round) meet(m moment) {
	for range leftMax {
		if begins(m.point, "shared.sweep") {
			r.leaveReservation()
		}
		if r.shop.TryStart("crashpoint: hang", crashpoint.Variable+"="+m.String()) {
			if begins(m.point, "shared.close") {
				r.redis.Kill()
			}
			r.load(m)
		}
		if r.met(m) || !r.forgotten(m) {
			return
		}
		if !r.shop.Ended() {
			r.shop.Kill()
		}
	}
}

// met reports whether the armed process has come to the moment.
func (r *round) met(m moment) bool {
	return strings.Contains(r.shop.Process().Stderr.String(), "crashpoint: "+m.action)
}

// forgotten reports whether nothing is left that could be swept, for the armed process has rebuilt the gate.
func (r *round) forgotten(m moment) bool {
	return begins(m.point, "shared.sweep") && strings.Contains(r.shop.Process().Stderr.String(), `"gate rebuilt"`)
}

// load buys, pays, cancels and refunds until the moment has come and the process has died, or a while has passed since.
func (r *round) load(m moment) {
	done := make(chan struct{})
	var all sync.WaitGroup
	r.began = time.Now()
	for i := range buyers + payers + 2 {
		random := rand.New(rand.NewPCG(r.random.Uint64(), uint64(i)))
		all.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				switch {
				case i < buyers:
					r.buy(random)
				case i < buyers+payers:
					r.pay(random)
				case i == buyers+payers:
					r.leave(random)
				default:
					r.cancel()
				}
			}
		})
	}
	for deadline := time.Now().Add(await.Max); !r.met(m) && !r.forgotten(m) && !r.shop.Ended() && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond)
	}
	if m.action != "die" {
		time.Sleep(after) // the load goes on beside what hangs or has failed: nothing to wait for
	}
	if m.action == "hang" {
		r.shop.Kill() // who waits for what hangs is let go
	}
	close(done)
	all.Wait()
}

// buy buys a unit or two, in the sale or from general stock, now and then twice with one key.
func (r *round) buy(random *rand.Rand) {
	c := random.IntN(customers)
	from := r.sale.ID
	if random.IntN(4) == 0 {
		from = ""
	}
	p := blackbox.Buying(from, 1+random.Int64N(2), int64(firstCustomer+c), r.tokens[c], key(), r.sku)
	for range 1 + random.IntN(2) {
		a := r.shop.Buy(p)
		r.note(p, a)
		for try := 0; a.Status == 202 && try < 10; try++ { // who is queued asks what has become of it
			time.Sleep(10 * time.Millisecond)
			a = r.shop.Buy(p)
			r.note(p, a)
		}
		if a.Status != 201 {
			time.Sleep(time.Millisecond) // a refusal costs nothing, and would keep the processor from the rest
		}
	}
	if time.Since(r.began) > calm {
		time.Sleep(pause)
	}
}

// leave buys and does not wait for the answer.
func (r *round) leave(random *rand.Rand) {
	c := random.IntN(customers)
	p := blackbox.Buying(r.sale.ID, 1, int64(firstCustomer+c), r.tokens[c], key(), r.sku)
	r.note(p, r.shop.BuyWithin(p, time.Duration(random.IntN(4000))*time.Microsecond))
	time.Sleep(20 * time.Millisecond)
}

func (r *round) note(p blackbox.Purchase, a blackbox.Answer) {
	r.book.Note(p, a)
	r.mu.Lock()
	defer r.mu.Unlock()
	var ticket struct{ ID, Status string }
	switch {
	case a.Status == 202 && json.Unmarshal(a.Body, &ticket) == nil && ticket.Status == "queued":
		r.promised[ticket.ID], r.waiting[p.Key] = p, p
	case a.Status == 201 || a.Status == 409:
		delete(r.waiting, p.Key)
	}
}

// leaveReservation has a process die between a reservation and its commit, so that nobody gives the units back until
// somebody looks.
func (r *round) leaveReservation() {
	left := moment{crashpoint.ReserveAfter, "die", 1 + r.random.IntN(10)}
	if r.shop.TryStart("crashpoint: hang", crashpoint.Variable+"="+left.String()) {
		r.load(left)
	}
	if !r.met(left) {
		r.Errorf("no reservation is left: the load does not come to %s", left)
	}
}

// choose takes an order that nobody has taken yet. Where there is none it asks after one that was queued: a queue that waits
// for a dead process's successor has all that is for sale by then, and nobody who buys would hear of another order.
func (r *round) choose() (blackbox.Receipt, bool) {
	if receipt, ok := r.take(r.book.Accepted()); ok {
		return receipt, true
	}
	if p, ok := r.queued(); ok {
		r.note(p, r.shop.Buy(p))
		time.Sleep(askEvery)
	}
	time.Sleep(time.Millisecond)
	return blackbox.Receipt{}, false
}

// take takes one of the orders that nobody has taken yet.
func (r *round) take(all []blackbox.Receipt) (blackbox.Receipt, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, receipt := range all {
		if !r.taken[receipt.Order.ID] {
			r.taken[receipt.Order.ID] = true
			return receipt, true
		}
	}
	return blackbox.Receipt{}, false
}

// queued returns one of the purchases that were said to be queued and of which nothing more was heard.
func (r *round) queued() (blackbox.Purchase, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.waiting {
		return p, true
	}
	return blackbox.Purchase{}, false
}

// pay pays an order at the cashier, and asks for the money back of every third.
func (r *round) pay(random *rand.Rand) {
	receipt, ok := r.choose()
	if !ok {
		return
	}
	p, a := r.shop.StartPayment(receipt)
	if a.Status != 201 {
		return
	}
	if r.shop.Pay(p.PayURL).Status != 303 {
		return
	}
	r.mu.Lock()
	r.paid[receipt.Order.ID] = p.ID
	r.mu.Unlock()
	if random.IntN(3) > 0 {
		return
	}
	for range 50 {
		a := r.shop.Ask("POST", "/v1/admin/orders/"+receipt.Order.ID+"/refund", r.shop.Running().AdminKey, `{"reason":"asked for"}`)
		if a.Err != nil || r.shop.Ended() {
			return
		}
		if a.Status < 300 {
			r.mu.Lock()
			r.refunded[receipt.Order.ID] = true
			r.mu.Unlock()
			return
		}
		time.Sleep(10 * time.Millisecond) // the notification is on its way
	}
}

// cancel cancels an order.
func (r *round) cancel() {
	receipt, ok := r.choose()
	if !ok {
		return
	}
	if a := r.shop.Ask("POST", "/v1/orders/"+receipt.Order.ID+"/cancel", receipt.Token, ""); a.Status == 200 {
		r.mu.Lock()
		r.cancelled[receipt.Order.ID] = true
		r.mu.Unlock()
	}
	time.Sleep(20 * time.Millisecond) // most orders are for those who pay
}

// check holds the shop to what was told in the round, and notes what takes its time.
func (r *round) check() {
	r.Helper()
	r.shop.CheckSale(r.book, r.sale, limit)
	r.shop.VerifyOrdersWithin(r.book, r.patience)
	r.shop.SettleWithin(r.book, r.patience)
	r.shop.CheckSale(r.book, r.sale, limit)
	r.checkPromises()
	for _, o := range slices.Sorted(maps.Keys(r.cancelled)) {
		if now := r.shop.Order(o); now.Status != "cancelled" {
			r.Errorf("order %s was said to be cancelled and is %s", o, now.Status)
		}
	}
	for o, payment := range r.paid {
		r.dues = append(r.dues,
			due{"its money was taken, and it is paid or refunded", o, func() bool { return r.settled(o, payment) }},
			due{"it is paid, and earned its points once", o, func() bool { return r.earned(o) }})
	}
	for o := range r.refunded {
		r.dues = append(r.dues, due{"its refund was promised, and it is refunded", o, func() bool { return r.shop.Order(o).Status == "refunded" }})
	}
	r.settleDues()
	r.shop.Audit("I1", "I2", "I3", "I4")
	r.shop.Reconciled()
}

// settled reports whether the money that a cashier took has reached its order, or goes back.
func (r *round) settled(order, payment string) bool {
	switch r.shop.Order(order).Status {
	case "paid", "fulfilled", "refunded":
		return true
	}
	return slices.ContainsFunc(r.shop.Refunds(""), func(f blackbox.Refund) bool { return f.Payment == payment })
}

// checkPromises holds the shop to what it said is queued: each became the order of its key, or was refused.
func (r *round) checkPromises() {
	r.Helper()
	for id, p := range r.promised {
		if _, accepted := r.book.Receipts[id]; accepted {
			continue
		}
		a := r.shop.Ask("GET", "/v1/orders/"+id, p.Token, "")
		var now blackbox.Order
		if a.Status == 200 && json.Unmarshal(a.Body, &now) == nil && r.book.Receipts[now.ID].Key == p.Key {
			continue // its key was queued twice, and its order is the other one
		}
		if a.Status != 409 {
			r.Errorf("order %s was said to be queued for key %s, which has another order or none; it is %s", id, p.Key, a)
		}
	}
}

// earned reports whether an order that is paid has earned its points; one that is not paid, or not any more, need not.
func (r *round) earned(order string) bool {
	receipt, accepted := r.book.Receipts[order]
	now := r.shop.Order(order)
	if !accepted || now.Status != "paid" && now.Status != "fulfilled" {
		return true
	}
	var points struct {
		Orders []struct {
			Order  string `json:"order_id"`
			Earned int64  `json:"earned"`
		} `json:"orders"`
	}
	a := r.shop.Ask("GET", "/v1/points?limit=200", receipt.Token, "")
	if a.Status != 200 || json.Unmarshal(a.Body, &points) != nil {
		return false
	}
	for _, o := range points.Orders {
		if o.Order == order {
			return o.Earned == now.Total.Minor/100
		}
	}
	return false
}

// duesEvery is the pause between two looks at something that is due.
const duesEvery = 100 * time.Millisecond

// settleDues waits for what shoppers were told would come.
func (s *stage) settleDues() {
	s.Helper()
	for _, d := range s.dues {
		await.Until(s, "of order "+d.order+": "+d.what, func() bool {
			if d.holds() {
				return true
			}
			time.Sleep(duesEvery)
			return false
		})
	}
	s.dues = nil
}

// keepLogBusy keeps a read open beside the shop, so that its write-ahead log grows until it has to be cut, and ends the
// read after a while.
func (r *round) keepLogBusy() (stop func()) {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(r.shop.Folder, "tidegate.db")+"?mode=ro")
	if err != nil {
		r.Fatal(err)
	}
	read, err := db.Begin()
	if err != nil {
		r.Fatal(err)
	}
	var orders int
	if err := read.QueryRow("SELECT COUNT(*) FROM orders").Scan(&orders); err != nil {
		r.Fatal(err)
	}
	return func() {
		_ = read.Rollback() // it has only read
		_ = db.Close()
	}
}
