package order

import (
	"encoding/base64"
	"encoding/binary"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// Ticket lets whoever holds it read the fate of one order that went through the queue, in whichever process and before it
// has a row. It is signed and not secret to its shopper: it opens nothing else.
type Ticket struct {
	Order    id.Order
	Customer id.Customer
	Queued   bool // it was in the queue when it was signed; else nobody knew
	Expires  time.Time
}

// ticketLifetime is how long a ticket is good: a shopper who comes back the next day still reads what became of the order.
const ticketLifetime = 48 * time.Hour

// A ticket is a version, the order, the customer, when it expires in Unix seconds, whether it was queued, and the
// signature's first half, in base64url: 74 characters.
const (
	ticketVersion   = 1
	ticketTextBytes = 1 + 8 + 8 + 8 + 1
	ticketMACBytes  = 16
)

func (s *Service) sign(t Ticket) string {
	var b [ticketTextBytes + ticketMACBytes]byte
	b[0] = ticketVersion
	binary.BigEndian.PutUint64(b[1:], uint64(t.Order))
	binary.BigEndian.PutUint64(b[9:], uint64(t.Customer))
	binary.BigEndian.PutUint64(b[17:], uint64(t.Expires.Unix()))
	if t.Queued {
		b[25] = 1
	}
	mac := s.signer.Sign(b[:ticketTextBytes])
	copy(b[ticketTextBytes:], mac[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// strictBase64 refuses trailing bits, so that a ticket has one spelling.
var strictBase64 = base64.RawURLEncoding.Strict()

// Ticket reads a ticket. It returns fault.Invalid of the field ticket for one that is not ours or is past its time.
func (s *Service) Ticket(text string) (Ticket, error) {
	var b [ticketTextBytes + ticketMACBytes]byte
	if strictBase64.DecodedLen(len(text)) != len(b) {
		return Ticket{}, badTicket()
	}
	if _, err := strictBase64.Decode(b[:], []byte(text)); err != nil || b[0] != ticketVersion || s.signer == nil {
		return Ticket{}, badTicket()
	}
	if !s.signer.Signed(b[:ticketTextBytes], b[ticketTextBytes:]) {
		return Ticket{}, badTicket()
	}
	t := Ticket{
		Order:    id.Order(binary.BigEndian.Uint64(b[1:])),
		Customer: id.Customer(binary.BigEndian.Uint64(b[9:])),
		Expires:  time.Unix(int64(binary.BigEndian.Uint64(b[17:])), 0).UTC(),
		Queued:   b[25] == 1,
	}
	if !s.clock.Now().Before(t.Expires) {
		return Ticket{}, badTicket()
	}
	return t, nil
}

func badTicket() *fault.Error {
	return fault.Bad("ticket", "It is not a ticket of this shop's, or it is older than %s.", ticketLifetime)
}
