package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/tidegate/tidegate/internal/audit"
	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/payment"
)

var _ audit.Store = (*Store)(nil)

// AuditSnapshot calls fn with a snapshot of the whole shop. It delays no writer, but SQLite's write-ahead log grows
// until fn returns.
func (s *Store) AuditSnapshot(ctx context.Context, fn func(audit.Snapshot) error) error {
	return s.settled(ctx, func(now view) error { return fn(auditSnapshot{now}) })
}

// auditSnapshot implements audit.Snapshot. Its scans read tables in row order.
type auditSnapshot struct{ now view }

// each runs a query and calls row for every row.
func (a auditSnapshot) each(ctx context.Context, row func(*sql.Rows) error, text string, args ...any) error {
	rows, err := a.now.query(ctx, text, args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := row(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (a auditSnapshot) number(ctx context.Context, text string) (n int64, err error) {
	err = a.now.row(ctx, text).Scan(&n)
	return n, err
}

// OrderCount implements audit.Snapshot.
func (a auditSnapshot) OrderCount(ctx context.Context) (int64, error) {
	return a.number(ctx, "SELECT COUNT(*) FROM orders")
}

// Orders implements audit.Snapshot.
func (a auditSnapshot) Orders(ctx context.Context, after id.Order, limit int, fn func(*audit.Order) error) error {
	var o audit.Order
	var lines sql.RawBytes
	var created, expires, paid, closed int64
	return a.each(ctx, func(rows *sql.Rows) error {
		err := rows.Scan(&o.ID, &o.Sale, &o.Customer, &o.Status, &lines, &o.Units, &o.Total.Minor, &o.Total.Currency, &created, &expires, &paid, &closed, &o.Key)
		if err != nil {
			return err
		}
		o.LinesJSON = lines
		o.CreatedAt, o.ExpiresAt, o.PaidAt, o.ClosedAt = fromMillis(created), fromMillis(expires), fromMillis(paid), fromMillis(closed)
		return fn(&o)
	}, "SELECT "+orderColumns+`, idem_key
		FROM `+a.now.sql(ordersAlongKey)+`
		WHERE id > ?
		ORDER BY id
		LIMIT ?`, after, limit)
}

// Keys implements audit.Snapshot.
func (a auditSnapshot) Keys(ctx context.Context, fn func(id.Order, id.Sale, id.Customer, string) error) error {
	return a.each(ctx, func(rows *sql.Rows) error {
		var o id.Order
		var s id.Sale
		var c id.Customer
		var key string
		if err := rows.Scan(&o, &s, &c, &key); err != nil {
			return err
		}
		return fn(o, s, c, key)
	}, `
		SELECT id, sale_id, customer_id, idem_key
		FROM `+a.now.sql(ordersAlongKey)+`
		ORDER BY id`)
}

// Movements implements audit.Snapshot.
func (a auditSnapshot) Movements(ctx context.Context, after, upTo id.Order, fn func(*audit.Movement) error) error {
	var m audit.Movement
	var row id.Movement
	var pools sql.RawBytes
	return a.each(ctx, func(rows *sql.Rows) error {
		if err := rows.Scan(&row, &m.Pool.Sale, &m.Pool.SKU, &m.Kind, &m.Units, &m.Order, &pools); err != nil {
			return err
		}
		if pools == nil {
			return fn(&m)
		}
		portions, err := inventory.ParseQuantities(pools, m.Units)
		if err != nil {
			return fn(&audit.Movement{Kind: m.Kind, Units: m.Units, Order: m.Order, Row: row, Unreadable: err})
		}
		for _, p := range portions {
			if err := fn(&audit.Movement{Pool: p.Pool, Kind: m.Kind, Units: p.Units, Order: m.Order}); err != nil {
				return err
			}
		}
		return nil
	}, `
		SELECT id, sale_id, sku_id, kind, units, order_id, pools
		FROM `+a.now.sql(movementsAlongKey)+`
		WHERE order_id > ?
		  AND order_id <= ?`, after, upTo)
}

// Events implements audit.Snapshot.
func (a auditSnapshot) Events(ctx context.Context, after, upTo id.Order, fn func(*audit.Event) error) error {
	args := []any{order.EventPlaced, after, upTo, order.EventPlaced}
	statuses := map[string]order.Status{}
	for _, st := range order.Statuses() {
		statuses[order.EventOf(st)] = st
		args = append(args, order.EventOf(st))
	}
	var row outboxRow
	var position sql.NullInt64
	var payload sql.RawBytes
	tell := func(rows *sql.Rows) error {
		last := row.Position
		if err := rows.Scan(&position, &row.count, &row.Subject, &row.Type, &payload); err != nil {
			return err
		}
		if row.Position = position.Int64; !position.Valid {
			row.Position = last + row.count // its position, or a later one
		}
		row.Payload = payload
		if row.several() {
			return row.audit(after, upTo, fn)
		}
		if o := id.Order(row.Subject); o <= after || o > upTo {
			return nil
		}
		return fn(&audit.Event{Position: row.Position, Order: id.Order(row.Subject), Status: statuses[row.Type], Payload: payload})
	}
	err := a.each(ctx, tell, `
		SELECT position, count, subject, type, CASE WHEN type = ? THEN payload END
		FROM `+a.now.sql(outboxInOrder)+`
		WHERE position > 0
		  AND (subject > ? AND subject <= ? OR type = ?)
		  AND type IN (`+placeholders(len(args)-4)+`)
		ORDER BY position`, args...)
	if err != nil || !a.now.s.Shared() {
		return err
	}
	return a.each(ctx, tell, `
		SELECT position, count, subject, type, CASE WHEN type = ? THEN payload END
		FROM outbox
		WHERE position IS NULL
		  AND (subject > ? AND subject <= ? OR type = ?)
		  AND type IN (`+placeholders(len(args)-4)+`)
		ORDER BY noted, id`, args...)
}

// audit calls fn with the events of a row that announces several orders, for the orders after one id and up to another.
func (r *outboxRow) audit(after, upTo id.Order, fn func(*audit.Event) error) error {
	entries, err := r.placed()
	if err != nil {
		return err
	}
	for i, entry := range entries {
		if entry.Order <= after || entry.Order > upTo {
			continue
		}
		e := audit.Event{Position: r.Position - r.count + 1 + int64(i), Order: entry.Order, Status: order.Pending, Fingerprint: entry.Fingerprint}
		if err := fn(&e); err != nil {
			return err
		}
	}
	return nil
}

// FirstEvent implements audit.Snapshot.
func (a auditSnapshot) FirstEvent(ctx context.Context) (int64, error) {
	return a.number(ctx, "SELECT COALESCE((SELECT position - count + 1 FROM outbox WHERE position > 0 ORDER BY position LIMIT 1), 0)")
}

// Attempts implements audit.Snapshot.
func (a auditSnapshot) Attempts(ctx context.Context, after, upTo id.Order, fn func(*audit.Attempt) error) error {
	return a.each(ctx, func(rows *sql.Rows) error {
		var at audit.Attempt
		var settled int64
		var r nullRefund
		into := append([]any{&at.ID, &at.Order, &at.Status, &at.Amount.Minor, &at.Amount.Currency, &at.Pays, &settled}, r.into()...)
		if err := rows.Scan(into...); err != nil {
			return err
		}
		at.Settled, at.Refund = settled != 0, r.refund()
		return fn(&at)
	}, `
		SELECT a.id, a.order_id, a.status, a.amount, a.currency, a.pays, a.settled_at,
		       r.id, r.order_id, r.attempt_id, r.kind, r.status, r.amount, r.currency, r.settled_at
		FROM payment_attempt AS a
		LEFT JOIN refund AS r
		  ON r.attempt_id = a.id
		WHERE a.order_id > ?
		  AND a.order_id <= ?`, after, upTo)
}

// LostRefunds implements audit.Snapshot.
func (a auditSnapshot) LostRefunds(ctx context.Context, fn func(*audit.Refund) error) error {
	return a.each(ctx, func(rows *sql.Rows) error {
		var r nullRefund
		if err := rows.Scan(r.into()...); err != nil {
			return err
		}
		return fn(r.refund())
	}, `
		SELECT r.id, r.order_id, r.attempt_id, r.kind, r.status, r.amount, r.currency, r.settled_at
		FROM refund AS r
		WHERE NOT EXISTS (
			SELECT 1
			FROM payment_attempt AS a
			WHERE a.id = r.attempt_id
		)`)
}

// nullRefund scans a refund that may be NULL.
type nullRefund struct {
	audit.Refund
	kind, status, currency sql.NullString
	amount, settled        sql.NullInt64
}

func (r *nullRefund) into() []any {
	return []any{&r.ID, &r.Order, &r.Attempt, &r.kind, &r.status, &r.amount, &r.currency, &r.settled}
}

func (r *nullRefund) refund() *audit.Refund {
	if r.ID == 0 {
		return nil
	}
	v := r.Refund
	v.Kind, v.Status = payment.RefundKind(r.kind.String), payment.RefundStatus(r.status.String)
	v.Amount.Minor, v.Amount.Currency = r.amount.Int64, money.Currency(r.currency.String)
	v.Settled = r.settled.Int64 != 0
	return &v
}

// Pools implements audit.Snapshot.
func (a auditSnapshot) Pools(ctx context.Context, fn func(inventory.Stock) error) error {
	return a.each(ctx, func(rows *sql.Rows) error {
		st, err := scanStock(rows)
		if err != nil {
			return err
		}
		return fn(st)
	}, `
		SELECT sale_id, sku_id, on_hand, reserved, sold
		FROM stock
		ORDER BY sale_id, sku_id`)
}

// Closed implements audit.Snapshot.
func (a auditSnapshot) Closed(ctx context.Context, fn func(inventory.Pool, time.Time) error) error {
	return a.each(ctx, func(rows *sql.Rows) error {
		var p inventory.Pool
		var since int64
		if err := rows.Scan(&p.Sale, &p.SKU, &since); err != nil {
			return err
		}
		return fn(p, fromMillis(since))
	}, `
		SELECT sale_id, sku_id, closed_at
		FROM stock
		WHERE closed_at <> 0`)
}

// Contradictions implements audit.Snapshot.
func (a auditSnapshot) Contradictions(ctx context.Context, fn func(inventory.Pool, bool) error) error {
	return a.each(ctx, func(rows *sql.Rows) error {
		var p inventory.Pool
		var sold bool
		if err := rows.Scan(&p.Sale, &p.SKU, &sold); err != nil {
			return err
		}
		return fn(p, sold)
	}, `
		SELECT st.sale_id, st.sku_id, sku.retired = 0 AND p.status = 'published'
		FROM stock AS st
		JOIN sku
		  ON sku.id = st.sku_id
		JOIN product AS p
		  ON p.id = sku.product_id
		LEFT JOIN sale AS s
		  ON s.id = st.sale_id
		WHERE (st.sale_id = 0 AND (st.closed_at = 0) <> (sku.retired = 0 AND p.status = 'published'))
		   OR (s.status IN ('scheduled', 'live', 'paused') AND st.closed_at = 0 AND NOT (sku.retired = 0 AND p.status = 'published'))
		ORDER BY st.sale_id, st.sku_id`)
}

// Items implements audit.Snapshot.
func (a auditSnapshot) Items(ctx context.Context, fn func(*audit.Item) error) error {
	return a.each(ctx, func(rows *sql.Rows) error {
		var it audit.Item
		if err := rows.Scan(&it.Sale, &it.SKU, &it.Allocation, &it.Status); err != nil {
			return err
		}
		return fn(&it)
	}, `
		SELECT i.sale_id, i.sku_id, i.allocation, s.status
		FROM sale_item AS i
		JOIN sale AS s
		  ON s.id = i.sale_id
		ORDER BY i.sale_id, i.sku_id`)
}

// Buyers implements audit.Snapshot.
func (a auditSnapshot) Buyers(ctx context.Context) (int64, error) {
	return a.number(ctx, `
		SELECT COUNT(*)
		FROM (
			SELECT DISTINCT o.sale_id, o.customer_id
			FROM sale AS s`+a.now.sql(crossJoin)+`orders AS o
			WHERE s.limit_per_customer > 0
			  AND o.sale_id = s.id
		) AS buyers`)
}

// OverLimit implements audit.Snapshot. The unique key yields the orders already grouped.
func (a auditSnapshot) OverLimit(ctx context.Context, fn func(audit.Allowance) error) error {
	return a.each(ctx, func(rows *sql.Rows) error {
		var v audit.Allowance
		if err := rows.Scan(&v.Sale, &v.Customer, &v.Units, &v.Limit); err != nil {
			return err
		}
		return fn(v)
	}, `
		SELECT o.sale_id, o.customer_id, SUM(o.units), MAX(s.limit_per_customer)
		FROM sale AS s`+a.now.sql(crossJoin)+`orders AS o
		WHERE s.limit_per_customer > 0
		  AND o.sale_id = s.id
		  AND o.status NOT IN ('expired', 'cancelled')
		GROUP BY o.sale_id, o.customer_id
		HAVING SUM(o.units) > MAX(s.limit_per_customer)`)
}

var selectLimits = sqls{
	sqlite: `
		SELECT position, payload
		FROM outbox INDEXED BY outbox_gate
		WHERE type IN ('stock.moved.v1', 'sale.changed.v1')
		  AND type = 'sale.changed.v1'
		  AND subject = ?
		ORDER BY position`,
	mysql: `
		SELECT position, payload
		FROM outbox FORCE INDEX (outbox_gate)
		WHERE for_gate = 1
		  AND type = 'sale.changed.v1'
		  AND subject = ?
		ORDER BY position`,
	postgres: `
		SELECT position, payload
		FROM outbox
		WHERE type IN ('stock.moved.v1', 'sale.changed.v1')
		  AND type = 'sale.changed.v1'
		  AND subject = ?
		ORDER BY position`,
}

// Limits implements audit.Snapshot.
func (a auditSnapshot) Limits(ctx context.Context, s id.Sale, fn func(audit.Limit) error) error {
	return a.each(ctx, func(rows *sql.Rows) error {
		var position int64
		var payload []byte
		if err := rows.Scan(&position, &payload); err != nil {
			return err
		}
		var t inventory.Terms
		if err := json.Unmarshal(payload, &t); err != nil {
			return fmt.Errorf("event %d cannot be read: %w", position, err)
		}
		return fn(audit.Limit{Position: position, Units: t.Limit})
	}, a.now.sql(selectLimits), s)
}

// OrdersOf implements audit.Snapshot.
func (a auditSnapshot) OrdersOf(ctx context.Context, s id.Sale, c id.Customer) ([]id.Order, error) {
	rows, err := a.now.query(ctx, `
		SELECT id
		FROM orders
		WHERE sale_id = ?
		  AND customer_id = ?
		  AND status NOT IN ('expired', 'cancelled')`, s, c)
	return collect(rows, err, func(rows *sql.Rows) (o id.Order, err error) {
		err = rows.Scan(&o)
		return o, err
	})
}
