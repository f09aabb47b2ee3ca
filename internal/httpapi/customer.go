package httpapi

import (
	"net/http"

	"github.com/tidegate/tidegate/api"
	"github.com/tidegate/tidegate/internal/account"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// ListCustomers implements api.ServerInterface.
func (s *Server) ListCustomers(w http.ResponseWriter, r *http.Request, params api.ListCustomersParams) {
	limit, before, err := pageOf[id.Customer](w, r, params.Limit, params.Cursor)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	found, err := s.Accounts.Find(r.Context(), params.Email, before, limit+1)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	items, next := page(w, r, found, limit, func(c *account.Customer) id.Customer { return c.ID })
	out := api.CustomerPage{Items: make([]api.Customer, len(items)), NextCursor: next}
	for i := range items {
		out.Items[i] = customerOf(&items[i])
	}
	s.answer(w, r, http.StatusOK, out)
}

// GetCustomer implements api.ServerInterface.
func (s *Server) GetCustomer(w http.ResponseWriter, r *http.Request, customer api.CustomerPath) {
	c, err := s.Accounts.Customer(r.Context(), customer)
	s.answerCustomer(w, r, http.StatusOK, c, err)
}

// BlockCustomer implements api.ServerInterface.
func (s *Server) BlockCustomer(w http.ResponseWriter, r *http.Request, customer api.CustomerPath) {
	c, err := s.Accounts.Block(r.Context(), customer)
	s.answerCustomer(w, r, http.StatusOK, c, err)
}

// UnblockCustomer implements api.ServerInterface.
func (s *Server) UnblockCustomer(w http.ResponseWriter, r *http.Request, customer api.CustomerPath) {
	c, err := s.Accounts.Unblock(r.Context(), customer)
	s.answerCustomer(w, r, http.StatusOK, c, err)
}

// ListCustomerSessions implements api.ServerInterface.
func (s *Server) ListCustomerSessions(w http.ResponseWriter, r *http.Request, customer api.CustomerPath) {
	found, err := s.Accounts.Sessions(r.Context(), customer)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	out := api.SessionList{Items: make([]api.Session, len(found))}
	for i, v := range found {
		out.Items[i] = api.Session{Id: v.ID, CreatedAt: api.At(v.CreatedAt), RefreshedAt: api.At(v.RotatedAt), ExpiresAt: api.At(v.ExpiresAt)}
	}
	s.answer(w, r, http.StatusOK, out)
}

// EndCustomerSessions implements api.ServerInterface.
func (s *Server) EndCustomerSessions(w http.ResponseWriter, r *http.Request, customer api.CustomerPath) {
	_, err := s.Accounts.EndSessions(r.Context(), customer)
	s.answerGone(w, r, err)
}

// EndCustomerSession implements api.ServerInterface.
func (s *Server) EndCustomerSession(w http.ResponseWriter, r *http.Request, customer api.CustomerPath, session api.SessionId) {
	s.answerGone(w, r, s.Accounts.EndSession(r.Context(), customer, session))
}
