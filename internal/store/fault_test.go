package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/await"
	"github.com/tidegate/tidegate/internal/kernel/event"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/sale"
	"github.com/tidegate/tidegate/internal/store"
	"github.com/tidegate/tidegate/internal/store/storetest"
	"github.com/tidegate/tidegate/test/engine"
)

// openAtAddress opens a migrated store at an address. It repeats transactions as long as a test waits.
func openAtAddress(t *testing.T, address string) *store.Store {
	t.Helper()
	c := store.DefaultConfig()
	c.Primary = address
	s, err := store.Open(t.Context(), c)
	ok(t, err)
	t.Cleanup(func() { _ = s.Close() })
	_, _, err = s.Migrate(t.Context())
	ok(t, err)
	s.ConflictFor(await.Max) // a crowd at one row takes as long as the machine needs
	return s
}

// audited ends the test if the audit finds anything.
func audited(t *testing.T, s *store.Store) {
	t.Helper()
	for name, inv := range runAudit(t, s) {
		if !inv.OK {
			t.Errorf("%s: %+v", name, inv.Violations)
		}
	}
}

// crowd is a crowd of shoppers who order from one sale in batches, with the answers they got.
type crowd struct {
	tr   *storetest.Trade
	sale *sale.Sale

	mu      sync.Mutex
	told    map[id.Order]order.Result
	failed  map[id.Order]struct{}
	unknown map[id.Order]struct{}
	batches atomic.Int64
}

func newCrowd(tr *storetest.Trade, units, limit int64) *crowd {
	return &crowd{tr: tr, sale: tr.Sale(units, limit, 1, 2), told: map[id.Order]order.Result{}, failed: map[id.Order]struct{}{}, unknown: map[id.Order]struct{}{}}
}

// order commits batches through a store until it is stopped. It draws from few shoppers, so that batches conflict.
func (c *crowd) order(ctx context.Context, s *store.Store, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	for n := 0; ctx.Err() == nil; n++ {
		batch := make([]*order.Draft, 1+r.IntN(20))
		for i := range batch {
			lines := storetest.Line(id.SKU(1+r.IntN(2)), 1)
			batch[i] = c.tr.Order(c.sale, id.Customer(1+r.IntN(300)), fmt.Sprint(seed, "-", n, "-", i), lines)
		}
		outcomes, err := s.CommitOrders(context.Background(), batch, c.tr.Mint)
		c.note(batch, outcomes, err)
	}
}

func (c *crowd) note(batch []*order.Draft, outcomes []order.Outcome, err error) {
	c.batches.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, d := range batch {
		switch {
		case errors.Is(err, fault.OutcomeUnknown):
			c.unknown[d.Order.ID] = struct{}{}
		case err != nil:
			c.failed[d.Order.ID] = struct{}{}
		default:
			c.told[d.Order.ID] = outcomes[i].Result
		}
	}
}

// settle compares the shoppers' answers with the database.
func (c *crowd) settle(t *testing.T, s *store.Store) (accepted int) {
	t.Helper()
	there := func(o id.Order) bool {
		_, err := s.Order(t.Context(), o)
		if err != nil && !errors.Is(err, fault.NotFound) {
			t.Fatal(err)
		}
		return err == nil
	}
	for o, result := range c.told {
		is := there(o)
		if is != (result == order.Accepted) {
			t.Errorf("order %s was %s; there: %t", o, result, is)
		}
		if is {
			accepted++
		}
	}
	for o := range c.failed {
		if there(o) {
			t.Errorf("order %s failed and is there", o)
		}
	}
	audited(t, s)
	return accepted
}

// server is a kind of database server for the fault tests.
type server struct {
	// database creates a database on the machine's server.
	database func(testing.TB) string
	// proxy starts a proxy for a server.
	proxy func(testing.TB, string) *engine.SQLProxy
	// host returns the host and port of an address.
	host func(address string) string
	// start starts a server for this test.
	start func(testing.TB) ownServer
}

type ownServer interface {
	Database(t testing.TB, name string) string
	Kill(t testing.TB)
	Start(t testing.TB)
}

var (
	onMySQL = server{engine.MySQL, engine.StartMySQLProxy,
		func(address string) string { host, _ := between(address, "tcp(", ")"); return host },
		func(t testing.TB) ownServer { return engine.StartMariaDB(t) }}
	onPostgreSQL = server{engine.PostgreSQL, engine.StartPostgreSQLProxy,
		func(address string) string { host, _ := between(address, "@", "/"); return host },
		func(t testing.TB) ownServer { return engine.StartPostgreSQL(t) }}
)

func TestMySQLRestarted(t *testing.T)      { t.Parallel(); onMySQL.restarted(t) }
func TestPostgreSQLRestarted(t *testing.T) { t.Parallel(); onPostgreSQL.restarted(t) }

// restarted kills and restarts the server several times while batches of orders are committed.
func (of server) restarted(t *testing.T) {
	server := of.start(t)
	address := server.Database(t, "shop")
	s := openAtAddress(t, address)
	c := newCrowd(storetest.NewTrade(t, s), 100_000, 50)
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for i := range 3 {
		running.Go(func() { c.order(ctx, s, uint64(i)) })
	}
	for range 3 {
		goOn := c.batches.Load() + 30
		await.Until(t, "batches go on", func() bool { return c.batches.Load() > goOn })
		server.Kill(t)
		server.Start(t)
	}
	goOn := c.batches.Load() + 30
	await.Until(t, "batches go on", func() bool { return c.batches.Load() > goOn })
	stop()
	running.Wait()
	accepted := c.settle(t, s)
	t.Logf("%d batches: %d orders accepted, %d failed, %d unknown", c.batches.Load(), accepted, len(c.failed), len(c.unknown))
}

func TestMySQLLostCommit(t *testing.T)      { t.Parallel(); onMySQL.lostCommit(t) }
func TestPostgreSQLLostCommit(t *testing.T) { t.Parallel(); onPostgreSQL.lostCommit(t) }

// lostCommit loses the COMMIT, its answer, and everything after it.
func (of server) lostCommit(t *testing.T) {
	direct := of.database(t)
	server := of.host(direct)
	proxy := of.proxy(t, server)
	s := openAtAddress(t, strings.Replace(direct, server, proxy.Address, 1))
	tr := storetest.NewTrade(t, s)
	sl := tr.Sale(1000, 5, 1)
	next := id.Customer(0)
	drafts := func() []*order.Draft {
		next += 2
		return []*order.Draft{tr.Order(sl, next, "a", storetest.Line(1, 1)), tr.Order(sl, next+1, "a", storetest.Line(1, 2))}
	}
	lost := func(n int64) {
		t.Helper()
		await.Equal(t, "COMMITs are lost", n, proxy.Lost.Load)
	}
	for what, name := range map[engine.Lose]string{engine.Request: "the COMMIT", engine.Answer: "its answer", engine.Late: "the connection, the COMMIT late,"} {
		before := proxy.Lost.Load()
		proxy.LoseOnce(what)
		outcomes, err := s.CommitOrders(t.Context(), drafts(), tr.Mint)
		if err != nil || outcomes[0].Result != order.Accepted || outcomes[1].Result != order.Accepted {
			t.Errorf("%s lost: %v, %v", name, outcomes, err)
		}
		lost(before + 1)
		proxy.LoseOnce(what)
		tr.Receive(1, 7) // another kind of write, whose witness is its marker
		lost(before + 2)
		proxy.LoseOnce(what)
		ok(t, s.AppendEvents(t.Context(), []event.Event{{Type: "test.lost.v1", Payload: []byte("{}"), At: time.Now()}})) // has no key, and must not be inserted twice
		lost(before + 3)
	}
	tr.Pool(0, 1, 21, 0, 0)
	tr.Pool(sl.ID, 1, 1000, 9, 0)
	_, err := s.StampStep(t.Context())
	ok(t, err)
	events, err := s.Events(t.Context(), 0, 1000)
	ok(t, err)
	appended := 0
	for _, e := range events {
		if e.Type == "test.lost.v1" {
			appended++
		}
	}
	if appended != 3 {
		t.Errorf("3 events were appended, and there are %d", appended)
	}

	s.AskFor(300 * time.Millisecond)
	proxy.LoseOnce(engine.Everything)
	batch := drafts()
	if _, err := s.CommitOrders(t.Context(), batch, tr.Mint); !errors.Is(err, fault.OutcomeUnknown) {
		t.Errorf("nobody answers any more: %v, want outcome unknown", err)
	}
	proxy.LoseOnce(engine.Nothing)
	for _, d := range batch {
		if _, err := s.Order(t.Context(), d.Order.ID); err != nil {
			t.Errorf("asked when the server is back: %v", err)
		}
	}
	audited(t, s)
}

func between(text, before, after string) (string, bool) {
	_, rest, found := strings.Cut(text, before)
	inside, _, ended := strings.Cut(rest, after)
	return inside, found && ended
}

func TestMySQLTwoStores(t *testing.T)      { t.Parallel(); onMySQL.twoStores(t) }
func TestPostgreSQLTwoStores(t *testing.T) { t.Parallel(); onPostgreSQL.twoStores(t) }

// twoStores lets two stores sell the same stock. One loses its connections half-way, like a killed process. Of the
// sale's 400 units all are sold and not one more, and no customer gets more than the limit.
func (of server) twoStores(t *testing.T) {
	direct := of.database(t)
	server := of.host(direct)
	proxy := of.proxy(t, server)
	one := openAtAddress(t, direct)
	other := openAtAddress(t, strings.Replace(direct, server, proxy.Address, 1))
	c := newCrowd(storetest.NewTrade(t, one), 200, 3)
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for i := range 4 {
		running.Go(func() { c.order(ctx, []*store.Store{one, other}[i%2], uint64(i)) })
	}
	for range 10 {
		goOn := c.batches.Load() + 5
		await.Until(t, "batches go on", func() bool { return c.batches.Load() > goOn })
		proxy.Break()
	}
	soldOut := func() bool {
		for sku := range id.SKU(2) {
			pools, err := one.Pools(t.Context(), sku+1)
			ok(t, err)
			for _, p := range pools {
				if p.Sale == c.sale.ID && p.Available() > 0 {
					return false
				}
			}
		}
		return true
	}
	await.Until(t, "it is sold out", soldOut)
	stop()
	running.Wait()
	if accepted := c.settle(t, one); accepted != 400 {
		t.Errorf("%d orders of 400 units", accepted)
	}
}

func TestMySQLPaused(t *testing.T)      { t.Parallel(); onMySQL.paused(t) }
func TestPostgreSQLPaused(t *testing.T) { t.Parallel(); onPostgreSQL.paused(t) }

// paused pauses a sale again and again while batches run. Once it is paused, no further order of it is committed, not
// even in a batch that had read the terms before.
func (of server) paused(t *testing.T) {
	s := openAtAddress(t, of.database(t))
	c := newCrowd(storetest.NewTrade(t, s), 100_000, 0)
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for i := range 4 {
		running.Go(func() { c.order(ctx, s, uint64(i)) })
	}
	reserved := func() (sum int64) {
		for sku := range id.SKU(2) {
			pools, err := s.Pools(t.Context(), sku+1)
			ok(t, err)
			for _, p := range pools {
				sum += p.Reserved
			}
		}
		return sum
	}
	for range 25 {
		goOn := c.batches.Load() + 8
		await.Until(t, "batches go on", func() bool { return c.batches.Load() > goOn })
		c.tr.Move(c.sale.ID, sale.Paused)
		before := reserved()
		goOn = c.batches.Load() + 8
		await.Until(t, "batches go on", func() bool { return c.batches.Load() > goOn })
		if after := reserved(); after != before {
			t.Errorf("%d units were reserved of a paused sale", after-before)
		}
		c.tr.Move(c.sale.ID, sale.Live)
	}
	stop()
	running.Wait()
	c.settle(t, s)
}

func TestMySQLDoNothingIsForConflictsAlone(t *testing.T) { t.Parallel(); onMySQL.doNothing(t) }
func TestPostgreSQLDoNothingIsForConflictsAlone(t *testing.T) {
	t.Parallel()
	onPostgreSQL.doNothing(t)
}

// doNothing: an existing row stays as it is. A row that violates a CHECK or NOT NULL is an error, which MySQL's INSERT
// IGNORE would hide.
func (of server) doNothing(t *testing.T) {
	s := openAtAddress(t, of.database(t))
	insert := func(sku, onHand string) error {
		return s.DoOrNothing(t.Context(), "INSERT INTO stock (sale_id, sku_id, on_hand, reserved, sold) VALUES (0, "+sku+", "+onHand+", 0, 0)", "stock", "sale_id, sku_id")
	}
	ok(t, insert("1", "5"))
	ok(t, insert("1", "7"))
	pools, err := s.SaleStock(t.Context(), 0)
	ok(t, err)
	if len(pools) != 1 || pools[0].OnHand != 5 {
		t.Errorf("the row that was there is now %+v", pools)
	}
	for _, bad := range []string{"-1", "NULL"} {
		if err := insert("2", bad); err == nil {
			t.Errorf("on_hand %s was taken, or passed over", bad)
		}
	}
}

// TestMySQLSentAhead: statements queued ahead of a statement or of the COMMIT take effect with it or not at all,
// whatever their values.
func TestMySQLSentAhead(t *testing.T) {
	t.Parallel()
	address := engine.MySQL(t)
	s := openAtAddress(t, address)
	db, err := sql.Open("mysql", address)
	ok(t, err)
	t.Cleanup(func() { ok(t, db.Close()) })
	ok(t, s.Do(t.Context(), "CREATE TABLE ahead (n BIGINT PRIMARY KEY, word VARCHAR(100) COLLATE utf8mb4_bin, raw VARBINARY(100), nothing BIGINT)"))
	const (
		insert = "INSERT INTO ahead (n, word, raw, nothing) VALUES (?, ?, ?, ?)"
		remove = "DELETE FROM ahead WHERE n = ? OR word = ? OR raw = ? OR nothing = ?"
		word   = `what?'; DROP TABLE ahead; -- \' 价`
		raw    = "\x00'?\\\xff"
	)
	for _, c := range []struct {
		name  string
		ahead []string
		last  string // "": the COMMIT
		fails bool
		rows  int // at the end
	}{
		{"with a statement", []string{insert}, "UPDATE ahead SET nothing = 1 WHERE nothing IS NULL", false, 1},
		{"a key that is there, with a statement", []string{insert}, "INSERT INTO ahead (n) VALUES (8)", true, 1},
		{"a key that is there, with the COMMIT", []string{remove, insert, insert}, "", true, 1},
		{"the statement itself fails", []string{remove}, "INSERT INTO nowhere VALUES (1)", true, 1},
		{"with the COMMIT", []string{remove, insert}, "", false, 1},
		{"and gone", []string{remove}, "", false, 0},
	} {
		err := s.DoAhead(t.Context(), c.ahead, []any{int64(-7), word, []byte(raw), nil}, c.last)
		if (err != nil) != c.fails {
			t.Errorf("%s: %v", c.name, err)
		}
		var all, same int
		ok(t, db.QueryRow("SELECT COUNT(*), COUNT(CASE WHEN n = -7 AND word = ? AND raw = ? THEN 1 END) FROM ahead", word, []byte(raw)).Scan(&all, &same))
		if all != c.rows || same != all {
			t.Errorf("%s: %d rows of which %d are as they were sent, want %d", c.name, all, same, c.rows)
		}
	}
}
