package payment

import (
	"context"
	"net/http"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
)

// CancelLimiter limits how many orders of a sale a customer may cancel. It is safe for concurrent use.
type CancelLimiter interface {
	// MayCancel counts one cancellation. It returns fault.TooManyRequests if the customer has used them up.
	MayCancel(ctx context.Context, who id.Customer, s id.Sale) error
}

// Provider is a payment provider. It is safe for concurrent use.
//
// Only fault.PaymentRefused means that the provider has refused. After any other error the outcome is unknown, and the
// call is repeated under the same id or key. Every method returns when its context ends, and may be repeated with the
// same values after any outcome.
type Provider interface {
	// Name is the provider's name in addresses and rows.
	Name() string
	// Start creates the attempt at the provider. It is idempotent by the attempt's id. The provider learns ExpiresAt.
	Start(ctx context.Context, a Attempt) (Report, error)
	// Query returns the provider's state of the attempt.
	Query(ctx context.Context, a Attempt) (Report, error)
	// Close makes sure that the attempt cannot be paid any more, or reports that it was paid. If the provider allows
	// it, Close also closes an unknown attempt, so that a delayed Start has no effect.
	Close(ctx context.Context, a Attempt) (Report, error)
	// Refund refunds the attempt, once for the refund's key. It returns false without an error while the provider is
	// still processing it.
	Refund(ctx context.Context, a Attempt, r Refund) (done bool, err error)
	// VerifyNotification verifies the sender and time of a notification over its exact body, and parses it. It returns
	// fault.BadSignature, or fault.BadRequest for a verified but malformed one.
	VerifyNotification(header http.Header, body []byte, now time.Time) (Report, error)
}

// Store is the database as payments need it. It is safe for concurrent use. No method calls a provider, and no provider
// is called within a transaction.
type Store interface {
	// Order reads an order. It returns fault.NotFound.
	Order(ctx context.Context, o id.Order) (order.Order, error)
	// Attempt reads an attempt. It returns fault.NotFound.
	Attempt(ctx context.Context, a id.Attempt) (Attempt, error)
	// LiveAttempt returns the order's attempt that may still be paid. It returns fault.NotFound if there is none.
	LiveAttempt(ctx context.Context, o id.Order) (Attempt, error)
	// Attempts lists an order's attempts, newest first, up to AttemptsMax.
	Attempts(ctx context.Context, o id.Order) ([]Attempt, error)
	// BeginAttempt records an attempt for a pending order that is not overdue at CreatedAt, or returns the live one. It
	// returns fault.NotFound, fault.OrderClosed, or fault.PaymentRefused after AttemptsMax attempts.
	BeginAttempt(ctx context.Context, a Attempt) (live Attempt, created bool, err error)
	// PayFree pays a pending order whose total is zero and that is not overdue at CreatedAt, and sells its units, in
	// one transaction. a is the payment, with NoProvider. For a paid order it returns the existing payment. It returns
	// fault.NotFound, fault.OrderClosed, or fault.AmountMismatch if the total is not zero.
	PayFree(ctx context.Context, a Attempt, mint *id.Mint) (Attempt, error)
	// RecordReports records matching reports and their consequences in one transaction: an order is paid and its units
	// sold, an expired order is honoured, or a refund is requested. A report that cannot be recorded does not fail the
	// others: see RecordedReport.Err.
	RecordReports(ctx context.Context, batch []ReportEntry) ([]RecordedReport, error)
	// ClaimAttempts returns up to limit live attempts whose LookAt has passed. It sets their LookAt to next, so that no
	// other worker gets them earlier.
	ClaimAttempts(ctx context.Context, now time.Time, limit int, next func(a *Attempt, pending bool) time.Time) ([]DueAttempt, error)
	// ExpireOrders expires pending orders that were overdue at now and have no live attempt, in one bounded
	// transaction. It returns their number and an error for each order that failed; the others still expire.
	ExpireOrders(ctx context.Context, now time.Time, mint *id.Mint) (ended int, stuck []error, err error)
	// CancelOrder cancels a pending order without a live attempt and releases its units. It returns the current order
	// and whether a live attempt prevented the change.
	CancelOrder(ctx context.Context, o id.Order, actor string, now time.Time, mint *id.Mint) (after order.Order, live bool, err error)
	// OldestDue returns since when the longest overdue pending order has been due; zero if none is overdue at now.
	OldestDue(ctx context.Context, now time.Time) (time.Time, error)
	// RequestRefund records an order's refund or returns the existing one; failed refunds are requested again. A free
	// order is refunded in the same transaction, because no money moves. It returns fault.NotFound, or
	// fault.BadTransition if there is nothing to refund.
	RequestRefund(ctx context.Context, r RefundRequest) (Refund, error)
	// ClaimRefunds returns up to limit requested refunds whose LookAt has passed, with their attempts, and sets LookAt
	// to next.
	ClaimRefunds(ctx context.Context, now time.Time, limit int, next func(*Refund) time.Time) ([]DueRefund, error)
	// RecordRefund completes a requested refund. Refunded also updates the order and its stock. A completed refund is
	// not changed. It returns fault.NotFound.
	RecordRefund(ctx context.Context, r id.Refund, to RefundStatus, refusal string, at time.Time, mint *id.Mint) (Refund, error)
	// Refunds lists refunds, newest first.
	Refunds(ctx context.Context, f RefundFilter) ([]Refund, error)
}

// ReportEntry is a report for RecordReports.
type ReportEntry struct {
	Report Report
	Refund id.Refund // id for the refund that may follow
	At     time.Time
	Mint   *id.Mint
}

// RecordedReport is the result of recording a report.
type RecordedReport struct {
	Attempt Attempt
	Changed bool
	Err     error
}

// DueAttempt is an attempt to poll. Pending says that its order still awaits payment.
type DueAttempt struct {
	Attempt Attempt
	Pending bool
}

// DueRefund is a refund to send to its provider, with its attempt.
type DueRefund struct {
	Refund  Refund
	Attempt Attempt
}

// RefundFilter selects refunds; a zero field selects all.
type RefundFilter struct {
	Status RefundStatus
	Order  id.Order
	Before id.Refund // lists only older refunds
	Limit  int
}
