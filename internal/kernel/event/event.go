// Package event holds the event type that all consumers share.
package event

import (
	"bytes"
	"strconv"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/id"
)

// Event is something that happened, as recorded by the transaction that caused it. It is never changed.
type Event struct {
	// Position is the event's position in the order of commits: without gaps, from 1.
	Position int64
	// Type names the event and the version of its payload, such as order.placed.v1.
	Type string
	// Subject is the id of the object of the event.
	Subject int64
	// Payload is JSON.
	Payload []byte
	// At is when it happened, in UTC, to the millisecond.
	At time.Time
}

// The marks of a rehearsal in a payload. Payloads are JSON without white space, and quotation marks inside a text are
// escaped, so neither mark can occur inside a text.
var (
	markedField   = []byte(`"rehearsal":true`)
	customerField = []byte(`"customer_id":"`)
)

// OfRehearsal reports whether the event belongs to a rehearsal: its payload says so, or names a rehearsal's customer,
// as order events did before payloads were marked.
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
