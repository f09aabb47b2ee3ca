// Package auditlog is the words for who changed what, and why. What an operator does is written in the transaction that does
// it: the edge puts an Entry into the context, and the first write under it takes it along. So no change by an operator is
// without its entry. A repeated request that found its work done, such as an adjustment with a key that was used, has one too.
package auditlog

import (
	"context"
	"time"
	"unicode/utf8"

	"github.com/tidegate/tidegate/internal/kernel/id"
)

// ReasonBytesMax bounds a reason: a few sentences.
const ReasonBytesMax = 500

// Entry is one thing that an operator did. It is not changed once it is in a context.
type Entry struct {
	ID id.AuditEntry
	At time.Time
	// Key is the admin key that it was done with; zero for the one that a running shop makes for itself. Actor is its name.
	Key   id.AdminKey
	Actor string
	// Verb names what was done, as the contract names the operation: pauseSale.
	Verb string
	// Subject is what it was done to, as it stands in the operation's path: an id or a code; empty where there is none.
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

// With returns a context under which the first write takes the entry along.
func With(ctx context.Context, e Entry) context.Context {
	return context.WithValue(ctx, contextKey{}, &e)
}

// From returns the entry of a context; nil where there is none.
func From(ctx context.Context) *Entry {
	e, _ := ctx.Value(contextKey{}).(*Entry)
	return e
}

// CleanReason shortens a reason to ReasonBytesMax, at a character's end.
func CleanReason(s string) string {
	if len(s) <= ReasonBytesMax {
		return s
	}
	s = s[:ReasonBytesMax]
	for len(s) > 0 {
		if r, size := utf8.DecodeLastRuneInString(s); r != utf8.RuneError || size > 1 {
			break
		}
		s = s[:len(s)-1]
	}
	return s
}
