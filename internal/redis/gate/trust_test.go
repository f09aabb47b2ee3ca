package gate_test

import (
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/redis"
	"github.com/tidegate/tidegate/internal/redis/gate"
	"github.com/tidegate/tidegate/internal/redis/gate/gatefixture"
	"github.com/tidegate/tidegate/test/engine"
)

// until drives steps until something holds.
func (h *house) until(what string, holds func() bool, steps ...func()) {
	h.t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			h.t.Fatalf("not within a minute: %s", what)
		}
		for _, step := range steps {
			step()
		}
	}
}

// looks returns the steps of a process that looks after its trust. Redis and its way may be gone.
func (h *house) looks(f *gate.FallbackGate) []func() {
	return []func(){
		func() { _, _ = f.Step(h.t.Context()) },
		func() {
			if _, err := f.EpochStep(h.t.Context()); err != nil {
				h.t.Fatal(err)
			}
		},
	}
}

// closed waits until orders go on without a gate that a process cannot reach.
func (h *house) closed(f *gate.FallbackGate) {
	h.t.Helper()
	h.until("orders go on without the gate", func() bool { return h.bypasses(f, h.claim(drop, 999, line(shoe, 1))) }, h.looks(f)...)
}

// bypasses asks for an order that becomes none, and reports whether it may go on without the gate; it fails where it is refused.
func (h *house) bypasses(f *gate.FallbackGate, c *inventory.Claim) bool {
	h.t.Helper()
	a, err := f.Reserve(h.t.Context(), c)
	switch {
	case fault.CodeOf(err) == fault.Overloaded:
		return false
	case err != nil || a.Verdict != inventory.GateBypassed:
		h.t.Fatalf("a process without Redis says %+v, %v", a, err)
	}
	if err := f.Release(h.t.Context(), c); err != nil {
		h.t.Fatal(err)
	}
	return true
}

// cutHouse is two processes that sell the last unit, one of which has its own way to Redis.
func cutHouse(t *testing.T) (h *house, there, cut *gate.FallbackGate, way *engine.Proxy) {
	t.Helper()
	h = newHouse(t, 1, 1, 0)
	way = engine.NewProxy(t, h.server.Address)
	behind := gatefixture.Open(t, gatefixture.Connect(t, redis.Config{Addresses: []string{way.Address}}), h.book, "test", false)
	h.step(behind)
	there, cut = gate.NewFallbackGate(h.gates[0]), gate.NewFallbackGate(behind)
	h.want(inventory.Reserved, h.gates[0], h.claim(drop, 1, line(shoe, 1)))
	h.until("its refusals are certain", func() bool { return h.certain(there) }, h.looks(there)...)
	return h, there, cut, way
}

// certain reports whether the last unit is refused without a doubt.
func (h *house) certain(f *gate.FallbackGate) bool {
	h.t.Helper()
	a, err := f.Reserve(h.t.Context(), h.claim(drop, id.Customer(2000+h.order.Load()), line(shoe, 1)))
	return err == nil && a.Verdict == inventory.SoldOut && !a.Uncertain
}

// P32: a process that alone has lost Redis lets no order go on without the gate while another one refuses by it: it closes the gate for
// both, and waits. The other one reads nothing meanwhile, so that its trust ends by itself.
func TestNoOrderGoesWithoutAGateThatAnotherProcessTrusts(t *testing.T) {
	t.Parallel()
	h, there, cut, way := cutHouse(t)
	way.Break()
	began := time.Now()
	bypassed := false
	h.until("orders go on without the gate", func() bool {
		claim := h.claim(drop, 9, line(shoe, 1))
		certain := h.certain(there)
		bypassed = h.bypasses(cut, claim)
		if after := h.certain(there); bypassed && after {
			t.Fatalf("after %s one process refuses by the gate (before: %t), and another one goes on without it", time.Since(began), certain)
		}
		return bypassed
	}, h.looks(cut)...)
	if cut.Closings() != 1 {
		t.Errorf("the gate was closed %d times", cut.Closings())
	}
	epoch, err := h.book.GateEpoch(t.Context())
	if err != nil || epoch.Ready || epoch.Opened != 1 {
		t.Errorf("the epoch is %+v, %v", epoch, err)
	}
	claim := h.claim(drop, 9, line(shoe, 1))
	if a, err := cut.Reserve(t.Context(), claim); err != nil || a.Verdict != inventory.GateBypassed || !claim.Bypassed || claim.Epoch != 1 {
		t.Errorf("%+v, %v, of claim %+v", a, err, claim)
	}
	// The other one can reach Redis and rebuilds it, and the one that cannot leaves it alone from then on.
	h.until("it is open again", func() bool {
		e, err := h.book.GateEpoch(t.Context())
		return err == nil && e.Ready && e.Opened == 2 && there.Trusted()
	}, h.looks(there)...)
	h.book.Leased = true
	for range 3 {
		for _, step := range h.looks(cut) {
			step()
		}
	}
	if h.bypasses(cut, h.claim(drop, 10, line(shoe, 1))) || cut.Closings() != 1 || cut.Reachable() == nil {
		t.Errorf("a gate that is open again: closed %d times, %v", cut.Closings(), cut.Reachable())
	}
	way.Mend()
	h.until("it is trusted by both", func() bool { return cut.Trusted() && cut.Reachable() == nil }, h.looks(cut)...)
}

// One question that is not answered in time lets nothing go on without the gate.
func TestAQuestionWithoutAnAnswerIsToldToComeBack(t *testing.T) {
	t.Parallel()
	h, _, cut, way := cutHouse(t)
	way.Break()
	if h.bypasses(cut, h.claim(drop, 9, line(shoe, 1))) {
		t.Error("an order goes on without a gate that is trusted")
	}
}

// Orders that go on without the gate do so until one is opened: not only until it is rebuilt.
func TestOrdersGoOnWhileAGateIsRebuilt(t *testing.T) {
	t.Parallel()
	h, _, cut, way := cutHouse(t)
	way.Break()
	h.closed(cut)
	if begun, err := h.book.BeginGateEpoch(t.Context(), 1); err != nil || !begun {
		t.Fatal(begun, err)
	}
	if _, err := cut.EpochStep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !h.bypasses(cut, h.claim(drop, 9, line(shoe, 1))) {
		t.Error("nothing goes on while the next epoch is built")
	}
	if opened, err := h.book.OpenGateEpoch(t.Context(), inventory.Epoch{Number: 2, Ready: true}); err != nil || !opened {
		t.Fatal(opened, err)
	}
	h.book.Leased = true
	if _, err := cut.EpochStep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if h.bypasses(cut, h.claim(drop, 9, line(shoe, 1))) {
		t.Error("an order goes on without a gate that is open")
	}
}
