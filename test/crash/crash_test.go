// Package crash kills, starves and stops the real binary in the middle of its work, and then asks what it promised.
package crash

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/tidegate/tidegate/test/blackbox"
)

func TestMain(m *testing.M) { blackbox.Main(m) }

// The first of the customers that tests invent.
const firstCustomer = 1_000_001

// wishes are n purchases of customers in turn, one or two units of some of the SKUs each, in a random order. Every third
// is tried twice.
func wishes(random *rand.Rand, sale, round string, tokens []string, n int, skus ...string) []blackbox.Purchase {
	all := make([]blackbox.Purchase, 0, n+n/3)
	for i := range n {
		c := i % len(tokens)
		key := fmt.Sprintf("%s-%d-%d", round, c, i/len(tokens))
		from := random.IntN(len(skus))
		some := skus[from : from+1+random.IntN(len(skus)-from)]
		p := blackbox.Buying(sale, 1+random.Int64N(2), firstCustomer+int64(c), tokens[c], key, some...)
		all = append(all, p)
		if i%3 == 0 {
			all = append(all, p)
		}
	}
	random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

// TestAKilledShopKeepsItsWord kills the process with -9 while orders pour in, several times on one folder, each time
// after a random number of answers. Whatever was answered 201 is there, and is answered again to its key; whoever had no
// answer gets one; nothing is oversold and no shopper has more than the limit, over all rounds together.
func TestAKilledShopKeepsItsWord(t *testing.T) {
	t.Parallel()
	const (
		seed       = 20261127
		rounds     = 4
		customers  = 600
		allocation = 800
		limit      = 5
		shoppers   = 96
	)
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	shop := blackbox.New(t)
	shop.Start()
	skus := []string{shop.Stocked("MUG", 5000), shop.Stocked("JUG", 5000)}
	sale := shop.Open(blackbox.Terms{SKUs: skus, Allocation: allocation, Limit: limit, PaymentSeconds: 3600})
	tokens := shop.Tokens(firstCustomer, customers)

	stop := make(chan struct{})
	killAt := 0
	book := blackbox.NewBook(func(answered int) {
		if answered == killAt {
			close(stop)
		}
	})
	for round := range rounds {
		before := len(book.Receipts)
		killAt = book.Answered() + 50 + random.IntN(500)
		stop = make(chan struct{})
		gone := make(chan struct{})
		buying := wishes(random, sale.ID, fmt.Sprintf("r%d", round), tokens, 2*customers, skus...)
		go func() {
			defer close(gone)
			shop.Crowd(book, shoppers, stop, buying)
		}()
		select {
		case <-stop:
		case <-gone:
			t.Fatalf("round %d: the crowd had gone home before the kill: %s", round, book)
		}
		shop.Kill()
		<-gone
		t.Logf("round %d: killed after %d answers; %s", round, killAt, book)
		if round < 2 && len(book.Receipts) == before {
			t.Errorf("round %d: nothing was sold, so nothing was tried", round)
		}
		shop.Start()
		shop.CheckSale(book, sale, limit)
		shop.VerifyOrders(book)
		shop.Settle(book)
		shop.CheckSale(book, sale, limit)
		shop.Audit("I1", "I2", "I3", "I4", "I7", "I9")
		shop.Reconciled()
		if t.Failed() {
			return
		}
	}
	for _, sku := range skus {
		pool := shop.Pool(sku, sale.ID)
		if pool.OnHand != allocation || pool.Reserved+pool.Available != allocation {
			t.Errorf("the sale's pool does not account for its %d units: %+v", allocation, pool)
		}
	}
	shop.Stop()
	shop.Audit("I1", "I2", "I3", "I4", "I7", "I9") // of the folder that no process holds
}
