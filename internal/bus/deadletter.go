package bus

import (
	"context"
	"time"
)

// DeadLetter is a message that a group has given up.
type DeadLetter struct {
	Topic, Group string
	Message
	// Tries is how often it was tried, Reason why the last try failed, DiedAt when.
	Tries  int
	Reason string
	DiedAt time.Time
}

// DeadLetters stores the messages that groups have given up, until somebody replays or deletes them. It is in the
// shop's database with every engine, so that there is one place to look.
type DeadLetters interface {
	// Add stores letters and returns when they are durable; then the engine acknowledges the messages. It replaces a
	// letter with the same topic, group and ID.
	Add(ctx context.Context, letters []DeadLetter) error
}
