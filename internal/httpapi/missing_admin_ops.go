package httpapi

import (
	"net/http"
)

// RunAudit implements api.ServerInterface.
func (s *Server) RunAudit(w http.ResponseWriter, r *http.Request) { s.missing(w, r) }

// Reconcile implements api.ServerInterface.
func (s *Server) Reconcile(w http.ResponseWriter, r *http.Request) { s.missing(w, r) }
