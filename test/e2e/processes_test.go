package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/await"
	"github.com/tidegate/tidegate/test/blackbox"
)

// pair is two processes of one shop.
type pair struct {
	*testing.T
	a, b   *blackbox.Shop
	sku    string
	sale   blackbox.Sale
	tokens []string
	book   *blackbox.Book
}

const (
	pairShoppers   = 1500
	pairAllocation = 900
	pairLimit      = 2
)

func newPair(t *testing.T, env []string) *pair {
	t.Helper()
	p := &pair{T: t, a: blackbox.New(t, env...), b: blackbox.New(t, env...), book: blackbox.NewBook(nil)}
	p.a.Start()
	p.b.Start()
	p.sku = p.a.Stocked("MUG", 2*pairAllocation)
	p.sale = p.a.Open(blackbox.Terms{SKUs: []string{p.sku}, Allocation: pairAllocation, Limit: pairLimit, PaymentSeconds: 3600})
	p.tokens = p.a.Tokens(firstCustomer, pairShoppers)
	await.Until(t, "the other process has the sale open", func() bool {
		return p.b.Ask("GET", "/v1/sales/"+p.sale.ID, "", "").Status == http.StatusOK && p.b.Sale(p.sale.ID).Status == "live"
	})
	return p
}

// wishes are what a share of the shoppers wants.
func (p *pair) wishes(from, to int) []blackbox.Purchase {
	var all []blackbox.Purchase
	for i := from; i < to; i++ {
		all = append(all, blackbox.Buying(p.sale.ID, 1, firstCustomer+int64(i), p.tokens[i], fmt.Sprintf("k-%d", i), p.sku))
	}
	return all
}

// crowd lets wishes loose on a process.
func (p *pair) crowd(all *sync.WaitGroup, shop *blackbox.Shop, wishes []blackbox.Purchase) {
	all.Go(func() { shop.Crowd(p.book, 64, nil, wishes) })
}

// settled holds both processes to what was answered: nothing lost, nothing sold twice, the gate equal to the database.
func (p *pair) settled() {
	p.Helper()
	p.a.Settle(p.book)
	p.Logf("settled: %s", p.book)
	p.a.VerifyOrders(p.book)
	p.b.VerifyOrders(p.book)
	p.a.CheckSale(p.book, p.sale, pairLimit)
	p.a.Audit("I1", "I2", "I3", "I4", "I7", "I9")
	p.a.Reconciled()
	p.b.Reconciled()
}

// TestOneOfTwoProcessesIsKilled: two processes sell from one stock, one is killed -9 among its orders and comes back. No
// accepted order is lost, none is sold twice, and no unit is lost for good.
func TestOneOfTwoProcessesIsKilled(t *testing.T) {
	t.Parallel()
	blackbox.EachSharedEngines(t, oneOfTwoIsKilled)
}

func oneOfTwoIsKilled(t *testing.T, env []string) {
	p := newPair(t, env)
	var all sync.WaitGroup
	p.crowd(&all, p.a, p.wishes(0, 700))
	p.crowd(&all, p.b, p.wishes(400, 1100)) // some shoppers ask both, with one key
	await.Until(t, "orders are under way", func() bool { return p.book.Answered() > 300 })
	p.b.Kill()
	all.Wait()
	t.Logf("killed among the crowd: %s", p.book)
	p.b.Start()
	p.crowd(&all, p.a, p.wishes(1100, 1300))
	p.crowd(&all, p.b, p.wishes(1200, pairShoppers))
	all.Wait()
	p.settled()
	// What the dead process had reserved and not committed is sold to whoever asks again.
	await.Until(t, "the last unit is sold", func() bool {
		for _, wish := range p.wishes(0, pairShoppers) {
			if a := p.a.Buy(wish); a.Code() == "sold_out" {
				return p.a.Pool(p.sku, p.sale.ID).Reserved == pairAllocation
			} else if a.Status == http.StatusCreated && a.Header.Get("Idempotent-Replayed") == "" {
				p.book.Note(wish, a)
			}
		}
		return false
	})
	p.settled()
	if pool := p.a.Pool(p.sku, p.sale.ID); pool.Reserved != pairAllocation || pool.Available != 0 {
		t.Errorf("the sale's pool is %+v, all %d units should be reserved", pool, pairAllocation)
	}
}

// pausedFor is longer than any lease of a process: see nodeTTL of internal/app.
const pausedFor = 48 * time.Second

// TestOneOfTwoProcessesIsPaused: a process is stopped among its orders past every lease, the other goes on, and the first one
// resumes as if nothing had been. What it then does wrong would show in the accounts; and it serves again by itself.
func TestOneOfTwoProcessesIsPaused(t *testing.T) {
	t.Parallel()
	blackbox.EachSharedEngines(t, oneOfTwoIsPaused)
}

func oneOfTwoIsPaused(t *testing.T, env []string) {
	p := newPair(t, env)
	var paused, other sync.WaitGroup
	p.crowd(&paused, p.a, p.wishes(0, 400))
	await.Until(t, "orders are under way", func() bool { return p.book.Answered() > 50 })
	p.a.Signal(syscall.SIGSTOP)
	began := time.Now()
	before := len(p.book.Accepted())
	p.crowd(&other, p.b, p.wishes(350, 600))
	other.Wait()
	t.Logf("while one is paused: %s", p.book)
	if got := len(p.book.Accepted()) - before; got < 200 {
		t.Errorf("while one is paused the other has accepted %d orders of 250", got)
	}
	time.Sleep(time.Until(began.Add(pausedFor)))
	p.crowd(&other, p.b, p.wishes(600, 700))
	p.a.Signal(syscall.SIGCONT)
	paused.Wait()
	other.Wait()
	await.Until(t, "the process that was paused takes orders again", func() bool {
		return p.a.Buy(p.wishes(0, 1)[0]).Status == http.StatusCreated
	})
	p.crowd(&other, p.a, p.wishes(700, 900))
	p.crowd(&other, p.b, p.wishes(800, pairShoppers))
	other.Wait()
	p.settled()
}

// TestTheDrillOfTwoProcesses: the rehearsal of a night against both at once finds nothing wrong.
func TestTheDrillOfTwoProcesses(t *testing.T) {
	t.Parallel()
	blackbox.EachSharedEngines(t, drillOfTwo)
}

func drillOfTwo(t *testing.T, env []string) {
	p := newPair(t, env)
	code, stdout, stderr := p.a.Run("drill", "--target", p.a.Running().Public+","+p.b.Running().Public, "--admin-key", p.a.Running().AdminKey,
		"--shoppers", "600", "--units", "80", "--over", "2s", "--connections", "32")
	if code != 0 || !strings.Contains(stdout, "audit               clean") {
		t.Fatalf("exit %d:\n%s%s", code, stdout, stderr)
	}
	for _, shop := range []*blackbox.Shop{p.a, p.b} {
		// A command finds the running shop by its folder alone.
		if code, stdout, stderr := blackbox.At(t, shop.Folder).Run("key", "create", "--name", "drill", "--role", "sales"); code != 0 || !strings.Contains(stdout, "tgk_") {
			t.Errorf("key create: exit %d: %s%s", code, stdout, stderr)
		}
		metrics := shop.Ask("GET", shop.Running().Ops+"/metrics", "", "")
		if !strings.Contains(string(metrics.Body), `tidegate_rehearsal_orders_total{outcome="created"}`) {
			t.Error("a process has made no orders")
		}
	}
	p.a.Reconciled()
	p.b.Reconciled()
}
