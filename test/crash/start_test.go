package crash

import (
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/await"
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

// TestAStopWhileItStartsEndsIt sends SIGTERM at random moments of a start that has much to do: the process ends soon and
// says nothing of a fault, and the next start goes on.
func TestAStopWhileItStartsEndsIt(t *testing.T) {
	t.Parallel()
	const (
		seed    = 6
		starts  = 8
		moments = 600 * time.Millisecond
	)
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	shop := blackbox.New(t)
	for i := range starts {
		process := shop.Spawn("serve", "--demo")
		moment := time.Duration(random.Int64N(int64(moments)))
		select {
		case <-time.After(moment): // no event to wait for: the moment is what the test varies
		case <-process.Ended:
			t.Fatalf("start %d ended by itself with %d: %s", i, process.ProcessState.ExitCode(), process.Stderr.String())
		}
		if err := process.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatalf("start %d cannot be stopped: %v", i, err)
		}
		asked := time.Now()
		code := process.Exit(t)
		t.Logf("start %d, stopped after %v: exit %d in %v", i, moment, code, time.Since(asked))
		// -1 is the signal's own doing, before the process listens to it.
		if said := process.Stderr.String(); code > 0 || strings.Contains(said, "panic") {
			t.Errorf("start %d, stopped after %v, ended with %d: %s", i, moment, code, said)
		}
	}
	shop.Start("--demo")
	shop.Audit("I4")
	shop.Reconciled()
}

// TestOfManyStartsOneServes starts processes on one new folder at the same time. One serves, the others say whose the
// folder is.
func TestOfManyStartsOneServes(t *testing.T) {
	t.Parallel()
	const starts = 5
	shop := blackbox.New(t)
	var all []*blackbox.Process
	for range starts {
		all = append(all, shop.Spawn("serve"))
	}
	ended := func() (n int) {
		for _, p := range all {
			select {
			case <-p.Ended:
				n++
			default:
			}
		}
		return n
	}
	await.Until(t, "all but one have ended", func() bool { return ended() >= starts-1 })
	serving := 0
	for _, p := range all {
		select {
		case <-p.Ended:
			if code := p.ProcessState.ExitCode(); code != 3 || !strings.Contains(p.Stderr.String(), "in use by") {
				t.Errorf("a process that came too late ended with %d: %s", code, p.Stderr.String())
			}
		default:
			serving++
			await.Until(t, "the one that was first serves", func() bool { return strings.Contains(p.Stderr.String(), `"serving"`) })
		}
	}
	if serving != 1 {
		t.Errorf("%d processes serve one folder", serving)
	}
}
