package store_test

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/await"
	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/store"
	"github.com/tidegate/tidegate/internal/store/storetest"
	"github.com/tidegate/tidegate/test/engine"
)

// TestMySQLRefusalMeetsACommit: a batch has inserted an order and is delayed before it looks for refusals. Meanwhile
// another process refuses the order's key, and waits until the order's outcome is clear: it is not committed.
func TestMySQLRefusalMeetsACommit(t *testing.T) {
	t.Parallel()
	address := engine.MySQL(t)
	one, other := openAtAddress(t, address), openAtAddress(t, address)
	tr := storetest.NewTrade(t, one)
	s := tr.Sale(5, 2, 1)
	db, err := sql.Open("mysql", address)
	ok(t, err)
	t.Cleanup(func() { ok(t, db.Close()) })
	hold, err := db.BeginTx(t.Context(), nil)
	ok(t, err)
	_, err = hold.Exec(fmt.Sprintf("SELECT 1 FROM stock WHERE sale_id = %d FOR UPDATE", s.ID))
	ok(t, err)
	d := tr.Order(s, 7, "key", storetest.Line(1, 1))
	now, err := one.Now(t.Context())
	ok(t, err)
	d.Claim.Deadline = now.Add(time.Hour).UnixMilli()
	var both sync.WaitGroup
	both.Go(func() {
		outcomes, err := one.CommitOrders(context.Background(), []*order.Draft{d}, tr.Mint)
		if err != nil || outcomes[0].Result != order.Fenced {
			t.Errorf("the commit: %+v, %v; want it fenced", outcomes, err)
		}
	})
	running := func(what string) func() bool {
		return func() bool {
			return texts(t, db, "SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID() AND command <> 'Sleep' AND info LIKE '%"+what+"%'")[0] != "0"
		}
	}
	await.Until(t, "UPDATE stock runs", running("UPDATE stock"))
	both.Go(func() {
		claim := d.Claim
		claim.Order = id.New[id.Order](tr.Mint)
		_, outcomes, err := other.RefuseKeys(context.Background(), []*inventory.Claim{&claim})
		if err != nil || outcomes[0].Result != order.Declined {
			t.Errorf("the refusal: %+v, %v", outcomes, err)
		}
	})
	await.Until(t, "INSERT INTO orders runs", running("INSERT INTO orders"))
	ok(t, hold.Rollback())
	both.Wait()
}

// TestMySQLRefusalOrOrder: one process refuses keys while another commits their orders. Each key gets an order or a
// reported refusal, never both.
func TestMySQLRefusalOrOrder(t *testing.T) {
	t.Parallel()
	address := engine.MySQL(t)
	stores := []*store.Store{openAtAddress(t, address), openAtAddress(t, address)}
	tr := storetest.NewTrade(t, stores[0])
	s := tr.Sale(100_000, 0, 1)
	ended, err := stores[0].Now(t.Context())
	ok(t, err)
	refused := map[id.Order]bool{}
	var made []*order.Draft
	var mu sync.Mutex
	var all sync.WaitGroup
	for w := range 4 {
		all.Go(func() {
			for n := range 25 {
				batch := make([]*order.Draft, 8)
				for i := range batch {
					batch[i] = tr.Order(s, id.Customer(1+w), fmt.Sprint(n, "-", i), storetest.Line(1, 1))
					batch[i].Claim.Deadline = ended.Add(time.Hour).UnixMilli()
					var err error
					if batch[i].Claim.Fence, err = stores[0].RefusalFence(context.Background()); err != nil {
						t.Error(err)
					}
				}
				var both sync.WaitGroup
				both.Go(func() {
					if _, err := stores[0].CommitOrders(context.Background(), batch, tr.Mint); err != nil {
						t.Error(err)
					}
				})
				both.Go(func() {
					claims := make([]*inventory.Claim, 0, len(batch)/2)
					for _, d := range batch[:len(batch)/2] {
						c := d.Claim
						c.Order = id.New[id.Order](tr.Mint)
						claims = append(claims, &c)
					}
					_, outcomes, err := stores[1].RefuseKeys(context.Background(), claims)
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					defer mu.Unlock()
					for i, out := range outcomes {
						refused[batch[i].Order.ID] = out.Result == order.Declined
					}
				})
				both.Wait()
				mu.Lock()
				made = append(made, batch...)
				mu.Unlock()
			}
		})
	}
	all.Wait()
	orders, refusals := 0, 0
	for _, d := range made {
		known, err := stores[0].KnownOrders(t.Context(), []id.Order{d.Order.ID})
		ok(t, err)
		switch {
		case refused[d.Order.ID] && known[d.Order.ID]:
			t.Errorf("order %s is there though its key was refused", d.Order.ID)
		case !refused[d.Order.ID] && !known[d.Order.ID]:
			t.Errorf("order %s is not there, and nobody refused it", d.Order.ID)
		case known[d.Order.ID]:
			orders++
		default:
			refusals++
		}
	}
	t.Logf("%d orders, %d refusals", orders, refusals)
	audited(t, stores[0])
}
