package order

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/fault"
)

// Config is the order part of the configuration.
type Config struct {
	BatchOrdersMax   int           `koanf:"batch_orders_max" help:"orders in one commit, 1 to 5000; larger batches cost less each and wait longer" live:"true"`
	QueueOrdersMax   int           `koanf:"queue_orders_max" help:"orders that may wait for a commit before new ones are told to come back, 1 to 1000000" live:"true"`
	AnswerWithin     time.Duration `koanf:"answer_within" help:"how long a shopper waits for the outcome before the answer is 202 undecided, 100ms to 30s"`
	Intake           string        `koanf:"intake" help:"direct answers when an order is committed; queue answers when a broker has it, and commits it afterwards; auto is direct while commits are fast; queue and auto need bus.address to be a broker's"`
	QueueAfter       time.Duration `koanf:"queue_after" help:"with orders.intake auto: how long an order may wait for its commit before further ones are queued, 10ms to 10s"`
	BacklogOrdersMax int           `koanf:"backlog_orders_max" help:"queued orders of one process that may be undecided before new ones are told to come back, 1 to 10000000" live:"true"`
	PaymentWindow    time.Duration `koanf:"payment_window" help:"how long an order from general stock is held unpaid, 10s to 168h" live:"true"`
	UnpaidOrdersMax  int           `koanf:"unpaid_orders_max" help:"orders from general stock that one customer may hold unpaid at once, 1 to 1000" live:"true"`
	UnpaidUnitsMax   int           `koanf:"unpaid_units_max" help:"units from general stock that one customer may hold unpaid at once, 1 to 1000000; an order of more is refused" live:"true"`
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
		UnpaidOrdersMax: 20, UnpaidUnitsMax: 200,
	}
}

// Validate returns a fault.Invalid for each value that is out of range.
func (c Config) Validate() error {
	var wrong []error
	for _, w := range []struct {
		out bool
		is  error
	}{
		{c.BatchOrdersMax < 1 || c.BatchOrdersMax > 5000, fault.Bad("batch_orders_max", "a number from 1 to 5000, not %d", c.BatchOrdersMax)},
		{c.QueueOrdersMax < 1 || c.QueueOrdersMax > 1_000_000, fault.Bad("queue_orders_max", "a number from 1 to 1000000, not %d", c.QueueOrdersMax)},
		{c.AnswerWithin < 100*time.Millisecond || c.AnswerWithin > 30*time.Second, fault.Bad("answer_within", "a duration from 100ms to 30s, not %s", c.AnswerWithin)},
		{c.Intake != IntakeDirect && c.Intake != IntakeQueue && c.Intake != IntakeAuto, fault.Bad("intake", "%s, %s or %s, not %q", IntakeDirect, IntakeQueue, IntakeAuto, c.Intake)},
		{c.QueueAfter < 10*time.Millisecond || c.QueueAfter > 10*time.Second, fault.Bad("queue_after", "a duration from 10ms to 10s, not %s", c.QueueAfter)},
		{c.BacklogOrdersMax < 1 || c.BacklogOrdersMax > 10_000_000, fault.Bad("backlog_orders_max", "a number from 1 to 10000000, not %d", c.BacklogOrdersMax)},
		{c.PaymentWindow < 10*time.Second || c.PaymentWindow > 168*time.Hour, fault.Bad("payment_window", "a duration from 10s to 168h, not %s", c.PaymentWindow)},
		{c.UnpaidOrdersMax < 1 || c.UnpaidOrdersMax > 1000, fault.Bad("unpaid_orders_max", "a number from 1 to 1000, not %d", c.UnpaidOrdersMax)},
		{c.UnpaidUnitsMax < 1 || c.UnpaidUnitsMax > 1_000_000, fault.Bad("unpaid_units_max", "a number from 1 to 1000000, not %d", c.UnpaidUnitsMax)},
	} {
		if w.out {
			wrong = append(wrong, w.is)
		}
	}
	return errors.Join(wrong...)
}

// UnpaidMax returns how much of general stock one customer may hold unpaid at once.
func (c Config) UnpaidMax() Unpaid {
	return Unpaid{Orders: int64(c.UnpaidOrdersMax), Units: int64(c.UnpaidUnitsMax)}
}

// Limits are a configuration whose live settings may change while orders come. Safe for concurrent use.
type Limits struct{ now atomic.Pointer[Config] }

// Set replaces the configuration by one that is valid, and differs in live settings alone.
func (l *Limits) Set(c Config) { l.now.Store(&c) }

// Now returns the configuration of the moment. It must not be changed.
func (l *Limits) Now() *Config { return l.now.Load() }
