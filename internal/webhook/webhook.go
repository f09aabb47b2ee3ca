// Package webhook owns webhooks: the registered endpoints of other systems, and a delivery for each event they want,
// which is retried for a day. It learns of changes only from their events.
//
// Headers, signature and body follow Standard Webhooks (https://www.standardwebhooks.com, specification 1.0.0).
package webhook

import (
	"strings"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/event"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// Status says whether an endpoint receives deliveries.
type Status string

// The statuses.
const (
	Active Status = "active"
	// Paused endpoints receive nothing until they are resumed; their deliveries wait.
	Paused Status = "paused"
)

// AllTypes subscribes to every event type.
const AllTypes = "*"

// Endpoint is a registered address that receives events.
type Endpoint struct {
	ID          id.Endpoint
	URL         string
	Description string
	// Types are the events it wants, such as order.paid.v1, or AllTypes.
	Types []string
	// Rehearsals says that it also receives the events of rehearsals, which are marked.
	Rehearsals bool
	// Secret signs deliveries: whsec_ and base64; empty if it cannot be decrypted.
	Secret string
	// SecretBefore is the previous secret, which also signs until SecretBeforeUntil; empty if there is none.
	SecretBefore      string
	SecretBeforeUntil time.Time
	Status            Status
	// PausedReason says why it is paused. FailingSince is the time of the first failure since the last success, or zero
	// if the last delivery succeeded. LastError is the last failure.
	PausedReason string
	FailingSince time.Time
	LastError    string
	DeliveredAt  time.Time // when the last delivery succeeded
	CreatedAt    time.Time
	// Waiting counts its unsettled deliveries.
	Waiting int64
}

// Subscribes reports whether the endpoint wants an event.
func (e *Endpoint) Subscribes(what *event.Event) bool {
	if !e.Rehearsals && what.OfRehearsal() {
		return false
	}
	for _, t := range e.Types {
		if t == what.Type || t == AllTypes {
			return true
		}
	}
	return false
}

// State is the state of a delivery.
type State string

// The states.
const (
	Waiting   State = "waiting"
	Delivered State = "delivered"
	// Failed: all tries of about a day failed.
	Failed State = "failed"
)

// Delivery is the delivery of an event to an endpoint.
type Delivery struct {
	// Number orders all deliveries of the shop.
	Number   int64
	Endpoint id.Endpoint
	// Position, Type, At and Payload are the event's.
	Position int64
	Type     string
	Payload  []byte
	At       time.Time
	State    State
	Tries    int
	DueAt    time.Time
	// LastStatus is the HTTP status of the last answer, zero if there was none. LastError is the last try's error.
	LastStatus int
	LastError  string
	SettledAt  time.Time
}

// newDelivery returns the delivery of an event to an endpoint.
func newDelivery(e event.Event, endpoint id.Endpoint, now time.Time) Delivery {
	return Delivery{Endpoint: endpoint, Position: e.Position, Type: e.Type, Payload: e.Payload, At: e.At, State: Waiting, DueAt: now}
}

// retryDelays are the pauses after each failed try: a little over a day in all; then the delivery has failed. The first
// are for an endpoint that restarts, the last for one whose operators sleep.
var retryDelays = []time.Duration{
	5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 4 * time.Hour, 6 * time.Hour, 11 * time.Hour,
}

// pausedAfter is how long every delivery to an endpoint may fail before it is paused.
const pausedAfter = 24 * time.Hour

// Result is the result of a try.
type Result struct {
	Delivery Delivery
	// Status is the answer's HTTP status, zero if there was none. Error is empty if the endpoint accepted the delivery
	// with a 2xx.
	Status int
	Error  string
	// Gone says that the endpoint wants no more deliveries (410).
	Gone bool
	// RetryAfter, if not zero, is the pause that the endpoint asks for.
	RetryAfter time.Duration
	At         time.Time
}

// delivery returns the delivery after a try.
func (r *Result) delivery() Delivery {
	d := r.Delivery
	d.Tries++
	d.LastStatus, d.LastError = r.Status, r.Error
	switch {
	case r.Error == "":
		d.State, d.SettledAt = Delivered, r.At
	case d.Tries > len(retryDelays):
		d.State, d.SettledAt = Failed, r.At
	default:
		d.DueAt = r.At.Add(max(retryDelays[d.Tries-1], min(r.RetryAfter, retryDelays[len(retryDelays)-1])))
	}
	return d
}

// withResults returns the endpoint after tries, in their order.
func (e Endpoint) withResults(results []Result) Endpoint {
	for i := range results {
		r := &results[i]
		if r.Error == "" {
			e.FailingSince, e.LastError, e.DeliveredAt = time.Time{}, "", r.At
			continue
		}
		if e.LastError = r.Error; e.FailingSince.IsZero() {
			e.FailingSince = r.At
		}
		switch {
		case e.Status == Paused:
		case r.Gone:
			e.Status, e.PausedReason = Paused, "It answered 410: it wants nothing any more."
		case r.At.Sub(e.FailingSince) >= pausedAfter:
			e.Status, e.PausedReason = Paused, "Nothing could be delivered for a day. The last failure: "+r.Error
		}
	}
	return e
}

// secretOverlap is how long the previous secret also signs, so that operators have time to give every receiver the new
// one by hand.
const secretOverlap = 24 * time.Hour

// JoinTypes and SplitTypes convert the stored form of wanted types: names with a space on both sides.
func JoinTypes(types []string) string { return " " + strings.Join(types, " ") + " " }

// SplitTypes is the inverse of JoinTypes.
func SplitTypes(text string) []string { return strings.Fields(text) }
