// Package payment owns the money of an order: payment attempts, providers' reports, refunds, and the expiry of unpaid
// orders. Orders belong to package order and stock to inventory; the store commits across them in one transaction.
package payment

import (
	"slices"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
	"github.com/tidegate/tidegate/internal/order"
)

// Status is the last known status of an attempt.
type Status string

// The statuses of an attempt. Starting and Open are live: money may still arrive.
const (
	Starting  Status = "starting" // recorded, but the provider may not know it yet
	Open      Status = "open"     // the provider accepts payment
	Succeeded Status = "succeeded"
	Failed    Status = "failed" // the provider refused the shopper's payment
	Closed    Status = "closed"
)

// edges lists the legal changes of status. Only success is final: if a provider takes money after it has closed an
// attempt, the money counts.
var edges = map[Status][]Status{
	Starting: {Open, Succeeded, Failed, Closed},
	Open:     {Succeeded, Failed, Closed},
	Failed:   {Succeeded},
	Closed:   {Succeeded},
}

// CanBecome reports whether an attempt may change from s to next.
func (s Status) CanBecome(next Status) bool { return slices.Contains(edges[s], next) }

// Live reports whether the attempt may still be paid.
func (s Status) Live() bool { return s == Starting || s == Open }

// AttemptsMax bounds the attempts of one order. A shopper with a declined card tries a few times; a script would try
// for ever.
const AttemptsMax = 20

// Attempt is one attempt to pay an order in full.
type Attempt struct {
	ID        id.Attempt
	Order     id.Order
	Provider  string
	Status    Status
	Amount    money.Amount
	Reference string // the provider's id; empty until the provider has returned it
	PayURL    string // the provider's payment page; empty until the provider has returned it
	Pays      bool   // this attempt paid the order; any other successful one is refunded
	CreatedAt time.Time
	ExpiresAt time.Time // the order's payment deadline
	LookAt    time.Time // when to poll the provider next, while live
	SettledAt time.Time // when it ceased to be live
}

// State is the state of an attempt at its provider.
type State string

// The states of an attempt at its provider.
const (
	Missing  State = "missing" // unknown to the provider
	Waiting  State = "waiting" // can be paid
	Paid     State = "paid"
	Declined State = "declined"
	Ended    State = "ended" // can no longer be paid
)

// Report is a provider's statement about an attempt: the answer to a call, or a verified notification.
type Report struct {
	Attempt   id.Attempt
	Order     id.Order
	State     State
	Amount    money.Amount
	Reference string
	PayURL    string // set while Waiting
}

// StatusAfter returns the attempt's status after the report. It returns false if nothing changes, because the report
// repeats a known state or an outdated one.
func (a *Attempt) StatusAfter(s State) (Status, bool) {
	to := map[State]Status{Waiting: Open, Paid: Succeeded, Declined: Failed, Ended: Closed}[s]
	return to, a.Status.CanBecome(to)
}

// Check compares a report with its attempt. It returns fault.AmountMismatch with the difference; such a report must
// have no effect.
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

// Effect is the consequence of a successful attempt for its order.
type Effect uint8

// The effects.
const (
	Pay           Effect = iota // the order becomes paid and its units sold
	Honour                      // late: paid if its units and limit can be reserved again, otherwise refunded
	RefundPayment               // the order cannot use the money: refunded
)

// EffectOf returns the effect of a payment on an order with that status.
func EffectOf(s order.Status) Effect {
	switch s {
	case order.Pending:
		return Pay
	case order.Expired:
		return Honour
	}
	return RefundPayment
}

// RetrySchedule computes when to poll a provider.
type RetrySchedule struct {
	QueryAfter time.Duration // from the start of an attempt to its first poll
	Lease      time.Duration // longer than a provider call: no other worker polls meanwhile
}

// The longest intervals between polls. They bound the delay after a lost notification or an outage of the provider.
const (
	queryPollMax = 5 * time.Minute
	closePollMax = time.Minute
)

// FirstPoll returns when to poll an attempt that starts at now.
func (p RetrySchedule) FirstPoll(now, expires time.Time) time.Time {
	if at := now.Add(p.QueryAfter); at.Add(p.Lease).Before(expires) {
		return at
	}
	return expires
}

// NextPoll returns the next poll of an attempt that is polled at now. Intervals grow with the age of the attempt, so no
// count is stored. pending says that the order still waits for the attempt. A poll whose lease would end after the
// order's deadline moves to the deadline. Concurrent polls are harmless.
func (p RetrySchedule) NextPoll(a *Attempt, pending bool, now time.Time) time.Time {
	if pending && now.Before(a.ExpiresAt) {
		at := now.Add(max(min(max(now.Sub(a.CreatedAt), p.QueryAfter), queryPollMax), p.Lease))
		if at.Add(p.Lease).After(a.ExpiresAt) {
			return a.ExpiresAt
		}
		return at
	}
	return now.Add(min(max(now.Sub(a.ExpiresAt)/2, p.Lease), closePollMax))
}
