package sale

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// slowStore holds one sale, which has ended, and counts how often it is read.
type slowStore struct {
	Store
	reads atomic.Int64
}

func (s *slowStore) Sale(_ context.Context, sl id.Sale) (*Sale, error) {
	s.reads.Add(1)
	time.Sleep(time.Millisecond)
	if sl != 1 {
		return nil, missing(sl)
	}
	return &Sale{ID: 1, Status: Ended}, nil
}

// A crowd that still asks for a sale that is over, or for one that never was, reads it once.
func TestBookReadsOnceForACrowd(t *testing.T) {
	for _, sl := range []id.Sale{1, 2} {
		s := &slowStore{}
		b := NewCache(s, clock.NewManual(time.Date(2026, 11, 27, 19, 0, 0, 0, time.UTC)))
		var crowd sync.WaitGroup
		for range 100 {
			crowd.Go(func() {
				found, err := b.Sale(context.Background(), sl)
				if (err == nil) != (sl == 1) || err == nil && found.ID != sl {
					t.Errorf("sale %s: %v, %v", sl, found, err)
				}
			})
		}
		crowd.Wait()
		if n := s.reads.Load(); n != 1 {
			t.Errorf("sale %s was read %d times", sl, n)
		}
	}
}

// Requests for random ids do not make the cache grow.
func TestBookIsBounded(t *testing.T) {
	s := &slowStore{}
	b := NewCache(s, clock.NewManual(time.Date(2026, 11, 27, 19, 0, 0, 0, time.UTC)))
	for i := range 2 * entriesMax {
		if _, err := b.Sale(context.Background(), id.Sale(i+2)); err == nil {
			t.Fatal("a sale that never was")
		}
	}
	if n := len(*b.sales.Load()); n > entriesMax {
		t.Errorf("%d entries", n)
	}
}
