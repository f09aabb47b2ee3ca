package crash

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tidegate/tidegate/internal/await"
	"github.com/tidegate/tidegate/test/blackbox"
	"github.com/tidegate/tidegate/test/engine"
)

// machine is a shop on a machine that misbehaves.
type machine struct {
	*testing.T
	shop   *blackbox.Shop
	sku    string
	sale   blackbox.Sale
	tokens []string
	book   *blackbox.Book
	random *rand.Rand
}

const machineCustomers = 200

func openMachine(t *testing.T, shop *blackbox.Shop) *machine {
	t.Helper()
	m := &machine{T: t, shop: shop, book: blackbox.NewBook(nil), random: rand.New(rand.NewPCG(9, 1))}
	shop.Start()
	m.sku = shop.Stocked("MUG", 10_000)
	m.sale = shop.Open(blackbox.Terms{SKUs: []string{m.sku}, Allocation: 5000, Limit: 3, PaymentSeconds: 3600})
	m.tokens = shop.Tokens(firstCustomer, machineCustomers)
	return m
}

func (m *machine) crowd(round string, n int) {
	m.shop.Crowd(m.book, 32, nil, wishes(m.random, m.sale.ID, round, m.tokens, n, m.sku))
}

func (m *machine) check() {
	m.Helper()
	m.shop.CheckSale(m.book, m.sale, 3)
	m.shop.VerifyOrders(m.book)
	m.shop.Settle(m.book)
	m.shop.CheckSale(m.book, m.sale, 3)
	m.shop.Audit("I1", "I2", "I3", "I4", "I7", "I9")
	m.shop.Reconciled()
}

// TestAStoppedShopGoesOnWhereItWas stops the process among buyers (SIGSTOP), longer than orders wait for their answer, and lets it
// go on: everybody is answered, and what was taken stays taken.
func TestAStoppedShopGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	m := openMachine(t, blackbox.New(t, "TIDEGATE_ORDERS_ANSWER_WITHIN=500ms"))
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		m.crowd("stopped", 300)
	}()
	await.Until(t, "some have bought", func() bool { return m.book.Answered() > 20 })
	m.shop.Signal(syscall.SIGSTOP)
	time.Sleep(time.Second) // the length of the stop is what the test is about
	m.shop.Signal(syscall.SIGCONT)
	<-gone
	if m.shop.Ended() {
		t.Fatal("the process has ended")
	}
	for code := range m.book.Refused {
		if code != "202" && code != "limit_reached" {
			t.Errorf("after a stop orders were refused with %s", code)
		}
	}
	t.Logf("%s", m.book)
	m.check()
}

// TestASlowDiskMakesOrdersWait lets every sync take a fifth of a second: orders wait, in larger batches, and none is lost or
// answered before its time.
func TestASlowDiskMakesOrdersWait(t *testing.T) {
	t.Parallel()
	m := openMachine(t, blackbox.New(t))
	stop := straced(t, m.shop.Running().PID, "-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:delay_enter=200000", "-o", os.DevNull)
	before := len(m.book.Receipts)
	m.crowd("slow", 150)
	stop()
	for code := range m.book.Refused {
		if code != "202" && code != "limit_reached" {
			t.Errorf("on a slow disk orders were refused with %s", code)
		}
	}
	if len(m.book.Receipts) == before {
		t.Errorf("on a slow disk nothing was sold: %s", m.book)
	}
	t.Logf("%s", m.book)
	m.check()
}

// TestAReadOnlyDiskIsSaidAtTheStart: a shop whose folder cannot be written says so and ends, and goes on when it can.
func TestAReadOnlyDiskIsSaidAtTheStart(t *testing.T) {
	t.Parallel()
	disk := t.TempDir()
	if err := syscall.Mount("none", disk, "tmpfs", 0, "size=64m"); err != nil {
		engine.Missing(t, "a disk cannot be mounted here: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(disk, 0) })
	m := openMachine(t, blackbox.At(t, filepath.Join(disk, "shop")))
	m.crowd("before", 60)
	m.shop.Stop()
	if err := syscall.Mount("none", disk, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	p := m.shop.Spawn("serve")
	if code := p.Exit(t); code == 0 || !strings.Contains(p.Stderr.String(), "read-only") {
		t.Errorf("on a read-only disk the shop ends with %d: %s", code, p.Stderr.String())
	}
	if err := syscall.Mount("none", disk, "tmpfs", syscall.MS_REMOUNT, ""); err != nil {
		t.Fatal(err)
	}
	m.shop.Start()
	m.check()
}

// TestALogCutShortIsABeginning kills the process and cuts the write-ahead log in the middle, as a disk does that has not kept its
// word: the shop starts with what was written up to there, whole batches, and the audit finds nothing amiss. What was cut is
// gone: docs/reliability.md says so.
func TestALogCutShortIsABeginning(t *testing.T) {
	t.Parallel()
	m := openMachine(t, blackbox.New(t))
	for round := range 8 {
		m.crowd(fmt.Sprint("round", round), 40)
	}
	m.shop.Kill()
	log := filepath.Join(m.shop.Folder, "tidegate.db-wal")
	info, err := os.Stat(log)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(log, info.Size()*9/10+13); err != nil {
		t.Fatal(err)
	}
	m.shop.Start()
	m.shop.Audit("I1", "I4")
	m.shop.Reconciled()
	kept := len(m.shop.Orders(m.sale.ID, ""))
	t.Logf("of %d accepted orders %d are there", len(m.book.Receipts), kept)
	if kept > len(m.book.Receipts) {
		t.Errorf("%d orders are there, and %d were accepted", kept, len(m.book.Receipts))
	}
	p := blackbox.Buying(m.sale.ID, 1, firstCustomer, m.tokens[0], "after-the-cut", m.sku)
	if a := m.shop.Buy(p); a.Status != 201 && a.Code() != "limit_reached" {
		t.Errorf("after the cut an order is answered %s", a)
	}
}

// TestADataFileCutShortIsNotServed cuts the database file itself in the middle: the shop does not open its doors on half of its
// orders, and says what is wrong.
func TestADataFileCutShortIsNotServed(t *testing.T) {
	t.Parallel()
	m := openMachine(t, blackbox.New(t))
	for round := range 6 {
		m.crowd(fmt.Sprint("round", round), 100)
	}
	m.shop.Stop()
	file := filepath.Join(m.shop.Folder, "tidegate.db")
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, info.Size()/2/4096*4096); err != nil {
		t.Fatal(err)
	}
	p := m.shop.Spawn("serve")
	select {
	case <-p.Ended:
		if code := p.ProcessState.ExitCode(); code == 0 || !strings.Contains(p.Stderr.String(), "malformed") {
			t.Errorf("on half a database the shop ends with %d: %s", code, p.Stderr.String())
		}
	case <-time.After(10 * time.Second):
		t.Errorf("the shop serves half a database: %s", p.Stderr.String())
	}
}

// TestWithoutMemoryNothingIsLost leaves the process no memory to grow into: it refuses, or dies, and what was accepted is there
// when it is started again.
func TestWithoutMemoryNothingIsLost(t *testing.T) {
	t.Parallel()
	m := openMachine(t, blackbox.New(t))
	m.crowd("before", 60)
	var pages uint64
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", m.shop.Running().PID))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscan(string(text), &pages); err != nil {
		t.Fatal(err)
	}
	most := pages*uint64(os.Getpagesize()) + 1<<20
	err = unix.Prlimit(m.shop.Running().PID, unix.RLIMIT_AS, &unix.Rlimit{Cur: most, Max: unix.RLIM_INFINITY}, nil)
	if err != nil && !errors.Is(err, syscall.ESRCH) {
		t.Fatal(err)
	}
	m.crowd("without", 400)
	t.Logf("without memory, the process has ended: %t; %s", m.shop.Ended(), m.book)
	for code := range m.book.Refused {
		if code != "limit_reached" && code != "store_unavailable" && code != "202" && code != "overloaded" {
			t.Errorf("without memory orders were refused with %s", code)
		}
	}
	if !m.shop.Ended() {
		m.shop.Kill()
	}
	m.shop.Start()
	m.check()
}
