package storefront

import (
	"testing"

	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
)

// binding marks the tickets that it binds.
type binding struct{ Orders }

func (binding) Bind(ticket string, session id.Session) string {
	return ticket + "-of-" + session.String()
}

// TestTicketsInAddressesAreTheSessions: a ticket that a page or an address has ends with the shopper's session.
func TestTicketsInAddressesAreTheSessions(t *testing.T) {
	t.Parallel()
	s := &Storefront{Parts: Parts{Orders: binding{}}}
	for ticket, want := range map[string]string{"T": "/orders/77?ticket=T-of-9", "": "/orders/77"} {
		if at := s.pageOf(&order.Placed{Order: order.Order{ID: 77}, Ticket: ticket}, 9); at != want {
			t.Errorf("the page is at %s, want %s", at, want)
		}
	}
}
