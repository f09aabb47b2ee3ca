package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pressly/goose/v3"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/event"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/store"
	"github.com/tidegate/tidegate/internal/store/storetest"
	"github.com/tidegate/tidegate/test/engine"
)

// TestMigrateCarriesOrders turns a busy shop into an old one, where each order had its own outbox row, and migrates it.
// The old rows stay as they are, readers see the same events, and the audit finds nothing.
func TestMigrateCarriesOrders(t *testing.T) {
	b := newBusyShop(t)
	want := eventsOf(t, b.Store)
	ok(t, b.Store.Close())
	b.path = age(t, b.path, want)
	b.Store = openAt(t, b.path)
	if diff := cmp.Diff(want, eventsOf(t, b.Store)); diff != "" {
		t.Errorf("events differ (-before +after):\n%s", diff)
	}
	clean := func() {
		t.Helper()
		for name, inv := range runAudit(t, b.Store) {
			if !inv.OK {
				t.Errorf("%s: %+v", name, inv.Violations)
			}
		}
	}
	clean()
	// New orders next to old ones: the old ones can still be paid and ended.
	fresh := []*order.Draft{b.Order(b.drop, 20, "a", storetest.Line(2, 1)), b.Order(b.drop, 21, "a", storetest.Line(2, 1))}
	b.Commit(fresh...)
	b.Pay(fresh[0].Order.ID)
	b.Pay(b.named["pending, general"])
	b.Expire()
	clean()
	if all := eventsOf(t, b.Store); all[len(want)].Subject != int64(fresh[0].Order.ID) || all[len(want)+1].Subject != int64(fresh[1].Order.ID) {
		t.Errorf("after the old events come %+v", all[len(want):])
	}
	for _, impossible := range []string{"UPDATE orders SET status = 'lost'", "UPDATE movement SET kind = 'lost'"} {
		if _, err := open(t, b.path).ExecContext(t.Context(), impossible); err == nil || !strings.Contains(err.Error(), "CHECK") {
			t.Errorf("%s: %v", impossible, err)
		}
	}
	// The audit also finds what is planted in an old order.
	ok(t, b.Store.Close())
	spoil(t, b.path, fmt.Sprintf("DELETE FROM movement WHERE order_id = %s AND kind = 'reserve' AND reason = ''", b.named["paid"]))
	found := runAudit(t, openAt(t, b.path))
	if found["I2"].OK || found["I4"].OK {
		t.Error("a reservation that is lost was not found")
	}
}

// open opens a file independently of the store.
func open(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path)
	ok(t, err)
	t.Cleanup(func() { ok(t, db.Close()) })
	return db
}

func eventsOf(t *testing.T, s *store.Store) []event.Event {
	t.Helper()
	all, err := s.Events(t.Context(), 0, 1<<20)
	ok(t, err)
	return all
}

// age copies a shop into a database of schema 5, in which every order has its own outbox row and ledger rows. It
// returns the new path.
func age(t *testing.T, path string, events []event.Event) string {
	t.Helper()
	old := filepath.Join(t.TempDir(), "old.db")
	db, err := sql.Open("sqlite", "file:"+old)
	ok(t, err)
	defer func() { ok(t, db.Close()) }()
	db.SetMaxOpenConns(1) // an attached database belongs to one connection
	p, err := goose.NewProvider(goose.DialectSQLite3, db, os.DirFS("migrations/sqlite"))
	ok(t, err)
	_, err = p.UpTo(t.Context(), 5)
	ok(t, err)
	do := func(text string, args ...any) {
		t.Helper()
		_, err := db.ExecContext(t.Context(), text, args...)
		ok(t, err)
	}
	do("ATTACH ? AS shop", path)
	for _, table := range texts(t, db, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name NOT LIKE 'goose%'") {
		columns := strings.Join(texts(t, db, "SELECT name FROM PRAGMA_TABLE_INFO(?)", table), ", ")
		do("INSERT INTO " + table + " (" + columns + ") SELECT " + columns + " FROM shop." + table)
	}
	do("DETACH shop")
	do("DELETE FROM outbox WHERE type = ?", order.EventPlaced)
	do("DELETE FROM movement WHERE kind = ? AND order_id = 0", string(inventory.Reserve))
	next := int64(1)
	for _, e := range events {
		if e.Type != order.EventPlaced {
			continue
		}
		do("INSERT INTO outbox (position, type, subject, payload, at) VALUES (?, ?, ?, ?, ?)", e.Position, e.Type, e.Subject, e.Payload, e.At.UnixMilli())
		do(`INSERT INTO movement
			SELECT ? + l.key, o.sale_id, l.value ->> 0, 'reserve', l.value ->> 1, o.id, 'order', '', o.created_at
			FROM orders AS o, JSON_EACH(o.lines) AS l
			WHERE o.id = ?`, next, e.Subject)
		next += 100
	}
	return old
}

// TestEventOfALostOrder: an event whose order is missing is an error and is not skipped.
func TestEventOfALostOrder(t *testing.T) {
	b := newBusyShop(t)
	ok(t, b.Store.Close())
	spoil(t, b.path, fmt.Sprintf("DELETE FROM orders WHERE id = %s", b.named["paid"]))
	_, err := openAt(t, b.path).Events(context.Background(), 0, 1000)
	if err == nil || errors.Is(err, sql.ErrNoRows) {
		t.Errorf("got %v", err)
	}
}

// TestMySQLMigrateRepeats: a process dies after a migration's statements and before its record. The next start accepts
// the schema, whichever migration it was.
func TestMySQLMigrateRepeats(t *testing.T) {
	t.Parallel()
	address := engine.MySQL(t)
	s := openAtAddress(t, address)
	db, err := sql.Open("mysql", address)
	ok(t, err)
	t.Cleanup(func() { ok(t, db.Close()) })
	schema := func() []string {
		t.Helper()
		return append(texts(t, db, `SELECT CONCAT_WS(' ', table_name, ordinal_position, column_name, column_type, is_nullable, column_default)
			FROM information_schema.columns WHERE table_schema = DATABASE() ORDER BY table_name, ordinal_position`),
			texts(t, db, `SELECT CONCAT_WS(' ', table_name, index_name, seq_in_index, column_name)
			FROM information_schema.statistics WHERE table_schema = DATABASE() ORDER BY table_name, index_name, seq_in_index`)...)
	}
	want := schema()
	versions := texts(t, db, "SELECT version_id FROM goose_db_version ORDER BY version_id")
	for _, version := range versions[:len(versions)-1] {
		engine.Do(t, address, "DELETE FROM goose_db_version WHERE version_id > "+version)
		before, after, err := s.Migrate(t.Context())
		if err != nil || fmt.Sprint(before.Version) != version || after.Version != after.Latest {
			t.Errorf("from %s on: %+v, %+v, %v", version, before, after, err)
		}
	}
	if diff := cmp.Diff(want, schema()); diff != "" {
		t.Errorf("schema differs (-before +after):\n%s", diff)
	}
}

// TestMigrationsAreInStep: a migration has the same number on every engine. PostgreSQL's start with the first one that
// includes all earlier ones.
func TestMigrationsAreInStep(t *testing.T) {
	t.Parallel()
	names := func(engine string) (all []string) {
		files, err := os.ReadDir("migrations/" + engine)
		ok(t, err)
		for _, f := range files {
			if number, _, _ := strings.Cut(f.Name(), "_"); number >= "00017" {
				all = append(all, number)
			}
		}
		return all
	}
	want := names("sqlite")
	for _, engine := range []string{"mysql", "postgres"} {
		if diff := cmp.Diff(want, names(engine)); diff != "" {
			t.Errorf("%s has other migrations than sqlite (-sqlite +%s):\n%s", engine, engine, diff)
		}
	}
}

// TestChecksThatAreGoneAreNoticed: a server that silently dropped or ignores CHECKs is refused at each start.
func TestChecksThatAreGoneAreNoticed(t *testing.T) {
	t.Parallel()
	const drop = "ALTER TABLE stock DROP CONSTRAINT stock_reserved"
	for _, c := range []struct {
		name, say, change string
		database          func(testing.TB) string
	}{
		{"MySQL, dropped", "", drop, engine.MySQL},
		{"MySQL, passed over", "?check_constraint_checks=0", "SELECT 1", engine.MySQL},
		{"PostgreSQL, dropped", "", drop, engine.PostgreSQL},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			config := store.DefaultConfig()
			config.Primary = c.database(t)
			ok(t, openAtAddress(t, config.Primary).Do(t.Context(), c.change))
			config.Primary += c.say
			s, err := store.Open(t.Context(), config)
			ok(t, err)
			defer func() { ok(t, s.Close()) }()
			if _, _, err := s.Migrate(t.Context()); err == nil || !strings.Contains(err.Error(), "does not enforce CHECK") {
				t.Errorf("got %v", err)
			}
			pools, err := s.SaleStock(t.Context(), -1)
			ok(t, err)
			if len(pools) != 0 {
				t.Errorf("the trial is still there: %v", pools)
			}
		})
	}
}

// TestMigrateDownKeepsPools: the column that lists a row's pools is dropped only if no row needs it.
func TestMigrateDownKeepsPools(t *testing.T) {
	t.Parallel()
	const (
		count = "SELECT COUNT(*) FROM movement WHERE pools = '[[1,2,3],[1,4,5]]'"
		row   = `INSERT INTO movement (id, sale_id, sku_id, kind, units, order_id, actor, reason, at, pools)
			VALUES (1, 0, 0, 'reserve', 8, 0, '', '', 1, '[[1,2,3],[1,4,5]]')`
	)
	refuses := func(t *testing.T, d goose.Dialect, db *sql.DB, folder string) {
		p, err := goose.NewProvider(d, db, os.DirFS("migrations/"+folder))
		ok(t, err)
		_, err = db.ExecContext(t.Context(), row)
		ok(t, err)
		if _, err := p.DownTo(t.Context(), 14); err == nil {
			t.Error("the ledger is lost")
		}
		if diff := cmp.Diff([]string{"1"}, texts(t, db, count)); diff != "" {
			t.Error(diff)
		}
		_, err = db.ExecContext(t.Context(), "DELETE FROM movement")
		ok(t, err)
		_, err = p.DownTo(t.Context(), 14)
		ok(t, err)
	}
	t.Run("SQLite", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "shop.db")
		ok(t, openAt(t, path).Close())
		refuses(t, goose.DialectSQLite3, open(t, path), "sqlite")
	})
	t.Run("MySQL", func(t *testing.T) {
		address := engine.MySQL(t)
		ok(t, openAtAddress(t, address).Close())
		db, err := sql.Open("mysql", address+"?parseTime=true")
		ok(t, err)
		t.Cleanup(func() { ok(t, db.Close()) })
		refuses(t, goose.DialectMySQL, db, "mysql")
	})
}

// texts returns the only column of a query.
func texts(t *testing.T, db *sql.DB, query string, args ...any) []string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query, args...)
	ok(t, err)
	defer func() { ok(t, rows.Close()) }()
	var all []string
	for rows.Next() {
		var one string
		ok(t, rows.Scan(&one))
		all = append(all, one)
	}
	ok(t, rows.Err())
	return all
}
