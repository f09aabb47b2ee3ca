package limit

import (
	"net/netip"
	"testing"
)

func TestHeld(t *testing.T) {
	t.Parallel()
	h := NewHeld(2)
	a, mapped := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("::ffff:192.0.2.1")
	six, neighbour, other := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::ffff:1"), netip.MustParseAddr("2001:db8:0:1::1")
	for _, c := range []struct {
		who  netip.Addr
		want bool
	}{{a, true}, {mapped, true}, {a, false}, {mapped, false}, {six, true}, {neighbour, true}, {six, false}, {other, true}} {
		if got := h.Enter(c.who); got != c.want {
			t.Errorf("%s enters: %t", c.who, got)
		}
	}
	h.Leave(mapped)
	if !h.Enter(a) || h.Enter(a) {
		t.Error("who left makes room for one")
	}
	for _, who := range []netip.Addr{a, a, six, six, other} {
		h.Leave(who)
	}
	if len(h.held) != 0 {
		t.Errorf("%d addresses are remembered", len(h.held))
	}
	for range 10 {
		if !NewHeld(0).Enter(a) {
			t.Fatal("there is no bound, and one may not enter")
		}
	}
}

// A bound that changes counts those who entered before it, also where there was none.
func TestHeldChanges(t *testing.T) {
	t.Parallel()
	h, a := NewHeld(0), netip.MustParseAddr("192.0.2.1")
	for range 3 {
		h.Enter(a)
	}
	h.SetMax(3)
	if h.Enter(a) {
		t.Error("a fourth enters past a bound of three")
	}
	h.Leave(a)
	if !h.Enter(a) {
		t.Error("who left makes no room")
	}
	h.SetMax(4)
	if !h.Enter(a) {
		t.Error("a higher bound makes no room")
	}
	for range 4 {
		h.Leave(a)
	}
	if len(h.held) != 0 {
		t.Errorf("%d addresses are remembered", len(h.held))
	}
}
