package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/crashpoint"
	"github.com/tidegate/tidegate/internal/kernel/fault"
)

// On SQLite the row's own number is its position, and it follows the order of commits. On MySQL many commit at once: a row
// is inserted without a position and stamped later, by one at a time. Only what is committed is stamped, from the last position on,
// so whoever has read up to a position has missed nothing before it.

// stampRowsMax bounds the rows that one transaction stamps.
const stampRowsMax = 500

// StampWake is signalled after each commit that wrote an event. It is never signalled on SQLite.
func (s *Store) StampWake() <-chan struct{} { return s.stampWake }

// Shared reports whether other processes may write the same data: then events wait for StampStep before anybody can read
// them, and work that one process should do at a time needs a lease.
func (s *Store) Shared() bool { return s.my != nil }

// StampStep gives a position to events and revocations that have none yet, and returns how many. Two may run it at once:
// one waits for the other, and a compare-and-set on the last position stands behind that. On SQLite there is nothing to do.
func (s *Store) StampStep(ctx context.Context) (stamped int, err error) {
	if s.my == nil {
		return 0, nil
	}
	var events, revocations bool // most looks find nothing, and need no transaction
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

// Unstamped reports whether an event of more than a second ago, by the database's clock, has no position yet: younger ones
// always come while a crowd orders. On SQLite there is none.
func (s *Store) Unstamped(ctx context.Context) (waits bool, err error) {
	if s.my == nil {
		return false, nil
	}
	err = s.queryRow(ctx, `
		SELECT EXISTS (
			SELECT 1
			FROM outbox
			WHERE position IS NULL
			  AND noted < DATE_SUB(NOW(6), INTERVAL 1 SECOND))`, nil, &waits)
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
		SELECT id, count, COALESCE(for_gate, 0)
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
		s.wakeGate()
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
		if err := tx.QueryRow("SELECT position FROM stamp WHERE name = ? FOR UPDATE", []any{table}, &last); err != nil {
			return err
		}
		rows, err := tx.Query(waiting, stampRowsMax)
		all, err := collect(rows, err, scan)
		if err != nil || len(all) == 0 {
			return err
		}
		n = len(all)
		end := last
		cases := make([]any, 0, 3*n) // and the keys behind them
		keys := make([]any, n)
		for i, u := range all {
			end += u.count // a row stands at the position of its last event
			cases = append(cases, u.key, end)
			keys[i] = u.key
			forGate = forGate || u.forGate
		}
		_, err = tx.Exec(`
			UPDATE `+table+`
			SET position = CASE `+key+strings.Repeat(" WHEN ? THEN ?", n)+` END
			WHERE `+key+` IN (`+marks(n)+`)
			  AND position IS NULL`, append(cases, keys...)...)
		if err != nil {
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

// nextNumber returns the next number of a table whose rows SQLite numbers itself, or, on SQLite, nothing: the row's number
// is NULL then. A number is not given out again, unless the transaction that took it is rolled back.
func (tx *Tx) nextNumber(table string) (any, error) {
	if tx.my == nil {
		return nil, nil
	}
	if _, err := tx.Exec("UPDATE stamp SET position = position + 1 WHERE name = ?", table); err != nil {
		return nil, err
	}
	var next int64
	err := tx.QueryRow("SELECT position FROM stamp WHERE name = ?", []any{table}, &next)
	return next, err
}

// errUnstamped says that a snapshot holds a change whose event has no position yet.
var errUnstamped = errors.New("a change has no position yet")

// settledTriesMax bounds the tries for a snapshot in which every change has its position: each time one was committed
// between the stamping and the snapshot.
const settledTriesMax = 100

// settled runs fn in a snapshot in which every event that the gate follows has its position: none of what fn sees is told
// to it once more by an event after the last position. It returns fault.Overloaded where changes came too thickly.
func (s *Store) settled(ctx context.Context, fn func(now view) error) error {
	if s.my == nil {
		return s.snapshot(ctx, fn)
	}
	for try := range settledTriesMax {
		if _, err := s.StampStep(ctx); err != nil {
			return err
		}
		err := s.snapshot(ctx, func(now view) error {
			var waits bool
			if err := now.row(ctx, "SELECT EXISTS (SELECT 1 FROM outbox WHERE for_gate = 1 AND position IS NULL)").Scan(&waits); err != nil {
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
		pause(ctx, try)
	}
	return unsettled()
}

func unsettled() error {
	return fault.Wrap(fault.Overloaded, errUnstamped, "Stock and sales are being changed too fast to read them at one moment: try again.").After(time.Second)
}

// markersKept is how long a transaction's marker is kept: far longer than anybody asks for it.
const markersKept = time.Hour

// markersMax bounds the markers that one transaction deletes.
const markersMax = 2000

// ForgetStep deletes markers of transactions that nobody asks for any more, and returns how many. On SQLite there are none.
func (s *Store) ForgetStep(ctx context.Context) (int, error) {
	if s.my == nil {
		return 0, nil
	}
	var n int64
	err := s.write(ctx, jobs, func(tx *Tx) (err error) {
		n, err = tx.Exec(`
			DELETE FROM marker
			WHERE noted < DATE_SUB(NOW(6), INTERVAL ? SECOND)
			ORDER BY noted
			LIMIT ?`, int64(markersKept.Seconds()), markersMax)
		return err
	})
	return int(n), err
}
