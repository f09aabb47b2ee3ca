package account

import (
	"context"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/auditlog"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// Store keeps customers, sessions and keys. Its methods are safe for concurrent use, and each is one transaction; a
// write has been committed when it returns nil. Beside the faults that a method names it returns StoreUnavailable,
// StoreFull and TimedOut.
type Store interface {
	CustomerStore
	SessionStore
	KeyStore
	ConsoleStore
	LogStore
}

// CustomerStore keeps customers and the hashes of their passwords.
type CustomerStore interface {
	// InsertCustomer adds a customer. It returns Conflict when the address is taken.
	InsertCustomer(ctx context.Context, c Customer, passwordHash string) error
	// Customer returns a customer. It returns NotFound.
	Customer(ctx context.Context, customer id.Customer) (Customer, error)
	// CustomerByEmail returns the customer of a normalised address, and the hash. It returns NotFound.
	CustomerByEmail(ctx context.Context, email string) (c Customer, passwordHash string, err error)
	// Customers returns customers, newest first, older than before where that is not zero, at most limit.
	Customers(ctx context.Context, before id.Customer, limit int) ([]Customer, error)
	// SetBlocked stores since when a customer is blocked, the zero time for not, and returns them. Blocking one who is blocked
	// leaves the time as it is. It returns NotFound.
	SetBlocked(ctx context.Context, customer id.Customer, since time.Time) (Customer, error)
	// ReplacePasswordHash stores another hash, unless the stored one is no longer the old one: then it does nothing.
	ReplacePasswordHash(ctx context.Context, customer id.Customer, old, new string) error
}

// SessionStore keeps sessions, and the ledger of those that were ended.
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
	// RevokeSession ends a session and enters it in the ledger, to be remembered until the time. Ending one that has
	// ended, or is not there, does nothing.
	RevokeSession(ctx context.Context, session id.Session, now, until time.Time) error
	// RevokeSessions ends every open session of the customer likewise and returns them.
	RevokeSessions(ctx context.Context, customer id.Customer, now, until time.Time) ([]id.Session, error)
	// Revocations returns entries of the ledger after the position and whose Until is after now, oldest first, at most
	// limit. An entry committed after one call has a position beyond all that the call returned.
	Revocations(ctx context.Context, after int64, now time.Time, limit int) ([]Revocation, error)
	// DeleteEndedSessions deletes sessions that have expired and entries of the ledger whose Until has passed, at most
	// limit of each, and returns how many it deleted.
	DeleteEndedSessions(ctx context.Context, now time.Time, limit int) (int, error)
}

// KeyStore keeps admin API keys, found by id and compared by hash.
type KeyStore interface {
	// InsertKey adds a key, unless keysMax are good already: then it returns Conflict.
	InsertKey(ctx context.Context, k Key, secret Hash, keysMax int) error
	// KeyWithHash returns a key, revoked or not, and the hash of its text. It returns NotFound.
	KeyWithHash(ctx context.Context, key id.AdminKey) (Key, Hash, error)
	// Keys returns keys, revoked ones too, by id beyond after, at most limit.
	Keys(ctx context.Context, after id.AdminKey, limit int) ([]Key, error)
	// RevokeKey ends a key and returns it; one that is ended stays as it is. It returns NotFound.
	RevokeKey(ctx context.Context, key id.AdminKey, now time.Time) (Key, error)
}

// ConsoleStore keeps sign-ins to the console.
type ConsoleStore interface {
	// InsertConsole adds a sign-in and ends the key's oldest beyond openMax.
	InsertConsole(ctx context.Context, c Console, openMax int) error
	// Console returns a sign-in. It returns NotFound for one that was ended.
	Console(ctx context.Context, session id.Session) (Console, error)
	// DeleteConsole ends a sign-in. One that is not there is let be.
	DeleteConsole(ctx context.Context, session id.Session) error
	// DeleteEndedConsoles deletes sign-ins that have expired, at most limit, and returns how many.
	DeleteEndedConsoles(ctx context.Context, now time.Time, limit int) (int, error)
}

// LogStore reads the audit log, which is written with what it tells: see auditlog.With.
type LogStore interface {
	// AuditLog returns entries, newest first.
	AuditLog(ctx context.Context, f auditlog.Filter) ([]auditlog.Entry, error)
	// NoteDeed writes the entry of a context, unless a write under it has: for a deed whose effect is kept elsewhere.
	NoteDeed(ctx context.Context) error
}
