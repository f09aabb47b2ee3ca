package httpapi

import (
	"net/http"

	"github.com/tidegate/tidegate/api"
)

// RefundOrder implements api.ServerInterface.
func (s *Server) RefundOrder(w http.ResponseWriter, r *http.Request, id api.OrderPath) {
	s.missing(w, r)
}

// ListRefunds implements api.ServerInterface.
func (s *Server) ListRefunds(w http.ResponseWriter, r *http.Request, params api.ListRefundsParams) {
	s.missing(w, r)
}

// ListPayments implements api.ServerInterface.
func (s *Server) ListPayments(w http.ResponseWriter, r *http.Request, id api.OrderPath) {
	s.missing(w, r)
}

// StartPayment implements api.ServerInterface.
func (s *Server) StartPayment(w http.ResponseWriter, r *http.Request, id api.OrderPath) {
	s.missing(w, r)
}

// ReceiveNotification implements api.ServerInterface.
func (s *Server) ReceiveNotification(w http.ResponseWriter, r *http.Request, provider api.ProviderPath) {
	s.missing(w, r)
}
