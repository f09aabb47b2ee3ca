// Package webhook owns what other people's systems are told: the endpoints they have registered, and for each event they
// want a delivery that is tried over a day. It hears of events by themselves alone.
//
// Headers, signature and body follow Standard Webhooks (https://www.standardwebhooks.com, specification 1.0.0).
package webhook

import (
	"strings"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/event"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// Status says whether an endpoint is told anything.
type Status string

// The statuses.
const (
	Active Status = "active"
	// Paused endpoints are told nothing until somebody resumes them; what is for them waits.
	Paused Status = "paused"
)

// Every stands, as a type, for all events.
const Every = "*"

// Endpoint is an address that wants to be told.
type Endpoint struct {
	ID          id.Endpoint
	URL         string
	Description string
	// Types are the events it wants, such as order.paid.v1, or Every.
	Types []string
	// Secret signs what it is told: whsec_ and base64.
	Secret string
	// SecretBefore is the secret before it, which signs beside it until SecretBeforeUntil; empty where there is none.
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

// Wants reports whether the endpoint wants events of a type.
func (e *Endpoint) Wants(kind string) bool {
	for _, t := range e.Types {
		if t == kind || t == Every {
			return true
		}
	}
	return false
}

// State is where a delivery stands.
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

// of returns what an endpoint is to be told of an event.
func of(e event.Event, endpoint id.Endpoint, now time.Time) Delivery {
	return Delivery{Endpoint: endpoint, Position: e.Position, Type: e.Type, Payload: e.Payload, At: e.At, State: Waiting, DueAt: now}
}

// delays are the pauses after each try that failed: a little over a day in all, then the delivery has failed. The first are
// for an endpoint that restarts, the last for one whose people sleep.
var delays = []time.Duration{
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

// settle returns the delivery after a try.
func (r *Result) settle() Delivery {
	d := r.Delivery
	d.Tries++
	d.LastStatus, d.LastError = r.Status, r.Error
	switch {
	case r.Error == "":
		d.State, d.SettledAt = Delivered, r.At
	case d.Tries > len(delays):
		d.State, d.SettledAt = Failed, r.At
	default:
		d.DueAt = r.At.Add(max(delays[d.Tries-1], min(r.RetryAfter, delays[len(delays)-1])))
	}
	return d
}

// after returns the endpoint after tries that ended one after the other.
func (e Endpoint) after(results []Result) Endpoint {
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

// secretOverlap is for how long the secret before signs beside the new one: long enough to bring the new one to every receiver by hand.
const secretOverlap = 24 * time.Hour

// JoinTypes and SplitTypes are how the wanted types are stored: names with a blank on both sides.
func JoinTypes(types []string) string { return " " + strings.Join(types, " ") + " " }

// SplitTypes is the inverse of JoinTypes.
func SplitTypes(text string) []string { return strings.Fields(text) }
