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

// EnterGroups gives each group that is new a cursor at the newest event: what happened before is not its business.
func (s *Store) EnterGroups(ctx context.Context, groups []string) error {
	return s.write(ctx, jobs, func(tx *Tx) error {
		for _, g := range groups {
			_, err := tx.Exec(`
				INSERT INTO bus_cursor (consumer, position, fence)
				SELECT ?, COALESCE(MAX(position), 0), 0
				FROM outbox
				WHERE true
				ON CONFLICT (consumer) DO NOTHING`, g)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Cursor reads how far a group is. It returns fault.NotFound.
func (s *Store) Cursor(ctx context.Context, group string) (c delivery.Cursor, err error) {
	err = s.queryRow(ctx, `
		SELECT position, fence, (SELECT COUNT(*) FROM bus_parked WHERE consumer = c.consumer)
		FROM bus_cursor AS c
		WHERE consumer = ?`, []any{group}, &c.Position, &c.Fence, &c.Parked)
	return c, none(err, "group", group)
}

// NewestEvent returns the position of the newest event; zero where there is none.
func (s *Store) NewestEvent(ctx context.Context) (position int64, err error) {
	err = s.queryRow(ctx, "SELECT COALESCE(MAX(position), 0) FROM outbox", nil, &position)
	return position, err
}

// AppendEvents appends events, in their order, with positions of their own.
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

// ParkedDue lists up to limit messages of a group whose time has come and before which no other of their key waits for
// its own, in the order of their ids.
func (s *Store) ParkedDue(ctx context.Context, group string, now time.Time, limit int) ([]delivery.Parked, error) {
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
	return collect(rows, err, func(rows *sql.Rows) (p delivery.Parked, err error) {
		var at, due int64
		err = rows.Scan(&p.ID, &p.Key, &p.Type, &p.Payload, &at, &p.Try, &p.Reason, &due)
		p.At, p.DueAt = moment(at), moment(due)
		return p, err
	})
}

// ParkedKeys lists the keys of which a message of the group waits.
func (s *Store) ParkedKeys(ctx context.Context, group string) ([]string, error) {
	rows, err := s.query(ctx, `
		SELECT DISTINCT msg_key
		FROM bus_parked
		WHERE consumer = ?
		  AND msg_key <> ''`, group)
	return collect(rows, err, func(rows *sql.Rows) (key string, err error) { return key, rows.Scan(&key) })
}

// SettleDelivery records what became of a part of the outbox. It returns delivery.ErrFenced, and records nothing, where the group
// was taken over.
func (s *Store) SettleDelivery(ctx context.Context, d delivery.Settlement) error {
	return s.write(ctx, jobs, func(tx *Tx) error {
		moved, err := tx.Exec(`
			UPDATE bus_cursor
			SET position = MAX(position, ?),
			    fence = ?
			WHERE consumer = ?
			  AND fence <= ?`, d.Position, d.Fence, d.Group, d.Fence)
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

// Park has messages wait for a group, as they are given.
func (s *Store) Park(ctx context.Context, group string, all []delivery.Parked) error {
	return s.write(ctx, jobs, func(tx *Tx) error { return tx.park(group, all) })
}

func (tx *Tx) park(group string, all []delivery.Parked) error {
	for _, p := range all {
		_, err := tx.Exec(`
			INSERT INTO bus_parked (consumer, message_id, msg_key, type, payload, at, try, reason, due_at)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (consumer, message_id) DO UPDATE
			SET try = excluded.try,
			    reason = excluded.reason,
			    due_at = excluded.due_at`,
			group, p.ID, p.Key, p.Type, p.Payload, millis(p.At), p.Try, p.Reason, millis(p.DueAt))
		if err != nil {
			return err
		}
	}
	return nil
}

// trimRowsMax bounds what one step of trimming deletes: a few milliseconds of the writer.
const trimRowsMax = 2000

// TrimOutbox deletes events that all of these groups have passed and that happened before a moment, up to trimRowsMax rows
// of them, and returns how many rows it deleted. The newest row stays: the next event's position is counted from it. A
// group without a cursor has everything trimmed stopped.
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
		WHERE consumer IN (`+marks(len(groups))+`)`, args, &known, &passed)
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

// BuryLetters keeps letters; one that is there already (topic, group and message) is replaced and keeps its number.
func (s *Store) BuryLetters(ctx context.Context, letters []delivery.Letter) error {
	return s.write(ctx, jobs, func(tx *Tx) error {
		for _, l := range letters {
			number, err := tx.nextNumber("dead_letter")
			if err != nil {
				return err
			}
			_, err = tx.Exec(`
				INSERT INTO dead_letter (number, topic, consumer, message_id, msg_key, type, payload, at, tries, reason, died_at)
				VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
				ON CONFLICT (topic, consumer, message_id) DO UPDATE
				SET tries = excluded.tries,
				    reason = excluded.reason,
				    died_at = excluded.died_at`,
				number, l.Topic, l.Group, l.ID, l.Key, l.Type, l.Payload, millis(l.At), l.Tries, l.Reason, millis(l.DiedAt))
			if err != nil {
				return err
			}
		}
		return nil
	})
}

const letterColumns = "number, topic, consumer, message_id, msg_key, type, payload, at, tries, reason, died_at"

// Letters implements delivery.Store.
func (s *Store) Letters(ctx context.Context, group string, after int64, limit int) ([]delivery.Letter, error) {
	rows, err := s.query(ctx, "SELECT "+letterColumns+`
		FROM dead_letter
		WHERE number > ?
		  AND (? = '' OR consumer = ?)
		ORDER BY number
		LIMIT ?`, after, group, group, limit)
	return collect(rows, err, func(rows *sql.Rows) (delivery.Letter, error) { return scanLetter(rows.Scan) })
}

// Letter implements delivery.Store.
func (s *Store) Letter(ctx context.Context, number int64) (delivery.Letter, error) {
	rows, err := s.query(ctx, "SELECT "+letterColumns+" FROM dead_letter WHERE number = ?", number)
	all, err := collect(rows, err, func(rows *sql.Rows) (delivery.Letter, error) { return scanLetter(rows.Scan) })
	if err == nil && len(all) == 0 {
		return delivery.Letter{}, fault.New(fault.NotFound, "There is no dead letter %d.", number)
	}
	if err != nil {
		return delivery.Letter{}, err
	}
	return all[0], nil
}

func scanLetter(scan func(...any) error) (l delivery.Letter, err error) {
	var at, died int64
	err = scan(&l.Number, &l.Topic, &l.Group, &l.ID, &l.Key, &l.Type, &l.Payload, &at, &l.Tries, &l.Reason, &died)
	l.At, l.DiedAt = moment(at), moment(died)
	return l, err
}

// DropLetters implements delivery.Store.
func (s *Store) DropLetters(ctx context.Context, numbers []int64) (int, error) {
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

// CountLetters returns how many dead letters there are.
func (s *Store) CountLetters(ctx context.Context) (n int64, err error) {
	err = s.queryRow(ctx, "SELECT COUNT(*) FROM dead_letter", nil, &n)
	return n, err
}
