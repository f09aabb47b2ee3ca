package queue

import (
	"context"
	"errors"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
)

// Log stores messages of intents until they are settled. It is safe for concurrent use.
type Log interface {
	// Append returns when the message is durable. ErrNotAppended means that the log does not have the message and will
	// not; after any other error it may have it. A retry uses the same number.
	Append(ctx context.Context, number int64, intents []byte, at time.Time) error
	// Waiting returns the number of messages that are not settled.
	Waiting(ctx context.Context) (int64, error)
}

// ErrNotAppended is returned by a Log that has not taken a message.
var ErrNotAppended = errors.New("the message was not appended")

// Store is the database as the queue needs it.
type Store interface {
	// Fates returns those of the given orders that were committed or refused, in no order. Pass at most FatesMax.
	Fates(ctx context.Context, orders []id.Order) ([]id.Order, error)
}

// FatesMax bounds the orders of one Fates query.
const FatesMax = 500

// Observer receives measurements of the queue. It is safe for concurrent use.
type Observer interface {
	// Appended is called after every append with the number of intents, the duration and the error.
	Appended(intents int, took time.Duration, err error)
	// Settled is called with the numbers of intents that were committed and refused.
	Settled(accepted, refused int)
}

// Committer is the group commit that settles queued orders: see order.Committer.
type Committer interface {
	order.Intake
	CommitQueued(ctx context.Context, drafts []*order.Draft) ([]order.Outcome, error)
	Depth() int
	// OldestWait returns how long the oldest order has waited for its commit, or zero.
	OldestWait() time.Duration
}
