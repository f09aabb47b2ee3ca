package order

import (
	"time"

	"github.com/tidegate/tidegate/internal/kernel/fault"
)

// Config is the order part of the configuration.
type Config struct {
	BatchOrdersMax int           `koanf:"batch_orders_max" help:"orders in one commit, 1 to 5000; larger batches cost less each and wait longer"`
	QueueOrdersMax int           `koanf:"queue_orders_max" help:"orders that may wait for a commit before new ones are told to come back, 1 to 1000000"`
	AnswerWithin   time.Duration `koanf:"answer_within" help:"how long a shopper waits for the outcome before the answer is 202 undecided, 100ms to 30s"`
	PaymentWindow  time.Duration `koanf:"payment_window" help:"how long an order from general stock is held unpaid, 10s to 168h"`
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{BatchOrdersMax: 500, QueueOrdersMax: 20_000, AnswerWithin: 5 * time.Second, PaymentWindow: 15 * time.Minute}
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
	case c.PaymentWindow < 10*time.Second || c.PaymentWindow > 168*time.Hour:
		return fault.Bad("payment_window", "a duration from 10s to 168h, not %s", c.PaymentWindow)
	}
	return nil
}
