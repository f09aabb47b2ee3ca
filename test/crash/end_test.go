package crash

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/await"
	"github.com/tidegate/tidegate/test/blackbox"
)

// TestAKillAtTheEndReturnsTheRestOnce has the clock open a sale while no process runs, and end it among buyers. The process
// is killed with the first answer that says so. What was not sold is in general stock, once, and what is held follows.
func TestAKillAtTheEndReturnsTheRestOnce(t *testing.T) {
	t.Parallel()
	const (
		stock, allocation = 30_000, 20_000
		customers         = 1000
		opensIn, lasts    = 1 * time.Second, 8 * time.Second // in which the shop starts and sells
		shoppers          = 2                                // few, so that something is left at the end
	)
	shop := blackbox.New(t)
	shop.Start()
	sku := shop.Stocked("MUG", stock)
	tokens := shop.Tokens(firstCustomer, customers)
	sale := shop.Schedule(blackbox.Terms{SKUs: []string{sku}, Allocation: allocation, PaymentSeconds: 3600, In: opensIn, Lasts: lasts})
	shop.Kill()
	time.Sleep(time.Until(sale.Starts)) // the moment itself is what the test is about
	shop.Start()

	var ended sync.Once
	over, gone := make(chan struct{}), make(chan struct{})
	book := blackbox.NewBook(nil)
	go func() {
		defer close(gone)
		buying := make([]blackbox.Purchase, customers)
		for round := 0; ; round++ {
			for i := range buying {
				buying[i] = blackbox.Buying(sale.ID, 1, firstCustomer+int64(i), tokens[i], fmt.Sprintf("k-%d-%d", i, round), sku)
			}
			blackbox.Each(shoppers, buying, func(p blackbox.Purchase) {
				select {
				case <-over:
					return
				default:
				}
				a := shop.Buy(p)
				book.Note(p, a)
				if a.Code() == "sale_ended" {
					ended.Do(func() { close(over) })
				}
			})
			select {
			case <-over:
				return
			default:
			}
		}
	}()
	select {
	case <-over:
	case <-time.After(await.Max):
		t.Fatalf("the sale does not end: %s", book)
	}
	shop.Kill()
	<-gone
	t.Logf("killed at the end: %s", book)
	shop.Start()
	shop.VerifyOrders(book)
	shop.Settle(book)
	shop.CheckSale(book, sale, 0)
	await.Until(t, "the sale's row says that it has ended", func() bool { return shop.Sale(sale.ID).Status == "ended" })
	check := func(when string, held int64) {
		t.Helper()
		general, pool := shop.Pool(sku, ""), shop.Pool(sku, sale.ID)
		if general.OnHand != stock-held || general.Reserved != 0 || pool.OnHand != held || pool.Reserved != held {
			t.Errorf("%s %d units are held of %d: general stock is %+v, the sale's pool %+v", when, held, stock, general, pool)
		}
		shop.Audit("I1", "I2", "I3", "I4", "I6", "I9")
		shop.Reconciled()
	}
	held := int64(len(book.Receipts))
	if held == 0 {
		t.Errorf("nothing was sold: %s", book)
	}
	check("after the end", held)
	cancelled := int64(0)
	for id, r := range book.Receipts {
		if a := shop.Ask("POST", "/v1/orders/"+id+"/cancel", r.Token, ""); a.Status != 200 {
			t.Fatalf("an order of a sale that is over cannot be cancelled: %s", a)
		}
		if cancelled++; cancelled == min(held, 50) {
			break
		}
	}
	check("with some cancelled", held-cancelled)
}
