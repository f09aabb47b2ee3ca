package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/event"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
)

const (
	insertEvent = `
		INSERT INTO outbox (type, subject, payload, at)
		VALUES (?, ?, ?, ?)`
	// insertEvents inserts a row that holds several events. Its position is that of the last one; SQLite numbers the
	// next row after the largest position. Its subject is the common sale, or zero.
	insertEvents = `
		INSERT INTO outbox (position, count, type, subject, payload, at)
		VALUES ((SELECT COALESCE(MAX(position), 0) FROM outbox) + ?, ?, ?, ?, ?, ?)`
	// insertOutbox inserts a row that holds count events. StampStep assigns its position.
	insertOutbox = `
		INSERT INTO outbox (id, count, type, subject, payload, at)
		VALUES (?, ?, ?, ?, ?, ?)`
)

// announce inserts an event. The relay and the gate read it after the commit.
func (tx *Tx) announce(kind string, subject int64, payload any, at time.Time) error {
	b, err := json.Marshal(payload)
	if err != nil {
		return err
	}
	tx.forGate = tx.forGate || kind == eventMoved || kind == eventTerms
	return tx.announceRaw(kind, subject, b, at)
}

func (tx *Tx) announceRaw(kind string, subject int64, payload []byte, at time.Time) error {
	tx.announced = true
	if tx.s.Shared() {
		_, err := tx.Exec(insertOutbox, tx.s.ids.Next(), 1, kind, subject, payload, millis(at))
		return err
	}
	_, err := tx.Exec(insertEvent, kind, subject, payload, millis(at))
	return err
}

// outboxRow is a row of the outbox.
type outboxRow struct {
	event.Event // the row's last event
	count       int64
}

// several reports whether the row holds all orders of a commit.
func (r *outboxRow) several() bool {
	return r.Type == order.EventPlaced && order.IsPlacedBatch(r.Payload)
}

// placed returns the orders of a row that holds several.
func (r *outboxRow) placed() ([]order.PlacedEntry, error) {
	all, err := order.ReadPlacedBatch(r.Payload)
	if err == nil && int64(len(all)) != r.count {
		err = fmt.Errorf("it stands for %d events and names %d orders", r.count, len(all))
	}
	if err != nil {
		return nil, fmt.Errorf("event %d (%s) cannot be read: %w", r.Position, r.Type, err)
	}
	return all, nil
}

// Events returns up to limit events after a position, in the order of commits. A row that holds several orders yields
// one event for each, as at its creation, byte for byte as if it had a row of its own. The position may lie inside such
// a row. A limit below 1 yields nothing.
//
// An event whose order does not exist is an error; it is never skipped.
func (s *Store) Events(ctx context.Context, after int64, limit int) ([]event.Event, error) {
	events, _, err := s.EventsOf(ctx, after, limit, nil)
	return events, err
}

// scanPositionsMax bounds how far one call searches for events of some types: tens of milliseconds of a reader.
const scanPositionsMax = 100_000

// EventsOf is Events for some types, or all if types is empty. It also returns the position up to which it has read.
// Skipped events are cheap: their orders are not read.
func (s *Store) EventsOf(ctx context.Context, after int64, limit int, types []string) (events []event.Event, upTo int64, err error) {
	if limit < 1 {
		return nil, after, nil
	}
	upTo = after
	if len(types) > 0 { // read before the rows, so that later commits are not skipped
		// Rows are read whole, so stop at the end of a row: the last one within reach, or the first one if none is.
		err := s.queryRow(ctx, `
			SELECT COALESCE(
				(SELECT MAX(position) FROM outbox WHERE position > ? AND position <= ?),
				(SELECT MIN(position) FROM outbox WHERE position > ?),
				0)`, []any{after, after + scanPositionsMax, after}, &upTo)
		if err != nil || upTo == 0 {
			return nil, after, err
		}
	}
	rows, err := s.outboxRows(ctx, after, upTo, limit, types)
	if err != nil {
		return nil, after, err
	}
	if events, err = s.tell(ctx, rows, after, limit); err != nil {
		return nil, after, err
	}
	if len(events) == limit || len(types) == 0 && len(events) > 0 {
		upTo = events[len(events)-1].Position
	}
	return events, upTo, nil
}

// tell expands rows into events, up to limit of them after a position.
func (s *Store) tell(ctx context.Context, rows []outboxRow, after int64, limit int) ([]event.Event, error) {
	all := make([]event.Event, 0, min(limit, 2*len(rows)+placedMax))
	var placed []int // indexes in all of events without a payload
	for i := range rows {
		r := &rows[i]
		if len(all) == limit {
			break
		}
		if !r.several() {
			all = append(all, r.Event)
			continue
		}
		entries, err := r.placed()
		if err != nil {
			return nil, err
		}
		first := r.Position - r.count + 1
		for n := max(after+1-first, 0); n < r.count && len(all) < limit; n++ {
			placed = append(placed, len(all))
			all = append(all, event.Event{Position: first + n, Type: r.Type, Subject: int64(entries[n].Order)})
		}
	}
	untold := make([]*event.Event, len(placed))
	for i, at := range placed {
		untold[i] = &all[at]
	}
	return all, s.tellPlaced(ctx, untold)
}

// outboxRows reads the rows that hold the first limit events after a position. With types, it reads only those, up to
// another position.
func (s *Store) outboxRows(ctx context.Context, after, upTo int64, limit int, types []string) ([]outboxRow, error) {
	text, args := `
		SELECT position, count, type, subject, payload, at
		FROM outbox
		WHERE position > ?`, []any{after}
	if len(types) > 0 {
		text += `
		  AND position <= ?
		  AND type IN (` + placeholders(len(types)) + ")"
		args = append(args, upTo)
		for _, t := range types {
			args = append(args, t)
		}
	}
	rows, err := s.query(ctx, text+`
		ORDER BY position
		LIMIT ?`, append(args, limit)...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var all []outboxRow
	for rows.Next() {
		var r outboxRow
		var at int64
		if err := rows.Scan(&r.Position, &r.count, &r.Type, &r.Subject, &r.Payload, &at); err != nil {
			return nil, readError(err)
		}
		r.At = fromMillis(at)
		all = append(all, r)
		if len(types) == 0 && r.Position-after >= int64(limit) {
			break // positions have no gaps, so these rows are enough
		}
	}
	return all, readError(rows.Err())
}

// placedMax bounds the orders that one query reads to build their events.
const placedMax = 64

// tellPlaced builds payloads and times of placed events from the orders, whose facts of creation never change.
func (s *Store) tellPlaced(ctx context.Context, events []*event.Event) error {
	for len(events) > 0 {
		part := events[:min(len(events), placedMax)]
		events = events[len(part):]
		args := make([]any, placedMax)
		for i := range args { // repeat the last id, so that one statement serves every length
			args[i] = part[min(i, len(part)-1)].Subject
		}
		rows, err := s.query(ctx, "SELECT "+orderColumns+`
			FROM orders
			WHERE id IN (`+placeholders(placedMax)+`)`, args...)
		found, err := collect(rows, err, scanOrders)
		if err != nil {
			return err
		}
		byID := make(map[id.Order]*order.Order, len(found))
		for i := range found {
			byID[found[i].ID] = &found[i]
		}
		for _, e := range part {
			o := byID[id.Order(e.Subject)]
			if o == nil {
				return fmt.Errorf("event %d tells of order %d, which is not there", e.Position, e.Subject)
			}
			created := o.AsCreated()
			e.Payload, e.At = created.AppendJSON(make([]byte, 0, 256+len(o.Lines)*128), true), o.CreatedAt
		}
	}
	return nil
}
