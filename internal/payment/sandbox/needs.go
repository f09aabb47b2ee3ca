package sandbox

import (
	"context"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
	"github.com/tidegate/tidegate/internal/payment"
)

// Store is the sandbox's own memory. Safe for concurrent use.
type Store interface {
	// SandboxOpen inserts a payment, or returns the one that the attempt has.
	SandboxOpen(ctx context.Context, p Payment) (Payment, error)
	// SandboxPayment reads an attempt's payment. It returns fault.NotFound.
	SandboxPayment(ctx context.Context, a id.Attempt) (Payment, error)
	// SandboxPaymentByToken reads the payment with that token. It returns fault.NotFound.
	SandboxPaymentByToken(ctx context.Context, token string) (Payment, error)
	// SandboxTransition changes a payment's status where it still is m.From, and queues the notifications, in one transaction. It
	// returns the payment as it is afterwards and whether it moved.
	SandboxTransition(ctx context.Context, m Transition) (after Payment, moved bool, err error)
	// SandboxScript replaces a payment's script.
	SandboxScript(ctx context.Context, a id.Attempt, script []byte) error
	// SandboxQueue queues notifications.
	SandboxQueue(ctx context.Context, all []Notification) error
	// SandboxRefund gives money back, once for a key. It returns fault.PaymentRefused where the payment has not so much to give.
	SandboxRefund(ctx context.Context, key string, a id.Attempt, amount money.Amount, at time.Time) error
	// SandboxDue lists notifications that are to be sent at now, the longest due first.
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
