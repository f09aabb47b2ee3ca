// Package web serves the shop's pages beside its API: the storefront at / and, for operators, the console at /console. The
// frame that both stand in is site; see there how a page is made.
package web

import (
	"net/http"
	"strings"

	"github.com/tidegate/tidegate/internal/web/desk"
	"github.com/tidegate/tidegate/internal/web/entry"
	"github.com/tidegate/tidegate/internal/web/night"
	"github.com/tidegate/tidegate/internal/web/site"
	"github.com/tidegate/tidegate/internal/web/storefront"
)

// Parts is what the pages are made of.
type Parts struct {
	Site site.Parts
	// Storefront is the storefront's; its Site is filled in here.
	Storefront storefront.Parts
	// Operators signs in who may use the console, Night is its screen for a live sale, and Desk its other pages. Their Site and
	// Frame are filled in here.
	Operators entry.Accounts
	Night     night.Parts
	Desk      desk.Parts
}

// Server serves the pages. Safe for concurrent use.
type Server struct {
	*site.Site
	storefront *storefront.Storefront
}

// New returns a server of every page. Its errors are site.New's.
func New(p Parts) (*Server, error) {
	s, err := site.New(p.Site)
	if err != nil {
		return nil, err
	}
	p.Storefront.Site = s
	frame := entry.Mount(s, p.Operators)
	p.Night.Site, p.Night.Frame, p.Desk.Frame = s, frame, frame
	night.Mount(p.Night)
	desk.Mount(p.Desk)
	return &Server{Site: s, storefront: storefront.Mount(p.Storefront)}, nil
}

// Viewers returns how many shoppers are sent a sale's numbers as they change.
func (s *Server) Viewers() int64 { return s.storefront.Viewers() }

// Beside returns a handler that leaves to the API what is the API's, and serves pages for everything else.
func (s *Server) Beside(api http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isAPI(r.URL.Path) {
			api.ServeHTTP(w, r)
			return
		}
		s.ServeHTTP(w, r)
	})
}

// isAPI reports whether an address belongs to the API, its documents, or what is mounted beside them.
func isAPI(path string) bool {
	if path == "" || path[0] != '/' {
		return path == "" || path == "*"
	}
	first, _, _ := strings.Cut(path[1:], "/")
	switch first {
	case "v1", "sandbox", "docs", "openapi.yaml":
		return true
	}
	return false
}
