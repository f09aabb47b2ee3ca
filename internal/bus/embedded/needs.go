package embedded

import (
	"context"
	"time"

	"github.com/tidegate/tidegate/internal/delivery"
	"github.com/tidegate/tidegate/internal/kernel/event"
	"github.com/tidegate/tidegate/internal/kernel/lease"
)

// Store is what the bus needs of the database. Safe for concurrent use.
type Store interface {
	lease.Store
	// EventsOf reads, in the order of commits, up to limit events after a position, those of these types alone where there
	// are any, and how far it has read: everything up to there was passed or is among them.
	EventsOf(ctx context.Context, after int64, limit int, types []string) (events []event.Event, upTo int64, err error)
	// NewestEvent returns the position of the newest event; zero if there is no event.
	NewestEvent(ctx context.Context) (int64, error)
	// AppendEvents appends events in one transaction, with positions of their own.
	AppendEvents(ctx context.Context, events []event.Event) error
	// EnterGroups gives each group that is new a cursor at the newest event.
	EnterGroups(ctx context.Context, groups []string) error
	// Cursor reads how far a group is. It returns fault.NotFound.
	Cursor(ctx context.Context, group string) (delivery.Cursor, error)
	// ParkedDue lists up to limit messages whose time has come and before which none of their key waits for its own.
	ParkedDue(ctx context.Context, group string, now time.Time, limit int) ([]delivery.RetryMessage, error)
	// ParkedKeys lists the keys of which a message waits.
	ParkedKeys(ctx context.Context, group string) ([]string, error)
	// SettleDelivery records what became of messages as one. It returns delivery.ErrFenced.
	SettleDelivery(ctx context.Context, s delivery.Progress) error
	// Park has messages wait for a group.
	Park(ctx context.Context, group string, all []delivery.RetryMessage) error
}
