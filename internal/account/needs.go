package account

import (
	"context"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/auditlog"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// Store keeps customers, sessions and keys. It is safe for concurrent use. Each method is one transaction, and a write
// that returns nil has been committed. Every method may also return StoreUnavailable, StoreFull and TimedOut.
type Store interface {
	CustomerStore
	SessionStore
	KeyStore
	ConsoleStore
	LogStore
}

// CustomerStore keeps customers and the hashes of their passwords.
type CustomerStore interface {
	// InsertCustomer adds a customer. It returns Conflict if the address is taken.
	InsertCustomer(ctx context.Context, c Customer, passwordHash string) error
	// Customer returns a customer. It returns NotFound.
	Customer(ctx context.Context, customer id.Customer) (Customer, error)
	// CustomerByEmail returns the customer with a normalised address, and the password hash. It returns NotFound.
	CustomerByEmail(ctx context.Context, email string) (c Customer, passwordHash string, err error)
	// Customers returns customers, newest first, at most limit. before, if not zero, selects older ones only.
	Customers(ctx context.Context, before id.Customer, limit int) ([]Customer, error)
	// SetBlocked stores the time since when a customer is blocked, or zero to unblock, and returns the customer.
	// Blocking a blocked customer keeps the earlier time. It returns NotFound.
	SetBlocked(ctx context.Context, customer id.Customer, since time.Time) (Customer, error)
	// ReplacePasswordHash stores the new hash if the stored hash is still the old one.
	ReplacePasswordHash(ctx context.Context, customer id.Customer, old, new string) error
}

// SessionStore keeps sessions, and the ledger of revocations.
type SessionStore interface {
	// InsertSession adds a session and ends the customer's oldest open ones beyond openMax, as RevokeSessions does. It
	// returns those it ended.
	InsertSession(ctx context.Context, s Session, openMax int, until time.Time) ([]id.Session, error)
	// Session returns a session, ended or not. It returns NotFound.
	Session(ctx context.Context, session id.Session) (Session, error)
	// OpenSessions returns the customer's sessions that have neither ended nor expired, newest first, at most limit.
	OpenSessions(ctx context.Context, customer id.Customer, now time.Time, limit int) ([]Session, error)
	// RotateSession stores what a refresh changes (Current, Previous, Salt, RotatedAt, ExpiresAt) if the session is open
	// and its Current is still from. It reports whether it did.
	RotateSession(ctx context.Context, s Session, from Hash) (bool, error)
	// RevokeSession ends a session and adds it to the ledger until the time. It does nothing if the session has ended
	// or does not exist.
	RevokeSession(ctx context.Context, session id.Session, now, until time.Time) error
	// RevokeSessions ends every open session of the customer in the same way and returns them.
	RevokeSessions(ctx context.Context, customer id.Customer, now, until time.Time) ([]id.Session, error)
	// Revocations returns the ledger's entries after the position with an Until after now, oldest first, at most limit.
	// An entry committed after a call has a position above all that the call returned.
	Revocations(ctx context.Context, after int64, now time.Time, limit int) ([]Revocation, error)
	// DeleteEndedSessions deletes expired sessions, and ledger entries whose Until has passed, at most limit of each.
	// It returns their number.
	DeleteEndedSessions(ctx context.Context, now time.Time, limit int) (int, error)
}

// KeyStore keeps admin API keys. They are found by id and compared by hash.
type KeyStore interface {
	// InsertKey adds a key. It returns Conflict if there are keysMax valid keys already.
	InsertKey(ctx context.Context, k Key, secret Hash, keysMax int) error
	// KeyWithHash returns a key, revoked or not, and the hash of its text. It returns NotFound.
	KeyWithHash(ctx context.Context, key id.AdminKey) (Key, Hash, error)
	// Keys returns keys with ids above after, including revoked ones, at most limit.
	Keys(ctx context.Context, after id.AdminKey, limit int) ([]Key, error)
	// RevokeKey revokes a key and returns it; a revoked key stays as it is. It returns NotFound.
	RevokeKey(ctx context.Context, key id.AdminKey, now time.Time) (Key, error)
}

// ConsoleStore keeps sign-ins to the console.
type ConsoleStore interface {
	// InsertConsole adds a sign-in and ends the key's oldest ones beyond openMax.
	InsertConsole(ctx context.Context, c Console, openMax int) error
	// Console returns a sign-in. It returns NotFound for an ended one.
	Console(ctx context.Context, session id.Session) (Console, error)
	// DeleteConsole ends a sign-in. It does nothing if there is none.
	DeleteConsole(ctx context.Context, session id.Session) error
	// DeleteEndedConsoles deletes expired sign-ins, at most limit, and returns their number.
	DeleteEndedConsoles(ctx context.Context, now time.Time, limit int) (int, error)
}

// LogStore reads the audit log. Each entry is written with the change it describes: see auditlog.WithEntry.
type LogStore interface {
	// AuditLog returns entries, newest first.
	AuditLog(ctx context.Context, f auditlog.Filter) ([]auditlog.Entry, error)
	// NoteDeed writes the context's entry unless a write has already done so. It is for a change that is stored
	// elsewhere.
	NoteDeed(ctx context.Context) error
}
