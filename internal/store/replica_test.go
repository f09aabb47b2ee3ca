package store_test

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/await"
	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
	"github.com/tidegate/tidegate/internal/store"
	"github.com/tidegate/tidegate/internal/store/storetest"
	"github.com/tidegate/tidegate/test/engine"
)

// replicated is a primary with a replica, a store that reads lists from the replica, and a store of another process
// that knows only the primary.
type replicated struct {
	t           *testing.T
	replica     replica
	shop, other *store.Store
}

// replica is a following server as the test needs it.
type replica interface {
	ownServer
	// follow starts or resumes following the primary, stand stops it, late delays it by that many seconds.
	follow(t *testing.T)
	stand(t *testing.T)
	late(t *testing.T, seconds int)
}

type mariaReplica struct{ *engine.MariaDB }

func (r mariaReplica) follow(t *testing.T) { r.Do(t, "START SLAVE") }
func (r mariaReplica) stand(t *testing.T)  { r.Do(t, "STOP SLAVE SQL_THREAD") }
func (r mariaReplica) late(t *testing.T, seconds int) {
	r.Do(t, "STOP SLAVE", fmt.Sprintf("CHANGE MASTER TO MASTER_DELAY=%d", seconds), "START SLAVE")
}

// standby is a following PostgreSQL: it resumes on its own when it is started.
type standby struct{ *engine.PostgreSQLServer }

func (r standby) do(t *testing.T, text string) { engine.Do(t, r.DSN("postgres"), text) }
func (r standby) follow(t *testing.T)          { r.do(t, "SELECT pg_wal_replay_resume()") }
func (r standby) stand(t *testing.T)           { r.do(t, "SELECT pg_wal_replay_pause()") }
func (r standby) late(t *testing.T, seconds int) {
	r.do(t, fmt.Sprintf("ALTER SYSTEM SET recovery_min_apply_delay = '%ds'", seconds))
	r.do(t, "SELECT pg_reload_conf()")
}

func replicatedPostgreSQL(t *testing.T) *replicated {
	primary := engine.StartPostgreSQL(t)
	follower := standby{engine.StandbyOf(t, primary)}
	r := &replicated{t: t, replica: follower}
	address := primary.Database(t, "shop")
	r.other = openAtAddress(t, address)
	r.begin(address, follower.DSN("shop"))
	return r
}

func replicatedMySQL(t *testing.T) *replicated {
	r := &replicated{t: t}
	primary := engine.StartMariaDB(t, "--server-id=1", "--log-bin=log", "--sync-binlog=1", "--binlog-format=ROW")
	follower := mariaReplica{engine.StartMariaDB(t, "--server-id=2", "--read-only=1")}
	r.replica = follower
	host, port, err := net.SplitHostPort(primary.Address)
	ok(t, err)
	follower.Do(t, "CHANGE MASTER TO MASTER_HOST='"+host+"', MASTER_PORT="+port+", MASTER_USER='root', MASTER_CONNECT_RETRY=1, MASTER_USE_GTID=slave_pos", "START SLAVE")
	address := primary.Database(t, "shop")
	r.other = openAtAddress(t, address)
	await.Until(t, "the replica follows", func() bool {
		db := follower.Open(t, "shop")
		defer func() { _ = db.Close() }()
		_, err := db.Exec("DO (SELECT COUNT(*) FROM lease)")
		return err == nil
	})
	r.begin(address, follower.DSN("shop"))
	return r
}

// begin opens the store that reads from the replica, and starts its pulse.
func (r *replicated) begin(address, replica string) {
	t := r.t
	t.Helper()
	c := store.DefaultConfig()
	c.Primary, c.Replicas = address, []string{replica}
	var err error
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
}

// used waits until lists come from the replica, or until they no longer do.
func (r *replicated) used(want bool) {
	r.t.Helper()
	await.Until(r.t, "the replica follows", func() bool {
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

func TestMySQLReplica(t *testing.T)      { t.Parallel(); replicatedMySQL(t).lists(t) }
func TestPostgreSQLReplica(t *testing.T) { t.Parallel(); replicatedPostgreSQL(t).lists(t) }

// lists come from a current replica. A replica that is 30 seconds behind, stopped or dead is excluded, and returns on
// its own. A writer sees its own writes.
func (r *replicated) lists(t *testing.T) {
	r.used(true)
	r.put(r.other, 1, "a")
	await.Equal(t, "orders that are listed", 1, r.listed)

	// It stops: for a moment its old list is read, then the primary's.
	r.used(true)
	r.replica.stand(t)
	r.put(r.other, 2, "b")
	behind := r.listed() == 1
	r.used(false)
	if n := r.listed(); n != 2 {
		t.Errorf("%d products after the replica was left out", n)
	}
	if !behind {
		t.Log("the machine was too slow to see the list of the replica while it was in use")
	}
	r.replica.follow(t)
	r.used(true)

	// It is half a minute behind, like a deliberately delayed replica.
	r.replica.late(t, 30)
	r.used(false)
	r.put(r.other, 3, "c")
	if n := r.listed(); n != 3 {
		t.Errorf("%d products with a replica that is 30 seconds behind", n)
	}
	r.replica.late(t, 0)
	r.used(true)

	// A writer always sees its own writes immediately, in the catalogue and in their own orders.
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

	// It dies and comes back.
	r.used(true)
	r.replica.Kill(t)
	if n := r.listed(); n != 23 {
		t.Errorf("%d products when the replica had died", n)
	}
	r.used(false)
	r.replica.Start(t)
	r.replica.follow(t)
	r.used(true)
	audited(t, r.shop)
	_, err := r.shop.Product(t.Context(), 999)
	if fault.CodeOf(err) != fault.NotFound {
		t.Error(err)
	}
}
