package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/crashpoint"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/store/engine"
)

// On SQLite the row number is the position, in the order of commits. With several writers, transactions commit
// concurrently, so rows are inserted without a position and stamped later, by one transaction at a time. Only committed
// rows are stamped, after the last position, so a reader at a position has missed nothing before it.

// stampRowsMax bounds the rows that one transaction stamps.
const stampRowsMax = 500

// StampStep assigns positions to new events and revocations and returns their number. Two processes may call it at
// once: one waits for the other, and a compare-and-set on the last position protects the result. On SQLite it does
// nothing.
func (s *Store) StampStep(ctx context.Context) (stamped int, err error) {
	if !s.Shared() {
		return 0, nil
	}
	var events, revocations bool // most calls find nothing and need no transaction
	err = s.queryRow(ctx, `
		SELECT EXISTS (SELECT 1 FROM outbox WHERE position IS NULL), EXISTS (SELECT 1 FROM revocation WHERE position IS NULL)`,
		nil, &events, &revocations)
	if events && err == nil {
		stamped, err = s.stampEvents(ctx)
	}
	if revocations && err == nil {
		var more int
		more, err = s.stampRevocations(ctx)
		stamped += more
	}
	return stamped, err
}

var unstampedLong = sqls{
	mysql: `
		SELECT EXISTS (
			SELECT 1
			FROM outbox
			WHERE position IS NULL
			  AND noted < DATE_SUB(NOW(6), INTERVAL 1 SECOND))`,
	postgres: `
		SELECT EXISTS (
			SELECT 1
			FROM outbox
			WHERE position IS NULL
			  AND noted < CLOCK_TIMESTAMP() - INTERVAL '1 second')`,
}

// Unstamped reports whether an event older than a second, by the database's clock, has no position. Younger ones are
// normal under load. On SQLite it returns false.
func (s *Store) Unstamped(ctx context.Context) (waits bool, err error) {
	if !s.Shared() {
		return false, nil
	}
	err = s.queryRow(ctx, s.sql(unstampedLong), nil, &waits)
	return waits, err
}

// unstamped is a row without a position.
type unstamped struct {
	key     any
	count   int64
	forGate bool
}

func (s *Store) stampEvents(ctx context.Context) (int, error) {
	n, forGate, err := s.stampTable(ctx, "outbox", "id", `
		SELECT id, count, type IN ('stock.moved.v1', 'sale.changed.v1')
		FROM outbox
		WHERE position IS NULL
		ORDER BY noted, id
		LIMIT ?`, func(rows *sql.Rows) (u unstamped, err error) {
		var key []byte
		err = rows.Scan(&key, &u.count, &u.forGate)
		u.key = key
		return u, err
	})
	if forGate {
		wake(s.gateWake)
	}
	return n, err
}

func (s *Store) stampRevocations(ctx context.Context) (int, error) {
	n, _, err := s.stampTable(ctx, "revocation", "session_id", `
		SELECT session_id
		FROM revocation
		WHERE position IS NULL
		ORDER BY noted, session_id
		LIMIT ?`, func(rows *sql.Rows) (u unstamped, err error) {
		var key int64
		err = rows.Scan(&key)
		u.key, u.count = key, 1
		return u, err
	})
	return n, err
}

func (s *Store) stampTable(ctx context.Context, table, key, waiting string, scan func(*sql.Rows) (unstamped, error)) (n int, forGate bool, err error) {
	if err := crashpoint.Fail(crashpoint.StampBefore); err != nil {
		return 0, false, err
	}
	err = s.write(ctx, jobs, func(tx *Tx) error {
		n, forGate = 0, false
		var last int64
		if err := tx.QueryRow("SELECT position FROM stamp WHERE name = ?"+tx.sql(forUpdate), []any{table}, &last); err != nil {
			return err
		}
		rows, err := tx.Query(waiting, stampRowsMax)
		all, err := collect(rows, err, scan)
		if err != nil || len(all) == 0 {
			return err
		}
		n = len(all)
		end := last
		ends := make([]int64, n)
		for i, u := range all {
			end += u.count // a row has the position of its last event
			ends[i] = end
			forGate = forGate || u.forGate
		}
		if err := tx.s.ways.setPositions(tx, table, key, all, ends); err != nil {
			return err
		}
		moved, err := tx.Exec("UPDATE stamp SET position = ? WHERE name = ? AND position = ?", end, table, last)
		if err == nil && moved != 1 {
			err = fmt.Errorf("the positions of %s were given out by somebody else meanwhile", table)
		}
		return err
	})
	if err != nil {
		return 0, false, err
	}
	crashpoint.Pass(crashpoint.StampAfter)
	return n, forGate, nil
}

// nextNumber returns the next number of a table. On SQLite it returns nil, because SQLite numbers the rows itself. A
// number is not reused unless its transaction is rolled back.
func (tx *Tx) nextNumber(table string) (any, error) {
	if !tx.s.Shared() {
		return nil, nil
	}
	if _, err := tx.Exec("UPDATE stamp SET position = position + 1 WHERE name = ?", table); err != nil {
		return nil, err
	}
	var next int64
	err := tx.QueryRow("SELECT position FROM stamp WHERE name = ?", []any{table}, &next)
	return next, err
}

// errUnstamped says that a snapshot holds a change whose event has no position.
var errUnstamped = errors.New("a change has no position yet")

// settledTriesMax bounds the attempts to get a snapshot in which every change has its position. An attempt fails when a
// change is committed between the stamping and the snapshot.
const settledTriesMax = 100

// settled runs fn in a snapshot in which every event for the gate has its position. So no later event repeats what fn
// has seen. It returns fault.Overloaded if changes keep coming.
func (s *Store) settled(ctx context.Context, fn func(now view) error) error {
	if !s.Shared() {
		return s.snapshot(ctx, fn)
	}
	for try := range settledTriesMax {
		if _, err := s.StampStep(ctx); err != nil {
			return err
		}
		err := s.snapshot(ctx, func(now view) error {
			var waits bool
			if err := now.row(ctx, `
				SELECT EXISTS (
					SELECT 1
					FROM outbox
					WHERE position IS NULL
					  AND type IN ('stock.moved.v1', 'sale.changed.v1'))`).Scan(&waits); err != nil {
				return err
			}
			if waits {
				return unsettled()
			}
			return fn(now)
		})
		if !errors.Is(err, errUnstamped) {
			return err
		}
		engine.Pause(ctx, try)
	}
	return unsettled()
}

func unsettled() error {
	return fault.Wrap(fault.Overloaded, errUnstamped, "Stock and sales are being changed too fast to read them at one moment: try again.").After(time.Second)
}

// markersKept is how long a transaction's marker is kept: far longer than a lost COMMIT is investigated.
const markersKept = time.Hour

// markersMax bounds the markers that one transaction deletes.
const markersMax = 2000

var forgetMarkers = sqls{
	mysql: `
		DELETE FROM marker
		WHERE noted < DATE_SUB(NOW(6), INTERVAL ? SECOND)
		ORDER BY noted
		LIMIT ?`,
	postgres: `
		DELETE FROM marker
		WHERE id IN (
			SELECT id
			FROM marker
			WHERE noted < CLOCK_TIMESTAMP() - MAKE_INTERVAL(secs => ?)
			ORDER BY noted
			LIMIT ?)`,
}

// ForgetStep deletes expired markers and refusals of keys and returns their number. On SQLite there are none.
func (s *Store) ForgetStep(ctx context.Context) (int, error) {
	if !s.Shared() {
		return 0, nil
	}
	var n int64
	err := s.write(ctx, jobs, func(tx *Tx) (err error) {
		n, err = tx.Exec(tx.sql(forgetMarkers), int64(markersKept.Seconds()), markersMax)
		if err != nil {
			return err
		}
		refused, err := tx.Exec(tx.sql(forgetRefusedKeys), refusedKeysKept.Milliseconds(), markersMax)
		n += refused
		return err
	})
	return int(n), err
}
