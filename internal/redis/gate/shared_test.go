package gate_test

import (
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/await"
	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/redis/gate"
	"github.com/tidegate/tidegate/test/engine"
)

func TestSeveralProcessesNeverReserveMoreThanThereIs(t *testing.T) {
	h := newHouse(t, 4, 300, 1)
	var reserved atomic.Int64
	var wg sync.WaitGroup
	for i := range 2000 {
		wg.Go(func() {
			a, err := h.gates[i%4].Reserve(t.Context(), h.claim(drop, id.Customer(i%1000+1), line(shoe, 1)))
			if err != nil {
				t.Error(err)
			}
			if a.Verdict == inventory.Reserved {
				reserved.Add(1)
			}
		})
	}
	wg.Wait()
	if reserved.Load() != 300 {
		t.Errorf("%d reservations of 300 units", reserved.Load())
	}
	h.level(drop, shoe, 0)
}

func TestAnEpochThatHasEndedIsRefused(t *testing.T) {
	h := newHouse(t, 2, 5, 0)
	before := h.claim(drop, 1, line(shoe, 1))
	h.want(inventory.Reserved, h.gates[0], before)
	if err := h.gates[0].Load(t.Context(), h.book.Snapshot); err != nil {
		t.Fatal(err)
	}
	h.want(inventory.NotLoaded, h.gates[1], h.claim(drop, 2, line(shoe, 1)))
	h.step(h.gates[1])
	h.want(inventory.Reserved, h.gates[1], h.claim(drop, 2, line(shoe, 1)))
	// The reservation of the epoch before was committed after the snapshot: its event takes the units. Given back late it changes
	// nothing.
	h.book.Place(before)
	h.keep(h.gates[1])
	h.level(drop, shoe, 3)
	if a := h.want(inventory.Replay, h.gates[1], h.claim(drop, 1, line(shoe, 1))); a.Order != before.Order {
		t.Errorf("the key's order is %s, want %s", a.Order, before.Order)
	}
	if err := h.gates[1].Release(t.Context(), before); err != nil {
		t.Fatal(err)
	}
	h.level(drop, shoe, 3)
}

func TestALostGateIsNeverSoldOut(t *testing.T) {
	h := newHouse(t, 2, 1, 0)
	h.want(inventory.Reserved, h.gates[0], h.claim(drop, 1, line(shoe, 1)))
	h.want(inventory.SoldOut, h.gates[0], h.claim(drop, 2, line(shoe, 1)))
	engine.RedisDo(t, h.server.Address, "FLUSHALL")
	for _, s := range []id.Sale{drop, 0} {
		h.want(inventory.NotLoaded, h.gates[1], h.claim(s, 3, line(shoe, 1)))
	}
	h.step(h.gates[0])
	h.step(h.gates[1])
	h.level(drop, shoe, 1) // its order was never committed
}

func TestAQuestionThatIsRepeatedTakesOnce(t *testing.T) {
	h := newHouse(t, 1, 5, 0)
	for _, s := range []id.Sale{drop, 0} {
		c := h.claim(s, 1, line(shoe, 1), line(hat, 2))
		h.want(inventory.Reserved, h.gates[0], c)
		h.want(inventory.Reserved, h.gates[0], c)
		h.level(s, shoe, 4)
		h.level(s, hat, 3)
	}
}

func TestWhatNeverBecameAnOrderIsGivenBack(t *testing.T) {
	h := newHouse(t, 2, 5, 0)
	g := h.gates[0]
	for _, s := range []id.Sale{drop, 0} {
		lost, placed := h.claim(s, 1, line(shoe, 1)), h.claim(s, 2, line(shoe, 1), line(hat, 1))
		h.want(inventory.Reserved, g, lost)
		h.want(inventory.Reserved, g, placed)
		h.book.Place(placed)
		h.book.Place(h.claim(s, 3, line(hat, 1))) // by the guard alone
	}
	h.keep(g)
	h.level(drop, shoe, 3) // the deadline is to come
	if quiet, err := g.InSync(t.Context()); err != nil || quiet {
		t.Errorf("quiet with a reservation under way: %v, %v", quiet, err)
	}
	h.book.ClockAhead = time.Hour
	h.step(g)
	h.keep(g)
	h.keep(g)
	for _, s := range []id.Sale{drop, 0} {
		h.level(s, shoe, 4)
		h.level(s, hat, 3)
	}
	if quiet, err := g.InSync(t.Context()); err != nil || !quiet {
		t.Errorf("not quiet after the sweep: %v, %v", quiet, err)
	}
	// A question that comes after its order was confirmed, in a partition that has forgotten the key.
	again := &inventory.Claim{Order: h.book.Placed()[2].Order, Customer: 2, Key: "k", Body: h.book.Placed()[2].Body, Lines: h.book.Placed()[2].Lines, Deadline: 1}
	h.want(inventory.Reserved, g, again)
	h.level(0, shoe, 3)
	h.keep(g)
	h.level(0, shoe, 4)
}

// A queued order's reservation has no deadline: it stands as long as anything is queued. Then one that is old, and that nobody
// has decided, is refused and given back; one that was committed stays, and one that is young.
func TestAQueuedOrderWithoutAnIntentIsRefused(t *testing.T) {
	h := newHouse(t, 2, 5, 0)
	g := h.gates[0]
	mint, err := id.NewMint(clock.System{}, 1)
	if err != nil {
		t.Fatal(err)
	}
	queued := func(s id.Sale, c id.Customer, lines ...inventory.Line) *inventory.Claim {
		made := h.claim(s, c, lines...)
		made.Queued, made.Deadline = true, 0
		return made
	}
	var want []id.Order
	for _, s := range []id.Sale{drop, 0} {
		lost, placed, young := queued(s, 1, line(shoe, 1), line(hat, 1)), queued(s, 2, line(shoe, 1)), queued(s, 3, line(hat, 1))
		young.Order = id.New[id.Order](mint)
		for _, c := range []*inventory.Claim{lost, placed, young} {
			h.want(inventory.Reserved, g, c)
		}
		h.book.Place(placed)
		want = append(want, lost.Order)
	}
	h.book.Queued = true
	h.keep(g)
	h.level(drop, shoe, 3)
	if len(h.book.Refused) > 0 {
		t.Errorf("%v were refused while something is queued", h.book.Refused)
	}
	h.book.Queued = false
	h.keep(g)
	h.keep(g)
	for _, s := range []id.Sale{drop, 0} {
		h.level(s, shoe, 4)
		h.level(s, hat, 4)
	}
	slices.Sort(h.book.Refused)
	if got := slices.Compact(h.book.Refused); !slices.Equal(got, want) {
		t.Errorf("refused are %v, want %v", got, want)
	}
	// Its key is free again.
	h.want(inventory.Reserved, g, h.claim(drop, 1, line(shoe, 1), line(hat, 1)))
}

func TestAnOrderOfSeveralRoomsIsAllOrNothing(t *testing.T) {
	h := newHouse(t, 1, 2, 0)
	h.want(inventory.Reserved, h.gates[0], h.claim(0, 1, line(hat, 2)))
	for range 2 {
		h.want(inventory.SoldOut, h.gates[0], h.claim(0, 2, line(shoe, 1), line(hat, 1)))
		h.level(0, shoe, 2)
	}
}

func TestSoldOutNeedsNoQuestion(t *testing.T) {
	h := newHouse(t, 2, 3, 1)
	var holders []*inventory.Claim
	for i := range 3 {
		c := h.claim(drop, id.Customer(i+1), line(shoe, 1))
		h.want(inventory.Reserved, h.gates[i%2], c)
		holders = append(holders, c)
	}
	for _, g := range h.gates {
		for range 3 { // the first hears it, reads who holds something, and asks for the version
			h.want(inventory.SoldOut, g, h.claim(drop, 9, line(shoe, 1)))
		}
	}
	before := h.asked()
	for i := range 1000 {
		h.want(inventory.SoldOut, h.gates[i%2], h.claim(drop, id.Customer(i+10), line(shoe, 1)))
	}
	if asked := h.asked() - before; asked > 20 {
		t.Errorf("1,000 refusals asked Redis %d times", asked)
	}
	// Whoever holds something is told so, at the process that has not reserved it, too.
	for _, c := range holders {
		for _, g := range h.gates {
			h.want(inventory.Replay, g, h.claim(drop, c.Customer, line(shoe, 1)))
		}
	}
	// What comes free in one process is seen in the other.
	if err := h.gates[0].Release(t.Context(), holders[0]); err != nil {
		t.Fatal(err)
	}
	await.Until(t, "a unit that came free is sold", func() bool {
		a, err := h.gates[1].Reserve(t.Context(), h.claim(drop, 5000, line(shoe, 1)))
		if err != nil {
			t.Fatal(err)
		}
		return a.Verdict == inventory.Reserved
	})
}

func TestWithoutRedisTheGuardDecides(t *testing.T) {
	h := newHouse(t, 1, 5, 0)
	f := gate.NewFallbackGate(h.gates[0])
	h.server.Kill()
	h.closed(f)
	verdicts := map[inventory.Verdict]int{}
	var under []*inventory.Claim
	refused := 0
	for i := range 5000 {
		c := h.claim(drop, id.Customer(i+1), line(shoe, 1))
		a, err := f.Reserve(t.Context(), c)
		switch {
		case fault.CodeOf(err) == fault.Overloaded:
			refused++
		case err != nil:
			t.Fatal(err)
		default:
			verdicts[a.Verdict]++
			under = append(under, c)
		}
	}
	if n := verdicts[inventory.GateBypassed]; n == 0 || n != len(under) || refused == 0 {
		t.Errorf("verdicts %v, %d refused: want a bounded number without the gate, and the rest told to come back", verdicts, refused)
	}
	for _, c := range under {
		if err := f.Confirm(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	if a, err := f.Reserve(t.Context(), h.claim(drop, 1, line(shoe, 1))); err != nil || a.Verdict != inventory.GateBypassed {
		t.Errorf("after they were settled: %s, %v", a.Verdict, err)
	}
	queued := h.claim(drop, 1, line(shoe, 1))
	queued.Queued = true
	if _, err := f.Reserve(t.Context(), queued); fault.CodeOf(err) != fault.Overloaded {
		t.Errorf("an order for the queue without a gate: %v", err)
	}
	h.server.Start()
	await.Until(t, "the gate is trusted again", func() bool {
		_, _ = f.Step(t.Context()) // the server may need a moment
		return f.Trusted()
	})
	h.level(drop, shoe, 5)
}

// A Redis that does not answer for a moment, as the shop starts or an operator wants the gate rebuilt, is waited for.
func TestOpenWaitsForRedis(t *testing.T) {
	t.Parallel()
	h := newHouse(t, 1, 5, 0)
	f := gate.NewFallbackGate(h.gates[0])
	h.server.Kill()
	if n, err := f.Gate.Step(t.Context()); err == nil {
		t.Fatalf("a look at a server that is gone: %d and no error", n)
	}
	opened := make(chan error, 1)
	go func() {
		_, err := f.AwaitTrusted(t.Context())
		opened <- err
	}()
	time.Sleep(300 * time.Millisecond)
	h.server.Start()
	if err := <-opened; err != nil {
		t.Fatal(err)
	}
	h.want(inventory.Reserved, h.gates[0], h.claim(drop, 1, line(shoe, 1)))
}

// A reservation whose answer was lost is given back where its order does not go on without the gate either.
func TestAReservationThatIsRefusedUnansweredIsGivenBack(t *testing.T) {
	h := newHouse(t, 1, 5, 0)
	tracking, err := h.client.Tracking()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tracking.Close)
	config := gate.Config{AskTimeout: time.Second, Hold: time.Minute}
	f := gate.NewFallbackGate(gate.New(gate.Parts{
		Client: h.client, Tracking: tracking, Store: h.book, Log: slog.New(slog.DiscardHandler), Config: config, Prefix: "test", Holder: "test",
	}))
	if _, err := f.AwaitTrusted(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := h.claim(drop, 1, line(shoe, 1))
	c.Queued = true
	h.want(inventory.Reserved, h.gates[0], c)                                 // as if the question had come, and not its answer
	engine.RedisDo(t, h.server.Address, "CLIENT", "PAUSE", "600000", "WRITE") // longer than the gate asks
	if _, err := f.Reserve(t.Context(), c); fault.CodeOf(err) != fault.Overloaded {
		t.Errorf("a claim that was not answered: %v", err)
	}
	engine.RedisDo(t, h.server.Address, "CLIENT", "UNPAUSE")
	h.want(inventory.Replay, h.gates[0], h.claim(drop, 1, line(shoe, 1))) // it is reserved still, after the pause
	if _, err := f.ReleaseStep(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.level(drop, shoe, 5)
}

// An order that went on without the gate comes to it with the outbox, after its shopper was told: until then a refusal says that
// it may not know the key.
func TestAGateThatWasLostDoubtsItsRefusals(t *testing.T) {
	t.Parallel()
	h := newHouse(t, 1, 1, 0)
	g := h.gates[0]
	f := gate.NewFallbackGate(g)
	first := h.claim(drop, 1, line(shoe, 1))
	h.server.Kill()
	h.closed(f)
	if a, err := f.Reserve(t.Context(), first); err != nil || a.Verdict != inventory.GateBypassed {
		t.Fatal(a, err)
	}
	for _, trusted := range []bool{false, true} {
		await.Equal(t, "the gate is trusted", trusted, func() bool {
			_, _ = f.Step(t.Context()) // the server may need a moment
			return f.Trusted()
		})
		if !trusted {
			h.server.Start()
		}
	}
	h.want(inventory.Reserved, g, h.claim(drop, 2, line(shoe, 1)))
	asked := func() inventory.Answer {
		t.Helper()
		a, err := f.Reserve(t.Context(), h.claim(drop, 1, line(shoe, 1))) // the same key
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	free := func() bool {
		t.Helper()
		a, err := f.Find(t.Context(), h.claim(drop, 9, line(shoe, 1)))
		if err != nil {
			t.Fatal(err)
		}
		return a.Verdict == inventory.KeyUnknown
	}
	wait := func(between func()) {
		t.Helper()
		for until := time.Now().Add(4 * time.Second); time.Now().Before(until); time.Sleep(200 * time.Millisecond) {
			if _, err := f.Step(t.Context()); err != nil {
				t.Fatal(err)
			}
			between()
		}
	}
	if a := asked(); a.Verdict != inventory.SoldOut || !a.Uncertain || free() {
		t.Errorf("before the outbox has told: %+v", a)
	}
	if err := f.Confirm(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	h.book.Place(first)
	wait(func() {})
	if a := asked(); a.Verdict != inventory.SoldOut || !a.Uncertain {
		t.Errorf("before the outbox was carried out: %+v", a)
	}
	wait(func() { h.keep(g) })
	if a := asked(); a.Verdict != inventory.Replay || a.Order != first.Order || !free() {
		t.Errorf("after that: %+v", a)
	}
	if a, err := f.Reserve(t.Context(), h.claim(drop, 3, line(shoe, 1))); err != nil || a.Verdict != inventory.SoldOut || a.Uncertain {
		t.Errorf("somebody else: %+v, %v", a, err)
	}
	h.server.Kill()
	if free() {
		t.Error("a gate that cannot be asked says that nobody has the key")
	}
}

func BenchmarkReserve(b *testing.B) {
	h := newHouse(b, 1, 1<<40, 0)
	b.ReportAllocs()
	b.SetParallelism(64)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			c := h.claim(drop, id.Customer(h.order.Add(1)), line(shoe, 1))
			if a, err := h.gates[0].Reserve(b.Context(), c); err != nil || a.Verdict != inventory.Reserved {
				b.Fatal(a.Verdict, err)
			}
		}
	})
}

func BenchmarkSoldOut(b *testing.B) {
	h := newHouse(b, 1, 0, 0)
	c := h.claim(drop, 1, line(shoe, 1))
	b.ReportAllocs()
	b.SetParallelism(64)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if a, err := h.gates[0].Reserve(b.Context(), c); err != nil || a.Verdict != inventory.SoldOut {
				b.Fatal(a.Verdict, err)
			}
		}
	})
}

// Claims that wait at the same time are asked together, and each is decided as if it were alone: after those before it.
func TestClaimsAreAskedTogether(t *testing.T) {
	const customers, units = 40, 10
	h := newHouse(t, 1, units, 1)
	engine.RedisDo(t, h.server.Address, "CLIENT", "PAUSE", "300", "WRITE") // scripts wait, so the claims do
	before := h.asked()
	type said struct {
		claim  *inventory.Claim
		answer inventory.Answer
	}
	answers := make(chan said, 3*customers)
	var wg sync.WaitGroup
	for i := range customers {
		// The same request twice, under two ids, and another one beyond the limit.
		one, again, more := h.claim(drop, id.Customer(i+1), line(shoe, 1)), h.claim(drop, id.Customer(i+1), line(shoe, 1)), h.claim(drop, id.Customer(i+1), line(hat, 1))
		more.Key = "l"
		for _, c := range []*inventory.Claim{one, again, more} {
			wg.Go(func() {
				a, err := h.gates[0].Reserve(t.Context(), c)
				if err != nil {
					t.Error(err)
				}
				answers <- said{c, a}
			})
		}
	}
	wg.Wait()
	close(answers)
	if asked := h.asked() - before; asked > 8 {
		t.Errorf("%d claims that waited together were %d questions", 3*customers, asked)
	}
	held := map[id.Customer]*inventory.Claim{}
	taken := map[id.SKU]int64{}
	var same []said
	for s := range answers {
		switch s.answer.Verdict {
		case inventory.Reserved:
			if other, twice := held[s.claim.Customer]; twice {
				t.Errorf("customer %s may have one, and has orders %s and %s", s.claim.Customer, other.Order, s.claim.Order)
			}
			held[s.claim.Customer] = s.claim
			taken[s.claim.Lines[0].SKU]++
		case inventory.Replay:
			same = append(same, s)
		case inventory.SoldOut, inventory.LimitReached:
		default:
			t.Errorf("order %s: %s", s.claim.Order, s.answer.Verdict)
		}
	}
	for _, s := range same {
		if first := held[s.claim.Customer]; first == nil || first.Order != s.answer.Order {
			t.Errorf("order %s is told that order %s has its key", s.claim.Order, s.answer.Order)
		}
	}
	if taken[shoe] != units || taken[hat] != units {
		t.Errorf("taken: %v of %d each, with %d customers who want them", taken, units, customers)
	}
	h.level(drop, shoe, 0)
	h.level(drop, hat, 0)
	// Whoever holds something is never refused by what was remembered of those answers.
	for c, first := range held {
		again := h.claim(drop, c, first.Lines...)
		again.Key = first.Key
		if a := h.want(inventory.Replay, h.gates[0], again); a.Order != first.Order {
			t.Errorf("customer %s holds order %s, and is told %s", c, first.Order, a.Order)
		}
	}
}
