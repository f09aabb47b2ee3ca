// Package event holds the noun that everyone who reads what happened shares.
package event

import "time"

// Event is something that happened, as the transaction that made it true recorded it. It is never changed.
type Event struct {
	// Position is the event's place in the order of commits: dense, from 1.
	Position int64
	// Type names what happened, and the version of the payload, such as order.placed.v1.
	Type string
	// Subject is the id of what it happened to.
	Subject int64
	// Payload is JSON.
	Payload []byte
	// At is when it happened, UTC, to the millisecond.
	At time.Time
}
