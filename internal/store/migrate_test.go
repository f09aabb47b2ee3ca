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
)

// TestMigrateCarriesOrders makes of a busy shop what it was before one row stood for all orders of a commit, and migrates
// it: the old rows stay as they are, readers see the same events, and the audit finds nothing.
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
	// New orders beside the old ones: the old ones can still be paid and ended.
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
	// What is planted in an old order is found, too.
	ok(t, b.Store.Close())
	spoil(t, b.path, fmt.Sprintf("DELETE FROM movement WHERE order_id = %s AND kind = 'reserve' AND reason = ''", b.named["paid"]))
	found := runAudit(t, openAt(t, b.path))
	if found["I2"].OK || found["I4"].OK {
		t.Error("a reservation that is lost was not found")
	}
}

// open opens a file beside the store.
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

// age copies a shop into a database of schema 5, in which every order has a row of the outbox and rows of the ledger of its
// own, and returns its path.
func age(t *testing.T, path string, events []event.Event) string {
	t.Helper()
	old := filepath.Join(t.TempDir(), "old.db")
	db, err := sql.Open("sqlite", "file:"+old)
	ok(t, err)
	defer func() { ok(t, db.Close()) }()
	db.SetMaxOpenConns(1) // what is attached belongs to a connection
	p, err := goose.NewProvider(goose.DialectSQLite3, db, os.DirFS("migrations/sqlite"))
	ok(t, err)
	_, err = p.UpTo(t.Context(), 5)
	ok(t, err)
	do := func(text string, args ...any) {
		t.Helper()
		_, err := db.ExecContext(t.Context(), text, args...)
		ok(t, err)
	}
	list := func(text string, args ...any) []string {
		t.Helper()
		rows, err := db.QueryContext(t.Context(), text, args...)
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
	do("ATTACH ? AS shop", path)
	for _, table := range list("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name NOT LIKE 'goose%'") {
		columns := strings.Join(list("SELECT name FROM PRAGMA_TABLE_INFO(?)", table), ", ")
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

// TestEventOfALostOrder: an event that cannot be told is an error, and is not passed over.
func TestEventOfALostOrder(t *testing.T) {
	b := newBusyShop(t)
	ok(t, b.Store.Close())
	spoil(t, b.path, fmt.Sprintf("DELETE FROM orders WHERE id = %s", b.named["paid"]))
	_, err := openAt(t, b.path).Events(context.Background(), 0, 1000)
	if err == nil || errors.Is(err, sql.ErrNoRows) {
		t.Errorf("got %v", err)
	}
}
