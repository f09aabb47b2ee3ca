package queue

import (
	"context"
	"errors"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
)

// Log keeps messages of intents until they are settled. Safe for concurrent use.
type Log interface {
	// Append returns when the message is durable. ErrNotAppended says that it is not there and will not be; any other error that
	// it may be. Whoever appends it again uses the same number.
	Append(ctx context.Context, number int64, intents []byte, at time.Time) error
	// Waiting counts the messages that are not settled.
	Waiting(ctx context.Context) (int64, error)
}

// ErrNotAppended is what a Log returns of a message that it has not taken.
var ErrNotAppended = errors.New("the message was not appended")

// Store is what the queue needs of the database.
type Store interface {
	// Fates returns those of the orders that have a row, or were refused, in no order. Call it with at most FatesMax.
	Fates(ctx context.Context, orders []id.Order) ([]id.Order, error)
}

// FatesMax bounds one question after orders.
const FatesMax = 500

// Observer is told what the queue does. Safe for concurrent use.
type Observer interface {
	// Appended is told of every message: how many intents, how long it took, and its error.
	Appended(intents int, took time.Duration, err error)
	// Settled is told of intents that were decided: how many were orders, and how many were refused.
	Settled(accepted, refused int)
}

// Committer is the group commit that settles what was queued: see order.Committer.
type Committer interface {
	order.Intake
	Settle(ctx context.Context, drafts []*order.Draft) ([]order.Outcome, error)
	Depth() int
	// Waited returns for how long the oldest order has waited for its commit: zero where none does.
	Waited() time.Duration
}
