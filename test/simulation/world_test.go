// Package simulation runs the modules of the shop as one process over a model of the database, a model of the provider and
// clocks of its own. One seed decides everything: who acts next, which call waits and which goes on, what fails, when the
// process dies. A seed that breaks an invariant breaks it again, at the same step.
//
// Every call that leaves a module (store, gate, provider, terms) parks its goroutine; the world lets one of them go on,
// waits until nothing can run any more (testing/synctest), and chooses again. So at any moment one line of the shop runs.
package simulation

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"sync"
	"testing/synctest"
	"time"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
	"github.com/tidegate/tidegate/internal/payment"
	"github.com/tidegate/tidegate/internal/sale"
	"github.com/tidegate/tidegate/test/simulation/model"
)

// world is what outlives the process: the database, the provider, the shoppers and their memory of what they were told.
type world struct {
	random   *rand.Rand
	clock    *clock.Manual
	store    *model.Store
	provider *company
	process  *process
	sale     id.Sale
	limits   map[id.Sale]int64
	faults   bool // whether calls may fail at the moment

	mu       sync.Mutex
	parked   []*turn
	running  int // goroutines of the shop that have not ended
	minted   int64
	requests []*request
	visitors int
	did      int        // how much the steps have done
	refunds  []id.Order // asked for by an operator, and promised
	trace    []string
	wrong    []string
}

// turn is a goroutine that waits to go on.
type turn struct {
	label string
	go_   chan struct{}
}

// The stage: two SKUs, a sale of both, general stock.
const (
	shirt     id.SKU = 1
	shoe      id.SKU = 2
	customers        = 5
	keys             = 4 // of a customer
	price            = 1250
	currency         = money.Currency("GBP")
	hold             = 10 * time.Minute
)

var noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

func newWorld(seed uint64) *world {
	w := &world{
		random: rand.New(rand.NewPCG(seed, 11)), clock: clock.NewManual(noon), store: model.New(), limits: map[id.Sale]int64{}, faults: false,
	}
	w.provider = newCompany(w)
	w.start()
	mint := w.process.mint
	for i, sku := range []id.SKU{shirt, shoe} {
		a := inventory.Adjustment{SKU: sku, Kind: inventory.Receive, Units: 12, Reason: "first delivery", Key: fmt.Sprint("first", i)}
		_, err := w.store.AdjustStock(w.process.ctx, a, id.New[id.Movement](mint), noon)
		w.must(err)
	}
	limit := int64(w.random.IntN(4)) // 0: none
	sl := &sale.Sale{
		ID: id.New[id.Sale](mint), Title: "Drop", Status: sale.Draft, StartsAt: noon, EndsAt: noon.Add(2 * time.Hour), Limit: limit,
		PaymentWindow: hold, Version: 1, CreatedAt: noon, UpdatedAt: noon,
		Items: []sale.Item{
			{SKU: shirt, Product: 1, Price: money.Of(price, currency), ListPrice: money.Of(price, currency), Allocation: 6},
			{SKU: shoe, Product: 1, Price: money.Of(price, currency), ListPrice: money.Of(price, currency), Allocation: 5},
		},
	}
	w.sale, w.limits[sl.ID] = sl.ID, limit
	w.must(w.store.CreateSale(w.process.ctx, sl))
	for _, to := range []sale.Status{sale.Scheduled, sale.Live} {
		_, err := w.store.MoveSale(w.process.ctx, sale.Move{Sale: sl.ID, To: to, At: noon, Mint: mint})
		w.must(err)
	}
	w.restart()
	w.faults = true
	return w
}

func (w *world) must(err error) {
	if err != nil {
		panic(err)
	}
}

// fail notes a violation.
func (w *world) fail(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wrong = append(w.wrong, fmt.Sprintf(format, args...))
}

// note writes a line of the trace. Only the world's own goroutine and the one that has the turn write.
func (w *world) note(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trace = append(w.trace, fmt.Sprintf(format, args...))
}

// hash tells one run from another.
func (w *world) hash() uint64 {
	h := fnv.New64a()
	for _, line := range w.trace {
		_, _ = h.Write([]byte(line)) // a hash never fails
	}
	return h.Sum64()
}

// wait parks the caller until it gets the turn.
func (w *world) wait(label string) {
	t := &turn{label, make(chan struct{})}
	w.mu.Lock()
	w.parked = append(w.parked, t)
	w.mu.Unlock()
	<-t.go_
}

// spawn runs fn beside the others.
func (w *world) spawn(fn func()) {
	w.mu.Lock()
	w.running++
	w.mu.Unlock()
	go func() {
		defer func() {
			w.mu.Lock()
			w.running--
			w.mu.Unlock()
		}()
		fn()
	}()
}

// waiting returns those who wait, in an order that does not depend on who came first: several may have been woken at once.
func (w *world) waiting() []*turn {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	slices.SortStableFunc(w.parked, func(a, b *turn) int { return cmp.Compare(a.label, b.label) })
	return w.parked
}

// resume gives one of those who wait the turn.
func (w *world) resume(i int) {
	w.mu.Lock()
	t := w.parked[i]
	w.parked = slices.Delete(w.parked, i, i+1)
	w.trace = append(w.trace, "  "+t.label)
	w.mu.Unlock()
	close(t.go_)
	synctest.Wait()
}

// chance is true once in n times.
func (w *world) chance(n int) bool { return w.random.IntN(n) == 0 }

// start makes a process over what there is.
func (w *world) start() { w.process = newProcess(w) }

// restart lets the process die where it stands, and starts another.
func (w *world) restart() {
	w.note("the process dies")
	w.process.die()
	w.start()
	w.process.load()
}

// pace is the configuration of the payments: when a provider is asked again.
var pace = func() payment.Config {
	c := payment.DefaultConfig()
	c.Provider = payment.Sandbox
	return c
}()
