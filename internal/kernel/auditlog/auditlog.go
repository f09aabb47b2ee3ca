// Package auditlog is the words for who changed what, and why. What an operator does is written in the transaction that does
// it: the edge puts an Entry into the context, and the first write under it takes it along. So no change by an operator is
// without its entry. A repeated request that finds its work done changes nothing and adds none, such as an adjustment with a key that was used.
package auditlog

import (
	"context"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/text"
)

// ReasonRunesMax bounds a reason: a few sentences.
const ReasonRunesMax = 500

// Entry is one thing that an operator did. It is not changed once it is in a context.
type Entry struct {
	ID id.AuditEntry
	At time.Time
	// Key is the admin key that it was done with; zero for the one that a running shop makes for itself. Actor is its name.
	Key   id.AdminKey
	Actor string
	// Verb names what was done, as the contract names the operation: pauseSale.
	Verb string
	// Subject is what it was done to: the id or the code in the operation's path, or the id of what was created.
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

// WithEntry returns a context under which the first write takes the entry along.
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

// CleanReason returns a reason as it is stored; empty stays empty. It returns fault.Invalid of the field: see text.Clean.
func CleanReason(field, s string) (string, error) {
	return text.Clean(field, s, text.Line, 0, ReasonRunesMax)
}

// RequiredReason is CleanReason of a reason that must be given.
func RequiredReason(field, s string) (string, error) {
	return text.Clean(field, s, text.Line, 1, ReasonRunesMax)
}
