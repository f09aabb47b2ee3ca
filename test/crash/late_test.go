package crash

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/await"
	"github.com/tidegate/tidegate/test/blackbox"
)

// TestMoneyThatComesAtTheLastMomentIsKeptOrGivenBack has the cashier take money just before, at and after the time of the
// orders, while others buy what comes free and the process is killed among it. Every payment ends as an order paid or as
// money given back, never both and never neither, and no unit is sold twice.
func TestMoneyThatComesAtTheLastMomentIsKeptOrGivenBack(t *testing.T) {
	t.Parallel()
	const (
		seed      = 17
		customers = 240
		window    = 20 * time.Second
		early     = 700 * time.Millisecond // before the time of an order, at the earliest
		late      = 2 * time.Second        // after it, at the latest
	)
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	shop := blackbox.New(t, "TIDEGATE_PAYMENTS_QUERY_AFTER=1s")
	shop.Start()
	sku := shop.Stocked("MUG", customers)
	sale := shop.Open(blackbox.Terms{SKUs: []string{sku}, Allocation: customers, Limit: 1, PaymentSeconds: int64(window / time.Second)})
	book, receipts := sold(t, shop, sale, sku, customers, 1)

	// Everybody begins to pay and stands at the cashier with a moment in mind.
	type payer struct {
		order  string
		pay    blackbox.Payment
		moment time.Time
	}
	payers := make([]payer, len(receipts))
	var mu sync.Mutex
	for i, r := range receipts {
		payers[i] = payer{order: r.Order.ID, moment: r.Order.Expires.Add(time.Duration(random.Int64N(int64(early+late))) - early)}
	}
	numbers := make([]int, len(receipts))
	for i := range numbers {
		numbers[i] = i
	}
	blackbox.Each(16, numbers, func(i int) {
		p, a := shop.StartPayment(receipts[i])
		if a.Status != 201 {
			t.Errorf("paying order %s cannot be started: %s", receipts[i].Order.ID, a)
		}
		payers[i].pay = p
	})
	if t.Failed() {
		return
	}

	// The cashier takes the money whatever the shop has said, as a bank does. It tells the shop twice.
	var all sync.WaitGroup
	taken := map[string]bool{} // attempts whose money is known to be taken
	half := make(chan struct{})
	for _, p := range payers {
		all.Go(func() {
			time.Sleep(time.Until(p.moment)) // the moment itself is what the test is about
			for range 200 {                  // a shop that is being killed and started is asked again
				if a := shop.Cashier(p.pay.PayURL, `{"settle":"paid","notifications":[{},{"delay_ms":300}]}`); a.Status == 204 {
					mu.Lock()
					defer mu.Unlock()
					if taken[p.pay.ID] = true; len(taken) == customers/2 {
						close(half)
					}
					return
				}
				time.Sleep(50 * time.Millisecond)
			}
		})
	}
	// Others want what comes free.
	stop, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		for i, token := range shop.Tokens(2*firstCustomer, 60) {
			for round := 0; ; round++ {
				p := blackbox.Buying(sale.ID, 1, 2*firstCustomer+int64(i), token, fmt.Sprintf("free-%d", i), sku)
				a := shop.Buy(p)
				book.Note(p, a)
				if a.Status == 201 {
					break
				}
				select {
				case <-stop:
					return
				case <-time.After(20 * time.Millisecond):
				}
			}
		}
	}()
	select {
	case <-half:
	case <-time.After(await.Max):
		t.Fatalf("the cashier takes no money: %d of %d", len(taken), customers)
	}
	t.Logf("expired before kill %d at +%v", len(shop.Orders(sale.ID, "expired")), time.Since(receipts[0].Order.Expires))
	shop.Kill()
	shop.Start()
	all.Wait()
	close(stop)
	<-gone
	if len(taken) != customers {
		t.Fatalf("the cashier took the money of %d of %d", len(taken), customers)
	}

	kept, back := 0, 0
	refunded := func() map[string]bool {
		done := map[string]bool{}
		for _, r := range shop.Refunds("succeeded") {
			done[r.Payment] = true
		}
		return done
	}
	await.Until(t, "every payment has ended", func() bool {
		done := refunded()
		kept, back = 0, 0
		paid := map[string]bool{}
		for _, o := range shop.Orders(sale.ID, "paid") {
			paid[o.ID] = true
		}
		for _, p := range payers {
			switch {
			case paid[p.order] && done[p.pay.ID]:
				t.Errorf("order %s is paid, and its money was given back", p.order)
			case paid[p.order]:
				kept++
			case done[p.pay.ID]:
				back++
			}
		}
		return kept+back == customers
	})
	t.Logf("%d payments were kept and %d given back; others bought %d; %s", kept, back, len(book.Receipts)-customers, book)
	shop.Settle(book)
	shop.VerifyOrders(book)
	shop.CheckSale(book, sale, 1)
	shop.Audit("I1", "I2", "I3", "I4", "I5", "I6", "I7", "I9")
	shop.Reconciled()
	if pool := shop.Pool(sku, sale.ID); pool.Sold != int64(kept) || pool.OnHand+pool.Sold != customers {
		t.Errorf("with %d payments kept the sale's pool is %+v of %d units", kept, pool, customers)
	}
}
