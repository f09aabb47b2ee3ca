// Package event holds the noun that everyone who reads what happened shares.
package event

import (
	"bytes"
	"strconv"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/id"
)

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

// The marks of a rehearsal in a payload. Whoever announces writes JSON without white space, and a quotation mark within a text is
// escaped there, so neither can be part of a text.
var (
	markedField   = []byte(`"rehearsal":true`)
	customerField = []byte(`"customer_id":"`)
)

// OfRehearsal reports whether the event tells of a rehearsal: its payload says so, or names a customer of one, which events of
// orders did before payloads were marked.
func (e *Event) OfRehearsal() bool {
	if bytes.Contains(e.Payload, markedField) {
		return true
	}
	_, rest, found := bytes.Cut(e.Payload, customerField)
	if !found {
		return false
	}
	digits, _, _ := bytes.Cut(rest, []byte{'"'})
	n, err := strconv.ParseInt(string(digits), 10, 64)
	return err == nil && id.OfRehearsal(id.Customer(n))
}
