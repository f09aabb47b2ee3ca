package node

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/await"
	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/store"
)

func nodeStore(t *testing.T) *store.Store {
	t.Helper()
	c := store.DefaultConfig()
	c.Path = filepath.Join(t.TempDir(), "shop.db")
	s, err := store.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if _, _, err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func startNode(t *testing.T, s *store.Store, ttl time.Duration) *keeper {
	t.Helper()
	n := newKeeper(s, s.NewestID, id.NewLeasedMint(clock.System{}))
	n.ttl, n.margin = ttl, ttl/4
	if did, err := n.step(t.Context()); did != 1 || err != nil {
		t.Fatal(did, err)
	}
	return n
}

// Processes that mint at the same time never mint one id.
func TestProcessesHaveDifferentNodes(t *testing.T) {
	t.Parallel()
	s := nodeStore(t)
	var mu sync.Mutex
	seen, nodes := map[int64]bool{}, map[int]bool{}
	var all sync.WaitGroup
	for range 8 {
		n := startNode(t, s, time.Minute)
		if nodes[n.node] {
			t.Fatalf("two processes have the node %d", n.node)
		}
		nodes[n.node] = true
		all.Go(func() {
			mine := make([]int64, 5000)
			for i := range mine {
				mine[i] = n.mint.Next()
			}
			mu.Lock()
			defer mu.Unlock()
			for _, one := range mine {
				if seen[one] {
					t.Errorf("%d was minted twice", one)
				}
				seen[one] = true
			}
		})
	}
	all.Wait()
	n := startNode(t, s, time.Minute)
	if did, err := n.step(t.Context()); did != 0 || err != nil || n.mint.Check() != nil {
		t.Errorf("a renewal: %d, %v, %v", did, err, n.mint.Check())
	}
}

// A process that cannot renew, or was paused past its lease, mints nothing; when the database answers it takes a number again.
func TestANodeThatIsLost(t *testing.T) {
	t.Parallel()
	s := nodeStore(t)
	n := startNode(t, s, 400*time.Millisecond)
	was := *n.held
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := n.step(ctx); err == nil {
		t.Error("a database that does not answer is no error")
	}
	await.Until(t, "it mints no more, past its lease", func() bool { return errors.Is(n.mint.Check(), fault.StoreUnavailable) })
	// Somebody else takes the number as soon as its time is over.
	await.Until(t, "the number is free", func() bool {
		_, ok, err := s.AcquireLease(t.Context(), was.Name, "another", time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		return ok
	})
	n.ttl, n.margin = time.Minute, time.Second
	if did, err := n.step(t.Context()); did != 1 || err != nil {
		t.Fatal(did, err)
	}
	if n.held.Name == was.Name || n.mint.Check() != nil {
		t.Errorf("it has %s, which is another's; %v", n.held.Name, n.mint.Check())
	}
}
