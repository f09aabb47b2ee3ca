// Package sandbox is a payment provider for trying the shop out: a cashier page, signed notifications over HTTP, and
// controls with which a test makes it misbehave. No money moves.
//
// It behaves like an outside company. It has its own rows, which survive a restart. The shop learns of them only
// through payment.Provider and notifications.
package sandbox

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
	"github.com/tidegate/tidegate/internal/payment"
)

// Name is the provider's name in addresses and rows.
const Name = "sandbox"

// Config is the sandbox's part of the configuration.
type Config struct {
	Secret    string `koanf:"secret" help:"signs the notifications, at least 16 characters; where empty one is made and kept in the data folder" secret:"true"`
	PublicURL string `koanf:"public_url" help:"where shoppers reach the cashier, such as https://shop.example; this process's own address where empty"`
	NotifyURL string `koanf:"notify_url" help:"where notifications are sent, such as http://127.0.0.1:8080; this process's own address where empty"`
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config { return Config{} }

// secretMin is the length of the shortest valid secret, in bytes.
const secretMin = 16

// Validate returns a fault.Invalid for the first invalid value.
func (c Config) Validate() error {
	if c.Secret != "" && len(c.Secret) < secretMin {
		return fault.Bad("secret", "at least %d characters", secretMin)
	}
	if err := checkBase(c.PublicURL); err != nil {
		return fault.Bad("public_url", "%s", err)
	}
	if err := checkBase(c.NotifyURL); err != nil {
		return fault.Bad("notify_url", "%s", err)
	}
	return nil
}

// Payment is the sandbox's record of an attempt.
type Payment struct {
	Attempt   id.Attempt
	Order     id.Order
	Token     string // secret: part of the cashier's address
	Status    payment.State
	Amount    money.Amount
	Refunded  int64  // minor units
	Script    []byte // notifications to send when it settles, as JSON; empty: one correct one
	CreatedAt time.Time
	ExpiresAt time.Time
	SettledAt time.Time
}

// report returns the sandbox's report of the payment.
func (p *Payment) report() payment.Report {
	return payment.Report{Attempt: p.Attempt, Order: p.Order, State: p.Status, Amount: p.Amount, Reference: reference(p.Attempt)}
}

func reference(a id.Attempt) string { return "sbx_" + a.String() }

// Note is a notification to send. The zero value is a correct one; each field that is set makes it wrong in one way.
type Note struct {
	State    payment.State `json:"state,omitempty"`    // differs from the payment's state
	DelayMS  int64         `json:"delay_ms,omitempty"` // delay of the sending
	AgeMS    int64         `json:"age_ms,omitempty"`   // age of its timestamp when it is sent
	Forged   bool          `json:"forged,omitempty"`   // signed with another secret
	Minor    *int64        `json:"minor,omitempty"`    // another amount
	Currency string        `json:"currency,omitempty"` // another currency
	Order    id.Order      `json:"order_id,omitzero"`  // another order
	Attempt  id.Attempt    `json:"attempt_id,omitzero"`
}

// Limits of a test's notes.
const (
	notesMax = 20
	delayMax = 24 * time.Hour
)

// check returns a fault.Invalid for an invalid note.
func (n Note) check(i int) error {
	field := fmt.Sprintf("notifications[%d]", i)
	most := delayMax.Milliseconds()
	switch {
	case n.DelayMS < 0 || n.DelayMS > most:
		return fault.Bad(field+".delay_ms", "must be 0 to %d", most)
	case n.AgeMS < -most || n.AgeMS > most:
		return fault.Bad(field+".age_ms", "must be within ±%d", most)
	}
	switch n.State {
	case "", payment.Waiting, payment.Paid, payment.Declined, payment.Ended:
		return nil
	}
	return fault.Bad(field+".state", "must be waiting, paid, declined or ended")
}

// Notification is a message to deliver to the shop.
type Notification struct {
	ID      id.Notification
	Attempt id.Attempt
	Body    []byte
	Forged  bool
	Age     time.Duration
	Tries   int
	DueAt   time.Time
	DoneAt  time.Time // delivered, refused permanently, or given up
	Answer  string    // the shop's last answer
}

// message is the body of a notification.
type message struct {
	ID        id.Notification `json:"id"`
	Attempt   id.Attempt      `json:"attempt_id"`
	Order     id.Order        `json:"order_id"`
	State     payment.State   `json:"state"`
	Amount    money.Amount    `json:"amount"`
	Reference string          `json:"reference"`
}

// notification makes the message that the note describes.
func (n Note) notification(p *Payment, of id.Notification, now time.Time) (Notification, error) {
	m := message{ID: of, Attempt: p.Attempt, Order: p.Order, State: p.Status, Amount: p.Amount}
	if n.State != "" {
		m.State = n.State
	}
	if n.Minor != nil {
		m.Amount.Minor = *n.Minor
	}
	if n.Currency != "" {
		m.Amount.Currency = money.Currency(n.Currency)
	}
	if n.Order != 0 {
		m.Order = n.Order
	}
	if n.Attempt != 0 {
		m.Attempt = n.Attempt
	}
	m.Reference = reference(m.Attempt)
	body, err := json.Marshal(m)
	return Notification{
		ID: of, Attempt: p.Attempt, Body: body, Forged: n.Forged, Age: time.Duration(n.AgeMS) * time.Millisecond,
		DueAt: now.Add(time.Duration(n.DelayMS) * time.Millisecond),
	}, err
}

// notes decodes a payment's script.
func (p *Payment) notes() ([]Note, error) {
	if len(p.Script) == 0 {
		return []Note{{}}, nil
	}
	var notes []Note
	err := json.Unmarshal(p.Script, &notes)
	return notes, err
}
