package crash

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/tidegate/tidegate/test/blackbox"
)

// TestAShopKilledWhileItStartsStartsAgain kills the process at random moments of its first starts on one folder: while
// it makes the folder, the keys and the schema, and while it opens. What is half made is no obstacle to the next.
func TestAShopKilledWhileItStartsStartsAgain(t *testing.T) {
	t.Parallel()
	const (
		seed    = 5
		starts  = 12
		moments = 120 * time.Millisecond // a start on an idle machine is over by then
	)
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	shop := blackbox.New(t)
	for i := range starts {
		process := shop.Spawn("serve")
		// No event to wait for: the moment is what the test varies.
		select {
		case <-time.After(time.Duration(random.Int64N(int64(moments)))):
		case <-process.Ended:
			t.Fatalf("start %d ended by itself with %d: %s", i, process.ProcessState.ExitCode(), process.Stderr.String())
		}
		if err := process.Process.Kill(); err != nil {
			t.Fatalf("start %d cannot be killed: %v", i, err)
		}
		process.Exit(t)
	}
	shop.Start()
	sku := shop.Stocked("MUG", 10)
	sale := shop.Open(blackbox.Terms{SKUs: []string{sku}, Allocation: 5})
	p := blackbox.Buying(sale.ID, 1, firstCustomer, shop.Tokens(firstCustomer, 1)[0], "k", sku)
	if a := shop.Buy(p); a.Status != 201 {
		t.Errorf("after %d broken starts an order is answered %s", starts, a)
	}
	shop.Audit("I1", "I2", "I3", "I4")
	shop.Reconciled()
}
