package payment

import (
	"time"

	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
)

// EventOf returns the event that announces an attempt's new status, such as payment.succeeded.v1.
func EventOf(s Status) string { return "payment." + string(s) + ".v1" }

// RefundEventOf returns the event that announces a refund's new status, such as refund.requested.v1.
func RefundEventOf(s RefundStatus) string { return "refund." + string(s) + ".v1" }

// AttemptEvent is the payload of the payment events.
type AttemptEvent struct {
	Attempt  id.Attempt   `json:"payment_id"`
	Order    id.Order     `json:"order_id"`
	Provider string       `json:"provider"`
	Status   Status       `json:"status"`
	Amount   money.Amount `json:"amount"`
	Pays     bool         `json:"pays"`
	At       time.Time    `json:"at"`
	// Rehearsal says that the order belongs to a rehearsal.
	Rehearsal bool `json:"rehearsal,omitzero"`
}

// Event returns the payload that announces the attempt's current state. rehearsal says whether its order belongs to a
// rehearsal.
func (a *Attempt) Event(at time.Time, rehearsal bool) AttemptEvent {
	return AttemptEvent{a.ID, a.Order, a.Provider, a.Status, a.Amount, a.Pays, at.UTC().Truncate(time.Millisecond), rehearsal}
}

// RefundEvent is the payload of the refund events.
type RefundEvent struct {
	Refund   id.Refund    `json:"refund_id"`
	Order    id.Order     `json:"order_id"`
	Attempt  id.Attempt   `json:"payment_id"`
	Provider string       `json:"provider"`
	Kind     RefundKind   `json:"kind"`
	Status   RefundStatus `json:"status"`
	Amount   money.Amount `json:"amount"`
	Restock  bool         `json:"restock"`
	Reason   string       `json:"reason"`
	At       time.Time    `json:"at"`
	// Rehearsal says that the order belongs to a rehearsal.
	Rehearsal bool `json:"rehearsal,omitzero"`
}

// Event returns the payload that announces the refund's current state. rehearsal says whether its order belongs to a
// rehearsal.
func (r *Refund) Event(at time.Time, rehearsal bool) RefundEvent {
	return RefundEvent{r.ID, r.Order, r.Attempt, r.Provider, r.Kind, r.Status, r.Amount, r.Restock, r.Reason, at.UTC().Truncate(time.Millisecond), rehearsal}
}
