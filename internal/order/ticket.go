package order

import (
	"encoding/base64"
	"encoding/binary"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// Ticket authorises its holder to read the outcome of one order, at any process and before the order has a row. It is
// signed. It is not secret from its shopper and grants nothing else.
type Ticket struct {
	Order    id.Order
	Customer id.Customer
	Sale     id.Sale
	Key      string     // idempotency key, which may have made another order since; empty if the process did not know it
	Session  id.Session // session that received the ticket; the ticket ends with it; zero: none
	Queued   bool       // the order was in the queue when this was signed; otherwise its outcome was unknown
	Through  bool       // the order goes, or may go, through the queue: only its settlement decides it
	// Deadline is the end of the order's reservation, as in inventory.Claim: later nothing is committed. Zero if a
	// single process sells.
	Deadline int64
	Expires  time.Time
}

// ticketLifetime is the validity of a ticket. A shopper who returns the next day can still read the outcome.
const ticketLifetime = 48 * time.Hour

// Issued returns when the ticket was signed, to the second.
func (t Ticket) Issued() time.Time { return t.Expires.Add(-ticketLifetime) }

// A ticket is base64url of: version, flags, order, customer, session, sale, expiry in Unix seconds, deadline in
// milliseconds, key, and the first half of the signature. It has 88 characters plus the key's, at most TicketMax.
const (
	ticketVersion   = 3
	ticketHeadBytes = 2 + 6*8
	ticketMACBytes  = 16

	// TicketMax is the longest ticket, in characters.
	TicketMax = ((ticketHeadBytes+KeyMax+ticketMACBytes)*8 + 5) / 6

	flagQueued, flagThrough = 1, 2
)

func (s *Service) sign(t Ticket) string {
	b := make([]byte, 0, ticketHeadBytes+len(t.Key)+ticketMACBytes)
	flags := byte(0)
	if t.Queued {
		flags |= flagQueued
	}
	if t.Through {
		flags |= flagThrough
	}
	b = append(b, ticketVersion, flags)
	for _, n := range []int64{int64(t.Order), int64(t.Customer), int64(t.Session), int64(t.Sale), t.Expires.Unix(), t.Deadline} {
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	b = append(b, t.Key...)
	mac := s.signer.Sign(b)
	return base64.RawURLEncoding.EncodeToString(append(b, mac[:ticketMACBytes]...))
}

// Bind returns the ticket of an answer, bound to a session. The ticket ends with the session. An empty ticket stays
// empty.
func (s *Service) Bind(ticket string, session id.Session) string {
	t, err := s.Ticket(ticket)
	if err != nil {
		return ticket
	}
	t.Session = session
	return s.sign(t)
}

// strictBase64 rejects trailing bits, so that each ticket has exactly one spelling.
var strictBase64 = base64.RawURLEncoding.Strict()

// Ticket parses and verifies a ticket. It returns fault.Invalid for the field ticket if the signature is wrong or the
// ticket has expired.
func (s *Service) Ticket(text string) (Ticket, error) {
	if len(text) > TicketMax {
		return Ticket{}, badTicket()
	}
	b, err := strictBase64.DecodeString(text)
	if err != nil || len(b) < ticketHeadBytes+ticketMACBytes || b[0] != ticketVersion {
		return Ticket{}, badTicket()
	}
	b, mac := b[:len(b)-ticketMACBytes], b[len(b)-ticketMACBytes:]
	if !s.signer.Signed(b, mac) {
		return Ticket{}, badTicket()
	}
	number := func(n int) int64 { return int64(binary.BigEndian.Uint64(b[2+8*n:])) }
	t := Ticket{
		Order: id.Order(number(0)), Customer: id.Customer(number(1)), Session: id.Session(number(2)), Sale: id.Sale(number(3)),
		Expires: time.Unix(number(4), 0).UTC(), Deadline: number(5), Key: string(b[ticketHeadBytes:]), Queued: b[1]&flagQueued != 0, Through: b[1]&flagThrough != 0,
	}
	if !s.clock.Now().Before(t.Expires) {
		return Ticket{}, badTicket()
	}
	return t, nil
}

func badTicket() *fault.Error {
	return fault.Bad("ticket", "It is not a ticket of this shop's, or it is older than %s.", ticketLifetime)
}
