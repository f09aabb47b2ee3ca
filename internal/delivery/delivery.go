// Package delivery owns the progress of consumer groups: each group's cursor, its retries and its dead letters. It does
// not own the events (each module announces its own) nor the effects (each consumer's).
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
	// Key is the event's subject: messages with one key are delivered in order.
	Key     string
	Type    string
	Payload []byte
	At      time.Time
}

// MessageOf returns the message of an event. Its key is the event's subject, so that all events of one order arrive in
// order.
func MessageOf(e event.Event) Message {
	return Message{ID: e.Position, Key: strconv.FormatInt(e.Subject, 10), Type: e.Type, Payload: e.Payload, At: e.At}
}

// Event returns the event of a message. It returns fault.Invalid if the key is not a subject.
func (m Message) Event() (event.Event, error) {
	subject, err := strconv.ParseInt(m.Key, 10, 64)
	if err != nil {
		return event.Event{}, fault.Wrap(fault.Invalid, err, "The message's key %q is no subject of an event.", m.Key)
	}
	return event.Event{Position: m.ID, Type: m.Type, Subject: subject, Payload: m.Payload, At: m.At}, nil
}

// Cursor is how far a group has read the outbox.
type Cursor struct {
	// Position is the position of the last event that was settled or parked.
	Position int64
	// Fence is the fence of the lease under which the cursor last moved.
	Fence int64
	// Parked counts the messages that wait for another try.
	Parked int64
}

// RetryMessage is a message that waits for its next try, or behind an earlier message of its key.
type RetryMessage struct {
	Message
	// Try is the number of the next try.
	Try int
	// Reason says why the last try failed; empty if there was none.
	Reason string
	DueAt  time.Time
}

// Progress is a group's progress through the outbox. One transaction records it.
type Progress struct {
	Group string
	// Fence is the lease's fence. Progress with an older fence than the cursor's is rejected with ErrFenced.
	Fence int64
	// Position is the new position of the cursor, which never goes back.
	Position int64
	// Done are the ids of parked messages that no longer wait. Park are messages that wait from now on; they replace
	// their earlier state.
	Done []int64
	Park []RetryMessage
}

// ErrFenced says that another process has taken over the group.
var ErrFenced = errors.New("another process has taken over this group")

// DeadLetter is a message that a group has given up.
type DeadLetter struct {
	// Number identifies the letter for operators. It is never reused.
	Number       int64
	Topic, Group string
	Message
	// Tries is how often it was tried, Reason why the last try failed, DiedAt when.
	Tries  int
	Reason string
	DiedAt time.Time
}
