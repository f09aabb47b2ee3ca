package bus

import (
	"context"
	"time"
)

// DeadLetter is a message that a group has given up.
type DeadLetter struct {
	Topic, Group string
	Message
	// Tries is how often it was tried, Reason how the last try ended, DiedAt when.
	Tries  int
	Reason string
	DiedAt time.Time
}

// DeadLetters keeps what groups have given up until somebody replays or drops it. It lives in the shop's database whatever
// the engine, so that there is one place to look.
type DeadLetters interface {
	// Add keeps letters and returns when they are durable; an engine acknowledges the messages after that. A letter that
	// is there already (topic, group and ID) is replaced.
	Add(ctx context.Context, letters []DeadLetter) error
}
