package limit_test

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/admission/limit"
	"github.com/tidegate/tidegate/internal/admission/limit/limittest"
	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

func TestMemory(t *testing.T) {
	t.Parallel()
	limittest.Run(t, func(*testing.T) (a, b limit.Counter) {
		m := limit.NewMemory(clock.System{}, 1000)
		return m, m
	})
}

// The longest idle is forgotten, and nobody else.
func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	m := limit.NewMemory(clock.System{}, 16)
	r := limit.Rate{Burst: 1, Every: time.Hour}
	take := func(key string) bool {
		wait, _ := m.Take(t.Context(), key, r)
		return wait == 0
	}
	for i := range 17 {
		take(fmt.Sprint(i))
	}
	if take("16") || take("1") {
		t.Error("one who tried lately was forgotten")
	}
	if !take("0") {
		t.Error("the longest idle was not forgotten")
	}
}

func TestRequests(t *testing.T) {
	t.Parallel()
	c := limit.DefaultConfig()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	if r := limit.NewRequests(c, nil); r.Customer(1) != nil || r.LimitsClients() {
		t.Error("by default there is a limit")
	}
	c.CustomerPerSecond, c.CustomerBurst, c.ClientPerSecond, c.ClientBurst = 1, 5, 1, 3
	r := limit.NewRequests(c, nil)
	for range 5 {
		if err := r.Customer(7); err != nil {
			t.Fatal(err)
		}
	}
	err := r.Customer(7)
	if !errors.Is(err, fault.TooManyRequests) || fault.As(err).RetryAfter <= 0 || fault.As(err).RetryAfter > time.Second {
		t.Errorf("one too many: %v", err)
	}
	if err := r.Customer(8); err != nil {
		t.Error(err)
	}
	for i := range 4 {
		err := r.Client(netip.MustParseAddr(fmt.Sprintf("2001:db8:0:1::%d", i+1)))
		if (i == 3) != errors.Is(err, fault.TooManyRequests) {
			t.Errorf("%d of one /64: %v", i, err)
		}
	}
	if err := r.Client(netip.MustParseAddr("2001:db8:0:2::1")); err != nil {
		t.Error(err)
	}
	// However many come, no more is kept than was said.
	for i := range 3000 {
		_ = r.Customer(id.Customer(i))
	}
}

// sum is Shared in memory: it says how many were counted, and refuses beyond a number.
type sum struct {
	mu   sync.Mutex
	max  int
	keys map[string]int
	asks int
	fail error
}

func (s *sum) Settle(u limit.Use) (time.Duration, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asks++
	if s.fail != nil {
		return 0, s.fail
	}
	if s.keys[u.Key] += u.Times; s.keys[u.Key] > s.max {
		return time.Hour, nil
	}
	return 0, nil
}

// Requests are settled in portions, and whoever has used up their rate elsewhere is refused here.
func TestRequestsAreSettled(t *testing.T) {
	t.Parallel()
	c := limit.DefaultConfig()
	c.CustomerPerSecond, c.CustomerBurst = 1, 160
	shared := &sum{max: 15, keys: map[string]int{}}
	a, b := limit.NewRequests(c, shared), limit.NewRequests(c, shared)
	use := func(r *limit.Requests, times, asks int) {
		t.Helper()
		for range times {
			if err := r.Customer(7); err != nil {
				t.Fatal(err)
			}
		}
		if shared.asks != asks {
			t.Fatalf("the shared count was asked %d times, want %d", shared.asks, asks)
		}
	}
	use(a, 9, 0) // less than a portion
	use(a, 1, 1)
	use(b, 9, 1)
	if err := b.Customer(7); !errors.Is(err, fault.TooManyRequests) {
		t.Errorf("used up elsewhere: %v", err)
	}
	if err := b.Customer(7); !errors.Is(err, fault.TooManyRequests) || shared.asks != 2 {
		t.Errorf("who is refused asks again: %v, %d", err, shared.asks)
	}
	shared.fail = errors.New("gone")
	use(a, 30, 3) // the process goes on by its own counts, and does not ask for each
}

// gate is Shared that answers when it is let.
type gate struct{ asked, answer chan struct{} }

func (g gate) Settle(limit.Use) (time.Duration, error) {
	g.asked <- struct{}{}
	<-g.answer
	return time.Hour, nil
}

// While a portion is settled, the key's other requests wait for the answer, and other keys do not.
func TestRequestsWaitForTheirKey(t *testing.T) {
	t.Parallel()
	c := limit.DefaultConfig()
	c.CustomerPerSecond, c.CustomerBurst = 1, 16
	g := gate{make(chan struct{}), make(chan struct{})}
	r := limit.NewRequests(c, g)
	refused := make(chan error)
	for range 4 {
		go func() { refused <- r.Customer(7) }()
	}
	<-g.asked
	select {
	case err := <-refused:
		t.Errorf("one did not wait: %v", err)
	default:
	}
	close(g.answer)
	for range 4 {
		if err := <-refused; !errors.Is(err, fault.TooManyRequests) {
			t.Errorf("granted before the others were counted: %v", err)
		}
	}
}

func BenchmarkRequests(b *testing.B) {
	c := limit.DefaultConfig()
	c.CustomerPerSecond = 100_000
	r := limit.NewRequests(c, nil)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := id.Customer(0); pb.Next(); i++ {
			_ = r.Customer(i % 10_000)
		}
	})
}

// Limits change while requests come: counts begin anew by the rate that changed, and go on by the other.
func TestRequestsChange(t *testing.T) {
	t.Parallel()
	c := limit.DefaultConfig()
	c.ClientPerSecond, c.ClientBurst = 1, 1
	r := limit.NewRequests(c, nil)
	client := netip.MustParseAddr("192.0.2.1")
	if r.Client(client) != nil || r.Client(client) == nil {
		t.Fatal("a client has one request")
	}
	c.CustomerPerSecond, c.CustomerBurst = 1, 2
	r.Set(c)
	if r.Client(client) == nil {
		t.Error("the limit of customers has changed, and clients are counted anew")
	}
	for i, want := range []bool{true, true, false} {
		if got := r.Customer(7) == nil; got != want {
			t.Errorf("request %d of a customer passes: %t", i, got)
		}
	}
	c.CustomerPerSecond, c.ClientBurst = 0, 3
	r.Set(c)
	for range 10 {
		if r.Customer(7) != nil {
			t.Fatal("there is no limit any more, and a customer is refused")
		}
	}
	for i, want := range []bool{true, true, true, false} {
		if got := r.Client(client) == nil; got != want {
			t.Errorf("request %d of a client passes: %t", i, got)
		}
	}
}
