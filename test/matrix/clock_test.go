package matrix

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/await"
	"github.com/tidegate/tidegate/test/blackbox"
)

// clockFile is the environment variable by which a build with crash points is told how far ahead its clock is: see package
// clock.
const clockFile = "CLOCK_AHEAD_FILE"

// clockConfirm is the one by which it is told how long a new time has to stay.
const clockConfirm = "CLOCK_CONFIRM_AFTER"

// wrong is a shop whose clock a test sets.
type wrong struct {
	*testing.T
	shop   *blackbox.Shop
	file   string
	sku    string
	sale   blackbox.Sale
	tokens []string
	book   *blackbox.Book
	asked  int
}

// set makes the clock so far ahead, all at once.
func (w *wrong) set(ahead time.Duration) {
	w.Helper()
	next := w.file + ".next"
	err := os.WriteFile(next, []byte(ahead.String()), 0o600)
	if err == nil {
		err = os.Rename(next, w.file)
	}
	if err != nil {
		w.Fatal(err)
	}
	time.Sleep(20 * time.Millisecond) // it is read every few milliseconds
}

// crowd buys n times, in the sale and from general stock, and returns what it was told.
func (w *wrong) crowd(n int, between func(i int)) *blackbox.Book {
	w.Helper()
	told := blackbox.NewBook(nil)
	var all []blackbox.Purchase
	for i := range n {
		c := w.asked % customers
		from := w.sale.ID
		if i%3 == 0 {
			from = ""
		}
		all = append(all, blackbox.Buying(from, 1, firstCustomer+int64(c), w.tokens[c], fmt.Sprint("clock-", w.asked), w.sku))
		w.asked++
	}
	for part := range slices.Chunk(all, 10) {
		if between != nil {
			between(len(part))
		}
		blackbox.Each(8, part, func(p blackbox.Purchase) {
			a := w.shop.Buy(p)
			told.Note(p, a)
			w.book.Note(p, a)
		})
	}
	return told
}

// TestTheClockJumps sets the clock of a shop that sells an hour ahead, an hour back, and to and fro, for longer than the shop takes to
// believe it, and kills it among that.
// Orders whose time is over by the new clock end, and no paid one; new ones are taken under ids that go on growing; a sale that
// was opened stays open before its time. Nothing is sold twice and nothing is lost.
func TestTheClockJumps(t *testing.T) {
	t.Parallel()
	w := &wrong{T: t, file: filepath.Join(t.TempDir(), "ahead"), book: blackbox.NewBook(nil)}
	if err := os.WriteFile(w.file, []byte("0s"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.shop = blackbox.New(t, clockFile+"="+w.file, clockConfirm+"=1s", earlyQuestion, "TIDEGATE_ORDERS_PAYMENT_WINDOW=30m")
	w.shop.Start()
	w.sku = w.shop.Stocked("MUG", 5000)
	w.sale = w.shop.Open(blackbox.Terms{SKUs: []string{w.sku}, Allocation: 300, PaymentSeconds: 1800, Lasts: 3 * time.Hour})
	w.tokens = w.shop.Tokens(firstCustomer, customers, "--ttl", "24h")
	usual := w.crowd(60, nil)
	if len(usual.Receipts) != 60 {
		t.Fatalf("by the true clock: %s", usual)
	}
	paid := usual.Accepted()[0]
	p, a := w.shop.StartPayment(paid)
	if a.Status != 201 || w.shop.Pay(p.PayURL).Status != 303 {
		t.Fatalf("paying: %s", a)
	}
	await.Until(t, "the order is paid", func() bool { return w.shop.Order(paid.Order.ID).Status == "paid" })
	newest := ""
	growing := func(when string, told *blackbox.Book) {
		t.Helper()
		before := newest
		for id := range told.Receipts {
			if id <= before {
				t.Errorf("%s: order %s has an id of before %s", when, id, before)
			}
			newest = max(newest, id)
		}
	}
	growing("at first", usual)

	w.set(time.Hour)
	await.Until(t, "what was not paid is over, an hour later", func() bool {
		return slices.IndexFunc(usual.Accepted(), func(r blackbox.Receipt) bool {
			return r.Order.ID != paid.Order.ID && w.shop.Order(r.Order.ID).Status != "expired"
		}) < 0
	})
	later := w.crowd(60, nil)
	if len(later.Receipts) != 60 {
		t.Errorf("an hour ahead: %s", later)
	}
	growing("an hour ahead", later)

	w.set(-time.Hour)
	before := w.crowd(60, nil)
	growing("an hour behind", before)
	if len(before.Receipts) != 60 {
		t.Errorf("an hour behind: %s", before)
	}

	random := rand.New(rand.NewPCG(23, 1))
	jump := func(i int) {
		w.set([]time.Duration{-time.Hour, 0, time.Hour}[random.IntN(3)])
	}
	for round := range 3 {
		fro := w.crowd(60, jump)
		growing("to and fro", fro)
		if len(fro.Receipts) != 60 {
			t.Errorf("to and fro: %s", fro)
		}
		w.shop.Kill()
		w.set([]time.Duration{-time.Hour, time.Hour, 0}[round])
		w.shop.Start()
	}
	if now := w.shop.Order(paid.Order.ID); now.Status != "paid" {
		t.Errorf("the paid order is %s", now.Status)
	}
	w.shop.CheckSale(w.book, w.sale, 0)
	w.shop.VerifyOrders(w.book)
	w.shop.Settle(w.book)
	w.shop.CheckSale(w.book, w.sale, 0)
	w.shop.Audit("I1", "I2", "I3", "I4", "I5", "I6", "I9")
	w.shop.Reconciled()
	w.shop.Stop()
}

// TestTheClockJumpsForAMoment sets the clock of a shop that sells three hours ahead, and right again, and the same behind; and kills
// it while the clock is wrong. Nothing ends: the sale goes on, and what was not paid can be.
func TestTheClockJumpsForAMoment(t *testing.T) {
	t.Parallel()
	w := &wrong{T: t, file: filepath.Join(t.TempDir(), "ahead"), book: blackbox.NewBook(nil)}
	if err := os.WriteFile(w.file, []byte("0s"), 0o600); err != nil {
		t.Fatal(err)
	}
	// Longer than the test takes: nothing that it sees is for want of time.
	w.shop = blackbox.New(t, clockFile+"="+w.file, clockConfirm+"=1h", earlyQuestion)
	w.shop.Start()
	w.sku = w.shop.Stocked("MUG", 5000)
	w.sale = w.shop.Open(blackbox.Terms{SKUs: []string{w.sku}, Allocation: 3000, PaymentSeconds: 1800, Lasts: 2 * time.Hour})
	w.tokens = w.shop.Tokens(firstCustomer, customers, "--ttl", "24h")
	for _, ahead := range []time.Duration{3 * time.Hour, -3 * time.Hour} {
		w.crowd(30, nil)
		w.set(ahead)
		w.shop.Audit() // as much time as a loop needs to look
		if told := w.crowd(30, nil); len(told.Receipts) != 30 {
			t.Errorf("%s ahead: %s", ahead, told)
		}
		w.shop.Kill()
		w.shop.Start()
		w.shop.Audit()
		w.set(0)
		w.shop.Kill()
		w.shop.Start()
		if told := w.crowd(30, nil); len(told.Receipts) != 30 {
			t.Errorf("set right after %s ahead: %s", ahead, told)
		}
	}
	if now := w.shop.Sale(w.sale.ID); now.Status != "live" {
		t.Errorf("the sale is %s", now.Status)
	}
	for _, r := range w.book.Accepted() {
		if now := w.shop.Order(r.Order.ID); now.Status != "pending" {
			t.Errorf("order %s is %s", r.Order.ID, now.Status)
		}
	}
	w.shop.CheckSale(w.book, w.sale, 0)
	w.shop.Stop()
}
