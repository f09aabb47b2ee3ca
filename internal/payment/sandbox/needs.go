package sandbox

import (
	"context"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
	"github.com/tidegate/tidegate/internal/payment"
)

// Store holds the sandbox's rows. It is safe for concurrent use.
type Store interface {
	// SandboxOpen inserts a payment, or returns the attempt's existing one.
	SandboxOpen(ctx context.Context, p Payment) (Payment, error)
	// SandboxPayment reads an attempt's payment. It returns fault.NotFound.
	SandboxPayment(ctx context.Context, a id.Attempt) (Payment, error)
	// SandboxPaymentByToken reads the payment with that token. It returns fault.NotFound.
	SandboxPaymentByToken(ctx context.Context, token string) (Payment, error)
	// SandboxTransition changes a payment's status if it is still m.From, and queues the notifications, in one
	// transaction. It returns the payment after that, and whether it moved.
	SandboxTransition(ctx context.Context, m Transition) (after Payment, moved bool, err error)
	// SandboxScript replaces a payment's script.
	SandboxScript(ctx context.Context, a id.Attempt, script []byte) error
	// SandboxQueue queues notifications.
	SandboxQueue(ctx context.Context, all []Notification) error
	// SandboxRefund refunds an amount, once for each key. It returns fault.PaymentRefused if less than that is left to
	// refund.
	SandboxRefund(ctx context.Context, key string, a id.Attempt, amount money.Amount, at time.Time) error
	// SandboxDue lists notifications that are due at now, the oldest first.
	SandboxDue(ctx context.Context, now time.Time, limit int) ([]Notification, error)
	// SandboxSent records the last delivery of a notification.
	SandboxSent(ctx context.Context, n Notification) error
}

// Transition is a change of a payment's status.
type Transition struct {
	Attempt  id.Attempt
	From, To payment.State
	At       time.Time
	Notes    []Notification
}
