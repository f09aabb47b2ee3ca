// Package notify owns the notifications of shoppers about their orders: placed, paid, expired, refunded. A Sender owns
// how mail is transported.
//
// A notification is sent at least once. Every try has the same Message-ID, so a mail program shows it once.
package notify

import (
	"context"
	"encoding/json"
	"errors"
	"net/mail"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/event"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
	"github.com/tidegate/tidegate/internal/kernel/text"
)

// The senders.
const (
	SendNone = "none"
	SendFile = "file"
	SendSMTP = "smtp"
)

// Config is the notification part of the configuration.
type Config struct {
	Sender   string `koanf:"sender" help:"how shoppers are told of their orders: none, smtp, or file (mails in the folder mail of the data folder)"`
	From     string `koanf:"from" help:"whom mails come from, such as Shop <orders@shop.example>"`
	ShopName string `koanf:"shop_name" help:"how mails call the shop"`
	SMTP     SMTP   `koanf:"smtp"`
}

// SMTP is the configuration of the mail server.
type SMTP struct {
	Address  string `koanf:"address" help:"host and port of the mail server, such as smtp.example.com:587"`
	User     string `koanf:"user" help:"log-in, where the server asks for one; sent over TLS only"`
	Password string `koanf:"password" help:"of the log-in" secret:"true"`
	TLS      string `koanf:"tls" help:"starttls (refused where the server has none), tls (from the first byte), or none (for a server on this machine)"`
}

// DefaultConfig returns the defaults: no mail is sent.
func DefaultConfig() Config {
	return Config{Sender: SendNone, From: "shop@localhost", ShopName: "Tidegate", SMTP: SMTP{Address: "127.0.0.1:25", TLS: "starttls"}}
}

// Validate returns a fault for every invalid value.
func (c Config) Validate() error {
	var wrong []error
	if c.Sender != SendNone && c.Sender != SendFile && c.Sender != SendSMTP {
		wrong = append(wrong, fault.Bad("sender", "none, smtp or file, not %q", c.Sender))
	}
	if _, err := mail.ParseAddress(c.From); err != nil {
		wrong = append(wrong, fault.Bad("from", "an address such as Shop <orders@shop.example>, not %q", c.From))
	}
	if _, err := text.Clean("shop_name", c.ShopName, text.Line, 1, 100); err != nil {
		wrong = append(wrong, err)
	}
	if t := c.SMTP.TLS; t != "starttls" && t != "tls" && t != "none" {
		wrong = append(wrong, fault.Bad("smtp.tls", "starttls, tls or none, not %q", t))
	}
	return errors.Join(wrong...)
}

// Types returns the types of events that the module consumes.
func Types() []string {
	return []string{"order.placed.v1", "order.paid.v1", "order.expired.v1", "order.refunded.v1"}
}

// State is the state of a notification.
type State string

// The states.
const (
	Waiting State = "waiting"
	Sent    State = "sent"
	// Failed: all tries of about a day failed.
	Failed State = "failed"
	// Nobody: the shopper has no account, such as a rehearsal's.
	Nobody State = "nobody"
)

// Notification is a notification of a shopper, one for each event.
type Notification struct {
	// Position, Type and Payload are the event's.
	Position int64
	Type     string
	Order    id.Order
	Customer id.Customer
	Payload  []byte
	State    State
	Tries    int
	DueAt    time.Time
	// LastError is the error of the last try.
	LastError string
	SettledAt time.Time
	// Email is the shopper's current address; empty if there is none.
	Email string
}

// line and told are the payload of an order's events, as far as mails show it.
type line struct {
	SKU      id.SKU       `json:"sku_id"`
	Quantity int64        `json:"quantity"`
	Units    int64        `json:"units"` // the name of quantity in events of earlier versions
	Total    money.Amount `json:"total"`
}

type told struct {
	ID        id.Order     `json:"id"`
	Lines     []line       `json:"lines"`
	Total     money.Amount `json:"total"`
	ExpiresAt time.Time    `json:"expires_at"`
}

// newNotification returns the notification of an event. It returns fault.Invalid for an unreadable event.
func newNotification(e event.Event, now time.Time) (Notification, error) {
	var o struct { // its owner; sending reads the rest
		ID       id.Order    `json:"id"`
		Customer id.Customer `json:"customer_id"`
	}
	if err := json.Unmarshal(e.Payload, &o); err != nil || o.ID.IsZero() || o.Customer.IsZero() {
		return Notification{}, fault.Wrap(fault.Invalid, err, "Event %d (%s) has no order or no customer.", e.Position, e.Type)
	}
	return Notification{
		Position: e.Position, Type: e.Type, Order: o.ID, Customer: o.Customer, Payload: e.Payload, State: Waiting, DueAt: now,
	}, nil
}

// retryDelays are the pauses after each failed try: about a day in all.
var retryDelays = []time.Duration{
	10 * time.Second, time.Minute, 5 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour, 8 * time.Hour, 8 * time.Hour,
}

// withResult returns the notification after a try.
func (n Notification) withResult(err error, now time.Time) Notification {
	n.Tries++
	switch {
	case err == nil:
		n.State, n.SettledAt, n.LastError = Sent, now, ""
	case errors.As(err, new(*PermanentError)) || n.Tries > len(retryDelays):
		n.State, n.SettledAt, n.LastError = Failed, now, reason(err)
	default:
		n.DueAt, n.LastError = now.Add(retryDelays[n.Tries-1]), reason(err)
	}
	return n
}

// reasonBytesMax bounds the stored text of an error.
const reasonBytesMax = 500

func reason(err error) string {
	text := err.Error()
	return text[:min(len(text), reasonBytesMax)]
}

// PermanentError is an error that a retry cannot change, such as an unknown address.
type PermanentError struct{ Err error }

// Error implements error.
func (r *PermanentError) Error() string { return "refused: " + r.Err.Error() }

// Unwrap returns the cause.
func (r *PermanentError) Unwrap() error { return r.Err }

// Mail is a message to one shopper.
type Mail struct {
	// ID is the Message-ID without its angle brackets.
	ID         string
	From, To   mail.Address
	Subject    string
	Text, HTML string
	At         time.Time
}

// Sender sends mail. It is safe for concurrent use.
type Sender interface {
	// Send returns when the mail has been accepted. It returns a *PermanentError if a retry is useless.
	Send(ctx context.Context, m *Mail) error
}

// Store is the database as notifications need it. It is safe for concurrent use.
type Store interface {
	// AddNotifications records notifications in one transaction, each once for its event.
	AddNotifications(ctx context.Context, all []Notification) error
	// DueNotifications lists up to limit due notifications, oldest first, with the shoppers' addresses.
	DueNotifications(ctx context.Context, now time.Time, limit int) ([]Notification, error)
	// SettleNotifications records the results of tries, in one transaction.
	SettleNotifications(ctx context.Context, all []Notification) error
	// CleanNotifications deletes up to limit notifications that were settled before a time.
	CleanNotifications(ctx context.Context, before time.Time, limit int) (int, error)
	// SKUTitles returns the titles of SKUs.
	SKUTitles(ctx context.Context, skus []id.SKU) (map[id.SKU]string, error)
}
