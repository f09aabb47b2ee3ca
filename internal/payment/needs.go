package payment

import (
	"context"
	"net/http"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
)

// Provider is a company that takes money. Safe for concurrent use.
//
// Only an error that is fault.PaymentRefused is the provider's no. After every other error the outcome is not known: it is
// asked for again, under the same id or key, and never taken for a failure. Every method ends when its context does, and
// may be called again with the same values after any outcome.
type Provider interface {
	// Name is the provider's name in addresses and rows.
	Name() string
	// Start opens the attempt at the provider, under the attempt's id: started twice it is opened once. It carries ExpiresAt.
	Start(ctx context.Context, a Attempt) (Report, error)
	// Query asks what has become of the attempt.
	Query(ctx context.Context, a Attempt) (Report, error)
	// Close makes sure that the attempt is not paid from now on, or reports that it was. Where the provider can, an attempt it
	// has never heard of is closed, too, so that a Start under way comes to nothing.
	Close(ctx context.Context, a Attempt) (Report, error)
	// Refund gives the attempt's money back under the refund's key, once. It reports false, and no error, while the provider
	// is still at it.
	Refund(ctx context.Context, a Attempt, r Refund) (done bool, err error)
	// VerifyNotification reads a notification and proves who sent it and when, over the exact body. It returns
	// fault.BadSignature, or fault.BadRequest for what is proven and cannot be read.
	VerifyNotification(header http.Header, body []byte, now time.Time) (Report, error)
}

// Store is what payments need of the database. Safe for concurrent use. No method calls a provider, and no provider is
// called inside one.
type Store interface {
	// Order reads an order. It returns fault.NotFound.
	Order(ctx context.Context, o id.Order) (order.Order, error)
	// Attempt reads an attempt. It returns fault.NotFound.
	Attempt(ctx context.Context, a id.Attempt) (Attempt, error)
	// LiveAttempt reads the order's attempt that may still be paid. It returns fault.NotFound where there is none.
	LiveAttempt(ctx context.Context, o id.Order) (Attempt, error)
	// Attempts lists an order's attempts, newest first, up to AttemptsMax.
	Attempts(ctx context.Context, o id.Order) ([]Attempt, error)
	// BeginAttempt records an attempt for a pending order whose time is not over at CreatedAt, or returns the one that is live.
	// It returns fault.NotFound, fault.OrderClosed, or fault.PaymentRefused where the order has had AttemptsMax.
	BeginAttempt(ctx context.Context, a Attempt) (live Attempt, created bool, err error)
	// Settle records reports that fit their attempts, in one transaction, with all that follows from each: the order is paid and its
	// units sold, an expired order is honoured, or a refund is requested. One that cannot be recorded does not fail the
	// others: see Settled.Err.
	Settle(ctx context.Context, batch []Settlement) ([]Settled, error)
	// ClaimAttempts returns up to limit live attempts whose LookAt has come, and moves LookAt to next, so that no other worker
	// has them until then.
	ClaimAttempts(ctx context.Context, now time.Time, limit int, next func(a *Attempt, pending bool) time.Time) ([]Claimed, error)
	// ExpireOrders ends pending orders whose time was over at now and that have no live attempt, in one bounded transaction.
	// It returns how many it ended, and for each that could not be ended the reason, which does not keep it from the others.
	ExpireOrders(ctx context.Context, now time.Time, mint *id.Mint) (ended int, stuck []error, err error)
	// CancelOrder moves a pending order without a live attempt to cancelled and gives its units back. It returns the order as
	// it is afterwards, and whether a live attempt prevented it.
	CancelOrder(ctx context.Context, o id.Order, actor string, now time.Time, mint *id.Mint) (after order.Order, live bool, err error)
	// OldestDue returns when the time of the longest overdue pending order was over; zero where none is overdue at now.
	OldestDue(ctx context.Context, now time.Time) (time.Time, error)
	// RequestRefund records an order's refund, or returns the one it has; failed refunds of the order are requested again. It
	// returns fault.NotFound, or fault.BadTransition where there is nothing to refund.
	RequestRefund(ctx context.Context, r RefundRequest) (Refund, error)
	// ClaimRefunds returns up to limit requested refunds whose LookAt has come, with their attempts, and moves LookAt to next.
	ClaimRefunds(ctx context.Context, now time.Time, limit int, next func(*Refund) time.Time) ([]ClaimedRefund, error)
	// SettleRefund ends a requested refund: Refunded moves an order's refund on to the order and its stock. It changes nothing
	// where the refund has been settled. It returns fault.NotFound.
	SettleRefund(ctx context.Context, r id.Refund, to RefundStatus, refusal string, at time.Time, mint *id.Mint) (Refund, error)
	// Refunds lists refunds, newest first.
	Refunds(ctx context.Context, f RefundFilter) ([]Refund, error)
}

// Settlement is a report to be recorded.
type Settlement struct {
	Report Report
	Refund id.Refund // the id of the refund, should there be one
	At     time.Time
	Mint   *id.Mint
}

// Settled is what a report has changed.
type Settled struct {
	Attempt Attempt
	Changed bool
	Err     error
}

// Claimed is an attempt to ask after, and whether its order still waits for it.
type Claimed struct {
	Attempt Attempt
	Pending bool
}

// ClaimedRefund is a refund to ask for, and what is refunded.
type ClaimedRefund struct {
	Refund  Refund
	Attempt Attempt
}

// RefundFilter selects refunds; a zero field selects all.
type RefundFilter struct {
	Status RefundStatus
	Order  id.Order
	Before id.Refund // older than this one
	Limit  int
}
