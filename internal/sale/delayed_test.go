package sale

import (
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/clock"
)

// level is a gate with one number.
type level int64

func (l *level) Available(inventory.Pool) (int64, bool) { return int64(*l), *l >= 0 }

// TestDelayed: what is sold shows at once, what comes back shows later, and nobody knows when; of an exact sale all shows at once.
func TestDelayed(t *testing.T) {
	t.Parallel()
	for _, shows := range []Shows{Coarse, Exact} {
		now := clock.NewManual(time.Date(2026, 11, 27, 20, 0, 0, 0, time.UTC))
		gate := level(11)
		levels := NewDelayed(&gate, now)
		s := &Sale{ID: 1, ShowsLeft: shows, Items: []Item{{SKU: 11, Allocation: 100}}}
		told := func(when string, exact, coarse int64) {
			t.Helper()
			want := exact
			if shows == Coarse {
				want = coarse
			}
			if got, known := s.Left(&s.Items[0], levels); got != want || !known {
				t.Errorf("%s, %s: %d is told, want %d", shows, when, got, want)
			}
		}
		told("at first", 11, 50)
		gate = 10
		told("one is taken", 10, 10)
		gate = 11
		told("it comes back", 11, 10)
		now.Advance(returnShownMin - time.Millisecond)
		told("a while later", 11, 10)
		gate = 10
		told("and it is taken", 10, 10)
		gate = 11
		told("and comes back", 11, 10)
		now.Advance(returnShownMin - time.Millisecond)
		told("the while begins anew", 11, 10)
		now.Advance(2 * returnShownMin)
		told("at last", 11, 50)
		gate = 0
		told("all are taken", 0, 0)
		gate = 5
		told("some come back", 5, 0)
		now.Advance(2*returnShownMin + time.Second)
		told("some came back", 5, 10)
	}
	gate := level(-1)
	if _, known := (&Sale{ShowsLeft: Coarse, Items: []Item{{}}}).Left(&Item{}, NewDelayed(&gate, clock.System{})); known {
		t.Error("a pool that the gate does not have is known")
	}
}

// TestDelayedJitters: the delay is not the same twice.
func TestDelayedJitters(t *testing.T) {
	t.Parallel()
	now := clock.NewManual(time.Date(2026, 11, 27, 20, 0, 0, 0, time.UTC))
	gate := level(11)
	levels := NewDelayed(&gate, now)
	after := map[time.Duration]bool{}
	p := inventory.Pool{Sale: 1, SKU: 11}
	for range 20 {
		gate = 10
		levels.settled(p)
		gate = 11
		levels.settled(p)
		after[levels.pools[p].from.Sub(now.Now())] = true
		now.Advance(time.Hour)
		levels.settled(p)
	}
	if len(after) < 10 {
		t.Errorf("20 delays were of %d lengths", len(after))
	}
}
