package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
)

var _ inventory.SharedStore = (*Store)(nil)

// GateEpoch returns the epoch of a gate that processes share.
func (s *Store) GateEpoch(ctx context.Context) (e inventory.Epoch, err error) {
	err = s.queryRow(ctx, `
		SELECT number, ready, opened, position, engine
		FROM gate_epoch
		WHERE id = 1`, nil, &e.Number, &e.Ready, &e.Opened, &e.Position, &e.Engine)
	return e, err
}

// BeginGateEpoch begins the epoch after the given one; it is not ready yet. It returns false if the given epoch is not
// the newest.
func (s *Store) BeginGateEpoch(ctx context.Context, after int64) (bool, error) {
	return s.changeEpoch(ctx, `
		UPDATE gate_epoch
		SET number = number + 1, ready = 0, position = 0, engine = ''
		WHERE id = 1
		  AND number = ?`, after)
}

// OpenGateEpoch marks the epoch as ready. It returns false if it is not the newest or was ready before.
func (s *Store) OpenGateEpoch(ctx context.Context, e inventory.Epoch) (bool, error) {
	return s.changeEpoch(ctx, `
		UPDATE gate_epoch
		SET ready = 1, opened = number, position = ?, engine = ?
		WHERE id = 1
		  AND number = ?
		  AND opened < number`, e.Position, e.Engine, e.Number)
}

// CloseGateEpoch marks the epoch as not ready. It returns false if it was not ready or is not the newest.
func (s *Store) CloseGateEpoch(ctx context.Context, number int64) (bool, error) {
	return s.changeEpoch(ctx, `
		UPDATE gate_epoch
		SET ready = 0
		WHERE id = 1
		  AND number = ?
		  AND ready = 1`, number)
}

func (s *Store) changeEpoch(ctx context.Context, text string, args ...any) (bool, error) {
	var changed int64
	err := s.write(ctx, jobs, func(tx *Tx) (err error) {
		changed, err = tx.Exec(text, args...)
		return err
	})
	return changed == 1 && err == nil, err
}

// Now returns the database's time, in milliseconds.
func (s *Store) Now(ctx context.Context) (time.Time, error) {
	var now int64
	err := s.queryRow(ctx, "SELECT "+s.sql(clockMillis), nil, &now)
	return fromMillis(now), err
}

// GatePlaced returns the orders placed after a position, in the order of commits. It reads whole outbox rows that
// together hold about limit events. The orders hold only ids: see FillPlaced. reached is the position of the last row
// read, of any type, or after if there was none.
func (s *Store) GatePlaced(ctx context.Context, after int64, limit int) (placed []inventory.Placed, reached int64, err error) {
	rows, err := s.outboxRows(ctx, after, 0, limit, nil)
	if err != nil {
		return nil, after, err
	}
	reached = after
	for i := range rows {
		r := &rows[i]
		reached = r.Position
		if r.Type != order.EventPlaced {
			continue
		}
		if !r.several() {
			placed = append(placed, inventory.Placed{Position: r.Position, Order: id.Order(r.Subject)})
			continue
		}
		entries, err := r.placed()
		if err != nil {
			return nil, after, err
		}
		for n, e := range entries {
			placed = append(placed, inventory.Placed{Position: r.Position - r.count + 1 + int64(n), Order: e.Order, Sale: id.Sale(r.Subject)})
		}
	}
	return placed, reached, nil
}

// FillPlaced adds customers, keys and lines to the orders, placedMax in one query.
func (s *Store) FillPlaced(ctx context.Context, placed []*inventory.Placed) error {
	for len(placed) > 0 {
		part := placed[:min(len(placed), placedMax)]
		placed = placed[len(part):]
		rows, err := s.query(ctx, `
			SELECT id, sale_id, customer_id, idem_key, body_hash, "lines"
			FROM orders
			WHERE id IN (`+placeholders(placedMax)+`)`, idList(part, func(p *inventory.Placed) id.Order { return p.Order })...)
		found, err := collect(rows, err, scanPlaced)
		if err != nil {
			return err
		}
		byID := make(map[id.Order]inventory.Placed, len(found))
		for _, f := range found {
			byID[f.Order] = f
		}
		for _, p := range part {
			f, ok := byID[p.Order]
			if !ok {
				return fmt.Errorf("event %d tells of order %d, which is not there", p.Position, p.Order)
			}
			f.Position = p.Position
			*p = f
		}
	}
	return nil
}

func scanPlaced(rows *sql.Rows) (p inventory.Placed, err error) {
	var digest []byte
	var text string
	if err := rows.Scan(&p.Order, &p.Sale, &p.Customer, &p.Key, &digest, &text); err != nil {
		return p, err
	}
	copy(p.Body[:], digest)
	lines, err := parseLines(text)
	for _, l := range lines {
		p.Lines = append(p.Lines, inventory.Line{SKU: l.SKU, Units: l.Units})
	}
	return p, err
}

// KnownOrders returns those of the orders that exist.
func (s *Store) KnownOrders(ctx context.Context, orders []id.Order) (map[id.Order]bool, error) {
	known := map[id.Order]bool{}
	for len(orders) > 0 {
		part := orders[:min(len(orders), placedMax)]
		orders = orders[len(part):]
		rows, err := s.query(ctx, `
			SELECT id
			FROM orders
			WHERE id IN (`+placeholders(placedMax)+`)`, idList(part, func(o id.Order) id.Order { return o })...)
		found, err := collect(rows, err, func(rows *sql.Rows) (o id.Order, err error) { return o, rows.Scan(&o) })
		if err != nil {
			return nil, err
		}
		for _, o := range found {
			known[o] = true
		}
	}
	return known, nil
}

// idList returns the arguments of a list of placedMax ids. It repeats the last id to fill the list, so that one
// statement serves every length.
func idList[T any](part []T, of func(T) id.Order) []any {
	args := make([]any, placedMax)
	for i := range args {
		args[i] = of(part[min(i, len(part)-1)])
	}
	return args
}
