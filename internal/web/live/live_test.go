package live_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/await"
	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/sale"
	"github.com/tidegate/tidegate/internal/web/live"
)

var noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

// window is one sale with one item, of which the test says what is left.
type window struct {
	sale    atomic.Pointer[sale.Sale]
	left    atomic.Int64
	unknown atomic.Bool
	clock   *clock.Manual
	encoded atomic.Int64
	looked  atomic.Int64
}

func newWindow() (*window, *live.Board) {
	w := &window{clock: clock.NewManual(noon)}
	w.left.Store(10)
	w.set(sale.Scheduled)
	return w, live.NewBoard(w, w, w.clock, 2, func(m *live.Moment, lang int) []byte {
		w.encoded.Add(1)
		return fmt.Appendf(nil, "%s %v in %d", m.Phase, m.Left, lang)
	})
}

func (w *window) set(status sale.Status) {
	w.sale.Store(&sale.Sale{ID: 7, Status: status, StartsAt: noon.Add(time.Minute), EndsAt: noon.Add(time.Hour), Items: []sale.Item{{SKU: 1, Allocation: 10}}})
}

func (w *window) Published(_ context.Context, s id.Sale) (*sale.Sale, error) {
	if s != 7 {
		return nil, fault.New(fault.NotFound, "There is no sale %s.", s)
	}
	return w.sale.Load(), nil
}

func (w *window) Available(inventory.Pool) (int64, bool) {
	w.looked.Add(1)
	return w.left.Load(), !w.unknown.Load()
}

// TestSoldOut: what the gate does not know is not called sold out.
func TestSoldOut(t *testing.T) {
	w, b := newWindow()
	w.set(sale.Live)
	for _, c := range []struct {
		left    int64
		unknown bool
		want    bool
	}{{3, false, false}, {0, true, false}, {0, false, true}, {0, true, false}} {
		w.left.Store(c.left)
		w.unknown.Store(c.unknown)
		w.clock.Advance(2 * time.Minute)
		m, err := b.Look(t.Context(), 7, w.clock.Now())
		if err != nil {
			t.Fatal(err)
		}
		if got := m.SoldOut(); got != c.want {
			t.Errorf("%d left, unknown %v: sold out %v", c.left, c.unknown, got)
		}
	}
}

func TestLook(t *testing.T) {
	w, b := newWindow()
	look := func(want string) uint64 {
		t.Helper()
		m, err := b.Look(t.Context(), 7, w.clock.Now())
		if err != nil {
			t.Fatal(err)
		}
		if got := string(m.Message(1)); got != want {
			t.Errorf("%q, want %q", got, want)
		}
		return m.Revision
	}
	first := look("scheduled [10] in 1")
	w.left.Store(9)
	if look("scheduled [10] in 1") != first {
		t.Error("looked at again too soon")
	}
	w.clock.Advance(200 * time.Millisecond)
	if look("scheduled [9] in 1") == first {
		t.Error("a change without a new revision")
	}
	w.clock.Set(noon.Add(time.Minute))
	look("live [9] in 1") // at once: the clock decides
	w.set(sale.Paused)
	look("paused [9] in 1") // at once: the operator has decided
	w.set(sale.Live)
	w.left.Store(-1)
	again := look("live [0] in 1")
	w.clock.Advance(time.Second)
	if look("live [0] in 1") != again {
		t.Error("nothing has changed, and it has a new revision")
	}
	w.clock.Set(noon.Add(time.Hour))
	look("ended [0] in 1")
	if _, err := b.Look(t.Context(), 8, w.clock.Now()); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("no such sale: %v", err)
	}
}

// However many watch, a moment is looked at and encoded once, and everyone hears of the newest one.
func TestWatch(t *testing.T) {
	w, b := newWindow()
	const viewers = 200
	ctx, cancel := context.WithCancel(t.Context())
	stop := make(chan struct{})
	var newest [viewers]atomic.Pointer[live.Moment]
	var all sync.WaitGroup
	for i := range viewers {
		all.Go(func() {
			err := b.Watch(ctx, stop, 7, time.Minute, func(m *live.Moment) error {
				newest[i].Store(m)
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	everyone := func(left int64) {
		t.Helper()
		for i := range newest {
			await.Until(t, fmt.Sprintf("viewer %d has heard of %d", i, left), func() bool {
				m := newest[i].Load()
				return m != nil && m.Left[0] == left
			})
		}
	}
	everyone(10)
	encoded := w.encoded.Load()
	w.left.Store(3)
	w.clock.Advance(time.Second)
	everyone(3)
	if n := w.encoded.Load() - encoded; n != 2 {
		t.Errorf("encoded %d times, not once for each language", n)
	}
	if n := b.Viewers(); n != viewers {
		t.Errorf("%d viewers", n)
	}
	close(stop)
	all.Wait()
	cancel()
	if n := b.Viewers(); n != 0 {
		t.Errorf("%d viewers are left", n)
	}
	// The board is watched again after everyone has gone.
	heard := make(chan struct{})
	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	err := b.Watch(ctx, make(chan struct{}), 7, time.Minute, func(*live.Moment) error { close(heard); cancel(); return nil })
	if <-heard; err != nil {
		t.Error(err)
	}
}
