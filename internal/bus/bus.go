// Package bus is the contract for delivering events to groups of consumers, over the outbox itself
// (internal/bus/embedded) or over a broker.
//
// Delivery is at least once: a message is delivered again if its handler failed, if its process died before the
// acknowledgement was stored, or if it was published twice. A consumer that must not do a thing twice records the
// message in the transaction that applies it.
//
// Every engine passes internal/bus/bustest. Features says what an engine can do beyond the contract.
package bus

import (
	"context"
	"errors"
	"time"
)

// The topics of the shop.
const (
	// Events carries the events of the outbox.
	Events = "events"
	// Rehearsals carries, over a broker, the events of rehearsals, which subscribers of Events do not receive. The
	// embedded bus has no such topic: its groups are the shop's own, and each decides about these events.
	Rehearsals = "rehearsals"
	// Intents carries orders that were accepted and not committed yet.
	Intents = "intents"
)

// Message is a message to every group of a topic.
type Message struct {
	// ID identifies the message within its topic; for an event it is the position in the outbox. Publishing again after
	// ErrUndecided must use the same ID. If Features.Numbers is set, the engine replaces it by its own number.
	ID int64
	// Key orders messages: messages with one key are delivered in the order in which they were published. An empty key
	// requires no order.
	Key string
	// Type names the message, such as order.placed.v1.
	Type    string
	Payload []byte
	// At is when it happened, to the millisecond.
	At time.Time
}

// Delivery is a message as a handler gets it.
type Delivery struct {
	Message
	// Try counts from 1. A delivery whose process died may not have been counted.
	Try int
}

// Bus is one process's connection. It is safe for concurrent use.
type Bus interface {
	Publisher
	// Subscribe hands the messages of a group's topic to handle in batches, until ctx ends. Then it finishes and
	// settles the current batch, and returns nil. It returns an error only for a topic or group that the bus was not
	// opened with. If the broker is unavailable, it waits.
	//
	// Several processes may subscribe as one group: each message goes to one of them, and the order by key holds across
	// them.
	Subscribe(ctx context.Context, topic, group string, handle Handler) error
	// Redeliver hands messages to one group again, as new: their tries count from 1. It returns when they are durable.
	// They come after the messages that already wait, so their order relative to other messages of their key is lost.
	Redeliver(ctx context.Context, topic, group string, batch []Message) error
	// Backlog returns how far a group is behind.
	Backlog(ctx context.Context, topic, group string) (Backlog, error)
	// Features returns what this engine does beyond the contract.
	Features() Features
	// Close ends the connection. Subscriptions must have ended.
	Close() error
}

// Publisher is the half of a bus that a relay needs.
type Publisher interface {
	// Publish appends a batch to a topic, in its order, and returns when all of it is as durable as the engine's
	// settings make it. It returns ErrUnavailable if nothing was stored. It returns ErrUndecided if some may have been
	// stored: publish the same batch again, or ask its consumer.
	Publish(ctx context.Context, topic string, batch []Message) error
}

// Backlog is how far a group is behind.
type Backlog struct {
	// Messages counts messages that were published and not settled. If Features.Numbers is set, it includes types that
	// the group does not want.
	Messages int64
	// Oldest is when the oldest of them happened; zero if there is none or the engine cannot tell.
	Oldest time.Time
}

// Features are the differences between engines.
type Features struct {
	// Numbers says that the engine numbers messages itself: Publish ignores Message.ID.
	Numbers bool
	// Deduplicates says that a message published again soon under the same ID is stored once.
	Deduplicates bool
	// HoldsKey says that later messages of a key wait while an earlier one waits for its next try. Without it they
	// overtake. In both cases a message that was given up no longer holds them back.
	HoldsKey bool
	// ForgetsAcks says that a broker that crashes may forget recent acknowledgements and deliver those messages again.
	ForgetsAcks bool
}

// Errors of Publish and Redeliver, for errors.Is.
var (
	ErrUnavailable = errors.New("the bus cannot be reached; nothing was published")
	ErrUndecided   = errors.New("the bus has not confirmed the messages; they may be published")
)
