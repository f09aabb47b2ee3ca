// Package delivery owns what groups of consumers have done with events: how far each is, what waits for another try, and
// what was given up. It does not own the events (each module announces its own) nor the effects (each consumer's).
package delivery

import (
	"errors"
	"strconv"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/event"
	"github.com/tidegate/tidegate/internal/kernel/fault"
)

// Message is an event on its way to a group.
type Message struct {
	// ID is the event's position.
	ID int64
	// Key is what the event is about: those of one key are delivered in order.
	Key     string
	Type    string
	Payload []byte
	At      time.Time
}

// MessageOf returns the message that carries an event. Its key is the event's subject, so that all that happens to one order
// arrives in order.
func MessageOf(e event.Event) Message {
	return Message{ID: e.Position, Key: strconv.FormatInt(e.Subject, 10), Type: e.Type, Payload: e.Payload, At: e.At}
}

// Event returns the event that a message carries. It returns fault.Invalid where the key is no subject.
func (m Message) Event() (event.Event, error) {
	subject, err := strconv.ParseInt(m.Key, 10, 64)
	if err != nil {
		return event.Event{}, fault.Wrap(fault.Invalid, err, "The message's key %q is no subject of an event.", m.Key)
	}
	return event.Event{Position: m.ID, Type: m.Type, Subject: subject, Payload: m.Payload, At: m.At}, nil
}

// Cursor is how far a group has read the outbox.
type Cursor struct {
	// Position is that of the last event that was settled or parked.
	Position int64
	// Fence is that of the lease under which the cursor was moved last.
	Fence int64
	// RetryMessage counts the messages that wait for another try.
	Parked int64
}

// RetryMessage is a message that waits for its next try, or behind an earlier message of its key.
type RetryMessage struct {
	Message
	// Try is the number of the next try.
	Try int
	// Reason is why the last one failed; empty where it has not been tried.
	Reason string
	DueAt  time.Time
}

// Progress is how far a group has come with the outbox. One transaction records it.
type Progress struct {
	Group string
	// Fence is that of the lease: progress under an older fence than the cursor's is refused with ErrFenced.
	Fence int64
	// Position is where the cursor goes; it never goes back.
	Position int64
	// Done are the ids of parked messages that no longer wait; Park is what waits from now on, replacing what it had.
	Done []int64
	Park []RetryMessage
}

// ErrFenced says that another process has taken the group over.
var ErrFenced = errors.New("another process has taken over this group")

// DeadLetter is a message that a group has given up.
type DeadLetter struct {
	// Number names it to the people who look after it. It is not used again.
	Number       int64
	Topic, Group string
	Message
	// Tries is how often it was tried, Reason how the last try ended, DiedAt when.
	Tries  int
	Reason string
	DiedAt time.Time
}
