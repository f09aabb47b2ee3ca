package delivery

import "context"

// Store is the database as dead letters need it. It is safe for concurrent use.
type Store interface {
	// DeadLetters lists up to limit letters with numbers above after. group, if not empty, selects one group.
	DeadLetters(ctx context.Context, group string, after int64, limit int) ([]DeadLetter, error)
	// DeadLetter returns a letter. It returns fault.NotFound.
	DeadLetter(ctx context.Context, number int64) (DeadLetter, error)
	// DeleteDeadLetters deletes letters and returns how many existed.
	DeleteDeadLetters(ctx context.Context, numbers []int64) (int, error)
}

// Bus redelivers messages.
type Bus interface {
	// Redeliver hands a message to a group as new, and returns when that is durable.
	Redeliver(ctx context.Context, topic, group string, m Message) error
}
