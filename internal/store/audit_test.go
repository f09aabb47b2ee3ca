package store_test

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidegate/tidegate/internal/audit"
	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/payment"
	"github.com/tidegate/tidegate/internal/sale"
	"github.com/tidegate/tidegate/internal/store"
	"github.com/tidegate/tidegate/internal/store/storetest"
)

// busyShop is a shop in which orders have gone through everything that can happen.
type busyShop struct {
	*storetest.Trade
	path  string
	drop  *sale.Sale
	named map[string]id.Order
}

func newBusyShop(t *testing.T) *busyShop {
	t.Helper()
	path := filepath.Join(t.TempDir(), "shop.db")
	b := newBusyShopOn(t, openAt(t, path))
	b.path = path
	return b
}

// newBusyShopOn is newBusyShop on an empty store.
func newBusyShopOn(t *testing.T, s *store.Store) *busyShop {
	t.Helper()
	b := &busyShop{Trade: storetest.NewTrade(t, s), named: map[string]id.Order{}}
	line := storetest.Line
	b.Receive(1, 100)
	b.Receive(3, 6)
	ended := b.Sale(10, 3, 1, 2)
	b.Draft(5, 0, 3)
	scheduled := b.Draft(5, 0, 3)
	b.Move(scheduled.ID, sale.Scheduled)
	buy := func(name string, s *sale.Sale, c id.Customer, lines ...inventory.Line) id.Order {
		b.named[name] = b.Buy(s, c, name, lines...)
		return b.named[name]
	}
	// The sale that ends: one order is paid before the end, one is pending, one is released and one is paid after it.
	b.Pay(buy("sold before the end", ended, 1, line(1, 1), line(2, 2)))
	freed := buy("freed after the end", ended, 2, line(1, 2))
	buy("expires after the end", ended, 3, line(2, 1))
	late := b.Begin(buy("honoured after the end", ended, 4, line(1, 1)))
	b.Report(late, payment.Ended)
	b.Move(ended.ID, sale.Ended)
	b.Cancel(freed)
	b.Expire()
	b.Report(late, payment.Paid)

	b.drop = b.Sale(10, 3, 1, 2)
	b.Pay(buy("paid", b.drop, 1, line(1, 1)))
	b.Pay(buy("fulfilled", b.drop, 2, line(1, 1), line(2, 1)))
	_, err := b.Store.FulfilOrder(t.Context(), b.named["fulfilled"], b.Clock.Now())
	ok(t, err)
	for name, restock := range map[string]bool{"refunded": false, "refunded and back": true} {
		b.Pay(buy(name, b.drop, 3, line(1, 1)))
		b.Refund(b.named[name], restock)
	}
	b.Cancel(buy("cancelled", b.drop, 4, line(1, 3)))
	buy("expired", b.drop, 4, line(1, 3))
	honoured := b.Begin(buy("honoured late", b.drop, 5, line(2, 2)))
	b.Report(honoured, payment.Ended)
	twice := b.Begin(buy("paid twice", b.drop, 6, line(1, 1)))
	b.Report(twice, payment.Ended)
	b.Pay(b.named["paid twice"])
	b.Report(twice, payment.Paid)
	lost := b.Begin(buy("paid when it was cancelled", b.drop, 7, line(1, 1)))
	b.Report(lost, payment.Ended)
	b.Cancel(b.named["paid when it was cancelled"])
	b.Report(lost, payment.Paid)
	b.Expire()
	b.Report(honoured, payment.Paid)
	b.Pay(buy("general", nil, 4, line(1, 5), line(3, 0+1)))
	b.drop = b.Limit(b.drop.ID, 5)
	buy("pending", b.drop, 8, line(1, 2), line(2, 3))
	b.drop = b.Limit(b.drop.ID, 2) // lowered: customer 8 ordered five when that was allowed
	b.Begin(buy("being paid", b.drop, 9, line(1, 1)))
	buy("pending, general", nil, 4, line(1, 1))
	return b
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// openAt opens and migrates the store of a file.
func openAt(t testing.TB, path string) *store.Store {
	t.Helper()
	c := store.DefaultConfig()
	c.Path = path
	s, err := store.Open(t.Context(), c)
	ok(t, err)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	_, _, err = s.Migrate(t.Context())
	ok(t, err)
	return s
}

func runAudit(t *testing.T, s *store.Store) map[string]audit.Invariant {
	t.Helper()
	report, err := audit.NewService(s, nil, clock.System{}).Run(t.Context(), nil)
	ok(t, err)
	found := map[string]audit.Invariant{}
	for _, inv := range report.Invariants {
		found[inv.ID] = inv
		if inv.OK != (inv.Found == 0) || inv.OK != (len(inv.Violations) == 0) {
			t.Errorf("%s: ok %t, found %d, told %d", inv.ID, inv.OK, inv.Found, len(inv.Violations))
		}
	}
	return found
}

func TestAuditOfABusyShop(t *testing.T) {
	b := newBusyShop(t)
	found := runAudit(t, b.Store)
	if len(found) != 9 {
		t.Errorf("%d invariants, want 9", len(found))
	}
	for name, inv := range found {
		if !inv.OK {
			t.Errorf("%s: %+v", name, inv.Violations)
		}
		if inv.Checked == 0 {
			t.Errorf("%s has looked at nothing", name)
		}
	}
	if note := found["I7"].Note; !strings.Contains(note, "The limit was lowered") || !strings.Contains(note, "1 customers") {
		t.Errorf("the note on I7 is %q", note)
	}
	for name, want := range map[string]order.Status{"honoured late": order.Paid, "honoured after the end": order.Paid, "expired": order.Expired, "paid twice": order.Paid, "paid when it was cancelled": order.Cancelled, "refunded and back": order.Refunded} {
		if got := b.Read(b.named[name]).Status; got != want {
			t.Errorf("%s is %s: the shop is not as busy as it should be", name, got)
		}
	}
}

func TestAuditOfAnEmptyShop(t *testing.T) {
	for name, inv := range runAudit(t, openSQLite(t)) {
		if !inv.OK || inv.Checked != 0 {
			t.Errorf("%s: %+v", name, inv)
		}
	}
}

// catalogueOf inserts a product with one SKU.
func catalogueOf(sku int, status string) string {
	return fmt.Sprintf(`INSERT INTO product (id, handle, title, description, status, brand_id, options, attributes, pictures, version, created_at, updated_at)
		VALUES (7, 'p', 'P', '', '%s', 0, '[]', '[]', '[]', 1, 1, 1);
		INSERT INTO sku (id, product_id, position, code, options, price_minor, currency, retired) VALUES (%d, 7, 0, 'P', '[]', 1, 'GBP', 0)`, status, sku)
}

// TestAuditFindsWhatIsPlanted: a check that cannot fail is a defect. Each case corrupts a copy of a clean shop.
func TestAuditFindsWhatIsPlanted(t *testing.T) {
	b := newBusyShop(t)
	ok(t, b.Store.Close())
	clean, err := os.ReadFile(b.path)
	ok(t, err)
	sub := func(text string) string { // {name} is the id of an order, {drop} that of the sale
		for name, o := range b.named {
			text = strings.ReplaceAll(text, "{"+name+"}", o.String())
		}
		return strings.ReplaceAll(text, "{drop}", b.drop.ID.String())
	}
	for _, c := range []struct {
		name    string
		spoil   string // SQL
		broken  string // the invariants that must be violated, and no others
		subject string // of a violation
	}{
		{"more is reserved than orders hold", "UPDATE stock SET reserved = reserved + 1 WHERE sale_id = {drop} AND sku_id = 1", "I1 I4", "stock of SKU 1 in sale {drop}"},
		{"more is sold than orders have", "UPDATE stock SET sold = sold + 1 WHERE sale_id = 0 AND sku_id = 1", "I1 I4", "general stock of SKU 1"},
		{"on hand is lost", "UPDATE stock SET on_hand = on_hand - 1 WHERE sale_id = 0 AND sku_id = 1", "I4", "general stock of SKU 1"},
		{"a row of stock is lost", "DELETE FROM stock WHERE sale_id = {drop} AND sku_id = 1", "I1 I4", "stock of SKU 1 in sale {drop}"},
		{"a row of stock from nowhere", "INSERT INTO stock (sale_id, sku_id, on_hand, reserved, sold) VALUES ({drop}, 99, 0, 0, 0)", "I1", "stock of SKU 99 in sale {drop}"},
		{"more is sold than the pool ever had", "UPDATE movement SET units = 3 WHERE kind = 'allocate' AND sale_id = {drop} AND sku_id = 1", "I1 I4", "stock of SKU 1 in sale {drop}"},
		{"the terms tell another allocation", "UPDATE sale_item SET allocation = allocation + 1 WHERE sale_id = {drop} AND sku_id = 1", "I1", "stock of SKU 1 in sale {drop}"},
		{"an order is lost", "DELETE FROM orders WHERE id = {pending}", "I1 I2", "order {pending}"},
		{"a paid order is lost", "DELETE FROM orders WHERE id = {paid}", "I1 I2 I5", "order {paid}"},
		{"lines cannot be parsed", "UPDATE orders SET lines = '[[1,2' WHERE id = {pending}", "I1 I2", "order {pending}"},
		{"a line has two numbers", "UPDATE orders SET lines = '[[1,2]]' WHERE id = {pending}", "I1 I2", "order {pending}"},
		{"there are no lines", "UPDATE orders SET lines = '[]', units = 1, total = 0 WHERE id = {cancelled}", "I2 I6", "order {cancelled}"},
		{"the total is another", "UPDATE orders SET total = total + 1 WHERE id = {cancelled}", "I2", "order {cancelled}"},
		{"the units are others", "UPDATE orders SET units = units + 1 WHERE id = {cancelled}", "I2", "order {cancelled}"},
		{"the lines are of another SKU", "UPDATE orders SET lines = REPLACE(lines, '[[1,', '[[2,') WHERE id = {cancelled}", "I2 I6", "order {cancelled}"},
		{"the customer is another", "UPDATE orders SET customer_id = 77 WHERE id = {cancelled}", "I2", "order {cancelled}"},
		{"it was never announced", "DELETE FROM outbox WHERE " + tells("{pending}"), "I2", "order {pending}"},
		{"nothing was reserved for it", "DELETE FROM movement WHERE INSTR(pools, ',2,3]') > 0", "I2 I4", "stock of SKU 2 in sale {drop}"},
		{"less was reserved for it", "UPDATE movement SET units = units - 2, pools = REPLACE(pools, ',2,3]', ',2,1]') WHERE INSTR(pools, ',2,3]') > 0", "I2 I4", "stock of SKU 2 in sale {drop}"},
		{"it was reserved in another pool", "UPDATE movement SET pools = REPLACE(pools, ',2,3]', ',1,3]') WHERE INSTR(pools, ',2,3]') > 0", "I2 I4", "stock of SKU 2 in sale {drop}"},
		{"a commit of one pool reserved nothing", "DELETE FROM movement WHERE sale_id = {drop} AND sku_id = 2 AND units = 2 AND kind = 'reserve' AND order_id = 0", "I2 I4", "stock of SKU 2 in sale {drop}"},
		{"where it was reserved cannot be read", "UPDATE movement SET id = 77, pools = '[[1,2]]' WHERE INSTR(pools, ',2,3]') > 0", "I2 I4", "movement 77"},
		{"it was reserved twice, and the row of stock says so", "INSERT INTO movement SELECT id + 1000000, {drop}, 2, kind, 3, {pending}, actor, reason, at, NULL FROM movement WHERE INSTR(pools, ',2,3]') > 0; UPDATE stock SET reserved = reserved + 3 WHERE sale_id = {drop} AND sku_id = 2", "I1 I2", "stock of SKU 2 in sale {drop}"},
		{"a late hold is not in the ledger", "DELETE FROM movement WHERE order_id = {honoured late} AND kind = 'reserve'", "I2 I4", "order {honoured late}"},
		{"its price is another", "UPDATE orders SET lines = '[[1,3,1]]', total = 3 WHERE id = {cancelled}", "I2", "order {cancelled}"},
		{"its key is another", "UPDATE orders SET idem_key = 'x' WHERE id = {cancelled}", "I2", "order {cancelled}"},
		{"its time is another", "UPDATE orders SET expires_at = expires_at + 1 WHERE id = {cancelled}", "I2", "order {cancelled}"},
		{"it was announced twice", "INSERT INTO outbox SELECT 1000000, type, subject, payload, at, count FROM outbox WHERE " + tells("{cancelled}"), "I9", "order {cancelled}"},
		{"a key has two orders", "CREATE TABLE twin AS SELECT * FROM orders; DROP TABLE orders; ALTER TABLE twin RENAME TO orders; UPDATE orders SET idem_key = 'cancelled' WHERE id = {expired}; CREATE INDEX orders_due ON orders (expires_at) WHERE status = 'pending'", "I2 I3", "customer 4 in sale {drop}"},
		{"units came from nowhere", "UPDATE movement SET units = units + 1 WHERE kind = 'receive' AND sku_id = 3", "I4", "SKU 3"},
		{"an allocation has one half", "DELETE FROM movement WHERE rowid = (SELECT MIN(rowid) FROM movement WHERE kind = 'allocate' AND sale_id = 0 AND sku_id = 3)", "I4", "SKU 3"},
		{"the ledger and the row are wrong together", "UPDATE movement SET units = units + 1 WHERE rowid = (SELECT rowid FROM movement WHERE kind = 'allocate' AND sale_id = {drop} AND sku_id = 2); UPDATE stock SET on_hand = on_hand + 1 WHERE sale_id = {drop} AND sku_id = 2", "I1 I4", "SKU 2"},
		{"a paid order has no payment", "DELETE FROM payment_attempt WHERE order_id = {paid}", "I5", "order {paid}"},
		{"the payment is of another amount", "UPDATE payment_attempt SET amount = amount - 1 WHERE order_id = {paid}", "I5", "order {paid}"},
		{"the payment is in another currency", "UPDATE payment_attempt SET currency = 'EUR' WHERE order_id = {paid}", "I5", "order {paid}"},
		{"a late payment is dropped", "DELETE FROM refund WHERE order_id = {paid when it was cancelled}", "I5", "order {paid when it was cancelled}"},
		{"a second payment is dropped", "DELETE FROM refund WHERE order_id = {paid twice}", "I5", "order {paid twice}"},
		{"the money of a pending order is ignored", "UPDATE payment_attempt SET status = 'succeeded', settled_at = created_at WHERE order_id = {being paid}", "I5", "order {being paid}"},
		{"a payment claims a cancelled order", "DELETE FROM refund WHERE order_id = {paid when it was cancelled}; UPDATE payment_attempt SET pays = 1 WHERE order_id = {paid when it was cancelled}", "I5", "order {paid when it was cancelled}"},
		{"a refunded order keeps the money", "UPDATE refund SET status = 'requested', settled_at = 0 WHERE order_id = {refunded}", "I5", "order {refunded}"},
		{"a paid order was given back its money", "UPDATE orders SET status = 'paid', closed_at = 0 WHERE id = {refunded}; DELETE FROM outbox WHERE type = 'order.refunded.v1' AND subject = {refunded}", "I5", "order {refunded}"},
		{"a refund of less", "UPDATE refund SET amount = amount - 1 WHERE order_id = {paid twice}", "I5", "order {paid twice}"},
		{"a refund of nothing", "UPDATE refund SET attempt_id = 5 WHERE order_id = {paid twice}", "I5", "order {paid twice}"},
		{"a refund of what was not paid", "UPDATE payment_attempt SET status = 'closed' WHERE order_id = {paid when it was cancelled}", "I5", "order {paid when it was cancelled}"},
		{"an order was closed while it was being paid", "UPDATE payment_attempt SET status = 'open', settled_at = 0, pays = 0, order_id = {expired} WHERE order_id = {being paid}", "I5", "order {expired}"},
		{"a payment for no order", "UPDATE payment_attempt SET order_id = 4 WHERE order_id = {being paid}", "I5", "order 4"},
		{"an expired order released nothing", "DELETE FROM movement WHERE order_id = {expired} AND kind = 'release'; UPDATE stock SET reserved = reserved + 3 WHERE sale_id = {drop} AND sku_id = 1", "I1 I6", "order {expired}"},
		{"an expired order released twice", "INSERT INTO movement SELECT id + 1000000, sale_id, sku_id, kind, units, order_id, actor, reason, at, NULL FROM movement WHERE order_id = {expired} AND kind = 'release'", "I4 I6", "order {expired}"},
		{"a release of another SKU", "UPDATE movement SET sku_id = 2 WHERE order_id = {expired} AND kind = 'release'", "I4 I6", "order {expired}"},
		{"a pending order has released", "UPDATE movement SET order_id = {pending} WHERE order_id = {expired} AND kind = 'release'", "I6", "order {pending}"},
		{"a paid order has not been sold", "UPDATE movement SET kind = 'release' WHERE order_id = {paid} AND kind = 'sell'", "I2 I4 I6", "order {paid}"},
		{"a paid order came back", "UPDATE movement SET order_id = {paid} WHERE order_id = {refunded and back} AND kind = 'return'", "I6", "order {paid}"},
		{"more came back than there was", "UPDATE movement SET units = 2 WHERE order_id = {refunded and back} AND kind = 'return'; UPDATE stock SET on_hand = on_hand + 1 WHERE sale_id = 0 AND sku_id = 1", "I6", "order {refunded and back}"},
		{"stock stays in a sale that has ended", "UPDATE sale SET status = 'ended' WHERE id = {drop}", "I6", "stock of SKU 1 in sale {drop}"},
		{"a customer has more than the limit", "UPDATE orders SET customer_id = 9 WHERE id = {paid twice}; UPDATE orders SET customer_id = 9 WHERE id = {paid}", "I2 I7", "customer 9 in sale {drop}"},
		{"the limit was never as high", "UPDATE outbox SET payload = REPLACE(payload, '\"limit_per_customer\":5', '\"limit_per_customer\":4') WHERE type = 'sale.changed.v1'", "I7", "customer 8 in sale {drop}"},
		{"the row went on without an event", "UPDATE orders SET status = 'fulfilled' WHERE id = {paid}", "I9", "order {paid}"},
		{"a step is missing", "DELETE FROM outbox WHERE type = 'order.paid.v1' AND subject = {fulfilled}", "I9", "order {fulfilled}"},
		{"a cancelled order was paid", "UPDATE outbox SET type = 'order.cancelled.v1' WHERE type = 'order.expired.v1' AND subject = {honoured late}", "I9", "order {honoured late}"},
		{"a pending order has a time of payment", "UPDATE orders SET paid_at = 5 WHERE id = {pending}", "I9", "order {pending}"},
		{"an expired order has no time of closing", "UPDATE orders SET closed_at = 0 WHERE id = {expired}", "I9", "order {expired}"},
		{"it expires before it was made", "UPDATE orders SET expires_at = created_at WHERE id = {cancelled}", "I2 I9", "order {cancelled}"},
		{"an attempt that is settled has no time of it", "UPDATE payment_attempt SET settled_at = 0 WHERE order_id = {paid}", "I9", "order {paid}"},
		{"a deleted product sells from general stock", catalogueOf(2, "retired"), "I17", "general stock of SKU 2"},
		{"a draft sells in a live sale", catalogueOf(1, "draft") + "; UPDATE stock SET closed_at = 1 << 60 WHERE sale_id = 0", "I17", "stock of SKU 1 in sale {drop}"},
		{"general stock is closed, and its product is sold", catalogueOf(1, "published") + "; UPDATE stock SET closed_at = 1 << 60 WHERE sale_id = 0 AND sku_id = 1", "I17", "general stock of SKU 1"},
		{"an order was made after its item was stopped", "UPDATE stock SET closed_at = 1 WHERE sale_id = {drop} AND sku_id = 2", "I17", "order {pending}"},
		{"a refund that is settled has no time of it", "UPDATE refund SET settled_at = 0 WHERE order_id = {refunded}", "I9", "order {refunded}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "copy.db")
			ok(t, os.WriteFile(path, clean, 0o600))
			spoil(t, path, sub(c.spoil))
			found := runAudit(t, openAt(t, path))
			var broken []string
			told := map[string]bool{}
			for _, name := range []string{"I1", "I2", "I3", "I4", "I5", "I6", "I7", "I9", "I17"} {
				if inv := found[name]; !inv.OK {
					broken = append(broken, name)
					for _, v := range inv.Violations {
						told[v.Subject] = true
					}
				}
			}
			if got := strings.Join(broken, " "); got != c.broken {
				t.Errorf("violated: %q, want %q: %s", got, c.broken, violationsOf(found))
			}
			if !told[sub(c.subject)] {
				t.Errorf("no violation is about %s: %s", sub(c.subject), violationsOf(found))
			}
		})
	}
}

// tells selects the outbox row that announces an order: its payload has the id in 8 bytes.
func tells(o string) string {
	return "type = 'order.placed.v1' AND INSTR(HEX(payload), PRINTF('%016X', " + o + ")) > 0"
}

func violationsOf(found map[string]audit.Invariant) string {
	var b strings.Builder
	for _, inv := range found {
		for _, v := range inv.Violations {
			fmt.Fprintf(&b, "\n  %s %s: %s", inv.ID, v.Subject, v.Detail)
		}
	}
	return b.String()
}

// spoil runs SQL on a file without its CHECKs, so that forbidden rows can be planted too.
func spoil(t *testing.T, path, text string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=ignore_check_constraints(1)")
	ok(t, err)
	defer func() { ok(t, db.Close()) }()
	var changed int64
	for one := range strings.SplitSeq(text, ";") {
		r, err := db.ExecContext(t.Context(), one)
		ok(t, err)
		n, err := r.RowsAffected()
		ok(t, err)
		changed += n
	}
	if changed == 0 {
		t.Fatal("the case spoils nothing")
	}
}

func TestReconcile(t *testing.T) {
	b := newBusyShop(t)
	service := audit.NewService(b.Store, nil, clock.System{})
	r, err := service.Reconcile(t.Context(), true, nil)
	ok(t, err)
	if len(r.Changes) != 0 {
		t.Errorf("a clean shop was changed: %+v", r.Changes)
	}
	spoil(t, b.path, fmt.Sprintf("UPDATE stock SET reserved = reserved + 1 WHERE sale_id = %s AND sku_id = 1; DELETE FROM stock WHERE sale_id = 0 AND sku_id = 3", b.drop.ID))
	r, err = service.Reconcile(t.Context(), false, nil)
	ok(t, err)
	if r.Applied || len(r.Changes) != 2 {
		t.Errorf("dry: %+v", r)
	}
	if inv := runAudit(t, b.Store)["I4"]; inv.OK {
		t.Error("a dry run has changed the shop")
	}
	r, err = service.Reconcile(t.Context(), true, nil)
	ok(t, err)
	if !r.Applied || len(r.Changes) != 2 {
		t.Errorf("applied: %+v", r)
	}
	for name, inv := range runAudit(t, b.Store) {
		if !inv.OK {
			t.Errorf("after the repair, %s: %+v", name, inv.Violations)
		}
	}
	spoil(t, b.path, fmt.Sprintf("DELETE FROM movement WHERE sale_id = %s AND kind = 'allocate'", b.drop.ID))
	if _, err = service.Reconcile(t.Context(), true, nil); fault.CodeOf(err) != fault.Conflict {
		t.Errorf("a ledger that cannot be: %v, want conflict", err)
	}
}
