// Package bus is the contract between what happens in the shop and what follows it: events on their way to groups of
// consumers, over the outbox itself (internal/bus/embedded) or over a broker.
//
// Delivery is at least once: a message is delivered again where its handler failed, where its process died before the
// acknowledgement was kept, and where it was published twice. Whoever must not do a thing twice records what was applied
// in the transaction that applies it.
//
// Every engine passes internal/bus/bustest; what it can do beyond the contract is in its Features.
package bus

import (
	"context"
	"errors"
	"time"
)

// The topics of the shop.
const (
	// Events carries what the outbox announces.
	Events = "events"
	// Rehearsals carries, over a broker, the events of rehearsals: subscribers of Events do not receive them. The embedded
	// bus has no such topic: its groups are the shop's own, and each says what it does with them.
	Rehearsals = "rehearsals"
	// Intents carries orders that were accepted and are not committed yet.
	Intents = "intents"
)

// Message is one thing that is said to every group of a topic.
type Message struct {
	// ID tells messages of one topic apart; for an event it is its position in the outbox. Whoever publishes again after
	// ErrUndecided uses the same one. Where Features.Numbers holds, the engine's own number replaces it.
	ID int64
	// Key holds messages together: those of one key are delivered in the order in which they were published. An empty key
	// asks for no order.
	Key string
	// Type names what it says, such as order.placed.v1.
	Type    string
	Payload []byte
	// At is when it happened, to the millisecond.
	At time.Time
}

// Delivery is a message as a handler gets it.
type Delivery struct {
	Message
	// Try counts from 1. A delivery whose outcome nobody kept, because the process died, may not have been counted.
	Try int
}

// Bus is one process's connection. It is safe for concurrent use.
type Bus interface {
	Publisher
	// Subscribe hands the messages of a group's topic to handle, batch by batch, until ctx ends; then the batch under way
	// is finished and kept, and Subscribe returns nil. It returns an error only for a topic or a group that the bus was
	// not opened with. A broker that goes away is waited for.
	//
	// Several processes may subscribe as one group: a message goes to one of them, and the order by key holds across them.
	Subscribe(ctx context.Context, topic, group string, handle Handler) error
	// Redeliver hands messages to one group again, as new: their tries count from 1. It returns when they are durable.
	// They come behind what waits already, so their order with other messages of their key is not kept.
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
	// settings make it. It returns ErrUnavailable where none of it was stored, and ErrUndecided where some of it may
	// have been: publish the same batch again, or ask whoever consumes it.
	Publish(ctx context.Context, topic string, batch []Message) error
}

// Backlog is how far a group is behind.
type Backlog struct {
	// Messages counts those that were published and not settled. Where Features.Numbers holds it includes those of types
	// that the group does not want.
	Messages int64
	// Oldest is when the first of them happened; zero if there is no message or the engine cannot say.
	Oldest time.Time
}

// Features is what engines differ in.
type Features struct {
	// Numbers says that the engine numbers messages itself: Message.ID is ignored by Publish.
	Numbers bool
	// Deduplicates says that a message that is published again soon under the same ID is stored once.
	Deduplicates bool
	// HoldsKey says that while a message waits for its next try, the later ones of its key wait behind it. Without it
	// they overtake; in both cases a message that was given up lets them pass.
	HoldsKey bool
	// ForgetsAcks says that a broker that crashes may forget what it was told to be settled a moment before, and delivers it
	// again.
	ForgetsAcks bool
}

// The errors of Publish and Redeliver, for errors.Is.
var (
	ErrUnavailable = errors.New("the bus cannot be reached; nothing was published")
	ErrUndecided   = errors.New("the bus has not confirmed the messages; they may be published")
)
