package crash

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/tidegate/tidegate/internal/await"
	"github.com/tidegate/tidegate/test/blackbox"
	"github.com/tidegate/tidegate/test/engine"
)

// TestEvery201FollowsTheSyncOfItsCommit reads the system calls of a shop that sells on both lanes. A kill keeps what the
// kernel holds, so no other test can see a missing fsync: here each order's row is found in a write to the log, and between
// that and the first byte of its 201 there must be a sync of the log that began after the write and has ended (I2, P1).
func TestEvery201FollowsTheSyncOfItsCommit(t *testing.T) {
	t.Parallel()
	const customers, shoppers = 120, 16
	shop := blackbox.New(t, "TIDEGATE_EXPRESS_ADDRESS=127.0.0.1:0")
	shop.Start()
	sku := shop.Stocked("MUG", 1000)
	sale := shop.Open(blackbox.Terms{SKUs: []string{sku}, Allocation: 1000, PaymentSeconds: 3600})
	tokens := shop.Tokens(firstCustomer, customers)
	var buying []blackbox.Purchase
	for i, token := range tokens {
		p := blackbox.Buying(sale.ID, 1, firstCustomer+int64(i), token, fmt.Sprintf("synced-%06d", i), sku)
		if i%2 == 1 {
			p.Path = shop.Running().Express + p.Path
		}
		buying = append(buying, p)
	}
	out := filepath.Join(t.TempDir(), "calls")
	stop := straced(t, shop.Running().PID, "-y", "-s", "9000", "-e", "trace=fsync,fdatasync,pwrite64,write,writev,sendto", "-o", out)
	book := blackbox.NewBook(nil)
	shop.Crowd(book, shoppers, nil, buying)
	stop()
	if len(book.Receipts) != customers {
		t.Fatalf("%s", book)
	}
	text, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	calls := readCalls(string(text))
	for id, r := range book.Receipts {
		if wrong := unsynced(calls, r.Key, id); wrong != "" {
			t.Errorf("order %s (key %s): %s", id, r.Key, wrong)
		}
	}
}

// straced has strace follow every thread of a process until stop is called, or the process ends.
func straced(t testing.TB, pid int, args ...string) (stop func()) {
	t.Helper()
	var said blackbox.Buffer
	c := exec.Command(engine.Binary(t, "strace", "strace"), append(append([]string{"-f"}, args...), "-p", strconv.Itoa(pid))...)
	c.Stderr = &said
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = c.Wait() // its end is what counts
		close(ended)
	}()
	await.Until(t, "strace is attached", func() bool {
		select {
		case <-ended:
			engine.Missing(t, "a process cannot be traced here: %s", said.String())
		default:
		}
		return strings.Contains(said.String(), "attached")
	})
	return func() {
		if err := c.Process.Signal(syscall.SIGINT); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Error(err)
		}
		<-ended
	}
}

// call is a system call: the lines at which it begins and ends.
type call struct {
	name, args string
	from, to   int
}

var (
	wholeCall  = regexp.MustCompile(`^(\d+) +(\w+)\((.*)$`)
	resumption = regexp.MustCompile(`^(\d+) +<\.\.\. (\w+) resumed>`)
)

// readCalls reads what strace has written.
func readCalls(text string) []*call {
	var all []*call
	open := map[string]*call{} // by thread
	for i, line := range strings.Split(text, "\n") {
		if m := resumption.FindStringSubmatch(line); m != nil {
			if c := open[m[1]]; c != nil {
				c.to = i
				delete(open, m[1])
			}
			continue
		}
		m := wholeCall.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		c := &call{name: m[2], args: m[3], from: i, to: i}
		if strings.HasSuffix(line, "<unfinished ...>") {
			c.to = 1 << 62 // until it is resumed
			open[m[1]] = c
		}
		all = append(all, c)
	}
	return all
}

// unsynced says what is missing between an order's row in the log and its answer; nothing where all is as it should be.
func unsynced(calls []*call, key, order string) string {
	written, synced := 1<<62, 1<<62
	for _, c := range calls {
		inLog := strings.Contains(c.args, "-wal>")
		switch {
		case c.name == "pwrite64" && inLog && written == 1<<62 && strings.Contains(c.args, key):
			written = c.to
		case strings.HasSuffix(c.name, "sync") && inLog && c.from > written:
			synced = min(synced, c.to)
		case strings.Contains(c.args, "HTTP/1.1 201") && strings.Contains(c.args, order):
			switch {
			case written > c.from:
				return "it is answered before it is written"
			case synced > c.from:
				return "it is answered before its commit is synced"
			}
			return ""
		}
	}
	return "its answer is not among the system calls"
}
