package store

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/tidegate/tidegate/internal/account"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/store/engine"
)

// Writes in this file change a few rows and have the lower priority: a sign-in can wait for a batch of orders, but a
// batch must not wait for a wave of sign-ins.

var _ account.Store = (*Store)(nil)

// InsertCustomer implements account.CustomerStore.
func (s *Store) InsertCustomer(ctx context.Context, c account.Customer, passwordHash string) error {
	return s.write(ctx, jobs, func(tx *Tx) error {
		_, err := tx.Exec(`
			INSERT INTO customer (id, email, password_hash, created_at)
			VALUES (?, ?, ?, ?)`,
			c.ID, c.Email, passwordHash, millis(c.CreatedAt))
		if tx.refusedBy(engine.Unique, err) {
			return &fault.Error{Code: fault.Conflict, Field: "email", Detail: "This email address has an account; log in instead."}
		}
		return err
	})
}

// Customer implements account.CustomerStore.
func (s *Store) Customer(ctx context.Context, customer id.Customer) (account.Customer, error) {
	c, err := scanCustomer(func(into ...any) error {
		return s.queryRow(ctx, selectCustomer+`
			WHERE id = ?`,
			[]any{customer}, into...)
	})
	return c, notFound(err, "customer", customer)
}

const selectCustomer = `
		SELECT id, email, created_at, blocked_at
		FROM customer`

func scanCustomer(scan func(into ...any) error) (c account.Customer, err error) {
	var created, blocked int64
	if err := scan(&c.ID, &c.Email, &created, &blocked); err != nil {
		return account.Customer{}, err
	}
	c.CreatedAt, c.BlockedAt = fromMillis(created), fromMillis(blocked)
	return c, nil
}

// Customers implements account.CustomerStore.
func (s *Store) Customers(ctx context.Context, before id.Customer, limit int) ([]account.Customer, error) {
	if before == 0 {
		before = math.MaxInt64
	}
	rows, err := s.query(ctx, selectCustomer+`
		WHERE id < ?
		ORDER BY id DESC
		LIMIT ?`,
		before, limit)
	return collect(rows, err, func(r *sql.Rows) (account.Customer, error) { return scanCustomer(r.Scan) })
}

// SetBlocked implements account.CustomerStore.
func (s *Store) SetBlocked(ctx context.Context, customer id.Customer, since time.Time) (c account.Customer, err error) {
	err = s.write(ctx, jobs, func(tx *Tx) error {
		_, err := tx.Exec(`
			UPDATE customer
			SET blocked_at = ?
			WHERE id = ?
			AND (blocked_at = 0 OR ? = 0)`,
			millis(since), customer, min(millis(since), 1))
		if err != nil {
			return err
		}
		c, err = scanCustomer(func(into ...any) error {
			return tx.QueryRow(selectCustomer+`
				WHERE id = ?`,
				[]any{customer}, into...)
		})
		return notFound(err, "customer", customer)
	})
	if err != nil {
		return account.Customer{}, err
	}
	return c, nil
}

// CustomerByEmail implements account.CustomerStore.
func (s *Store) CustomerByEmail(ctx context.Context, email string) (account.Customer, string, error) {
	var passwordHash string
	c, err := scanCustomer(func(into ...any) error {
		return s.queryRow(ctx, `
			SELECT id, email, created_at, blocked_at, password_hash
			FROM customer
			WHERE email = ?`,
			[]any{email}, append(into, &passwordHash)...)
	})
	return c, passwordHash, notFound(err, "customer with the address", email)
}

// ReplacePasswordHash implements account.CustomerStore.
func (s *Store) ReplacePasswordHash(ctx context.Context, customer id.Customer, old, new string) error {
	return s.write(ctx, jobs, func(tx *Tx) error {
		_, err := tx.Exec(`
			UPDATE customer
			SET password_hash = ?
			WHERE id = ?
			AND password_hash = ?`,
			new, customer, old)
		return err
	})
}

// InsertSession implements account.SessionStore.
func (s *Store) InsertSession(ctx context.Context, v account.Session, openMax int, until time.Time) (ended []id.Session, err error) {
	err = s.write(ctx, jobs, func(tx *Tx) error {
		if err := tx.lockCustomer(v.Customer); err != nil {
			return err
		}
		_, err := tx.Exec(`
			INSERT INTO session (id, customer_id, family_hash, current_hash, previous_hash, salt, rotated_at, created_at, expires_at, revoked_at)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			v.ID, v.Customer, v.Family[:], v.Current[:], v.Previous[:], v.Salt[:],
			millis(v.RotatedAt), millis(v.CreatedAt), millis(v.ExpiresAt), millis(v.RevokedAt))
		if err != nil {
			return err
		}
		ended, err = openSessions(tx, v.Customer, v.CreatedAt, openMax)
		if err != nil {
			return err
		}
		return endSessions(tx, ended, v.CreatedAt, until)
	})
	if err != nil {
		return nil, err
	}
	return ended, nil
}

// openSessions returns the customer's open sessions, newest first, after skipping the first skip.
func openSessions(tx *Tx, customer id.Customer, now time.Time, skip int) ([]id.Session, error) {
	rows, err := tx.Query(`
		SELECT id
		FROM session
		WHERE customer_id = ?
		AND revoked_at = 0
		AND expires_at > ?
		ORDER BY id DESC
		LIMIT ? OFFSET ?`,
		customer, millis(now), int64(math.MaxInt64), skip)
	return collect(rows, err, func(r *sql.Rows) (open id.Session, err error) { return open, r.Scan(&open) })
}

// endSessions revokes those of the sessions that are open and adds them to the ledger. Their rows are deleted once
// every access token of theirs has expired.
func endSessions(tx *Tx, sessions []id.Session, now, until time.Time) error {
	for _, session := range sessions {
		ended, err := tx.Exec(`
			UPDATE session
			SET revoked_at = ?, expires_at = CASE WHEN expires_at < ? THEN expires_at ELSE ? END
			WHERE id = ?
			AND revoked_at = 0`,
			millis(now), millis(until), millis(until), session)
		if err != nil {
			return err
		}
		if ended == 0 {
			continue
		}
		_, err = tx.Exec(`
			INSERT INTO revocation (session_id, "until")
			VALUES (?, ?)`,
			session, millis(until))
		if err != nil {
			return err
		}
	}
	return nil
}

// Session implements account.SessionStore.
func (s *Store) Session(ctx context.Context, session id.Session) (account.Session, error) {
	v, err := scanSession(func(into ...any) error {
		return s.queryRow(ctx, selectSession+`
			WHERE id = ?`,
			[]any{session}, into...)
	})
	return v, notFound(err, "session", session)
}

const selectSession = `
		SELECT id, customer_id, family_hash, current_hash, previous_hash, salt, rotated_at, created_at, expires_at, revoked_at
		FROM session`

func scanSession(scan func(into ...any) error) (v account.Session, err error) {
	var rotated, created, expires, revoked int64
	err = scan(&v.ID, &v.Customer, exactly(v.Family[:]), exactly(v.Current[:]), exactly(v.Previous[:]), exactly(v.Salt[:]),
		&rotated, &created, &expires, &revoked)
	if err != nil {
		return account.Session{}, err
	}
	v.RotatedAt, v.CreatedAt, v.ExpiresAt, v.RevokedAt = fromMillis(rotated), fromMillis(created), fromMillis(expires), fromMillis(revoked)
	return v, nil
}

// OpenSessions implements account.SessionStore.
func (s *Store) OpenSessions(ctx context.Context, customer id.Customer, now time.Time, limit int) ([]account.Session, error) {
	rows, err := s.query(ctx, selectSession+`
		WHERE customer_id = ?
		AND revoked_at = 0
		AND expires_at > ?
		ORDER BY id DESC
		LIMIT ?`,
		customer, millis(now), limit)
	return collect(rows, err, func(r *sql.Rows) (account.Session, error) { return scanSession(r.Scan) })
}

// RotateSession implements account.SessionStore by a compare-and-set on the current hash: of two concurrent refreshes
// one rotates and the other learns of it.
func (s *Store) RotateSession(ctx context.Context, v account.Session, from account.Hash) (done bool, err error) {
	err = s.write(ctx, jobs, func(tx *Tx) error {
		changed, err := tx.Exec(`
			UPDATE session
			SET current_hash = ?, previous_hash = ?, salt = ?, rotated_at = ?, expires_at = ?
			WHERE id = ?
			AND current_hash = ?
			AND revoked_at = 0`,
			v.Current[:], v.Previous[:], v.Salt[:], millis(v.RotatedAt), millis(v.ExpiresAt), v.ID, from[:])
		done = changed == 1
		return err
	})
	return done && err == nil, err
}

// RevokeSession implements account.SessionStore.
func (s *Store) RevokeSession(ctx context.Context, session id.Session, now, until time.Time) error {
	return s.write(ctx, jobs, func(tx *Tx) error {
		return endSessions(tx, []id.Session{session}, now, until)
	})
}

// RevokeSessions implements account.SessionStore.
func (s *Store) RevokeSessions(ctx context.Context, customer id.Customer, now, until time.Time) (ended []id.Session, err error) {
	err = s.write(ctx, jobs, func(tx *Tx) error {
		if ended, err = openSessions(tx, customer, now, 0); err != nil {
			return err
		}
		return endSessions(tx, ended, now, until)
	})
	if err != nil {
		return nil, err
	}
	return ended, nil
}

// Revocations implements account.SessionStore. Positions follow the order of commits.
func (s *Store) Revocations(ctx context.Context, after int64, now time.Time, limit int) ([]account.Revocation, error) {
	rows, err := s.query(ctx, `
		SELECT position, session_id, "until"
		FROM revocation
		WHERE position > ?
		AND "until" > ?
		ORDER BY position
		LIMIT ?`,
		after, millis(now), limit)
	return collect(rows, err, func(r *sql.Rows) (v account.Revocation, err error) {
		var until int64
		err = r.Scan(&v.Position, &v.Session, &until)
		v.Until = fromMillis(until)
		return v, err
	})
}

// MySQL does not allow a subquery with a limit inside IN. It does not need one: DELETE takes a limit.
var (
	deleteSessions = sqls{
		sqlite: `
			DELETE FROM session
			WHERE id IN (SELECT id FROM session WHERE expires_at <= ? LIMIT ?)`,
		mysql: `
			DELETE FROM session
			WHERE expires_at <= ?
			ORDER BY expires_at
			LIMIT ?`,
		postgres: `
			DELETE FROM session
			WHERE id IN (SELECT id FROM session WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)`,
	}
	deleteRevocations = sqls{
		sqlite: `
			DELETE FROM revocation
			WHERE position IN (SELECT position FROM revocation WHERE "until" <= ? LIMIT ?)`,
		mysql: `
			DELETE FROM revocation
			WHERE "until" <= ?
			ORDER BY "until"
			LIMIT ?`,
		postgres: `
			DELETE FROM revocation
			WHERE session_id IN (SELECT session_id FROM revocation WHERE "until" <= ? ORDER BY "until" LIMIT ?)`,
	}
)

// DeleteEndedSessions implements account.SessionStore.
func (s *Store) DeleteEndedSessions(ctx context.Context, now time.Time, limit int) (deleted int, err error) {
	// Most runs find nothing. Look first, without the writer.
	var found bool
	err = s.queryRow(ctx, `
		SELECT EXISTS (SELECT 1 FROM session WHERE expires_at <= ?)
			OR EXISTS (SELECT 1 FROM revocation WHERE "until" <= ?)`,
		[]any{millis(now), millis(now)}, &found)
	if err != nil || !found {
		return 0, err
	}
	err = s.write(ctx, jobs, func(tx *Tx) error {
		sessions, err := tx.Exec(tx.sql(deleteSessions), millis(now), limit)
		if err != nil {
			return err
		}
		revocations, err := tx.Exec(tx.sql(deleteRevocations), millis(now), limit)
		deleted = int(sessions + revocations)
		return err
	})
	if err != nil {
		return 0, err
	}
	return deleted, nil
}

// InsertKey implements account.KeyStore.
func (s *Store) InsertKey(ctx context.Context, k account.Key, secret account.Hash, keysMax int) error {
	return s.write(ctx, jobs, func(tx *Tx) error {
		inserted, err := tx.Exec(`
			INSERT INTO admin_key (id, name, roles, secret_hash, created_at, revoked_at)
			SELECT ?, ?, ?, ?, ?, 0
			FROM (SELECT COUNT(*) AS good FROM admin_key WHERE revoked_at = 0) AS keys_now
			WHERE good < ?`,
			k.ID, k.Name, k.Roles.String(), secret[:], millis(k.CreatedAt), keysMax)
		if err == nil && inserted == 0 {
			return fault.New(fault.Conflict, "There are %d admin keys already; revoke those that are not used.", keysMax)
		}
		return err
	})
}

// KeyWithHash implements account.KeyStore.
func (s *Store) KeyWithHash(ctx context.Context, key id.AdminKey) (account.Key, account.Hash, error) {
	row, err := scanKey(func(into ...any) error {
		return s.queryRow(ctx, selectKey+`
			WHERE id = ?`,
			[]any{key}, into...)
	})
	if err != nil {
		return account.Key{}, account.Hash{}, notFound(err, "admin key", key)
	}
	return row.Key, row.secret, nil
}

// Keys implements account.KeyStore.
func (s *Store) Keys(ctx context.Context, after id.AdminKey, limit int) ([]account.Key, error) {
	rows, err := s.query(ctx, selectKey+`
		WHERE id > ?
		ORDER BY id
		LIMIT ?`,
		after, limit)
	return collect(rows, err, func(r *sql.Rows) (account.Key, error) {
		row, err := scanKey(r.Scan)
		return row.Key, err
	})
}

// RevokeKey implements account.KeyStore.
func (s *Store) RevokeKey(ctx context.Context, key id.AdminKey, now time.Time) (account.Key, error) {
	var row keyRow
	err := s.write(ctx, jobs, func(tx *Tx) error {
		_, err := tx.Exec(`
			UPDATE admin_key
			SET revoked_at = ?
			WHERE id = ?
			AND revoked_at = 0`,
			millis(now), key)
		if err != nil {
			return err
		}
		row, err = scanKey(func(into ...any) error {
			return tx.QueryRow(selectKey+`
				WHERE id = ?`,
				[]any{key}, into...)
		})
		return notFound(err, "admin key", key)
	})
	if err != nil {
		return account.Key{}, err
	}
	return row.Key, nil
}

const selectKey = `
		SELECT id, name, roles, secret_hash, created_at, revoked_at
		FROM admin_key`

type keyRow struct {
	account.Key
	secret account.Hash
}

func scanKey(scan func(into ...any) error) (row keyRow, err error) {
	var roles string
	var created, revoked int64
	if err := scan(&row.ID, &row.Name, &roles, exactly(row.secret[:]), &created, &revoked); err != nil {
		return keyRow{}, err
	}
	if row.Roles, err = account.ParseRoles(strings.Fields(roles)); err != nil {
		// A fault would be shown to the caller as their own mistake.
		return keyRow{}, fmt.Errorf("admin key %s: its roles are stored as %q", row.ID, roles)
	}
	row.CreatedAt, row.RevokedAt = fromMillis(created), fromMillis(revoked)
	return row, nil
}

// exactly scans a BLOB whose length must equal its own.
type exactly []byte

// Scan implements sql.Scanner.
func (e exactly) Scan(src any) error {
	b, isBlob := src.([]byte)
	if !isBlob || len(b) != len(e) {
		return fmt.Errorf("a column of type %T with %d bytes where %d were expected", src, len(b), len(e))
	}
	copy(e, b)
	return nil
}
