package order

import (
	"crypto/hmac"
	"crypto/sha256"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/clock"
)

// oneKey signs with one key.
type oneKey struct{}

func (oneKey) Sign(b []byte) (mac [32]byte) {
	h := hmac.New(sha256.New, []byte("key"))
	_, _ = h.Write(b) // it never fails
	return [32]byte(h.Sum(nil))
}

func (k oneKey) Signed(b, mac []byte) bool {
	want := k.Sign(b)
	return hmac.Equal(want[:len(mac)], mac)
}

// FuzzTicket: a ticket has one spelling, and one that is read is signed.
func FuzzTicket(f *testing.F) {
	now := time.Date(2026, 11, 27, 19, 0, 0, 0, time.UTC)
	s := &Service{signer: oneKey{}, clock: clock.NewManual(now)}
	good := s.sign(Ticket{Order: 7, Customer: 9, Queued: true, Expires: now.Add(time.Hour)})
	f.Add(good)
	f.Add(s.sign(Ticket{Order: 7, Customer: 9, Expires: now.Add(-time.Hour)}))
	f.Add(s.sign(Ticket{Order: 7, Customer: 9, Sale: 5, Key: "a key", Through: true, Deadline: 1_764_000_000_000, Expires: now.Add(time.Hour)}))
	f.Add(good[:len(good)-1] + "=")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		ticket, err := s.Ticket(text)
		if err != nil {
			return
		}
		if again := s.sign(ticket); again != text {
			t.Errorf("%q and %q are one ticket", text, again)
		}
	})
}
