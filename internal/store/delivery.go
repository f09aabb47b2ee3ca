package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/tidegate/tidegate/internal/delivery"
	"github.com/tidegate/tidegate/internal/kernel/event"
	"github.com/tidegate/tidegate/internal/kernel/fault"
)

// EnterGroups gives each new group a cursor at the newest event, so that it receives only later events. If no group is
// new, it writes nothing and so needs no disk space.
func (s *Store) EnterGroups(ctx context.Context, groups []string) error {
	var fresh []string
	for _, g := range groups {
		switch _, err := s.Cursor(ctx, g); {
		case errors.Is(err, fault.NotFound):
			fresh = append(fresh, g)
		case err != nil:
			return err
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	return s.write(ctx, jobs, func(tx *Tx) error {
		for _, g := range fresh {
			_, err := tx.Exec(`
				INSERT INTO bus_cursor (consumer, position, fence)
				SELECT ?, COALESCE(MAX(position), 0), 0
				FROM outbox
				WHERE true`+tx.orNothing("bus_cursor", "consumer"), g)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Cursor returns the position of a group. It returns fault.NotFound.
func (s *Store) Cursor(ctx context.Context, group string) (c delivery.Cursor, err error) {
	err = s.queryRow(ctx, `
		SELECT position, fence, (SELECT COUNT(*) FROM bus_parked WHERE consumer = c.consumer)
		FROM bus_cursor AS c
		WHERE consumer = ?`, []any{group}, &c.Position, &c.Fence, &c.Parked)
	return c, notFound(err, "group", group)
}

// NewestEvent returns the position of the newest event, or zero.
func (s *Store) NewestEvent(ctx context.Context) (position int64, err error) {
	err = s.queryRow(ctx, "SELECT COALESCE(MAX(position), 0) FROM outbox", nil, &position)
	return position, err
}

// AppendEvents appends events in order and assigns their positions.
func (s *Store) AppendEvents(ctx context.Context, events []event.Event) error {
	return s.write(ctx, jobs, func(tx *Tx) error {
		for _, e := range events {
			if err := tx.announceRaw(e.Type, e.Subject, e.Payload, e.At); err != nil {
				return err
			}
		}
		return nil
	})
}

// ParkedDue returns up to limit due messages of a group, by id. It omits a message while an earlier one with the same
// key is not due.
func (s *Store) ParkedDue(ctx context.Context, group string, now time.Time, limit int) ([]delivery.RetryMessage, error) {
	rows, err := s.query(ctx, `
		SELECT message_id, msg_key, type, payload, at, try, reason, due_at
		FROM bus_parked AS p
		WHERE consumer = ?
		  AND due_at <= ?
		  AND (msg_key = '' OR NOT EXISTS (
		      SELECT 1
		      FROM bus_parked AS earlier
		      WHERE earlier.consumer = p.consumer
		        AND earlier.msg_key = p.msg_key
		        AND earlier.message_id < p.message_id
		        AND earlier.due_at > ?))
		ORDER BY message_id
		LIMIT ?`, group, millis(now), millis(now), limit)
	return collect(rows, err, func(rows *sql.Rows) (p delivery.RetryMessage, err error) {
		var at, due int64
		err = rows.Scan(&p.ID, &p.Key, &p.Type, &p.Payload, &at, &p.Try, &p.Reason, &due)
		p.At, p.DueAt = fromMillis(at), fromMillis(due)
		return p, err
	})
}

// ParkedKeys returns the keys of the group's parked messages.
func (s *Store) ParkedKeys(ctx context.Context, group string) ([]string, error) {
	rows, err := s.query(ctx, `
		SELECT DISTINCT msg_key
		FROM bus_parked
		WHERE consumer = ?
		  AND msg_key <> ''`, group)
	return collect(rows, err, func(rows *sql.Rows) (key string, err error) { return key, rows.Scan(&key) })
}

// SettleDelivery records the result of a range of the outbox. If another process has taken over the group, it records
// nothing and returns delivery.ErrFenced.
func (s *Store) SettleDelivery(ctx context.Context, d delivery.Progress) error {
	return s.write(ctx, jobs, func(tx *Tx) error {
		moved, err := tx.Exec(`
			UPDATE bus_cursor
			SET position = CASE WHEN position < ? THEN ? ELSE position END,
			    fence = ?
			WHERE consumer = ?
			  AND fence <= ?`, d.Position, d.Position, d.Fence, d.Group, d.Fence)
		if err != nil {
			return err
		}
		if moved == 0 {
			return delivery.ErrFenced
		}
		for _, message := range d.Done {
			if _, err := tx.Exec("DELETE FROM bus_parked WHERE consumer = ? AND message_id = ?", d.Group, message); err != nil {
				return err
			}
		}
		return tx.park(d.Group, d.Park)
	})
}

// Park stores messages for later delivery to a group.
func (s *Store) Park(ctx context.Context, group string, all []delivery.RetryMessage) error {
	return s.write(ctx, jobs, func(tx *Tx) error { return tx.park(group, all) })
}

var parkMessage = sqls{
	sqlite: `
		INSERT INTO bus_parked (consumer, message_id, msg_key, type, payload, at, try, reason, due_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (consumer, message_id) DO UPDATE
		SET try = excluded.try,
		    reason = excluded.reason,
		    due_at = excluded.due_at`,
	mysql: `
		INSERT INTO bus_parked (consumer, message_id, msg_key, type, payload, at, try, reason, due_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON DUPLICATE KEY UPDATE
		    try = VALUES(try),
		    reason = VALUES(reason),
		    due_at = VALUES(due_at)`,
	postgres: `
		INSERT INTO bus_parked (consumer, message_id, msg_key, type, payload, at, try, reason, due_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (consumer, message_id) DO UPDATE
		SET try = excluded.try,
		    reason = excluded.reason,
		    due_at = excluded.due_at`,
}

func (tx *Tx) park(group string, all []delivery.RetryMessage) error {
	for _, p := range all {
		_, err := tx.Exec(tx.sql(parkMessage),
			group, p.ID, p.Key, p.Type, p.Payload, millis(p.At), p.Try, p.Reason, millis(p.DueAt))
		if err != nil {
			return err
		}
	}
	return nil
}

// trimRowsMax bounds the rows of one trimming step: a few milliseconds of the writer.
const trimRowsMax = 2000

// TrimOutbox deletes events that are older than a moment and that all given groups have passed, at most trimRowsMax
// rows. It returns the number of deleted rows. It keeps the newest row, because the next position follows from it. If a
// group has no cursor, it deletes nothing.
func (s *Store) TrimOutbox(ctx context.Context, groups []string, before time.Time) (int, error) {
	if len(groups) == 0 {
		return 0, errors.New("the outbox is not trimmed without a group that has passed it")
	}
	args := make([]any, len(groups))
	for i, g := range groups {
		args[i] = g
	}
	var known int
	var passed int64
	err := s.queryRow(ctx, `
		SELECT COUNT(*), COALESCE(MIN(position), 0)
		FROM bus_cursor
		WHERE consumer IN (`+placeholders(len(groups))+`)`, args, &known, &passed)
	if err != nil || known < len(groups) {
		return 0, err
	}
	var last sql.NullInt64
	err = s.queryRow(ctx, `
		SELECT MAX(position)
		FROM (SELECT position, at
		      FROM outbox
		      WHERE position <= ?
		        AND position < (SELECT MAX(position) FROM outbox)
		      ORDER BY position
		      LIMIT ?) AS oldest
		WHERE at < ?`, []any{passed, trimRowsMax, millis(before)}, &last)
	if err != nil || !last.Valid {
		return 0, err
	}
	var deleted int64
	err = s.write(ctx, jobs, func(tx *Tx) error {
		deleted, err = tx.Exec("DELETE FROM outbox WHERE position <= ?", last.Int64)
		return err
	})
	return int(deleted), err
}

var buryLetter = sqls{
	sqlite: `
		INSERT INTO dead_letter (number, topic, consumer, message_id, msg_key, type, payload, at, tries, reason, died_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (topic, consumer, message_id) DO UPDATE
		SET tries = excluded.tries,
		    reason = excluded.reason,
		    died_at = excluded.died_at`,
	mysql: `
		INSERT INTO dead_letter (number, topic, consumer, message_id, msg_key, type, payload, at, tries, reason, died_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON DUPLICATE KEY UPDATE
		    tries = VALUES(tries),
		    reason = VALUES(reason),
		    died_at = VALUES(died_at)`,
	postgres: `
		INSERT INTO dead_letter (number, topic, consumer, message_id, msg_key, type, payload, at, tries, reason, died_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (topic, consumer, message_id) DO UPDATE
		SET tries = excluded.tries,
		    reason = excluded.reason,
		    died_at = excluded.died_at`,
}

// AddDeadLetters stores dead letters. A letter with the same topic, group and message is replaced and keeps its number.
func (s *Store) AddDeadLetters(ctx context.Context, letters []delivery.DeadLetter) error {
	return s.write(ctx, jobs, func(tx *Tx) error {
		for _, l := range letters {
			number, err := tx.nextNumber("dead_letter")
			if err != nil {
				return err
			}
			_, err = tx.Exec(tx.sql(buryLetter),
				number, l.Topic, l.Group, l.ID, l.Key, l.Type, l.Payload, millis(l.At), l.Tries, l.Reason, millis(l.DiedAt))
			if err != nil {
				return err
			}
		}
		return nil
	})
}

const letterColumns = "number, topic, consumer, message_id, msg_key, type, payload, at, tries, reason, died_at"

// DeadLetters implements delivery.Store.
func (s *Store) DeadLetters(ctx context.Context, group string, after int64, limit int) ([]delivery.DeadLetter, error) {
	rows, err := s.query(ctx, "SELECT "+letterColumns+`
		FROM dead_letter
		WHERE number > ?
		  AND (? = '' OR consumer = ?)
		ORDER BY number
		LIMIT ?`, after, group, group, limit)
	return collect(rows, err, func(rows *sql.Rows) (delivery.DeadLetter, error) { return scanLetter(rows.Scan) })
}

// DeadLetter implements delivery.Store.
func (s *Store) DeadLetter(ctx context.Context, number int64) (delivery.DeadLetter, error) {
	rows, err := s.query(ctx, "SELECT "+letterColumns+" FROM dead_letter WHERE number = ?", number)
	all, err := collect(rows, err, func(rows *sql.Rows) (delivery.DeadLetter, error) { return scanLetter(rows.Scan) })
	if err == nil && len(all) == 0 {
		return delivery.DeadLetter{}, fault.New(fault.NotFound, "There is no dead letter %d.", number)
	}
	if err != nil {
		return delivery.DeadLetter{}, err
	}
	return all[0], nil
}

func scanLetter(scan func(...any) error) (l delivery.DeadLetter, err error) {
	var at, died int64
	err = scan(&l.Number, &l.Topic, &l.Group, &l.ID, &l.Key, &l.Type, &l.Payload, &at, &l.Tries, &l.Reason, &died)
	l.At, l.DiedAt = fromMillis(at), fromMillis(died)
	return l, err
}

// DeleteDeadLetters implements delivery.Store.
func (s *Store) DeleteDeadLetters(ctx context.Context, numbers []int64) (int, error) {
	var dropped int64
	err := s.write(ctx, jobs, func(tx *Tx) error {
		dropped = 0
		for _, n := range numbers {
			gone, err := tx.Exec("DELETE FROM dead_letter WHERE number = ?", n)
			if err != nil {
				return err
			}
			dropped += gone
		}
		return nil
	})
	return int(dropped), err
}

// CountDeadLetters returns the number of dead letters.
func (s *Store) CountDeadLetters(ctx context.Context) (n int64, err error) {
	err = s.queryRow(ctx, "SELECT COUNT(*) FROM dead_letter", nil, &n)
	return n, err
}
