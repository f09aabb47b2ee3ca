package crash

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/await"
	"github.com/tidegate/tidegate/test/blackbox"
)

// TestAStopAmongBuyersLosesNoAnswer sends SIGTERM while a crowd is buying. The process ends with 0,
// nobody is told of a fault of the shop's, and the orders in the shop are exactly those that were answered 201: none was
// taken without its answer, and none answered that was not taken.
func TestAStopAmongBuyersLosesNoAnswer(t *testing.T) {
	t.Parallel()
	const (
		seed       = 7
		customers  = 1000
		allocation = 10_000
		shoppers   = 96
		stopAt     = 400
	)
	t.Logf("seed %d", seed)
	shop := blackbox.New(t)
	shop.Start()
	sku := shop.Stocked("MUG", allocation)
	sale := shop.Open(blackbox.Terms{SKUs: []string{sku}, Allocation: allocation, PaymentSeconds: 3600})
	tokens := shop.Tokens(firstCustomer, customers)
	stop, gone := make(chan struct{}), make(chan struct{})
	book := blackbox.NewBook(func(answered int) {
		if answered == stopAt {
			close(stop)
		}
	})
	go func() {
		defer close(gone)
		// The crowd goes on after the signal, until nobody answers.
		shop.Crowd(book, shoppers, nil, wishes(rand.New(rand.NewPCG(seed, 1)), sale.ID, "s", tokens, 4*customers, sku))
	}()
	select {
	case <-stop:
	case <-gone:
		t.Fatalf("the crowd had gone home before the stop: %s", book)
	}
	shop.Stop()
	<-gone
	t.Logf("%s", book)
	for code, n := range book.Refused {
		if code != "shutting_down" {
			t.Errorf("%d buyers were answered %s", n, code)
		}
	}
	if len(book.Receipts) < stopAt/2 || len(book.Lost) == 0 {
		t.Errorf("the stop did not come among buyers: %s", book)
	}
	shop.Start()
	shop.VerifyOrders(book)
	if orders := shop.Orders(sale.ID, ""); len(orders) != len(book.Receipts) {
		for _, o := range orders {
			if _, received := book.Receipts[o.ID]; !received {
				t.Errorf("order %s of customer %s was taken, and its buyer had no answer", o.ID, o.Customer)
			}
		}
		t.Errorf("%d orders in the shop, %d were answered", len(orders), len(book.Receipts))
	}
	shop.Audit("I1", "I2", "I3", "I4", "I9")
	shop.Reconciled()
}

// half is an order of which the shop has the headers and half of the body.
type half struct {
	conn net.Conn
	in   *bufio.Reader
	rest string
}

// beginOrder opens a connection and sends an order but for the end of its body.
func beginOrder(t *testing.T, shop *blackbox.Shop, p blackbox.Purchase) half {
	t.Helper()
	host := strings.TrimPrefix(shop.Running().Public, "http://")
	conn, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(await.Max)); err != nil {
		t.Fatal(err)
	}
	middle := len(p.Body) / 2
	_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nIdempotency-Key: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n",
		p.Path, host, p.Token, p.Key, len(p.Body))
	if err != nil {
		t.Fatal(err)
	}
	// "Continue" says that the shop is reading the body: the request is under way.
	in := bufio.NewReader(conn)
	line, err := in.ReadString('\n')
	if err != nil || !strings.Contains(line, "100 Continue") {
		t.Fatalf("the shop does not want the body: %q, %v", line, err)
	}
	if line, err = in.ReadString('\n'); err != nil || line != "\r\n" {
		t.Fatalf("after Continue: %q, %v", line, err)
	}
	if _, err := conn.Write([]byte(p.Body[:middle])); err != nil {
		t.Fatal(err)
	}
	return half{conn, in, p.Body[middle:]}
}

// TestAnOrderUnderWayIsFinishedByAStop sends SIGTERM while an order's body is still coming in. The order is taken and
// answered, new connections are not, and the process ends with 0.
func TestAnOrderUnderWayIsFinishedByAStop(t *testing.T) {
	t.Parallel()
	shop := blackbox.New(t)
	shop.Start()
	sku := shop.Stocked("MUG", 10)
	buying := blackbox.Buying("", 1, firstCustomer, shop.Tokens(firstCustomer, 1)[0], "slow", sku)
	first := buying
	first.Key = "first"
	await.Until(t, "the goods can be bought", func() bool { return shop.Buy(first).Status == 201 })
	order := beginOrder(t, shop, buying)
	shop.Signal(syscall.SIGTERM)
	await.Until(t, "nobody new is let in", func() bool { return shop.Ask("GET", "/v1/sales", "", "").Err != nil })
	if _, err := order.conn.Write([]byte(order.rest)); err != nil {
		t.Fatalf("the shop hung up on an order under way: %v", err)
	}
	answer, err := http.ReadResponse(order.in, nil)
	if err != nil {
		t.Fatalf("an order under way had no answer: %v", err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != 201 {
		t.Errorf("an order under way was answered %s", answer.Status)
	}
	if code := shop.Process().Exit(t); code != 0 {
		t.Errorf("the process ended with %d", code)
	}
	shop.Start()
	if again := shop.Buy(buying); again.Status != 201 || again.Header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("the order's key, after the restart: %s", again)
	}
}

// TestASecondSignalEndsAStopAtOnce: an order whose body never comes holds the stop up, and a second SIGTERM does not wait
// for it.
func TestASecondSignalEndsAStopAtOnce(t *testing.T) {
	t.Parallel()
	shop := blackbox.New(t) // whose grace time is longer than the test waits
	shop.Start()
	sku := shop.Stocked("MUG", 10)
	beginOrder(t, shop, blackbox.Buying("", 1, firstCustomer, shop.Tokens(firstCustomer, 1)[0], "never", sku))
	shop.Signal(syscall.SIGTERM)
	await.Until(t, "nobody new is let in", func() bool { return shop.Ask("GET", "/v1/sales", "", "").Err != nil })
	select {
	case <-shop.Process().Ended:
		t.Fatal("the stop did not wait for the order under way")
	default:
	}
	shop.Signal(syscall.SIGTERM)
	if code := shop.Process().Exit(t); code == 0 {
		t.Error("the process says that it ended in order")
	}
	shop.Start()
	if orders := shop.Orders("", ""); len(orders) != 0 {
		t.Errorf("the order that never came is there: %+v", orders)
	}
}

// TestTwoProcessesOnOneFolder: the second says whose the folder is and stops, whatever it was asked to do and whatever was deleted of the
// folder's files; the first does not notice, and commands find it.
func TestTwoProcessesOnOneFolder(t *testing.T) {
	t.Parallel()
	shop := blackbox.New(t)
	shop.Start()
	sku := shop.Stocked("MUG", 10)
	token := shop.Tokens(firstCustomer, 1)[0]
	remove := func(names ...string) func() {
		return func() {
			for _, name := range names {
				if err := os.Remove(filepath.Join(shop.Folder, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
					t.Fatal(err)
				}
			}
		}
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(shop.Folder, link); err != nil {
		t.Fatal(err)
	}
	database := filepath.Join(shop.Folder, "tidegate.db")
	elsewhere := "TIDEGATE_DATA=" + filepath.Join(t.TempDir(), "other")
	for _, c := range []struct {
		name string
		harm func()
		env  []string
		says string // what the second says that is held
	}{
		{"as it is", func() {}, nil, shop.Folder},
		{"LOCK is deleted", remove("LOCK"), nil, shop.Folder},
		{"LOCK and running.json are deleted", remove("LOCK", "running.json"), nil, shop.Folder},
		{"by a link", remove("LOCK"), []string{"TIDEGATE_DATA=" + link}, shop.Folder},
		{"the database from another folder", func() {}, []string{elsewhere, "TIDEGATE_STORE_PATH=" + database}, database},
	} {
		for _, args := range [][]string{{"serve"}, {"migrate", "up"}} {
			usual := shop.Env
			shop.Env = slices.Concat(usual, c.env)
			c.harm()
			code, stdout, stderr := shop.Run(args...)
			shop.Env = usual
			if code != 3 || stdout != "" || !strings.Contains(stderr, c.says) || !strings.Contains(stderr, "in use by") {
				t.Errorf("%s: tidegate %v: exit %d, %q %q", c.name, args, code, stdout, stderr)
			}
		}
		if at := shop.Ask("GET", shop.Running().Ops+"/readyz", "", ""); at.Status != 200 {
			t.Errorf("%s: the first process, after the second came by: %s", c.name, at)
		}
		if a := shop.Buy(blackbox.Buying("", 1, firstCustomer, token, strings.ReplaceAll(c.name, " ", "-"), sku)); a.Status != 201 {
			t.Errorf("%s: an order is answered %s", c.name, a)
		}
		c.harm()
		if code, _, stderr := shop.Run("key", "list"); code != 0 { // its local admin key still works, too
			t.Errorf("%s: a command on the running shop: exit %d, %s", c.name, code, stderr)
		}
	}
	shop.Audit("I1", "I2", "I3", "I4")
	shop.Stop()
	shop.Start()
	if pool := shop.Pool(sku, ""); pool.Available != 5 {
		t.Errorf("the stock after the restart: %+v", pool)
	}
}

// TestADatabaseThatIsTakenAwayTakesNoOrders moves the data folder under a shop that sells: while nobody would find the orders again, none is
// accepted; what was accepted is there, and with the folder back everything goes on.
func TestADatabaseThatIsTakenAwayTakesNoOrders(t *testing.T) {
	t.Parallel()
	shop := blackbox.New(t, blackbox.ManyUnpaid()...)
	shop.Start()
	sku := shop.Stocked("MUG", 10_000)
	token := shop.Tokens(firstCustomer, 1)[0]
	book := blackbox.NewBook(nil)
	n := 0
	buy := func() blackbox.Answer {
		n++
		p := blackbox.Buying("", 1, firstCustomer, token, strconv.Itoa(n), sku)
		a := shop.Buy(p)
		book.Note(p, a)
		return a
	}
	if a := buy(); a.Status != 201 {
		t.Fatal(a)
	}
	if err := os.Rename(shop.Folder, shop.Folder+".moved"); err != nil {
		t.Fatal(err)
	}
	await.Until(t, "orders are refused", func() bool {
		a := buy()
		return a.Status == 503 && a.Code() == "store_unavailable"
	})
	await.Until(t, "the operator is told", func() bool {
		return strings.Contains(shop.Process().Stderr.String(), "was deleted, moved or replaced")
	})
	if err := os.Rename(shop.Folder+".moved", shop.Folder); err != nil {
		t.Fatal(err)
	}
	await.Until(t, "orders are taken", func() bool { return buy().Status == 201 })
	shop.VerifyOrders(book)
	shop.Stop()
	shop.Start()
	shop.VerifyOrders(book)
	shop.Audit("I1", "I2", "I3", "I4")
}
