// Package auditlog records who changed what, and why. The edge puts an Entry into the context, and the first write
// under that context that changes something stores it in the same transaction. So no change by an operator lacks its
// entry. A repeated request changes nothing and adds none, such as an adjustment with a used key.
package auditlog

import (
	"context"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/text"
)

// ReasonRunesMax bounds a reason: a few sentences.
const ReasonRunesMax = 500

// Entry is one action of an operator. It is not changed once it is in a context.
type Entry struct {
	ID id.AuditEntry
	At time.Time
	// Key is the admin key that was used; zero for the key that a running shop makes for itself. Actor is the key's
	// name.
	Key   id.AdminKey
	Actor string
	// Verb is the operation's name in the API contract: pauseSale.
	Verb string
	// Subject is the target: the id or the code in the operation's path, or the id of what was created.
	Subject string
	// Reason says why; it may be empty.
	Reason string
}

// Filter selects entries; a zero field selects all.
type Filter struct {
	Subject string
	Before  id.AuditEntry // older than this one
	Limit   int
}

type contextKey struct{}

// WithEntry returns a context whose first write also stores the entry.
func WithEntry(ctx context.Context, e Entry) context.Context {
	return context.WithValue(ctx, contextKey{}, &e)
}

// About returns a context whose entry has the subject, unless it has one: for what gets its id on the way.
func About(ctx context.Context, subject string) context.Context {
	e := EntryFrom(ctx)
	if e == nil || e.Subject != "" {
		return ctx
	}
	named := *e
	named.Subject = subject
	return WithEntry(ctx, named)
}

// EntryFrom returns the entry of a context; nil if it has none.
func EntryFrom(ctx context.Context) *Entry {
	e, _ := ctx.Value(contextKey{}).(*Entry)
	return e
}

// CleanReason returns a reason as it is stored; empty stays empty. It returns fault.Invalid with the field: see
// text.Clean.
func CleanReason(field, s string) (string, error) {
	return text.Clean(field, s, text.Line, 0, ReasonRunesMax)
}

// RequiredReason is CleanReason for a required reason.
func RequiredReason(field, s string) (string, error) {
	return text.Clean(field, s, text.Line, 1, ReasonRunesMax)
}
