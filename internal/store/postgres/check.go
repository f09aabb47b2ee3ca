package postgres

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// clockApartMax bounds the difference between the server's clock and this machine's: leases use the one, orders the
// other.
const clockApartMax = 2 * time.Second

// oldest is the first supported version, as server_version_num.
const oldest = 150000

// settings holds the server's settings.
type settings struct {
	version, number                       string
	standby                               bool
	fsync, pages, commit, reads, encoding string
	now                                   int64 // milliseconds
}

// Check implements engine.Address.
func (a Address) Check(ctx context.Context, db *sql.DB, setting string) (version string, unsafe []string, err error) {
	began := time.Now()
	var s settings
	err = db.QueryRowContext(ctx, `
		SELECT VERSION(), CURRENT_SETTING('server_version_num'), PG_IS_IN_RECOVERY(), CURRENT_SETTING('fsync'), CURRENT_SETTING('full_page_writes'),
		       CURRENT_SETTING('synchronous_commit'), CURRENT_SETTING('default_transaction_read_only'), CURRENT_SETTING('server_encoding'),
		       CAST(EXTRACT(EPOCH FROM CLOCK_TIMESTAMP()) * 1000 AS BIGINT)`).
		Scan(&s.version, &s.number, &s.standby, &s.fsync, &s.pages, &s.commit, &s.reads, &s.encoding, &s.now)
	if err != nil {
		return "", nil, a.Explain(err, setting)
	}
	took := time.Since(began)
	if why := s.unusable(); why != "" {
		return "", nil, fmt.Errorf("PostgreSQL at %s (%s) %s", a, setting, why)
	}
	unsafe = s.unsafe()
	if apart := time.UnixMilli(s.now).Sub(began); apart < -clockApartMax || apart > took+clockApartMax {
		unsafe = append(unsafe, fmt.Sprintf("its clock is %s away from this machine's (synchronise both)", apart.Abs().Round(time.Millisecond)))
	}
	version = strings.TrimPrefix(s.version, "PostgreSQL ")
	version, _, _ = strings.Cut(version, " ")
	return "PostgreSQL " + version, unsafe, nil
}

// sharedSession describes a pooler that gives each transaction another server session, such as PgBouncer with pool_mode
// transaction.
const sharedSession = "is behind a pooler that shares sessions between connections: prepared statements, settings and locks would be others'. Set its pool_mode to session, or name the server itself"

// ownSessions refuses a pooler that shares sessions. It detects one if a setting of one connection appears in another,
// or is lost while another has a transaction open.
func (a Address) ownSessions(ctx context.Context, db *sql.DB) error {
	one, err := db.Conn(ctx)
	if err != nil {
		return a.Explain(err, "store.primary")
	}
	defer func() { _ = one.Close() }()
	other, err := db.Conn(ctx)
	if err != nil {
		return a.Explain(err, "store.primary")
	}
	defer func() { _ = other.Close() }()
	mine := rand.Text()
	if _, err := one.ExecContext(ctx, "SET tidegate.session = '"+mine+"'"); err != nil {
		return a.Explain(err, "store.primary")
	}
	tx, err := other.BeginTx(ctx, nil)
	if err != nil {
		return a.Explain(err, "store.primary")
	}
	defer func() { _ = tx.Rollback() }()
	const session = "SELECT COALESCE(CURRENT_SETTING('tidegate.session', TRUE), '')"
	var seen, kept string
	err = tx.QueryRowContext(ctx, session).Scan(&seen)
	if err == nil {
		err = one.QueryRowContext(ctx, session).Scan(&kept)
	}
	if err != nil {
		return a.Explain(err, "store.primary")
	}
	if seen == mine || kept != mine {
		return fmt.Errorf("PostgreSQL at %s (store.primary) %s", a, sharedSession)
	}
	return nil
}

// unusable returns why the server cannot be used, or an empty string.
func (s settings) unusable() string {
	var number int
	if _, err := fmt.Sscan(s.number, &number); err != nil || number < oldest {
		return fmt.Sprintf("is version %s: the shop needs %d or newer", s.number, oldest/10000)
	}
	switch {
	case strings.HasPrefix(s.version, "CockroachDB"):
		return "is CockroachDB, whose advisory locks hold nothing: the shop needs PostgreSQL"
	case s.standby:
		return "is a standby, which takes no writes: name the primary"
	case s.encoding != "UTF8":
		return fmt.Sprintf("keeps texts as %s: make the database anew, with ENCODING 'UTF8'", s.encoding)
	}
	return ""
}

// unsafe returns settings that could lose a commit or block every commit.
func (s settings) unsafe() (unsafe []string) {
	say := func(text string) { unsafe = append(unsafe, text) }
	if s.fsync != "on" {
		say("fsync is off, so that a power loss takes commits and tears the database (set it to on)")
	}
	if s.pages != "on" {
		say("full_page_writes is off, so that a power loss can tear a page (set it to on, unless the file system writes pages whole)")
	}
	if s.commit == "off" {
		say("synchronous_commit is off, so that a power loss takes commits of the last moments (set it to on)")
	}
	if s.reads == "on" {
		say("default_transaction_read_only is on, so it is no primary (name the primary)")
	}
	return unsafe
}

// Refuses implements engine.Address.
func (a Address) Refuses(err error) bool {
	_, said := errors.AsType[*pgconn.PgError](err)
	return said
}

// Explain implements engine.Address.
func (a Address) Explain(err error, setting string) error {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch e.Code {
		case "28P01", "28000":
			return fmt.Errorf("PostgreSQL at %s refuses the user %q: correct the name or the password in %s, or let it in with pg_hba.conf", a, a.config.User, setting)
		case "3D000":
			return fmt.Errorf("PostgreSQL at %s has no such database: CREATE DATABASE %s there, or name another in %s", a, a.config.Database, setting)
		case "42501":
			return fmt.Errorf("PostgreSQL at %s does not let the user %q use the database %s: GRANT ALL ON DATABASE %s TO that user, or name another in %s", a, a.config.User, a.config.Database, a.config.Database, setting)
		}
		return fmt.Errorf("PostgreSQL at %s (%s) cannot be used: %s (%s)", a, setting, e.Message, e.Code)
	}
	if errors.Is(err, context.Canceled) {
		return err
	}
	return fmt.Errorf("PostgreSQL at %s does not answer: start it, or correct the address in %s", a, setting)
}
