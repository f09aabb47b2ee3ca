package gate_test

import (
	"testing"

	"github.com/tidegate/tidegate/internal/await"
	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/redis/gate"
)

// From its reservation on a customer has something, whichever process is asked; a gate that was lost says of nobody that they have
// nothing.
func TestWhoHasNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t, 2, 5, 0)
	one, other := gate.NewFallbackGate(h.gates[0]), gate.NewFallbackGate(h.gates[1])
	nothing := func(f *gate.FallbackGate, c id.Customer) bool { return f.HasNoOrder(t.Context(), drop, c) }
	if nothing(one, 1) {
		t.Error("it is believed while its refusals are doubted")
	}
	await.Until(t, "it is known who has nothing", func() bool {
		for _, f := range []*gate.FallbackGate{one, other} {
			if _, err := f.Step(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		return nothing(one, 1) && nothing(other, 1)
	})
	if a, err := one.Reserve(t.Context(), h.claim(drop, 1, line(shoe, 1))); err != nil || a.Verdict != inventory.Reserved {
		t.Fatal(a, err)
	}
	if nothing(one, 1) || nothing(other, 1) {
		t.Error("a reservation is not seen")
	}
	if !nothing(other, 2) {
		t.Error("who has bought nothing has something")
	}
	if other.HasNoOrder(t.Context(), drop+1, 2) {
		t.Error("it knows of a sale that the gate does not hold")
	}
	if err := h.client.Do(t.Context(), h.client.B().Flushall().Build()).Error(); err != nil {
		t.Fatal(err)
	}
	if nothing(one, 1) || nothing(other, 2) {
		t.Error("a gate that has lost everything knows who has nothing")
	}
	h.server.Kill()
	if nothing(one, 2) {
		t.Error("a gate that does not answer knows who has nothing")
	}
}
