package crash

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tidegate/tidegate/internal/await"
	"github.com/tidegate/tidegate/test/blackbox"
	"github.com/tidegate/tidegate/test/engine"
)

// earlyCheckpoints has the database copied out of its log often, so that the disk fills in the middle of that, too.
const earlyCheckpoints = "TIDEGATE_STORE_CHECKPOINT_MIB=1"

// TestAFullDiskRefusesOrdersAndLosesNone fills the disk under a shop that sells.
func TestAFullDiskRefusesOrdersAndLosesNone(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t, "24m")
	shop := blackbox.At(t, filepath.Join(disk, "shop"), blackbox.ManyUnpaid(earlyCheckpoints)...)
	shop.Start()
	balloon := filepath.Join(disk, "balloon")
	r := openRoom(t, shop, "store_full", "store_unavailable")
	r.take = func() { fill(t, balloon) }
	r.give = func() {
		if err := os.Remove(balloon); err != nil {
			t.Fatal(err)
		}
	}
	r.test()
}

// smallDisk mounts a disk of a size.
func smallDisk(t *testing.T, size string) (folder string) {
	t.Helper()
	disk := t.TempDir()
	if err := syscall.Mount("none", disk, "tmpfs", 0, "size="+size); err != nil {
		engine.Missing(t, "a small disk cannot be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, 0); err != nil {
			t.Errorf("the small disk cannot be unmounted: %v", err)
		}
	})
	return disk
}

// TestADiskThatTheShopFillsIsItsDatas sells, with the settings as they are by default, until a small disk is full: what has filled it is the
// data, not the shop's own log. Then it is killed, stopped and started on the full disk: each time it serves what it has accepted, commands
// find it, and with room again it sells, without a start in between.
func TestADiskThatTheShopFillsIsItsDatas(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t, "24m")
	shop := blackbox.At(t, filepath.Join(disk, "shop"), blackbox.ManyUnpaid()...)
	shop.Start()
	r := openRoom(t, shop, "store_full")
	many := shop.Stocked("JUG", 1_000_000)
	balloon := filepath.Join(disk, "balloon")
	const left = 2 << 20 // much less than the log may have by default
	var free unix.Statfs_t
	if err := unix.Statfs(disk, &free); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(balloon, make([]byte, int64(free.Bavail)*free.Bsize-left), 0o600); err != nil {
		t.Fatal(err)
	}
	for round := 0; ; round++ { // a crowd makes batches: the log grows by more than an order at a time
		const roundsMax, shoppersAtOnce, ordersOfRound = 100, 64, 1000
		if round == roundsMax {
			t.Fatalf("the disk does not get full: %s", r.book)
		}
		var buying []blackbox.Purchase
		for i := range ordersOfRound {
			c := i % len(r.tokens)
			buying = append(buying, blackbox.Buying("", 1, firstCustomer+int64(c), r.tokens[c], fmt.Sprintf("fill-%d-%d", round, i), many))
		}
		shop.Crowd(r.book, shoppersAtOnce, nil, buying)
		if shop.Ask("GET", shop.Running().Ops+"/readyz", "", "").Status == 503 {
			break
		}
	}
	size := func(suffix string) int64 {
		info, err := os.Stat(filepath.Join(shop.Folder, "tidegate.db"+suffix))
		if err != nil {
			return 0
		}
		return info.Size()
	}
	t.Logf("full: %s; data %d KiB, log %d KiB, ballast %d KiB", r.book, size("")>>10, size("-wal")>>10, size("-ballast")>>10)
	if log, data := size("-wal"), size(""); log > data/4 {
		t.Errorf("of the full disk the data has %d KiB, and the log %d KiB", data>>10, log>>10)
	}
	read := func(when string) {
		t.Helper()
		n := 0
		for _, receipt := range r.book.Receipts {
			if a := shop.Ask("GET", "/v1/orders/"+receipt.Order.ID, receipt.Token, ""); a.Status != 200 {
				t.Fatalf("%s: an accepted order is read as %s", when, a)
			}
			if n++; n == 100 {
				break
			}
		}
		shop.Audit("I1", "I2", "I3", "I4") // a command, which finds the shop by its folder
	}
	read("full")
	fill(t, balloon) // to the last byte
	shop.Kill()
	shop.Start()
	read("killed")
	shop.Stop()
	fill(t, balloon)
	shop.Start()
	read("stopped")
	pid := shop.Running().PID
	if err := os.Remove(balloon); err != nil {
		t.Fatal(err)
	}
	r.untilTaken()
	if shop.Running().PID != pid {
		t.Error("the shop was started anew")
	}
	r.crowd("after", r.tokens, roomCustomers)
	r.check()
}

// fill lengthens a file until the disk has no room.
func fill(t *testing.T, path string) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
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
	shop := blackbox.New(t, blackbox.ManyUnpaid(earlyCheckpoints)...)
	shop.Start()
	limit := func(bytes uint64) {
		t.Helper()
		err := unix.Prlimit(shop.Running().PID, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: bytes, Max: unix.RLIM_INFINITY}, nil)
		if err != nil && !errors.Is(err, syscall.ESRCH) { // a process that was killed takes its limit along
			t.Fatalf("the size of the shop's files cannot be limited: %v", err)
		}
	}
	r := openRoom(t, shop, "store_unavailable", "store_full")
	r.take = func() { limit(4096) }
	r.give = func() { limit(unix.RLIM_INFINITY) }
	r.test()
}

// Those who buy while there is no room, and what there is to buy.
const (
	roomCustomers  = 300
	roomAllocation = 400
	roomLimit      = 2
	roomShoppers   = 32
)

// room is a shop that sells while its disk has room, has none, and has some again.
type room struct {
	*testing.T
	shop       *blackbox.Shop
	take, give func()
	codes      []string // with which orders may be refused without room
	random     *rand.Rand
	sale       blackbox.Sale
	sku        string
	tokens     []string
	book       *blackbox.Book
	probes     int
	begun      []begun
}

func openRoom(t *testing.T, shop *blackbox.Shop, codes ...string) *room {
	r := &room{T: t, shop: shop, codes: codes, random: rand.New(rand.NewPCG(3, 1)), book: blackbox.NewBook(nil)}
	r.sku = shop.Stocked("MUG", 10_000)
	r.sale = shop.Open(blackbox.Terms{SKUs: []string{r.sku}, Allocation: roomAllocation, Limit: roomLimit, PaymentSeconds: 3600})
	r.tokens = shop.Tokens(firstCustomer, roomCustomers)
	return r
}

// crowd has customers from one id on buy.
func (r *room) crowd(round string, tokens []string, n int) {
	r.shop.Crowd(r.book, roomShoppers, nil, wishes(r.random, r.sale.ID, round, tokens, n, r.sku))
}

// test sells, takes the room away and sells on: orders are refused with 503 and a Retry-After, what was accepted can be
// read, the operator is told, and a payment waits. With room again everything goes on, with the same keys; and a kill
// while there is none loses nothing either.
func (r *room) test() {
	r.crowd("before", r.tokens[:50], 60)
	if len(r.book.Receipts) < 20 {
		r.Fatalf("before: %s", r.book)
	}
	r.startPayments()

	r.take()
	r.untilRefused()
	waiting := r.without()

	pid := r.shop.Running().PID
	r.give()
	r.untilTaken()
	r.shop.Settle(r.book) // everyone who was told to come back does so
	await.Until(r, "the payment is taken and reaches its order", func() bool {
		_ = r.shop.Pay(waiting.url) // until it is taken; once it is, again changes nothing
		return r.shop.Order(waiting.order).Status == "paid"
	})
	r.crowd("after", r.tokens, roomCustomers)
	if r.shop.Running().PID != pid {
		r.Error("the shop was started anew")
	}
	r.check()

	r.take()
	r.untilRefused()
	r.shop.Kill()
	r.give()
	r.shop.Start()
	r.shop.Settle(r.book)
	r.check()
}

// begun is a payment that was begun while there was room.
type begun struct{ order, url string }

// startPayments begins two payments.
func (r *room) startPayments() {
	for _, receipt := range r.book.Receipts {
		attempt, a := r.shop.StartPayment(receipt)
		if a.Status != 201 {
			r.Fatalf("paying cannot be started: %s", a)
		}
		if r.begun = append(r.begun, begun{receipt.Order.ID, attempt.PayURL}); len(r.begun) == 2 {
			return
		}
	}
}

// without looks at a shop that has no room, and returns a payment that has to wait for it.
func (r *room) without() begun {
	r.crowd("without", r.tokens[50:], roomCustomers)
	r.Logf("without room: %s", r.book)
	for code := range r.book.Refused {
		if code != "limit_reached" && code != "sold_out" && code != "fewer_left" && !slices.Contains(r.codes, code) {
			r.Errorf("without room orders were refused with %s", code)
		}
	}
	for _, receipt := range r.book.Receipts {
		if read := r.shop.Ask("GET", "/v1/orders/"+receipt.Order.ID, receipt.Token, ""); read.Status != 200 {
			r.Fatalf("without room an accepted order cannot be read: %s", read)
		}
	}
	waiting := r.refusedPayment()
	await.Until(r, "the shop says that it is not ready", func() bool { // a good answer stands for a second
		r.take() // what it has made room of
		return r.shop.Ask("GET", r.shop.Running().Ops+"/readyz", "", "").Status == 503
	})
	return waiting
}

// refusedPayment tries to pay, and returns the payment that was refused. The shop can make itself room once, where it cuts a
// write-ahead log that had grown long: that is taken away too, and then the second payment has none.
func (r *room) refusedPayment() begun {
	for _, b := range r.begun {
		r.take()
		a := r.shop.Pay(b.url)
		if a.Status == 503 {
			return b
		}
		r.Logf("without room the cashier answers %s", a)
	}
	r.Fatal("without room every payment was taken")
	return begun{}
}

// untilRefused buys from general stock until an order is refused for want of room: the log that the database writes
// ahead may have had some room of its own.
func (r *room) untilRefused() {
	r.Helper()
	const ordersMax = 5000
	for range ordersMax {
		r.probes++
		c := r.probes % len(r.tokens)
		p := blackbox.Buying("", 1, firstCustomer+int64(c), r.tokens[c], fmt.Sprintf("probe-%d", r.probes), r.sku)
		a := r.shop.Buy(p)
		r.book.Note(p, a)
		if a.Status == 201 {
			continue
		}
		wait, err := strconv.Atoi(a.Header.Get("Retry-After"))
		if a.Status != 503 || !slices.Contains(r.codes, a.Code()) || err != nil || wait < 1 {
			r.Errorf("without room an order was answered %s, Retry-After %q", a, a.Header.Get("Retry-After"))
		}
		return
	}
	r.Fatalf("there is no room, and of %d orders none was refused for it", ordersMax)
}

// untilTaken waits until the shop takes orders and says so.
func (r *room) untilTaken() {
	r.Helper()
	r.probes++
	p := blackbox.Buying("", 1, firstCustomer, r.tokens[0], fmt.Sprintf("probe-%d", r.probes), r.sku)
	await.Until(r, "orders are taken again", func() bool {
		a := r.shop.Buy(p)
		r.book.Note(p, a)
		return a.Status == 201
	})
	await.Until(r, "the shop says that it is ready", func() bool {
		return r.shop.Ask("GET", r.shop.Running().Ops+"/readyz", "", "").Status == 200
	})
}

func (r *room) check() {
	r.Helper()
	r.shop.VerifyOrders(r.book)
	r.shop.CheckSale(r.book, r.sale, roomLimit)
	r.shop.Audit("I1", "I2", "I3", "I4", "I5", "I7", "I9")
	r.shop.Reconciled()
}

// TestADiskThatTurnsReadOnlyRefusesOrdersAndLosesNone lets every write answer that the file system is read-only, as one is
// after an error of the disk, and then lets them pass again.
func TestADiskThatTurnsReadOnlyRefusesOrdersAndLosesNone(t *testing.T) {
	t.Parallel()
	shop := blackbox.New(t, blackbox.ManyUnpaid(earlyCheckpoints)...)
	shop.Start()
	var between func()
	r := openRoom(t, shop, "store_unavailable", "store_full")
	r.take = func() {
		if between != nil {
			return
		}
		between = straced(t, shop.Running().PID, "-e", "trace=pwrite64,fdatasync,fsync,ftruncate",
			"-e", "inject=pwrite64,fdatasync,fsync,ftruncate:error=EROFS", "-o", os.DevNull)
	}
	r.give = func() {
		between()
		between = nil
	}
	r.test()
}
