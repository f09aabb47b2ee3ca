package limit_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/limit"
	"github.com/tidegate/tidegate/internal/limit/limittest"
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
	if did, err := r.SettleStep(t.Context()); did != 0 || err != nil {
		t.Error(did, err)
	}
}

// sum is Shared in memory: it says how many were counted, and refuses beyond a number.
type sum struct {
	max  int
	keys map[string]int
	fail error
}

func (s *sum) Settle(_ context.Context, uses []limit.Use) ([]time.Duration, error) {
	waits := make([]time.Duration, len(uses))
	for i, u := range uses {
		if s.keys[u.Key] += u.Times; s.keys[u.Key] > s.max {
			waits[i] = time.Hour
		}
	}
	return waits, s.fail
}

// Requests are settled in portions, and whoever has used up their rate elsewhere is refused here.
func TestRequestsAreSettled(t *testing.T) {
	t.Parallel()
	c := limit.DefaultConfig()
	c.CustomerPerSecond, c.CustomerBurst = 1, 40
	shared := &sum{max: 15, keys: map[string]int{}}
	a, b := limit.NewRequests(c, shared), limit.NewRequests(c, shared)
	use := func(r *limit.Requests, times int) {
		t.Helper()
		for range times {
			if err := r.Customer(7); err != nil {
				t.Fatal(err)
			}
		}
	}
	settle := func(r *limit.Requests, keys int) {
		t.Helper()
		if did, err := r.SettleStep(t.Context()); did != keys || err != nil {
			t.Fatalf("%d keys settled, %v; want %d", did, err, keys)
		}
	}
	use(a, 9)
	settle(a, 0) // less than a portion
	use(a, 2)
	settle(a, 1)
	settle(a, 0)
	use(b, 10)
	settle(b, 1)
	if err := b.Customer(7); !errors.Is(err, fault.TooManyRequests) {
		t.Errorf("used up elsewhere: %v", err)
	}
	if got := shared.keys["customer:7"]; got != 21 {
		t.Errorf("%d were counted", got)
	}
	shared.fail = errors.New("gone")
	use(a, 10)
	if _, err := a.SettleStep(t.Context()); err == nil || !strings.Contains(err.Error(), "gone") {
		t.Error(err)
	}
	use(a, 10) // the process goes on by its own counts
}

func BenchmarkRequests(b *testing.B) {
	c := limit.DefaultConfig()
	c.CustomerPerSecond = 100_000
	r := limit.NewRequests(c, &sum{})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := id.Customer(0); pb.Next(); i++ {
			_ = r.Customer(i % 10_000)
		}
	})
}
