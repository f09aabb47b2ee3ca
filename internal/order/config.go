package order

import (
	"time"

	"github.com/tidegate/tidegate/internal/kernel/fault"
)

// Config is the order part of the configuration.
type Config struct {
	BatchOrdersMax   int           `koanf:"batch_orders_max" help:"orders in one commit, 1 to 5000; larger batches cost less each and wait longer"`
	QueueOrdersMax   int           `koanf:"queue_orders_max" help:"orders that may wait for a commit before new ones are told to come back, 1 to 1000000"`
	AnswerWithin     time.Duration `koanf:"answer_within" help:"how long a shopper waits for the outcome before the answer is 202 undecided, 100ms to 30s"`
	Intake           string        `koanf:"intake" help:"direct answers when an order is committed; queue answers when a broker has it, and commits it afterwards; auto is direct while commits are fast; queue and auto need bus.address to be a broker's"`
	QueueAfter       time.Duration `koanf:"queue_after" help:"with orders.intake auto: how long an order may wait for its commit before further ones are queued, 10ms to 10s"`
	BacklogOrdersMax int           `koanf:"backlog_orders_max" help:"queued orders of one process that may be undecided before new ones are told to come back, 1 to 10000000"`
	PaymentWindow    time.Duration `koanf:"payment_window" help:"how long an order from general stock is held unpaid, 10s to 168h"`
}

// The values of orders.intake.
const (
	IntakeDirect = "direct"
	IntakeQueue  = "queue"
	IntakeAuto   = "auto"
)

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{
		BatchOrdersMax: 500, QueueOrdersMax: 20_000, AnswerWithin: 5 * time.Second, PaymentWindow: 15 * time.Minute,
		Intake: IntakeDirect, QueueAfter: 250 * time.Millisecond, BacklogOrdersMax: 200_000,
	}
}

// Validate returns a fault.Invalid for the first value that is out of range.
func (c Config) Validate() error {
	switch {
	case c.BatchOrdersMax < 1 || c.BatchOrdersMax > 5000:
		return fault.Bad("batch_orders_max", "a number from 1 to 5000, not %d", c.BatchOrdersMax)
	case c.QueueOrdersMax < 1 || c.QueueOrdersMax > 1_000_000:
		return fault.Bad("queue_orders_max", "a number from 1 to 1000000, not %d", c.QueueOrdersMax)
	case c.AnswerWithin < 100*time.Millisecond || c.AnswerWithin > 30*time.Second:
		return fault.Bad("answer_within", "a duration from 100ms to 30s, not %s", c.AnswerWithin)
	case c.Intake != IntakeDirect && c.Intake != IntakeQueue && c.Intake != IntakeAuto:
		return fault.Bad("intake", "%s, %s or %s, not %q", IntakeDirect, IntakeQueue, IntakeAuto, c.Intake)
	case c.QueueAfter < 10*time.Millisecond || c.QueueAfter > 10*time.Second:
		return fault.Bad("queue_after", "a duration from 10ms to 10s, not %s", c.QueueAfter)
	case c.BacklogOrdersMax < 1 || c.BacklogOrdersMax > 10_000_000:
		return fault.Bad("backlog_orders_max", "a number from 1 to 10000000, not %d", c.BacklogOrdersMax)
	case c.PaymentWindow < 10*time.Second || c.PaymentWindow > 168*time.Hour:
		return fault.Bad("payment_window", "a duration from 10s to 168h, not %s", c.PaymentWindow)
	}
	return nil
}
