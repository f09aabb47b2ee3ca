package crash

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tidegate/tidegate/test/blackbox"
)

// TestAFullDiskRefusesOrdersAndLosesNone fills the disk under a shop that sells.
func TestAFullDiskRefusesOrdersAndLosesNone(t *testing.T) {
	t.Parallel()
	disk := t.TempDir()
	if err := syscall.Mount("none", disk, "tmpfs", 0, "size=24m"); err != nil {
		t.Skipf("a small disk cannot be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, 0); err != nil {
			t.Errorf("the small disk cannot be unmounted: %v", err)
		}
	})
	shop := blackbox.At(t, filepath.Join(disk, "shop"))
	shop.Start()
	balloon := filepath.Join(disk, "balloon")
	withoutRoom(t, shop, func() { fill(t, balloon) }, func() {
		if err := os.Remove(balloon); err != nil {
			t.Fatal(err)
		}
	}, "store_full", "store_unavailable")
}

// fill writes a file until the disk has no room.
func fill(t *testing.T, path string) {
	t.Helper()
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{1 << 20, 4096, 1} { // the last bytes too
		for err = error(nil); err == nil; {
			_, err = file.Write(make([]byte, size))
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("the disk cannot be filled: %v", err)
		}
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestAFailedCommitRefusesOrdersAndLosesNone lets every write beyond the first page of a file fail, as a file system
// with a limit or a broken disk does, and then lets them pass again.
func TestAFailedCommitRefusesOrdersAndLosesNone(t *testing.T) {
	t.Parallel()
	shop := blackbox.New(t)
	shop.Start()
	limit := func(bytes uint64) {
		t.Helper()
		if err := unix.Prlimit(shop.Running().PID, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: bytes, Max: unix.RLIM_INFINITY}, nil); err != nil {
			t.Fatalf("the size of the shop's files cannot be limited: %v", err)
		}
	}
	withoutRoom(t, shop, func() { limit(4096) }, func() { limit(unix.RLIM_INFINITY) }, "store_unavailable", "store_full")
}

// withoutRoom sells, takes the room away, and sells on: orders are refused with 503, one of the codes and a Retry-After,
// everything can still be read, and the operator is told. When there is room again, so are orders, with the same keys.
func withoutRoom(t *testing.T, shop *blackbox.Shop, take, give func(), codes ...string) {
	t.Helper()
	const customers, allocation, limit, shoppers = 300, 400, 2, 32
	random := rand.New(rand.NewPCG(3, 1))
	sku := shop.Stocked("MUG", 1000)
	sale := shop.Open(blackbox.Terms{SKU: sku, Allocation: allocation, Limit: limit, PaymentSeconds: 3600})
	tokens := shop.Tokens(firstCustomer, customers)
	book := blackbox.NewBook(nil)
	shop.Crowd(book, shoppers, nil, wishes(random, sale.ID, sku, "before", tokens[:50], 60))
	if len(book.Receipts) < 20 {
		t.Fatalf("before: %s", book)
	}

	take()
	pid := shop.Process().Process.Pid
	refused := untilRefused(t, shop, sale.ID, sku, book, tokens[50])
	known := false
	for _, code := range codes {
		known = known || refused.Code() == code
	}
	if wait, err := strconv.Atoi(refused.Header.Get("Retry-After")); !known || refused.Status != 503 || err != nil || wait < 1 {
		t.Errorf("without room an order was answered %s, Retry-After %q", refused, refused.Header.Get("Retry-After"))
	}
	shop.Crowd(book, shoppers, nil, wishes(random, sale.ID, sku, "without", tokens[50:], 300))
	t.Logf("without room: %s", book)
	for code := range book.Refused {
		if code != "limit_reached" && code != "sold_out" && code != codes[0] && code != codes[1] {
			t.Errorf("without room orders were refused with %s", code)
		}
	}
	for _, r := range book.Receipts {
		if read := shop.Ask("GET", "/v1/orders/"+r.Order.ID, r.Token, ""); read.Status != 200 {
			t.Fatalf("without room an accepted order cannot be read: %s", read)
		}
	}
	if ready := shop.Ask("GET", shop.Running().Ops+"/readyz", "", ""); ready.Status != 503 {
		t.Errorf("without room /readyz says %s", ready)
	}

	give()
	again := blackbox.Buying(sale.ID, sku, 1, firstCustomer+299, tokens[299], "after")
	blackbox.Eventually(t, "orders are taken again", func() bool {
		a := shop.Buy(again)
		book.Note(again, a)
		return a.Status == 201
	})
	blackbox.Eventually(t, "the shop says that it is ready", func() bool {
		return shop.Ask("GET", shop.Running().Ops+"/readyz", "", "").Status == 200
	})
	shop.Settle(book) // everyone who was told to come back does so
	shop.Crowd(book, shoppers, nil, wishes(random, sale.ID, sku, "after", tokens, customers))
	if shop.Running().PID != pid {
		t.Error("the shop was started anew")
	}
	shop.Honour(book)
	shop.CheckSale(book, sale.ID, allocation, limit)
	shop.Audit("I1", "I2", "I3", "I4", "I7", "I9")
	shop.Reconciled()
	shop.Stop()
	shop.Start()
	shop.Honour(book)
	shop.Reconciled()
}

// untilRefused buys until an order is refused for want of room, and returns the answer: the log that the database
// writes ahead may have had some room of its own.
func untilRefused(t *testing.T, shop *blackbox.Shop, sale, sku string, book *blackbox.Book, token string) blackbox.Answer {
	t.Helper()
	const ordersMax = 2000
	for i := range ordersMax {
		p := blackbox.Buying(sale, sku, 1, firstCustomer+50, token, fmt.Sprintf("probe-%d", i))
		a := shop.Buy(p)
		book.Note(p, a)
		if a.Status >= 500 || a.Err != nil {
			return a
		}
	}
	t.Fatalf("there is no room, and of %d orders none was refused for it: %s", ordersMax, book)
	return blackbox.Answer{}
}
