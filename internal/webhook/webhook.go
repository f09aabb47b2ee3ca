// Package webhook owns webhooks: the endpoints that other systems have registered, and for each event they
// want a delivery that is tried over a day. It learns of changes from their events only.
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

// Endpoint is an address that wants to be told.
type Endpoint struct {
	ID          id.Endpoint
	URL         string
	Description string
	// Types are the events it wants, such as order.paid.v1, or Every.
	Types []string
	// Rehearsals says that it also receives the events of rehearsals, which are marked.
	Rehearsals bool
	// Secret signs deliveries: whsec_ and base64; empty if it cannot be decrypted.
	Secret string
	// SecretBefore is the previous secret, which also signs until SecretBeforeUntil; empty if there is none.
	SecretBefore      string
	SecretBeforeUntil time.Time
	Status            Status
	// PausedReason says why it is paused; FailingSince is when the first of the failures happened that nothing succeeded
	// after, zero where the last delivery succeeded; LastError is how the last failure ended.
	PausedReason string
	FailingSince time.Time
	LastError    string
	DeliveredAt  time.Time // when something was delivered last
	CreatedAt    time.Time
	// Waiting counts its deliveries that are not settled.
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
	// Failed was tried for a day in vain.
	Failed State = "failed"
)

// Delivery is what an endpoint is to be told, once for an event.
type Delivery struct {
	// Number orders the deliveries of the shop.
	Number   int64
	Endpoint id.Endpoint
	// Position is the event's, Type and At its own; Payload is the event's payload.
	Position int64
	Type     string
	Payload  []byte
	At       time.Time
	State    State
	Tries    int
	DueAt    time.Time
	// LastStatus is the last answer's HTTP status, zero where there was none; LastError is how the last try ended.
	LastStatus int
	LastError  string
	SettledAt  time.Time
}

// newDelivery returns what an endpoint is to be told of an event.
func newDelivery(e event.Event, endpoint id.Endpoint, now time.Time) Delivery {
	return Delivery{Endpoint: endpoint, Position: e.Position, Type: e.Type, Payload: e.Payload, At: e.At, State: Waiting, DueAt: now}
}

// retryDelays are the pauses after each try that failed: a little over a day in all, then the delivery has failed. The first are
// for an endpoint that restarts, the last for one whose people sleep.
var retryDelays = []time.Duration{
	5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 4 * time.Hour, 6 * time.Hour, 11 * time.Hour,
}

// pausedAfter is how long an endpoint may fail at everything before it is paused.
const pausedAfter = 24 * time.Hour

// Result is how a try ended.
type Result struct {
	Delivery Delivery
	// Status is the answer's, zero where there was none. Error is empty where the endpoint has taken it: a status of 2xx.
	Status int
	Error  string
	// Gone says that the endpoint wants nothing any more (410).
	Gone bool
	// RetryAfter, where not zero, is how long the endpoint asks to be left alone.
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

// withResults returns the endpoint after tries that ended one after the other.
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

// secretOverlap is how long the previous secret also signs: long enough to give every receiver the new one by hand.
const secretOverlap = 24 * time.Hour

// JoinTypes and SplitTypes are how the wanted types are stored: names with a blank on both sides.
func JoinTypes(types []string) string { return " " + strings.Join(types, " ") + " " }

// SplitTypes is the inverse of JoinTypes.
func SplitTypes(text string) []string { return strings.Fields(text) }
