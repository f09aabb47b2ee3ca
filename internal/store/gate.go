package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
)

// The events that the gate follows. The index outbox_gate selects the same types.
const (
	eventMoved = "stock.moved.v1"
	eventTerms = "sale.changed.v1"
)

var selectGateChanges = sqls{
	sqlite: `
		SELECT position, type, payload
		FROM outbox INDEXED BY outbox_gate
		WHERE type IN ('stock.moved.v1', 'sale.changed.v1')
		  AND position > ?
		ORDER BY position
		LIMIT ?`,
	mysql: `
		SELECT position, type, payload
		FROM outbox FORCE INDEX (outbox_gate)
		WHERE for_gate = 1
		  AND position > ?
		ORDER BY position
		LIMIT ?`,
	postgres: `
		SELECT position, type, payload
		FROM outbox
		WHERE type IN ('stock.moved.v1', 'sale.changed.v1')
		  AND position > ?
		ORDER BY position
		LIMIT ?`,
}

// GateChanges returns up to limit changes after an outbox position, in the order of commits.
func (s *Store) GateChanges(ctx context.Context, after int64, limit int) ([]inventory.Change, error) {
	rows, err := s.query(ctx, s.sql(selectGateChanges), after, limit)
	return collect(rows, err, func(rows *sql.Rows) (c inventory.Change, err error) {
		var kind string
		var payload []byte
		if err := rows.Scan(&c.Position, &kind, &payload); err != nil {
			return c, err
		}
		switch kind {
		case eventMoved:
			c.Moved = new(inventory.Moved)
			err = json.Unmarshal(payload, c.Moved)
		case eventTerms:
			c.Terms = new(inventory.Terms)
			err = json.Unmarshal(payload, c.Terms)
		}
		if err != nil {
			return c, fmt.Errorf("event %d (%s) cannot be read: %w", c.Position, kind, err)
		}
		return c, nil
	})
}

// GateSnapshot reads the content of a gate and its outbox position from one snapshot: the general pools and, for every
// sale that has not ended, its pools, its terms and the keys of its orders. Every change that the gate follows has its
// position; placed orders without a position are listed separately.
func (s *Store) GateSnapshot(ctx context.Context) (inventory.Snapshot, error) {
	var snap inventory.Snapshot
	err := s.settled(ctx, func(now view) error {
		if err := now.row(ctx, "SELECT COALESCE(MAX(position), 0) FROM outbox").Scan(&snap.Position); err != nil {
			return err
		}
		rows, err := now.query(ctx, `
			WITH places (sale_id) AS (
				SELECT 0
				UNION ALL
				SELECT id FROM sale WHERE status <> 'ended'
			)
			SELECT st.sale_id, st.sku_id, st.on_hand, st.reserved, st.sold
			FROM places`+now.sql(crossJoin)+`stock AS st
			WHERE st.sale_id = places.sale_id`)
		if snap.Stock, err = collect(rows, err, scanStock); err != nil {
			return err
		}
		rows, err = now.query(ctx, `
			SELECT id, limit_per_customer, status
			FROM sale
			WHERE status <> 'ended'
			  AND status IN ('scheduled', 'live', 'paused')`)
		if snap.Terms, err = collect(rows, err, scanTerms); err != nil {
			return err
		}
		for _, t := range snap.Terms {
			rows, err := now.query(ctx, `
				SELECT id, sale_id, customer_id, idem_key, body_hash,
				       CASE WHEN status IN ('expired', 'cancelled') THEN 0 ELSE units END
				FROM orders
				WHERE sale_id = ?`, t.Sale)
			holders, err := collect(rows, err, scanHolder)
			if err != nil {
				return err
			}
			snap.KeyedOrders = append(snap.KeyedOrders, holders...)
		}
		snap.Ahead, err = s.ahead(ctx, now)
		return err
	})
	return snap, err
}

// ahead returns the orders whose event has no position yet.
func (s *Store) ahead(ctx context.Context, now view) ([]id.Order, error) {
	if !s.Shared() {
		return nil, nil
	}
	rows, err := now.query(ctx, `
		SELECT count, type, payload
		FROM outbox
		WHERE position IS NULL
		  AND type = ?`, order.EventPlaced)
	waiting, err := collect(rows, err, func(rows *sql.Rows) (r outboxRow, err error) {
		return r, rows.Scan(&r.count, &r.Type, &r.Payload)
	})
	var all []id.Order
	for i := range waiting {
		placed, unread := waiting[i].placed()
		err = errors.Join(err, unread)
		for _, p := range placed {
			all = append(all, p.Order)
		}
	}
	return all, err
}

func scanTerms(rows *sql.Rows) (t inventory.Terms, err error) {
	var status string
	err = rows.Scan(&t.Sale, &t.Limit, &status)
	t.Open = status == "scheduled" || status == "live"
	return t, err
}

func scanHolder(rows *sql.Rows) (h inventory.KeyedOrder, err error) {
	var digest []byte
	err = rows.Scan(&h.Order, &h.Sale, &h.Customer, &h.Key, &digest, &h.Used)
	copy(h.Body[:], digest)
	return h, err
}
