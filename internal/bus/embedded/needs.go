package embedded

import (
	"context"
	"time"

	"github.com/tidegate/tidegate/internal/delivery"
	"github.com/tidegate/tidegate/internal/kernel/event"
	"github.com/tidegate/tidegate/internal/kernel/lease"
)

// Store is the database as the bus needs it. It is safe for concurrent use.
type Store interface {
	lease.Store
	// EventsOf reads up to limit events after a position, in the order of commits. types, if not empty, selects types.
	// upTo is how far it has read: it has returned or skipped everything up to there.
	EventsOf(ctx context.Context, after int64, limit int, types []string) (events []event.Event, upTo int64, err error)
	// NewestEvent returns the position of the newest event; zero if there is no event.
	NewestEvent(ctx context.Context) (int64, error)
	// AppendEvents appends events in one transaction, with new positions.
	AppendEvents(ctx context.Context, events []event.Event) error
	// EnterGroups gives each new group a cursor at the newest event.
	EnterGroups(ctx context.Context, groups []string) error
	// Cursor returns a group's cursor. It returns fault.NotFound.
	Cursor(ctx context.Context, group string) (delivery.Cursor, error)
	// ParkedDue lists up to limit due messages, without those behind an earlier message of their key that is not due.
	ParkedDue(ctx context.Context, group string, now time.Time, limit int) ([]delivery.RetryMessage, error)
	// ParkedKeys lists the keys with a waiting message.
	ParkedKeys(ctx context.Context, group string) ([]string, error)
	// SettleDelivery records a group's progress in one transaction. It returns delivery.ErrFenced.
	SettleDelivery(ctx context.Context, s delivery.Progress) error
	// Park lets messages wait for a group.
	Park(ctx context.Context, group string, all []delivery.RetryMessage) error
}
