package matrix

import (
	"database/sql"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	_ "modernc.org/sqlite"

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
	// loadMax bounds how long the load waits to come to the moment; an order's time of ten seconds is over within it.
	loadMax = 40 * time.Second
	// after is how long the load goes on where the process still lives after the moment.
	after = 700 * time.Millisecond
)

// round is a sale, those who buy in it, and what they were told.
type round struct {
	*stage
	sale blackbox.Sale
	book *blackbox.Book

	mu        sync.Mutex
	taken     map[string]bool   // orders that somebody pays or cancels
	cancelled map[string]bool   // orders that were said to be cancelled
	paid      map[string]string // orders whose money the cashier took, and the payment
	refunded  map[string]bool   // orders whose refund was promised
}

// due is something a shopper was told that takes its time.
type due struct {
	what, order string
	holds       func() bool
}

// load buys, pays, cancels and refunds until the moment has come and the process has died, or a while has passed since.
func (r *round) load(m moment) {
	done := make(chan struct{})
	var all sync.WaitGroup
	r.taken = map[string]bool{}
	for i := range buyers + payers + 1 {
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
				default:
					r.cancel()
				}
			}
		})
	}
	met := func() bool { return strings.Contains(r.shop.Process().Stderr.String(), "crashpoint: "+m.action) }
	for deadline := time.Now().Add(loadMax); !met() && !r.shop.Ended() && time.Now().Before(deadline); {
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
		r.book.Note(p, a)
		if a.Status != 201 {
			time.Sleep(time.Millisecond) // a refusal costs nothing, and would keep the processor from the rest
		}
	}
}

// choose takes an order that nobody has taken yet.
func (r *round) choose() (blackbox.Receipt, bool) {
	all := r.book.Accepted()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, receipt := range all {
		if !r.taken[receipt.Order.ID] {
			r.taken[receipt.Order.ID] = true
			return receipt, true
		}
	}
	time.Sleep(time.Millisecond)
	return blackbox.Receipt{}, false
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
	r.shop.Honour(r.book)
	r.shop.SettleWithin(r.book, r.patience)
	r.shop.CheckSale(r.book, r.sale, limit)
	for _, o := range slices.Sorted(maps.Keys(r.cancelled)) {
		if now := r.shop.Order(o); now.Status != "cancelled" {
			r.Errorf("order %s was said to be cancelled and is %s", o, now.Status)
		}
	}
	for o, payment := range r.paid {
		r.dues = append(r.dues, due{"its money was taken, and it is paid or refunded", o, func() bool { return r.settled(o, payment) }})
	}
	for o := range r.refunded {
		r.dues = append(r.dues, due{"its refund was promised, and it is refunded", o, func() bool { return r.shop.Order(o).Status == "refunded" }})
	}
	r.settleDues()
	r.shop.Audit("I1", "I2", "I3", "I4", "I7", "I9")
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

// settleDues waits for what shoppers were told would come.
func (s *stage) settleDues() {
	s.Helper()
	for _, d := range s.dues {
		blackbox.Eventually(s, "of order "+d.order+": "+d.what, d.holds)
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
