package blackbox

import (
	"net/http"
	"strings"
)

// Payment is an attempt to pay an order.
type Payment struct {
	ID     string `json:"id"`
	Order  string `json:"order_id"`
	Status string `json:"status"`
	PayURL string `json:"pay_url"`
}

// Refund is money that goes back.
type Refund struct {
	ID      string `json:"id"`
	Order   string `json:"order_id"`
	Payment string `json:"payment_id"`
	Status  string `json:"status"`
	Amount  Money  `json:"amount"`
}

// StartPayment asks for an attempt to pay an accepted order. The answer is a Payment where its status is 201.
func (s *Shop) StartPayment(r Receipt) (Payment, Answer) {
	s.T.Helper()
	a := s.Ask("POST", "/v1/orders/"+r.Order.ID+"/payments", r.Token, "")
	var p Payment
	if a.Status == http.StatusCreated {
		s.decode(a.Body, &p)
	}
	return p, a
}

// Pay presses the button at the cashier. The answer is 303 where the money was taken.
func (s *Shop) Pay(payURL string) Answer {
	return s.Ask("POST", s.moved(payURL), "", "action=pay", "Content-Type", "application/x-www-form-urlencoded")
}

// Cashier tells the sandbox's cashier what to do with a payment: see package sandbox for the words. The answer is 204 where
// it obeys.
func (s *Shop) Cashier(payURL, command string) Answer {
	return s.Ask("POST", s.moved(payURL)+"/control", s.Running().AdminKey, command)
}

// moved returns an address of the shop as it is since the last start. An attempt keeps the address that its provider gave
// it, and the tests' shops take another free port at each start.
func (s *Shop) moved(address string) string {
	_, path, _ := strings.Cut(strings.TrimPrefix(address, "http://"), "/")
	return s.Running().Public + "/" + path
}

// Order reads an order as an operator does.
func (s *Shop) Order(order string) Order {
	s.T.Helper()
	var o Order
	s.Admin("GET", "/v1/admin/orders/"+order, nil, &o)
	return o
}

// Payments lists the attempts to pay an accepted order, newest first.
func (s *Shop) Payments(r Receipt) []Payment {
	s.T.Helper()
	a := s.Ask("GET", "/v1/orders/"+r.Order.ID+"/payments", r.Token, "")
	if a.Status != http.StatusOK {
		s.T.Fatalf("the payments of order %s: %s", r.Order.ID, a)
	}
	var page struct{ Items []Payment }
	s.decode(a.Body, &page)
	return page.Items
}

// Refunds lists the refunds of a status, or all where it is empty.
func (s *Shop) Refunds(status string) []Refund {
	s.T.Helper()
	query := "?limit=200"
	if status != "" {
		query += "&status=" + status
	}
	return list[Refund](s, "/v1/admin/refunds"+query)
}
