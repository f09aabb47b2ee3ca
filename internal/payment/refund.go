package payment

import (
	"slices"
	"strconv"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/auditlog"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
)

// RefundStatus is the status of a refund.
type RefundStatus string

// The statuses of a refund.
const (
	Requested    RefundStatus = "requested" // to be sent to the provider until it accepts or refuses
	Refunded     RefundStatus = "succeeded" // the provider confirmed
	RefundFailed RefundStatus = "failed"    // the provider refused; an administrator may retry
)

// refundEdges lists the legal changes of status.
var refundEdges = map[RefundStatus][]RefundStatus{
	Requested:    {Refunded, RefundFailed},
	RefundFailed: {Requested},
}

// CanBecome reports whether a refund may change from s to next.
func (s RefundStatus) CanBecome(next RefundStatus) bool { return slices.Contains(refundEdges[s], next) }

// RefundStatuses returns every status of a refund.
func RefundStatuses() []RefundStatus { return []RefundStatus{Requested, Refunded, RefundFailed} }

// RefundKind says what is refunded.
type RefundKind string

// The kinds of refund.
const (
	// OfOrder refunds the payment of an order. The order becomes refunded when the provider confirms; until then it
	// cannot be fulfilled.
	OfOrder RefundKind = "order"
	// OfSurplus refunds money that the order did not need: a second payment, or a late one. It touches
	// neither the order nor its stock.
	OfSurplus RefundKind = "surplus"
)

// Refund is the full refund of an attempt. An attempt has at most one.
type Refund struct {
	ID        id.Refund
	Order     id.Order
	Attempt   id.Attempt
	Provider  string
	Kind      RefundKind
	Status    RefundStatus
	Amount    money.Amount
	Restock   bool // for OfOrder: units return to general stock; the customer's limit does not grow again
	Reason    string
	Actor     string
	Round     int    // number of requests, from 1
	Refusal   string // the provider's reason, if it refused
	CreatedAt time.Time
	LookAt    time.Time // when to send it to the provider again
	SettledAt time.Time
}

// Key is the refund's idempotency key at the provider, which pays once for each key. Only a refund that the provider
// has refused is sent under a new key.
func (r *Refund) Key() string { return r.ID.String() + "-" + strconv.Itoa(r.Round) }

// RefundRequest is an administrator's request to refund an order.
type RefundRequest struct {
	Refund  id.Refund
	Order   id.Order
	Reason  string
	Restock bool // return the units to general stock: only the administrator knows whether the goods came back
	Actor   string
	At      time.Time
	Mint    *id.Mint
}

// Check normalises the reason and validates it. It returns fault.Invalid with the field.
func (r *RefundRequest) Check() (err error) {
	r.Reason, err = auditlog.RequiredReason("reason", r.Reason)
	return err
}

// refundPollMax bounds the interval between requests for a refund.
const refundPollMax = 10 * time.Minute

// NextRefundPoll returns when to send a refund again that is sent at now.
func (p RetrySchedule) NextRefundPoll(r *Refund, now time.Time) time.Time {
	return now.Add(min(max(now.Sub(r.CreatedAt)/2, p.Lease), refundPollMax))
}
