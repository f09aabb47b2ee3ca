package order_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/await"
	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
)

// wobbly is a store whose commits can be held up, fail, or end without an answer.
type wobbly struct {
	order.Store
	mu     sync.Mutex
	commit func(ctx context.Context, batch []*order.Draft) ([]order.Outcome, error)
	read   error // of Order, where not nil
}

func (w *wobbly) CommitOrders(ctx context.Context, batch []*order.Draft, mint *id.Mint) ([]order.Outcome, error) {
	w.mu.Lock()
	commit := w.commit
	w.mu.Unlock()
	if commit == nil {
		return w.Store.CommitOrders(ctx, batch, mint)
	}
	return commit(ctx, batch)
}

func (w *wobbly) Order(ctx context.Context, o id.Order) (order.Order, error) {
	w.mu.Lock()
	err := w.read
	w.mu.Unlock()
	if err != nil {
		return order.Order{}, err
	}
	return w.Store.Order(ctx, o)
}

func (w *wobbly) set(read error, commit func(context.Context, []*order.Draft) ([]order.Outcome, error)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.read, w.commit = read, commit
}

// wobble puts a wobbly store under the committer, which nobody drives.
func (s *shop) wobble() *wobbly {
	w := &wobbly{Store: s.Store}
	s.wire(w)
	return w
}

// placing places an order in the background.
func (s *shop) placing(ctx context.Context, sl id.Sale, c id.Customer, key string) <-chan error {
	done := make(chan error, 1)
	depth := s.committer.Depth()
	go func() {
		_, err := s.orders.Place(ctx, order.Request{Customer: c, Sale: sl, Key: key, Lines: []inventory.Line{{SKU: 1, Units: 1}}})
		done <- err
	}()
	await.Until(s.t, "the order waits for its commit", func() bool { return s.committer.Depth() > depth })
	return done
}

func (s *shop) level(sl id.Sale, want int64) {
	s.t.Helper()
	if got, _ := s.Gate.Available(inventory.Pool{Sale: sl, SKU: 1}); got != want {
		s.t.Errorf("%d units at the gate, want %d", got, want)
	}
}

func TestUnknownOutcome(t *testing.T) {
	unknown := fault.New(fault.OutcomeUnknown, "The commit was not answered.")
	for _, c := range []struct {
		name      string
		committed bool
		panics    bool
		left      int64
	}{
		{"it was committed", true, false, 4},
		{"it was not", false, false, 5},
		{"it was committed, and then a panic", true, true, 4},
		{"a panic", false, true, 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newShop(t)
			drop := s.Open(5, 1, 1)
			w := s.wobble()
			var drafts []*order.Draft
			w.set(errors.New("no answer either"), func(ctx context.Context, batch []*order.Draft) ([]order.Outcome, error) {
				drafts = batch
				if c.committed {
					if _, err := s.Store.CommitOrders(ctx, batch, s.Mint); err != nil {
						return nil, err
					}
				}
				if c.panics {
					panic("half way")
				}
				return nil, unknown
			})
			first := s.placing(t.Context(), drop, 7, "key")
			for range 3 { // the second and third ask after it, and are not told either
				if n, err := s.committer.Step(t.Context()); n != 0 || err == nil {
					t.Errorf("Step = %d, %v; want nothing decided", n, err)
				}
			}
			select {
			case err := <-first:
				t.Fatalf("an unknown outcome was answered: %v", err)
			default:
			}
			s.level(drop, 4)
			wait, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			if _, here, err := s.committer.Wait(wait, drafts[0].Order.ID, 7); !here || !errors.Is(err, order.ErrUndecided) {
				t.Errorf("Wait = %t, %v; want undecided", here, err)
			}
			if _, here, _ := s.committer.Wait(wait, drafts[0].Order.ID, 8); here {
				t.Error("another customer was told of it")
			}
			w.set(nil, nil)
			if n, err := s.committer.Step(t.Context()); n != 1 || err != nil {
				t.Errorf("Step = %d, %v; want it decided", n, err)
			}
			err := <-first
			if c.committed && err != nil || !c.committed && !errors.Is(err, fault.StoreUnavailable) {
				t.Errorf("answered %v", err)
			}
			s.level(drop, c.left)
			// The same key again: the order there is, or a new one.
			s.drive()
			placed, err := s.place(drop, 7, "key", inventory.Line{SKU: 1, Units: 1})
			if err != nil || placed.Replayed != c.committed || (placed.Order.ID == drafts[0].Order.ID) != c.committed {
				t.Errorf("asked again: %+v, %v", placed, err)
			}
		})
	}
}

func TestAnswerUndecidedInTime(t *testing.T) {
	s := newShop(t)
	drop := s.Open(5, 1, 1)
	s.wobble()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	placed, err := s.orders.Place(ctx, order.Request{Customer: 7, Sale: drop, Key: "key", Lines: []inventory.Line{{SKU: 1, Units: 1}}})
	if err != nil || !placed.Undecided || placed.Order.Status != order.Undecided || placed.Order.ID == 0 {
		t.Fatalf("got %+v, %v; want undecided with an id", placed, err)
	}
	s.level(drop, 4) // a client that went away gives nothing back
	got, err := s.orders.Get(t.Context(), 7, placed.Order.ID, time.Millisecond)
	if err != nil || !got.Undecided {
		t.Errorf("asked after: %+v, %v; want undecided", got, err)
	}
	if n, err := s.committer.Step(t.Context()); n != 1 || err != nil {
		t.Fatalf("Step = %d, %v", n, err)
	}
	got, err = s.orders.Get(t.Context(), 7, placed.Order.ID, 0)
	if err != nil || got.Order.Status != order.Pending {
		t.Errorf("after the commit: %+v, %v; want pending", got, err)
	}
	s.level(drop, 4)
}

func TestFailedCommitRefusesAndLosesNothing(t *testing.T) {
	s := newShop(t)
	drop := s.Open(5, 1, 1)
	w := s.wobble()
	full := fault.New(fault.StoreFull, "The disk is full.").After(time.Second)
	w.set(nil, func(context.Context, []*order.Draft) ([]order.Outcome, error) { return nil, full })
	first := s.placing(t.Context(), drop, 7, "key")
	if n, err := s.committer.Step(t.Context()); n != 1 || err != nil {
		t.Errorf("Step = %d, %v; a batch that was refused is decided", n, err)
	}
	if err := <-first; !errors.Is(err, fault.StoreFull) {
		t.Errorf("answered %v", err)
	}
	s.level(drop, 5)
	w.set(nil, nil)
	second := s.placing(t.Context(), drop, 7, "key")
	if n, err := s.committer.Step(t.Context()); n != 1 || err != nil {
		t.Errorf("Step = %d, %v", n, err)
	}
	if err := <-second; err != nil {
		t.Errorf("when the disk was free again: %v", err)
	}
}

// TestUnknownOutcomeOfARepeatedKey: another process committed the key first. This draft's own row is not there afterwards, and
// the key's order is the answer all the same.
func TestUnknownOutcomeOfARepeatedKey(t *testing.T) {
	s := newShop(t)
	drop := s.Open(5, 2, 1)
	w := s.wobble()
	var original id.Order
	w.set(nil, func(ctx context.Context, batch []*order.Draft) ([]order.Outcome, error) {
		other := *batch[0]
		original = id.New[id.Order](s.Mint)
		other.Order.ID, other.Claim.Order = original, original
		if out, err := s.Store.CommitOrders(ctx, []*order.Draft{&other}, s.Mint); err != nil || out[0].Result != order.Accepted {
			t.Errorf("the other process: %+v, %v", out, err)
		}
		return nil, fault.New(fault.OutcomeUnknown, "The commit was not answered.")
	})
	type answer struct {
		placed order.Placed
		err    error
	}
	answered := make(chan answer, 1)
	go func() {
		p, err := s.orders.Place(t.Context(), order.Request{Customer: 7, Sale: drop, Key: "key", Lines: []inventory.Line{{SKU: 1, Units: 1}}})
		answered <- answer{p, err}
	}()
	await.Until(s.t, "the order waits for its commit", func() bool { return s.committer.Depth() > 0 })
	for range 2 {
		_, _ = s.committer.Step(t.Context()) // the commit, and then the question after it
	}
	got := <-answered
	if got.err != nil || got.placed.Order.ID != original || !got.placed.Replayed {
		t.Errorf("answered %+v, %v; want the order %s again", got.placed, got.err, original)
	}
}
