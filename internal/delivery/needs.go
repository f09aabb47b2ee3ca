package delivery

import "context"

// Store is what dead letters need of the database. Safe for concurrent use.
type Store interface {
	// DeadLetters lists up to limit letters with numbers above after, of one group where that is not empty.
	DeadLetters(ctx context.Context, group string, after int64, limit int) ([]DeadLetter, error)
	// DeadLetter reads one. It returns fault.NotFound.
	DeadLetter(ctx context.Context, number int64) (DeadLetter, error)
	// DeleteDeadLetters deletes letters and returns how many there were.
	DeleteDeadLetters(ctx context.Context, numbers []int64) (int, error)
}

// Bus delivers again.
type Bus interface {
	// Redeliver hands a message to a group as new, and returns when that is durable.
	Redeliver(ctx context.Context, topic, group string, m Message) error
}
