package store_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
	"github.com/tidegate/tidegate/internal/store"
	"github.com/tidegate/tidegate/internal/store/storetest"
	"github.com/tidegate/tidegate/test/engine"
)

// replicated is a primary and a replica of it, a store that reads lists from the replica, and one that knows the primary
// alone: another process.
type replicated struct {
	t                *testing.T
	primary, replica *engine.MariaDB
	shop, other      *store.Store
}

func newReplicated(t *testing.T) *replicated {
	r := &replicated{t: t}
	r.primary = engine.StartMariaDB(t, "--server-id=1", "--log-bin=log", "--sync-binlog=1", "--binlog-format=ROW")
	r.replica = engine.StartMariaDB(t, "--server-id=2", "--read-only=1")
	host, port, err := net.SplitHostPort(r.primary.Address)
	ok(t, err)
	r.replica.Do(t, "CHANGE MASTER TO MASTER_HOST='"+host+"', MASTER_PORT="+port+", MASTER_USER='root', MASTER_CONNECT_RETRY=1, MASTER_USE_GTID=slave_pos", "START SLAVE")
	address := r.primary.Database(t, "shop")
	r.other = openAtAddress(t, address)
	waitFor(t, func() bool {
		db := r.replica.Open(t, "shop")
		defer func() { _ = db.Close() }()
		_, err := db.Exec("DO (SELECT COUNT(*) FROM lease)")
		return err == nil
	})
	c := store.DefaultConfig()
	c.Primary, c.Replicas = address, []string{r.replica.DSN("shop")}
	r.shop, err = store.Open(t.Context(), c)
	ok(t, err)
	t.Cleanup(func() { ok(t, r.shop.Close()) })
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			_, _ = r.shop.PulseStep(ctx)
			time.Sleep(50 * time.Millisecond)
		}
	}()
	t.Cleanup(func() { stop(); <-ended })
	return r
}

// used waits until lists come from the replica, or do not any more.
func (r *replicated) used(want bool) {
	r.t.Helper()
	waitFor(r.t, func() bool {
		is := false
		r.shop.Replicas(func(_ string, used bool) { is = used })
		return is == want
	})
}

// put adds a product through a store.
func (r *replicated) put(s *store.Store, n int64, handle string) {
	r.t.Helper()
	_, err := s.PutProducts(r.t.Context(), catalog.Batch{
		Puts: []catalog.Put{{Product: catalog.Product{ID: id.Product(n), Handle: handle, Title: handle, Status: catalog.Published,
			Variants: []catalog.Variant{{ID: id.SKU(n), Code: handle, Price: money.Of(1, "GBP")}}}}},
		Now: time.UnixMilli(1), NewID: func() int64 { return n },
	})
	ok(r.t, err)
}

func (r *replicated) listed() int {
	r.t.Helper()
	found, err := r.shop.Products(r.t.Context(), catalog.Query{Limit: 100})
	ok(r.t, err)
	return len(found)
}

// TestMySQLReplica: lists come from a replica that is current; one that is 30 seconds behind, stands still or is dead is left out and
// comes back by itself; who writes sees what they wrote.
func TestMySQLReplica(t *testing.T) {
	t.Parallel()
	r := newReplicated(t)
	r.used(true)
	r.put(r.other, 1, "a")
	waitFor(t, func() bool { return r.listed() == 1 })

	// It stands still: for a moment its old list is read, and then the primary's.
	r.used(true)
	r.replica.Do(t, "STOP SLAVE SQL_THREAD")
	r.put(r.other, 2, "b")
	behind := r.listed() == 1
	r.used(false)
	if n := r.listed(); n != 2 {
		t.Errorf("%d products after the replica was left out", n)
	}
	if !behind {
		t.Log("the machine was too slow to see the list of the replica while it was in use")
	}
	r.replica.Do(t, "START SLAVE SQL_THREAD")
	r.used(true)

	// Half a minute behind, as a replica that is kept so on purpose.
	r.replica.Do(t, "STOP SLAVE", "CHANGE MASTER TO MASTER_DELAY=30", "START SLAVE")
	r.used(false)
	r.put(r.other, 3, "c")
	if n := r.listed(); n != 3 {
		t.Errorf("%d products with a replica that is 30 seconds behind", n)
	}
	r.replica.Do(t, "STOP SLAVE", "CHANGE MASTER TO MASTER_DELAY=0", "START SLAVE")
	r.used(true)

	// Who writes sees it, at once and every time, of the catalogue and of their own orders.
	tr := storetest.NewTrade(t, r.shop)
	sl := tr.Sale(100, 0, 1)
	for n := range 20 {
		r.put(r.shop, int64(10+n), string(rune('k'+n)))
		if got := r.listed(); got != 4+n {
			t.Errorf("%d products are listed after number %d was put", got, 4+n)
		}
		tr.Buy(sl, 7, string(rune('a'+n)), storetest.Line(1, 1))
		mine, err := r.shop.OrdersOf(t.Context(), 7, 0, 100)
		ok(t, err)
		if len(mine) != n+1 {
			t.Errorf("%d orders are listed after %d were placed", len(mine), n+1)
		}
	}

	// It dies, and comes back.
	r.used(true)
	r.replica.Kill(t)
	if n := r.listed(); n != 23 {
		t.Errorf("%d products when the replica had died", n)
	}
	r.used(false)
	r.replica.Start(t)
	r.replica.Do(t, "START SLAVE")
	r.used(true)
	audited(t, r.shop)
	_, err := r.shop.Product(t.Context(), 999)
	if fault.CodeOf(err) != fault.NotFound {
		t.Error(err)
	}
}
