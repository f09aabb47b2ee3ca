package admission_test

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/tidegate/tidegate/internal/admission"
	"github.com/tidegate/tidegate/internal/admission/limit"
	"github.com/tidegate/tidegate/internal/alloctest"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// visitor is a customer who is known.
type visitor struct {
	client  netip.Addr
	is, who id.Customer
}

func (v *visitor) Client() netip.Addr    { return v.client }
func (v *visitor) Authenticate() error   { v.who = v.is; return nil }
func (v *visitor) Customer() id.Customer { return v.who }

// order runs every stage of an order that is let in.
func order(c *admission.Control, v *visitor) error {
	return errors.Join(c.Arrive(admission.Order, v), c.Enter(admission.Order, v), c.Hold(admission.Order, v))
}

func limited() (*admission.Control, *visitor) {
	l := limit.DefaultConfig()
	l.CustomerPerSecond, l.ClientPerSecond, l.CustomerBurst, l.ClientBurst = 100_000, 1_000_000, 100_000, 1_000_000
	return &admission.Control{Limits: limit.NewRequests(l, nil), Able: func() error { return nil }}, &visitor{client: netip.MustParseAddr("192.0.2.1"), is: 7}
}

func TestNotificationsMeetNoLimit(t *testing.T) {
	t.Parallel()
	l := limit.DefaultConfig()
	l.CustomerPerSecond, l.ClientPerSecond, l.CustomerBurst, l.ClientBurst = 1, 1, 1, 1
	busy := fault.New(fault.Overloaded, "No.")
	c, v := &admission.Control{Limits: limit.NewRequests(l, nil), Able: func() error { return busy }}, &visitor{}
	for _, purpose := range []admission.Purpose{admission.Notification, admission.Order} {
		for range 3 {
			err := errors.Join(c.Arrive(purpose, v), c.Enter(purpose, v), c.Hold(purpose, v))
			if refused := err != nil; refused != (purpose == admission.Order) {
				t.Errorf("purpose %d: %v", purpose, err)
			}
		}
	}
}

func TestAllocationsOfAdmission(t *testing.T) {
	c, v := limited()
	alloctest.AtMost(t, 0, func() { _ = order(c, v) })
}

// BenchmarkAdmission is an order that is let in, with every limit counted.
func BenchmarkAdmission(b *testing.B) {
	c, v := limited()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		v.is, v.client = id.Customer(1+i%64), netip.AddrFrom4([4]byte{192, 0, 2, byte(i % 64)}) // nobody reaches a limit
		if order(c, v) != nil {
			b.Fatal("refused")
		}
	}
}
