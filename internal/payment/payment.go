// Package payment owns the money of an order: attempts to pay, what providers say of them, refunds, and the end of orders
// that nobody paid. It does not own orders (order) nor stock (inventory): one method of the store commits across them.
package payment

import (
	"slices"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
	"github.com/tidegate/tidegate/internal/order"
)

// Status is where an attempt stands, as far as we know.
type Status string

// The statuses of an attempt. Starting and Open are live: money may still come.
const (
	Starting  Status = "starting" // recorded before the provider was called: it may or may not know the attempt
	Open      Status = "open"     // the provider takes the money
	Succeeded Status = "succeeded"
	Failed    Status = "failed" // the provider refused the shopper's means
	Closed    Status = "closed"
)

// edges are the legal changes of status. Success is final and nothing else is: a provider that has closed an attempt and
// takes the money all the same has the last word, for the money is there.
var edges = map[Status][]Status{
	Starting: {Open, Succeeded, Failed, Closed},
	Open:     {Succeeded, Failed, Closed},
	Failed:   {Succeeded},
	Closed:   {Succeeded},
}

// CanBecome reports whether an attempt may go from s to next.
func (s Status) CanBecome(next Status) bool { return slices.Contains(edges[s], next) }

// Live reports whether the attempt may still be paid in the ordinary way.
func (s Status) Live() bool { return s == Starting || s == Open }

// AttemptsMax bounds the attempts of one order: a shopper whose card is refused tries a few times, a script for ever.
const AttemptsMax = 20

// Attempt is one try to pay an order in full.
type Attempt struct {
	ID        id.Attempt
	Order     id.Order
	Provider  string
	Status    Status
	Amount    money.Amount
	Reference string // the provider's own name for it; empty until the provider has said it
	PayURL    string // where the shopper pays; empty until the provider has said it
	Pays      bool   // it is the one that paid the order; another that succeeded is refunded
	CreatedAt time.Time
	ExpiresAt time.Time // the order's
	LookAt    time.Time // when the provider is asked next, while it is live
	SettledAt time.Time // when it ceased to be live
}

// State is what a provider says of an attempt.
type State string

// The states of an attempt at its provider.
const (
	Missing  State = "missing" // the provider does not know it
	Waiting  State = "waiting" // it can be paid
	Paid     State = "paid"
	Declined State = "declined"
	Ended    State = "ended" // it cannot be paid any more
)

// Report is a provider's word about an attempt: the answer to a call, or a verified notification.
type Report struct {
	Attempt   id.Attempt
	Order     id.Order
	State     State
	Amount    money.Amount
	Reference string
	PayURL    string // while Waiting
}

// After returns the status that the report gives the attempt; false where it changes nothing: a repetition, or a word that
// comes after a later one.
func (a *Attempt) After(s State) (Status, bool) {
	to := map[State]Status{Waiting: Open, Paid: Succeeded, Declined: Failed, Ended: Closed}[s]
	return to, a.Status.CanBecome(to)
}

// Check compares a report with the attempt it is about. It returns fault.AmountMismatch that says what differs; then
// nothing may follow from the report.
func (a *Attempt) Check(r Report) error {
	wrong := ""
	switch {
	case r.State == Missing:
	case r.Attempt != a.ID:
		wrong = "attempt"
	case r.Order != a.Order:
		wrong = "order"
	case r.Amount.Currency != a.Amount.Currency:
		wrong = "currency"
	case r.Amount.Minor != a.Amount.Minor:
		wrong = "amount"
	case a.Reference != "" && r.Reference != a.Reference:
		wrong = "reference"
	}
	if wrong == "" {
		return nil
	}
	e := fault.New(fault.AmountMismatch, "The %s is not the one of payment attempt %s.", wrong, a.ID)
	e.Field = wrong
	return e
}

// Effect is what follows for the order when an attempt succeeds.
type Effect uint8

// The effects.
const (
	Settle   Effect = iota // the order is paid and its units are sold
	Honour                 // too late: paid if its units and allowance can be had again, else refunded
	GiveBack               // the order has no use for the money: refunded
)

// EffectOf returns what a payment does to an order of that status.
func EffectOf(s order.Status) Effect {
	switch s {
	case order.Pending:
		return Settle
	case order.Expired:
		return Honour
	}
	return GiveBack
}

// Pace says when a provider is asked again.
type Pace struct {
	Query time.Duration // between the start of an attempt and the first question after it
	Lease time.Duration // longer than a call may take: nobody else asks in that time
}

// The longest waits between questions. They bound how long a lost notification, and a provider that was away, are felt.
const (
	queryEveryMax = 5 * time.Minute
	closeEveryMax = time.Minute
)

// FirstLook returns when to ask after an attempt that starts at now.
func (p Pace) FirstLook(now, expires time.Time) time.Time {
	if at := now.Add(p.Query); at.Add(p.Lease).Before(expires) {
		return at
	}
	return expires
}

// NextLook returns when to ask again after an attempt that is being asked after at now. The waits grow with the time that
// has passed, so that no count needs to be kept. pending says whether its order still waits for it. Nothing is asked so
// late that the order would wait for the lease at its time: whoever still asks then is asked beside, which does no harm.
func (p Pace) NextLook(a *Attempt, pending bool, now time.Time) time.Time {
	if pending && now.Before(a.ExpiresAt) {
		at := now.Add(max(min(max(now.Sub(a.CreatedAt), p.Query), queryEveryMax), p.Lease))
		if at.Add(p.Lease).After(a.ExpiresAt) {
			return a.ExpiresAt
		}
		return at
	}
	return now.Add(min(max(now.Sub(a.ExpiresAt)/2, p.Lease), closeEveryMax))
}
