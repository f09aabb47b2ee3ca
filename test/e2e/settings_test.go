package e2e

import (
	"net/http"
	"strings"
	"testing"

	"github.com/tidegate/tidegate/internal/await"
	"github.com/tidegate/tidegate/test/blackbox"
)

// TestALimitIsChangedForAllProcesses: a live setting that a command changes at one process is in force at the other, stays over a restart,
// and is taken back by one command.
func TestALimitIsChangedForAllProcesses(t *testing.T) {
	t.Parallel()
	blackbox.EachSharedEngines(t, limitForAll)
}

func limitForAll(t *testing.T, env []string) {
	p := newPair(t, env)
	config := func(shop *blackbox.Shop, args ...string) string {
		t.Helper()
		code, stdout, stderr := shop.Run(append([]string{"config"}, args...)...)
		if code != 0 {
			t.Fatalf("config %v: exit %d: %s", args, code, stderr)
		}
		return stdout
	}
	token := p.a.Tokens(firstCustomer, 1)[0]
	refused := func(shop *blackbox.Shop) bool {
		for range 5 { // the burst is two
			if shop.Ask("GET", "/v1/orders", token, "").Status == http.StatusTooManyRequests {
				return true
			}
		}
		return false
	}
	if refused(p.a) || refused(p.b) {
		t.Fatal("a customer is limited before anything was changed")
	}
	config(p.a, "set", "http.rate_limit.customer_per_second=1", "http.rate_limit.customer_burst=2", "--reason", "bots")
	await.Until(t, "the other process limits the customer", func() bool { return refused(p.b) })
	p.b.Kill()
	p.b.Start()
	await.Until(t, "it does so when it has started again", func() bool { return refused(p.b) })
	if history := config(p.b, "history"); !strings.Contains(history, "bots") {
		t.Errorf("the history at the other process: %s", history)
	}
	config(p.b, "undo", "--reason", "they left")
	for _, shop := range []*blackbox.Shop{p.a, p.b} {
		await.Until(t, "nobody is limited any more", func() bool { return !refused(shop) })
	}
}
