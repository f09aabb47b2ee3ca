package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/store/engine"
)

const orderColumns = `id, sale_id, customer_id, status, "lines", units, total, currency, created_at, expires_at, paid_at, closed_at`

func scanOrder(row scanner, more ...any) (o order.Order, err error) {
	var lines string
	var created, expires, paid, closed int64
	into := append([]any{&o.ID, &o.Sale, &o.Customer, &o.Status, &lines, &o.Units, &o.Total.Minor, &o.Total.Currency, &created, &expires, &paid, &closed}, more...)
	if err := row.Scan(into...); err != nil {
		return o, err
	}
	o.CreatedAt, o.ExpiresAt, o.PaidAt, o.ClosedAt = fromMillis(created), fromMillis(expires), fromMillis(paid), fromMillis(closed)
	o.Lines, err = parseLines(lines)
	return o, err
}

func scanOrders(rows *sql.Rows) (order.Order, error) { return scanOrder(rows) }

func parseLines(text string) ([]order.Line, error) {
	var raw [][3]int64
	if err := json.Unmarshal([]byte(text), &raw); err != nil {
		return nil, fmt.Errorf("the lines of an order cannot be read: %w", err)
	}
	lines := make([]order.Line, len(raw))
	for i, r := range raw {
		lines[i] = order.Line{SKU: id.SKU(r[0]), Units: r[1], UnitPrice: r[2]}
	}
	return lines, nil
}

// Order reads an order. It returns fault.NotFound.
func (s *Store) Order(ctx context.Context, o id.Order) (order.Order, error) {
	if err := s.engine.AwaitOutcome(ctx, o); err != nil {
		return order.Order{}, readError(err)
	}
	found, err := scanOrder(s.row(ctx, "SELECT "+orderColumns+" FROM orders WHERE id = ?", o))
	return found, notFound(readError(err), "order", o)
}

var holdOrder = eachIn(func(d engine.Dialect) string {
	return "SELECT " + orderColumns + " FROM orders WHERE id = ?" + forUpdate.in(d)
})

// order reads an order in a transaction and locks it. Nothing about the order, its payments included, changes until the
// transaction ends, because every change locks the order first. It returns fault.NotFound.
func (tx *Tx) order(o id.Order) (order.Order, error) {
	found, err := scanOrder(tx.row(tx.sql(holdOrder), o))
	return found, notFound(err, "order", o)
}

const orderByKey = "SELECT " + orderColumns + `, body_hash
	FROM orders
	WHERE sale_id = ?
	  AND customer_id = ?
	  AND idem_key = ?`

// OrderByKey reads the order that a key was used for. It returns fault.NotFound.
func (s *Store) OrderByKey(ctx context.Context, sl id.Sale, c id.Customer, key string) (order.Order, inventory.Digest, error) {
	return scanKeyed(s.row(ctx, orderByKey, sl, c, key))
}

func scanKeyed(row scanner) (order.Order, inventory.Digest, error) {
	var raw []byte
	var digest inventory.Digest
	found, err := scanOrder(row, &raw)
	copy(digest[:], raw)
	return found, digest, notFound(readError(err), "order with that", "key")
}

// everyPlace lists where a customer may have orders: general stock and each sale.
const everyPlace = `
		WITH places (sale_id) AS (
			SELECT 0
			UNION ALL
			SELECT id FROM sale
		)
		`

// OrdersOf returns a customer's orders, newest first. It probes the unique key of every sale, so that inserting an
// order needs no index by customer. One probe takes a few microseconds, and a shop has hundreds of sales, not millions.
func (s *Store) OrdersOf(ctx context.Context, c id.Customer, before id.Order, limit int) ([]order.Order, error) {
	if before == 0 {
		before = 1<<63 - 1
	}
	return list(ctx, s, c, scanOrders, everyPlace+`
		SELECT `+prefixed("o", orderColumns)+`
		FROM places
		CROSS JOIN orders AS o
		WHERE o.sale_id = places.sale_id
		  AND o.customer_id = ?
		  AND o.id < ?
		ORDER BY o.id DESC
		LIMIT ?`, c, before, limit)
}

// rehearses is the SQL condition that a customer belongs to a rehearsal: see id.OfRehearsal. Its arguments are
// id.NeverMintedFirst and id.NeverMintedEnd.
func rehearses(customer string) string { return "(" + customer + " >= ? AND " + customer + " < ?)" }

func prefixed(table, columns string) string {
	return table + "." + strings.ReplaceAll(columns, ", ", ", "+table+".")
}

// mintedAheadMax bounds how far the time in an order's id may be ahead of its creation time: the duration of placing,
// plus a clock that was set back meanwhile.
const mintedAheadMax = 5 * time.Second

// Orders lists orders, newest first. Without a customer it reads the table backwards and skips what the filter
// excludes. Bounds in time become bounds of ids, which begin with a time, so no further index is needed.
func (s *Store) Orders(ctx context.Context, f order.Filter) ([]order.Order, error) {
	before := f.Before
	if before == 0 {
		before = 1<<63 - 1
	}
	if !f.To.IsZero() {
		before = min(before, id.Order(id.FirstAt(f.To.Add(mintedAheadMax))))
	}
	with, from := "", "orders"
	where := []string{"id < ?"}
	args := []any{before}
	if !f.From.IsZero() {
		where, args = append(where, "id >= ?", "created_at >= ?"), append(args, id.FirstAt(f.From), millis(f.From))
	}
	if !f.To.IsZero() {
		where, args = append(where, "created_at < ?"), append(args, millis(f.To))
	}
	if f.Customer != 0 {
		with, from = everyPlace, "places"+s.sql(crossJoin)+"orders"
		where = append(where, "orders.sale_id = places.sale_id", "customer_id = ?")
		args = append(args, f.Customer)
	}
	if f.Sale != 0 {
		where, args = append(where, "orders.sale_id = ?"), append(args, f.Sale)
	}
	if f.Sale == 0 && f.Customer == 0 { // rehearsal orders are listed only if their sale or customer is asked for
		where, args = append(where, "NOT "+rehearses("customer_id")), append(args, id.NeverMintedFirst, id.NeverMintedEnd)
	}
	if f.Status != "" {
		where, args = append(where, "status = ?"), append(args, string(f.Status))
	}
	return list(ctx, s, ordersTopic, scanOrders, with+"SELECT "+prefixed("orders", orderColumns)+`
		FROM `+from+`
		WHERE `+strings.Join(where, " AND ")+`
		ORDER BY id DESC
		LIMIT ?`, append(args, f.Limit)...)
}

// FulfilOrder moves a paid order to fulfilled. An order that is already fulfilled is returned unchanged. It returns
// fault.NotFound or fault.BadTransition.
func (s *Store) FulfilOrder(ctx context.Context, o id.Order, at time.Time) (order.Order, error) {
	var after order.Order
	err := s.write(ctx, jobs, func(tx *Tx) error {
		tx.wrote(ordersTopic)
		current, err := tx.order(o)
		if err != nil || current.Status == order.Fulfilled {
			after = current
			return err
		}
		refunding, err := tx.beingRefunded(o)
		if err != nil {
			return err
		}
		if refunding {
			return fault.New(fault.BadTransition, "An order that is being refunded cannot be fulfilled.")
		}
		won, err := tx.setStatus(&current, order.Fulfilled, at)
		if err != nil {
			return err
		}
		if !won {
			return fault.New(fault.BadTransition, "An order that is %s cannot be fulfilled.", current.Status)
		}
		after = current
		return nil
	})
	return after, err
}

// setStatus moves an order along a legal edge by a compare-and-set on its status, and announces the change. Of
// concurrent changes only one wins. It reports whether this one did, and then updates o.
func (tx *Tx) setStatus(o *order.Order, to order.Status, at time.Time) (bool, error) {
	if !o.Status.CanBecome(to) {
		return false, nil
	}
	next := *o
	next.Status = to
	switch to {
	case order.Paid:
		next.PaidAt, next.ClosedAt = at, time.Time{}
	case order.Expired, order.Cancelled, order.Refunded:
		next.ClosedAt = at
	}
	n, err := tx.Exec(`
		UPDATE orders
		SET status = ?,
		    paid_at = ?,
		    closed_at = ?
		WHERE id = ?
		  AND status = ?`, string(to), millis(next.PaidAt), millis(next.ClosedAt), o.ID, string(o.Status))
	if err != nil || n == 0 {
		return false, err
	}
	if err := tx.announceRaw(order.EventOf(to), int64(o.ID), next.AppendJSON(nil, true), at); err != nil {
		return false, err
	}
	tx.wrote(o.Customer)
	*o = next
	return true, nil
}
