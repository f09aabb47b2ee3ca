package store_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/store/storetest"
	"github.com/tidegate/tidegate/test/engine"
)

// TestNothingIsCommittedBehindAnOpening: two processes commit orders while the gate is closed and rebuilt again and
// again. When an epoch is opened, every order of an earlier epoch that will ever be committed is already there.
func TestNothingIsCommittedBehindAnOpening(t *testing.T) {
	for _, d := range engine.Databases {
		t.Run(d.Name, func(t *testing.T) {
			t.Parallel()
			behindAnOpening(t, d.Make(t))
		})
	}
}

const (
	openings       = 25
	openingBatches = 4 // concurrent
)

func behindAnOpening(t *testing.T, address string) {
	one, other := openAtAddress(t, address), openAtAddress(t, address)
	tr := storetest.NewTrade(t, one)
	s := tr.Sale(1_000_000, 0, 1)
	tr.Receive(1, 1_000_000)
	now, err := one.Now(t.Context())
	ok(t, err)
	ctx := context.Background()
	open := func(number int64) {
		begun, err := one.BeginGateEpoch(ctx, number-1)
		ok(t, err)
		ok(t, one.AwaitBatches(ctx))
		opened, err := one.OpenGateEpoch(ctx, inventory.Epoch{Number: number})
		if err != nil || !begun || !opened {
			t.Fatal(begun, opened, err)
		}
	}
	open(1)
	var mu sync.Mutex
	var made []id.Order // orders that were attempted in an epoch, accepted or not
	epochs := map[id.Order]int64{}
	var over atomic.Bool
	var all sync.WaitGroup
	var customer atomic.Int64
	for w := range openingBatches {
		all.Go(func() {
			at := []interface {
				GateEpoch(context.Context) (inventory.Epoch, error)
				CommitOrders(context.Context, []*order.Draft, *id.Mint) ([]order.Outcome, error)
			}{one, other}[w/2]
			for n := 0; !over.Load(); n++ {
				e, err := at.GateEpoch(ctx)
				if err != nil {
					t.Error(err)
					return
				}
				batch := make([]*order.Draft, 3)
				mu.Lock() // the trade is not safe for concurrent use
				for i := range batch {
					if n%2 == 0 {
						batch[i] = tr.Order(s, id.Customer(customer.Add(1)), fmt.Sprint(n), storetest.Line(1, 1))
					} else {
						batch[i] = tr.Order(nil, id.Customer(customer.Add(1)), fmt.Sprint(n), storetest.Line(1, 1))
					}
					c := &batch[i].Claim
					c.Deadline, c.Epoch, c.Bypassed = now.Add(time.Hour).UnixMilli(), e.Opened, w%2 == 1
					epochs[c.Order] = e.Opened
					made = append(made, c.Order)
				}
				mu.Unlock()
				if _, err := at.CommitOrders(ctx, batch, tr.Mint); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	there := func() map[id.Order]bool {
		mu.Lock()
		asked := slices.Clone(made)
		mu.Unlock()
		known, err := other.KnownOrders(ctx, asked)
		ok(t, err)
		return known
	}
	seen := make([]map[id.Order]bool, openings+2)
	for number := int64(2); number <= openings+1; number++ {
		if closed, err := one.CloseGateEpoch(ctx, number-1); err != nil || !closed {
			t.Fatal(closed, err)
		}
		time.Sleep(20 * time.Millisecond) // batches continue without the gate
		open(number)
		seen[number] = there()
		time.Sleep(20 * time.Millisecond)
	}
	over.Store(true)
	all.Wait()
	at := map[int64]int{}
	for o := range there() {
		at[epochs[o]]++
		for number := epochs[o] + 1; number <= openings+1; number++ {
			if !seen[number][o] {
				t.Errorf("order %s of epoch %d was committed when epoch %d was open", o, epochs[o], number)
			}
		}
	}
	t.Logf("%d orders of %d epochs", len(made), len(at))
	if len(at) < openings/2 {
		t.Errorf("orders of only %d epochs", len(at))
	}
	audited(t, one)
}
