package crash

import (
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tidegate/tidegate/internal/await"
	"github.com/tidegate/tidegate/test/blackbox"
)

// TestAShopWithoutFilesToOpenKeepsSelling leaves the process no file to open beyond those it has: as many connections as
// there is room for, and no more. Who is connected buys and reads as ever.
func TestAShopWithoutFilesToOpenKeepsSelling(t *testing.T) {
	t.Parallel()
	const customers, shoppers = 200, 8
	shop := blackbox.New(t)
	shop.Start()
	sku := shop.Stocked("MUG", 1000)
	sale := shop.Open(blackbox.Terms{SKUs: []string{sku}, Allocation: 1000, PaymentSeconds: 3600})
	tokens := shop.Tokens(firstCustomer, customers)
	buying := make([]blackbox.Purchase, customers)
	for i, token := range tokens {
		buying[i] = blackbox.Buying(sale.ID, 1, firstCustomer+int64(i), token, "k-"+strconv.Itoa(i), sku)
	}
	// The shoppers' connections are made while there is room, then others take what is left.
	book := blackbox.NewBook(nil)
	shop.Crowd(book, shoppers, nil, buying[:50])
	pid := shop.Running().PID
	open := func() int {
		t.Helper()
		files, err := os.ReadDir(filepath.Join("/proc", strconv.Itoa(pid), "fd"))
		if err != nil {
			t.Fatal(err)
		}
		return len(files)
	}
	limit := uint64(open() + 10)
	var before unix.Rlimit
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &before); err != nil {
		t.Fatal(err)
	}
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: limit, Max: before.Max}, nil); err != nil {
		t.Fatal(err)
	}
	var idle []net.Conn
	for range 40 {
		conn, err := net.Dial("tcp", strings.TrimPrefix(shop.Running().Public, "http://"))
		if err != nil {
			break
		}
		idle = append(idle, conn)
	}
	await.Until(t, "the shop has no file left", func() bool {
		return strings.Contains(shop.Process().Stderr.String(), "too many open files")
	})
	shop.Crowd(book, shoppers, nil, buying[50:]) // over the connections that are there
	blackbox.Each(shoppers, slices.Collect(maps.Values(book.Receipts)), func(r blackbox.Receipt) {
		if a := shop.Ask("GET", "/v1/orders/"+r.Order.ID, r.Token, ""); a.Status != 200 {
			t.Errorf("without files an accepted order is read as %s", a)
		}
	})
	if len(book.Receipts) != customers {
		t.Errorf("without files %s, of %d", book, customers)
	}
	for _, conn := range idle {
		_ = conn.Close()
	}
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &before, nil); err != nil {
		t.Fatal(err)
	}
	shop.VerifyOrders(book)
	shop.Audit("I1", "I2", "I3", "I4", "I9")
	shop.Reconciled()
}
