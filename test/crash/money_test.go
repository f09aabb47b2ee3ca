package crash

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/tidegate/tidegate/internal/await"
	"github.com/tidegate/tidegate/test/blackbox"
)

// sold fills a sale: each customer buys units once. It returns the receipts, by order id in ascending order.
func sold(t *testing.T, shop *blackbox.Shop, sale blackbox.Sale, sku string, customers int, units int64) (*blackbox.Book, []blackbox.Receipt) {
	t.Helper()
	buying := make([]blackbox.Purchase, customers)
	for i, token := range shop.Tokens(firstCustomer, customers) {
		buying[i] = blackbox.Buying(sale.ID, units, firstCustomer+int64(i), token, fmt.Sprintf("k-%d", i), sku)
	}
	book := blackbox.NewBook(nil)
	shop.Crowd(book, 64, nil, buying)
	if len(book.Receipts) != customers {
		t.Fatalf("%d of %d orders were taken: %s", len(book.Receipts), customers, book)
	}
	ids := slices.Sorted(maps.Keys(book.Receipts))
	receipts := make([]blackbox.Receipt, len(ids))
	for i, id := range ids {
		receipts[i] = book.Receipts[id]
	}
	return book, receipts
}

// TestAKillAmongExpiriesGivesEveryUnitBackOnce kills the process while orders expire. In the end each has expired, every
// unit can be bought again, once, and so has every shopper their allowance.
func TestAKillAmongExpiriesGivesEveryUnitBackOnce(t *testing.T) {
	t.Parallel()
	const customers, units, kills = 1200, 2, 3
	shop := blackbox.New(t)
	shop.Start()
	sku := shop.Stocked("MUG", 2*customers*units)
	sale := shop.Open(blackbox.Terms{SKUs: []string{sku}, Allocation: customers * units, Limit: units, PaymentSeconds: 10})
	book, receipts := sold(t, shop, sale, sku, customers, units)
	expired := 0
	for kill := range kills {
		await.Until(t, "more orders expire", func() bool {
			n := len(shop.Orders(sale.ID, "expired"))
			more := n > expired || n == customers
			expired = n
			return more
		})
		shop.Kill()
		t.Logf("kill %d: %d of %d orders had expired", kill, expired, customers)
		shop.Start()
	}
	await.Until(t, "every order has expired", func() bool { return len(shop.Orders(sale.ID, "expired")) == customers })
	if pool := shop.Pool(sku, sale.ID); pool.Reserved != 0 || pool.Sold != 0 || pool.Available != customers*units {
		t.Errorf("after the last expiry the sale's pool is %+v, %d units should be available", pool, customers*units)
	}
	shop.VerifyOrders(book)
	shop.Audit("I1", "I2", "I3", "I4", "I6", "I7", "I9")
	shop.Reconciled()
	if item := shop.Sale(sale.ID).Items[0]; item.Available != customers*units {
		t.Errorf("the gate offers %d units of %d", item.Available, customers*units)
	}
	for _, r := range []blackbox.Receipt{receipts[0], receipts[len(receipts)-1]} {
		r.Key += "-again"
		if a := shop.Buy(r.Purchase); a.Status != 201 || a.Header.Get("Idempotent-Replayed") != "" {
			t.Errorf("a shopper whose order has expired buys again: %s", a)
		}
	}
}

// TestAKillAmongPaymentsSettlesEachOnce kills the process while shoppers pay and the cashier tells the shop of it. What
// the cashier has taken is an order paid, once; who was cut off pays again and does not pay twice.
func TestAKillAmongPaymentsSettlesEachOnce(t *testing.T) {
	t.Parallel()
	const seed, customers, kills = 11, 300, 3
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	shop := blackbox.New(t, "TIDEGATE_PAYMENTS_QUERY_AFTER=1s")
	shop.Start()
	sku := shop.Stocked("MUG", customers)
	sale := shop.Open(blackbox.Terms{SKUs: []string{sku}, Allocation: customers, Limit: 1, PaymentSeconds: 3600})
	book, receipts := sold(t, shop, sale, sku, customers, 1)

	var mu sync.Mutex
	taken := map[string]bool{} // orders whose money the cashier said it has
	refused := ""              // the last answer of another kind
	pay := func(stop <-chan struct{}, enough int, reached func()) {
		var left []blackbox.Receipt
		for _, r := range receipts {
			if !taken[r.Order.ID] {
				left = append(left, r)
			}
		}
		blackbox.Each(24, left, func(r blackbox.Receipt) {
			select {
			case <-stop:
				return
			default:
			}
			attempt, a := shop.StartPayment(r)
			if a.Code() == "order_closed" { // it is paid: the cashier's answer was lost
				mu.Lock()
				defer mu.Unlock()
				taken[r.Order.ID] = true
				return
			}
			if a.Status == 201 {
				a = shop.Pay(attempt.PayURL)
			}
			mu.Lock()
			defer mu.Unlock()
			if a.Status != 303 {
				refused = fmt.Sprintf("order %s, attempt %+v: %s", r.Order.ID, attempt, a)
				return
			}
			taken[r.Order.ID] = true
			if len(taken) == enough {
				reached()
			}
		})
	}
	for kill := range kills {
		stop, gone := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(gone)
			pay(stop, len(taken)+10+random.IntN(60), func() { close(stop) })
		}()
		select {
		case <-stop:
		case <-gone:
			t.Fatalf("kill %d: everybody had paid, or nobody could: %d of %d", kill, len(taken), customers)
		}
		shop.Kill()
		<-gone
		t.Logf("kill %d: the cashier had taken the money of %d of %d", kill, len(taken), customers)
		shop.Start()
	}
	defer func() {
		if t.Failed() {
			t.Logf("the last who could not pay: %s", refused)
		}
	}()
	await.Until(t, "everybody has paid", func() bool {
		pay(nil, -1, nil)
		return len(taken) == customers
	})
	await.Until(t, "every payment has reached its order", func() bool { return len(shop.Orders(sale.ID, "paid")) == customers })
	for _, r := range receipts {
		paid := 0
		for _, p := range shop.Payments(r) {
			if p.Status == "paid" {
				paid++
			}
		}
		if paid != 1 {
			t.Errorf("order %s was paid %d times: %+v", r.Order.ID, paid, shop.Payments(r))
		}
	}
	if refunds := shop.Refunds(""); len(refunds) > 0 {
		t.Errorf("money went back that nobody had paid twice: %+v", refunds)
	}
	if pool := shop.Pool(sku, sale.ID); pool.Sold != customers || pool.OnHand != 0 || pool.Reserved != 0 {
		t.Errorf("after the last payment the sale's pool is %+v, %d units should be sold", pool, customers)
	}
	shop.VerifyOrders(book)
	shop.Audit("I1", "I2", "I3", "I4", "I5", "I7", "I9")
	shop.Reconciled()
}
