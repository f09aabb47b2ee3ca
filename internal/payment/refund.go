package payment

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
)

// RefundStatus is where a refund stands.
type RefundStatus string

// The statuses of a refund.
const (
	Requested    RefundStatus = "requested" // ours to bring about: the provider is asked until it says yes or no
	Refunded     RefundStatus = "succeeded" // the provider confirmed
	RefundFailed RefundStatus = "failed"    // the provider refused; an operator may ask again
)

// refundEdges are the legal changes of status.
var refundEdges = map[RefundStatus][]RefundStatus{
	Requested:    {Refunded, RefundFailed},
	RefundFailed: {Requested},
}

// CanBecome reports whether a refund may go from s to next.
func (s RefundStatus) CanBecome(next RefundStatus) bool { return slices.Contains(refundEdges[s], next) }

// RefundStatuses returns every status of a refund.
func RefundStatuses() []RefundStatus { return []RefundStatus{Requested, Refunded, RefundFailed} }

// RefundKind says what is refunded.
type RefundKind string

// The kinds of refund.
const (
	// OfOrder gives back what paid the order. The order becomes refunded when the provider has confirmed, and is not fulfilled
	// while that is under way.
	OfOrder RefundKind = "order"
	// OfSurplus gives back money that the order had no use for: a second payment, or one that came too late. It touches
	// neither the order nor its stock.
	OfSurplus RefundKind = "surplus"
)

// Refund is the duty to give an attempt's money back, in full. An attempt has at most one.
type Refund struct {
	ID        id.Refund
	Order     id.Order
	Attempt   id.Attempt
	Provider  string
	Kind      RefundKind
	Status    RefundStatus
	Amount    money.Amount
	Restock   bool // of OfOrder: its units go back to general stock; the allowance is not given back
	Reason    string
	Actor     string
	Round     int    // how often it was requested, from 1
	Refusal   string // what the provider said, of a failed one
	CreatedAt time.Time
	LookAt    time.Time // when the provider is asked next
	SettledAt time.Time
}

// Key is the refund's idempotency key towards the provider: asked twice with one key, it pays once. A refund that the
// provider has refused, and nothing else, is asked for under a new key.
func (r *Refund) Key() string { return r.ID.String() + "-" + strconv.Itoa(r.Round) }

// ReasonMax is the longest reason, in bytes.
const ReasonMax = 500

// RefundRequest is an operator's wish to refund an order.
type RefundRequest struct {
	Refund  id.Refund
	Order   id.Order
	Reason  string
	Restock *bool // nil: units that were not sent go back, units that were sent do not
	Actor   string
	At      time.Time
}

// Check returns a fault.Invalid that names the field, or nil.
func (r *RefundRequest) Check() error {
	if strings.TrimSpace(r.Reason) == "" || len(r.Reason) > ReasonMax {
		return fault.Bad("reason", "must be 1 to %d bytes, not blank", ReasonMax)
	}
	return nil
}

// refundEveryMax is the longest wait between two questions after a refund.
const refundEveryMax = 10 * time.Minute

// NextRefundLook returns when to ask again after a refund that is being asked for at now.
func (p Pace) NextRefundLook(r *Refund, now time.Time) time.Time {
	return now.Add(min(max(now.Sub(r.CreatedAt)/2, p.Lease), refundEveryMax))
}
