package gate

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// doubt is whether a gate that is trusted may not know every key yet. An order that the database's guard decided alone, or that
// was committed while another epoch began, comes to the gate with the outbox, a moment after its shopper was told. Until
// the outbox of that time has been carried out, the database is asked for the key before a shopper is refused in a sale.
type doubt struct {
	settled atomic.Pointer[term] // the term that is doubted no more

	mu    sync.Mutex
	of    *term
	since time.Time // when the term was taken up, or an order last went on without the gate or was decided so
	// reach is the position that has to be carried out; unknown before doubtLeast is over, and while an event of that time waits
	// for its position.
	reach int64
}

const (
	// doubtLeast is how long doubts last at least: other processes may still be without the gate, and their orders under way.
	doubtLeast = 3 * time.Second

	unknown = -1
)

// begin begins the doubts, anew where there are some.
func (d *doubt) begin() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.settled.Store(nil)
	d.since, d.reach = time.Now(), unknown
}

// doubted reports whether the gate may not know every key. One without an epoch knows none.
func (f *Front) doubted() bool {
	t := f.term.Load()
	return t == nil || f.doubt.settled.Load() != t
}

// doubtStep ends the doubts where every order of their time has come to the gate.
func (f *Front) doubtStep(ctx context.Context) error {
	t := f.term.Load()
	d := &f.doubt
	if t == nil || d.settled.Load() == t {
		return nil
	}
	d.mu.Lock()
	if d.of != t {
		d.of, d.since, d.reach = t, time.Now(), unknown
	}
	since, reach := d.since, d.reach
	d.mu.Unlock()
	if time.Since(since) < doubtLeast || f.Unguarded() > 0 {
		return nil
	}
	if reach == unknown {
		if waits, err := f.store.Unstamped(ctx); err != nil || waits {
			return err
		}
		var err error
		if reach, err = f.store.NewestEvent(ctx); err != nil {
			return err
		}
	}
	done, err := f.reached(ctx, t, "placed")
	if err != nil {
		return lost(err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.of != t || d.since != since {
		return nil // anew
	}
	if d.reach = reach; done >= reach {
		d.settled.Store(t)
	}
	return nil
}
