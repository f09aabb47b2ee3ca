package httpapi

import (
	"net/http"

	"github.com/tidegate/tidegate/api"
)

// ListKeys implements api.ServerInterface.
func (s *Server) ListKeys(w http.ResponseWriter, r *http.Request, params api.ListKeysParams) {
	s.missing(w, r)
}

// CreateKey implements api.ServerInterface.
func (s *Server) CreateKey(w http.ResponseWriter, r *http.Request) { s.missing(w, r) }

// RevokeKey implements api.ServerInterface.
func (s *Server) RevokeKey(w http.ResponseWriter, r *http.Request, id api.AdminKeyId) {
	s.missing(w, r)
}

// RegisterCustomer implements api.ServerInterface.
func (s *Server) RegisterCustomer(w http.ResponseWriter, r *http.Request) { s.missing(w, r) }

// GetMe implements api.ServerInterface.
func (s *Server) GetMe(w http.ResponseWriter, r *http.Request) { s.missing(w, r) }

// LogOutEverywhere implements api.ServerInterface.
func (s *Server) LogOutEverywhere(w http.ResponseWriter, r *http.Request) { s.missing(w, r) }

// LogIn implements api.ServerInterface.
func (s *Server) LogIn(w http.ResponseWriter, r *http.Request) { s.missing(w, r) }

// LogOut implements api.ServerInterface.
func (s *Server) LogOut(w http.ResponseWriter, r *http.Request) { s.missing(w, r) }

// RefreshSession implements api.ServerInterface.
func (s *Server) RefreshSession(w http.ResponseWriter, r *http.Request) { s.missing(w, r) }
