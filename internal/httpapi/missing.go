package httpapi

import (
	"net/http"

	"github.com/tidegate/tidegate/internal/kernel/fault"
)

// missing answers for a route whose module is not part of this build.
func (s *Server) missing(w http.ResponseWriter, r *http.Request) {
	s.fail(w, r, fault.New(fault.NotFound, "This part of the shop is not there."))
}
