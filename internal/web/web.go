// Package web serves the shop's pages: the storefront at / and the operators' console at /console. Package site explains how to write
// a page.
package web

import (
	"context"
	"net/http"
	"strings"

	"github.com/tidegate/tidegate/internal/web/admin"
	"github.com/tidegate/tidegate/internal/web/adminauth"
	"github.com/tidegate/tidegate/internal/web/livesale"
	"github.com/tidegate/tidegate/internal/web/site"
	"github.com/tidegate/tidegate/internal/web/storefront"
)

// Parts is what the pages need.
type Parts struct {
	Site site.Parts
	// New sets Storefront.Site.
	Storefront storefront.Parts
	// Operators signs operators in to the console. New sets the Site and Console of LiveSale and Admin.
	Operators adminauth.Accounts
	LiveSale  livesale.Parts
	Admin     admin.Parts
}

// Server serves the pages. Safe for concurrent use.
type Server struct {
	*site.Site
	storefront *storefront.Storefront
	live       *livesale.Page
}

// New returns a server of all pages. It returns the errors of site.New.
func New(p Parts) (*Server, error) {
	s, err := site.New(p.Site)
	if err != nil {
		return nil, err
	}
	p.Storefront.Site = s
	console := adminauth.Mount(s, p.Operators)
	p.LiveSale.Site, p.LiveSale.Console, p.Admin.Console = s, console, console
	live := livesale.Mount(p.LiveSale)
	admin.Mount(p.Admin)
	return &Server{Site: s, storefront: storefront.Mount(p.Storefront), live: live}, nil
}

// Viewers returns how many shoppers have a stream of a sale's stock open.
func (s *Server) Viewers() int64 { return s.storefront.Viewers() }

// LiveSaleStep records one second of the live sales: see livesale.Page.Step.
func (s *Server) LiveSaleStep(ctx context.Context) (int, error) { return s.live.Step(ctx) }

// WithAPI returns a handler that passes API requests to api and serves pages for the others.
func (s *Server) WithAPI(api http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isAPI(r.URL.Path) {
			api.ServeHTTP(w, r)
			return
		}
		s.ServeHTTP(w, r)
	})
}

// isAPI reports whether a path belongs to the API, its documentation or the sandbox cashier.
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
